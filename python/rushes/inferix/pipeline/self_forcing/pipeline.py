"""SelfForcingPipeline: the name, the parameters and the defaults of Inferix, the engine of rushes."""
from __future__ import annotations

import os
from typing import List, Optional

import numpy

import rushes

from ... import shipped_model_allowed, torch_stand_in
from ...frames import as_frames
from ...models.wan_base.utils.parallel_config import ParallelConfig
from ..base_pipeline import AbstractInferencePipeline
from .config import load_config, sampling_of


class SelfForcingPipeline(AbstractInferencePipeline):
    """Text (and a first image) to video with a causal Wan model.

    The seed of a generation is the last one given to set_random_seed() or torch.manual_seed().
    """

    def __init__(self, config_path: str, default_config_path: Optional[str] = None, parallel_config=None,
                 profiling_config=None):
        super().__init__(load_config(config_path, default_config_path), profiling_config)
        self.parallel_config = parallel_config or ParallelConfig()
        self._memory_mode = self.config.get("memory_mode", "balanced")
        self._vae_chunk_size = self.config.get("vae_chunk_size")
        self._sampling = sampling_of(self.config)
        self._checkpoint: Optional[str] = None
        self._use_ema = False
        self._model: Optional[rushes.Model] = None

    @property
    def block_size(self) -> int:
        return self.config.num_frame_per_block

    def load_checkpoint(self, checkpoint_path: str, use_ema: bool = False, use_mmap: bool = True) -> None:
        """Weights of the transformer. They are read, always mapped, when the devices are set up."""
        if not checkpoint_path:
            return
        if not os.path.exists(checkpoint_path):
            if not shipped_model_allowed():
                raise FileNotFoundError(
                    f"checkpoint not found: {checkpoint_path}. Name an existing one, or let the model shipped with rushes "
                    "stand in: python -m rushes.inferix --shipped-model, or rushes.inferix.use_shipped_model()")
            return
        self._checkpoint, self._use_ema, self._model = checkpoint_path, use_ema, None

    def setup_devices(self, low_memory: bool = False, verbose: bool = False, use_memory_manager: bool = False):
        """Loads the model. The memory options change nothing: weights are mapped and memory is flat."""
        if self._model is not None:
            return
        path = self.config.model_path
        if not os.path.isdir(path):
            if not shipped_model_allowed():
                raise FileNotFoundError(
                    f"model_path not found: {path}. Put Wan2.1-T2V-1.3B there or name its folder in the configuration, or "
                    "let the model shipped with rushes stand in: python -m rushes.inferix --shipped-model")
            self._model = rushes.Model()
            self._sampling = {}  # its own; the configuration is another model's
        else:
            self._model = rushes.Model(path, checkpoint=self._checkpoint or "", use_ema=self._use_ema,
                                       sampler="few_step" if "denoising_steps" in self._sampling else "auto",
                                       device="cuda" if os.environ.get("RUSHES_DEVICE") == "cuda" else "cpu")
        if verbose:
            print(self._model.description)

    def _start(self, prompts: List[str], sample: int = 0, **options):
        self.setup_devices()
        return self._model.generate(prompts, seed=torch_stand_in.current_seed() + sample, **self._sampling, **options)

    def run_text_to_video(self, prompts: List[str], num_output_frames: int = 21, num_samples: int = 1,
                          output_folder: Optional[str] = None, save_with_index: bool = False, use_ema: bool = False,
                          low_memory: bool = False, **kwargs):
        """A video of `num_output_frames` latent frames for each prompt (and sample), saved to `output_folder`.

        Returns float32 [P * num_samples, T, 3, H, W] in [0, 1].
        """
        return self._run(prompts, num_output_frames, num_samples, output_folder, save_with_index, use_ema)

    def run_image_to_video(self, prompts: List[str], image_path: str, num_output_frames: int = 21, num_samples: int = 1,
                           output_folder: Optional[str] = None, save_with_index: bool = False, use_ema: bool = False,
                           low_memory: bool = False, **kwargs):
        """The same with a first frame; of `num_output_frames` one is the image."""
        return self._run(prompts, num_output_frames, num_samples, output_folder, save_with_index, use_ema, image_path)

    def _run(self, prompts, num_output_frames, num_samples, output_folder, save_with_index, use_ema, image_path=None):
        samples = self._samples(num_samples)
        videos = []
        for index, prompt in enumerate(prompts):
            for sample in range(samples):
                profiling = self._profiling_of(
                    "i2v_generation" if image_path else "t2v_generation", mode="image_to_video" if image_path else "text_to_video",
                    num_prompts=len(prompts), num_output_frames=num_output_frames, num_samples=samples,
                    **({"image_path": image_path} if image_path else {}))
                generation = self._start([prompt], segments=1, segment_length=num_output_frames,
                                         sample=index * samples + sample, image=image_path, profiling=profiling)
                frames = numpy.concatenate([block.frames for block in generation])
                self._keep_profile(generation)
                videos.append(frames)
                if output_folder:
                    os.makedirs(output_folder, exist_ok=True)
                    name = str(index) if save_with_index else file_stem(prompt)
                    target = os.path.join(output_folder, f"{name}-{sample}_{'ema' if use_ema else 'regular'}.mp4")
                    writer = rushes.VideoWriter(target, width=frames.shape[2], height=frames.shape[1],
                                                fps=generation.format.fps)
                    writer.write(frames)
                    writer.close()
        video = numpy.stack(videos).astype(numpy.float32) / numpy.float32(255)
        return as_frames(numpy.ascontiguousarray(video.transpose(0, 1, 4, 2, 3)))


def file_stem(prompt: str) -> str:
    """The first 50 characters; characters other than letters, digits, space, '_' and '-' become '_', without '_' at the ends."""
    return "".join(c if c.isalnum() or c in " _-" else "_" for c in prompt[:50]).strip("_")
