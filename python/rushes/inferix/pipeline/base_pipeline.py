"""The common part of all pipelines: streaming and interactive generation, segment by segment."""
from __future__ import annotations

import contextlib
import time
import warnings
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, List, Optional

import numpy

from ..core.media.streaming_backend import ServerBackend
from ..core.types import StreamingMode
from ..frames import as_frames
from ..profiling.profiler import InferixProfiler


class AbstractInferencePipeline(ABC):
    """Subclasses load a model and start generations; frames are counted in latent frames, as Inferix's documents do."""

    def __init__(self, config, profiling_config=None):
        self.config = config
        self._profiling_config = profiling_config
        self._profiling_enabled = bool(profiling_config and profiling_config.enabled)
        self._profiler = InferixProfiler(profiling_config) if self._profiling_enabled else None

    @abstractmethod
    def load_checkpoint(self, checkpoint_path: str, **kwargs) -> None:
        """Names the weights."""

    @abstractmethod
    def setup_devices(self, low_memory: bool = False, verbose: bool = False, use_memory_manager: bool = False):
        """Loads the model."""

    @abstractmethod
    def _start(self, prompts: List[str], **options):
        """A rushes.Generation."""

    @property
    @abstractmethod
    def block_size(self) -> int:
        """Number of latent frames that are generated together."""

    def _profiling_of(self, session: str, **tags):
        """The measurements of a generation; None: no measurements."""
        return self._profiling_config.of_session(session, tags) if self._profiling_enabled else None

    def _keep_profile(self, generation):
        if self._profiler is not None and generation.profile is not None:
            self._profiler.report = generation.profile
            self._profiler.files = generation.profile_files

    def _check_segments(self, num_segments: int, segment_length: int, overlap_frames: int, block_size: int):
        if num_segments <= 0:
            raise ValueError(f"num_segments must be positive. Got {num_segments}")
        if segment_length <= 0 or segment_length % block_size != 0:
            valid = ", ".join(str(block_size * count) for count in range(1, 10))
            raise ValueError(f"segment_length must be a multiple of {block_size}. Got {segment_length}. "
                             f"Valid values: [{valid}, ...]")
        if overlap_frames < 0 or overlap_frames % block_size != 0:
            raise ValueError(f"overlap_frames must be 0 or a multiple of {block_size}. Got {overlap_frames}")
        if overlap_frames >= segment_length:
            raise ValueError(f"overlap_frames must be less than segment_length ({segment_length}). Got {overlap_frames}")

    def run_streaming_generation(self, prompts: List[str], stream_callback: Optional[Callable] = None,
                                 num_segments: int = 1, segment_length: int = 21, overlap_frames: int = 3, **kwargs):
        """Segments of `segment_length` latent frames; the prompts apply in turn, one per segment.

        stream_callback(frames) gets each block of each sample as uint8 [T, H, W, 3], 9 or 12 frames for a block of 3
        latent ones. `num_samples` videos are made with seeds that follow each other. streaming_mode DEFERRED_DECODE
        calls it at the end. `low_memory` changes nothing: memory is flat in any case.
        Returns float32 [num_samples, T, H, W, 3] in [0, 1].
        """
        self._check_segments(num_segments, segment_length, overlap_frames, self.block_size)
        if len(prompts) > num_segments:
            warnings.warn(f"{len(prompts)} prompts take turns, one for each segment, but num_segments is {num_segments}: the last "
                          f"{len(prompts) - num_segments} are never shown", stacklevel=2)
        samples = self._samples(kwargs.pop("num_samples", 1))
        mode = StreamingMode(kwargs.pop("streaming_mode", None) or StreamingMode.AUTO)
        generations = [
            self._start(list(prompts)[:num_segments], segments=num_segments, segment_length=segment_length,
                        overlap=overlap_frames if num_segments > 1 else None,
                        sample=sample, profiling=self._profiling_of(
                            "t2v_generation", mode="streaming", num_prompts=len(prompts), num_samples=samples,
                            num_segments=num_segments, num_output_frames=segment_length) if sample == 0 else None)
            for sample in range(samples)]
        made = [[] for _ in generations]
        with _stream_of(stream_callback):
            self._run_all(generations, made, stream_callback if mode != StreamingMode.DEFERRED_DECODE else None)
            if mode == StreamingMode.DEFERRED_DECODE and stream_callback is not None:
                for frames in made:
                    for block in frames:
                        stream_callback(as_frames(block))
        return _as_video(made)

    def _run_all(self, generations, made, stream_callback):
        going_on = True
        while going_on:
            going_on = False
            for generation, frames in zip(generations, made):
                block = generation.next()
                if block is None:
                    self._keep_profile(generation)
                    continue
                going_on = True
                frames.append(block.frames)
                self._deliver(stream_callback, generation, block)

    def run_interactive_generation(self, session, initial_prompt: str, num_segments: int = 1, segment_length: int = 21,
                                   overlap_frames: int = 3, stream_callback: Optional[Callable] = None,
                                   block_size: int = 3, **kwargs):
        """Like run_streaming_generation(), but steered by `session`: submitted inputs apply at the next segment or
        block, according to its policy. Returns None if it was stopped before the first block."""
        self._check_segments(num_segments, segment_length, overlap_frames, block_size)
        samples = self._samples(kwargs.pop("num_samples", 1))
        session.set_initial_prompt(initial_prompt)
        generations = [self._start([initial_prompt], segments=num_segments, segment_length=segment_length,
                                   overlap=overlap_frames if num_segments > 1 else None, sample=sample,
                                   profiling=self._profiling_of("t2v_generation", mode="interactive", num_prompts=1,
                                                                num_samples=samples, num_segments=num_segments,
                                                                num_output_frames=segment_length)
                                   if sample == 0 else None) for sample in range(samples)]
        blocks_of_segment = [(segment_length - (overlap_frames if segment else 0)) // block_size
                             for segment in range(num_segments)]
        session.set_generation_params(num_segments, blocks_of_segment[0])
        session.start_session()
        made = [[] for _ in generations]
        failed = True
        try:
            with _stream_of(stream_callback):
                self._run_steered(session, generations, made, blocks_of_segment, stream_callback)
            failed = False
        finally:
            session.end_session(error=failed)
        return _as_video(made) if made[0] else None

    def _run_steered(self, session, generations, made, blocks_of_segment, stream_callback):
        video_frames = 0
        for segment, blocks in enumerate(blocks_of_segment):
            for block_index in range(blocks):
                places = [("segment", segment), ("block", 0)] if block_index == 0 else [("block", block_index)]
                for place, index in places:
                    checkpoint = session.evaluate_checkpoint(place, index, session.current_prompt, session.current_guidance)
                    if not checkpoint.should_continue:
                        for generation in generations:
                            generation.stop()
                            generation.next()
                            self._keep_profile(generation)
                        return
                    if checkpoint.new_prompt:
                        for generation in generations:
                            generation.set_prompt(checkpoint.new_prompt)
                for generation, frames in zip(generations, made):
                    block = generation.next()
                    frames.append(block.frames)
                    self._deliver(stream_callback, generation, block)
                video_frames += len(block)
                session.update_progress(segment, block_index, video_frames)
        for generation in generations:
            generation.next()  # the end
            self._keep_profile(generation)

    @staticmethod
    def _samples(count: int) -> int:
        if count < 1:
            raise ValueError(f"num_samples must be at least 1. Got {count}")
        return count

    @staticmethod
    def _deliver(stream_callback, generation, block):
        if stream_callback is None:
            return
        start = time.perf_counter()
        stream_callback(as_frames(block.frames))
        generation._core.report_output(block, 0.0, time.perf_counter() - start)

    def run(self, inputs: Dict[str, Any], **kwargs):
        """{"prompts" or "prompt", optionally "image_path"}."""
        inputs = dict(inputs)
        prompts = inputs.pop("prompts", None) or inputs.pop("prompt", None)
        if not prompts:
            raise ValueError("prompts or prompt is required")
        prompts = [prompts] if isinstance(prompts, str) else prompts
        image_path = inputs.pop("image_path", None)
        if image_path:
            return self.run_image_to_video(prompts, image_path, **inputs, **kwargs)
        return self.run_text_to_video(prompts, **inputs, **kwargs)

    def __call__(self, **kwargs):
        return self.run(kwargs)


@contextlib.contextmanager
def _stream_of(stream_callback):
    """Tells the server whose stream_batch() this is that its frames are complete, however the generation ends."""
    try:
        yield
    finally:
        backend = getattr(stream_callback, "__self__", None)
        if isinstance(backend, ServerBackend):
            backend.finish()


def _as_video(samples):
    """Blocks uint8 [T, H, W, 3] of each sample to float32 [B, T, H, W, 3] in [0, 1]."""
    whole = numpy.stack([numpy.concatenate(blocks) for blocks in samples])
    return as_frames(whole.astype(numpy.float32) / numpy.float32(255))
