"""A model and the videos that it generates."""
from __future__ import annotations

import asyncio
import json
import os
import pathlib
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence

import numpy

from . import _core
from .profiling import Profiling


def shipped_model() -> str:
    """The folder of the model that comes with rushes: $RUSHES_MODEL, else that in the package, or in a checkout above it
    or here.

    Raises NotFound with the folders that were searched.
    """
    if named := os.environ.get("RUSHES_MODEL"):
        return named
    here = pathlib.Path(__file__).resolve()
    places = [folder / "models" / "shipped-t2v" for folder in (here.parent / "share" / "rushes", *here.parents, pathlib.Path.cwd())]
    for place in places:
        if place.is_dir():
            return str(place)
    raise _core.NotFound("there is no model: give a model folder, or set RUSHES_MODEL; searched "
                         + ", ".join(map(str, dict.fromkeys(places))))


class Generation:
    """A video that is being generated: iterate over its blocks, with `for` or `async for`, and steer it from any thread."""

    def __init__(self, core: _core.Generation, profiling: Profiling | None = None):
        self._core = core
        self._profiling = profiling
        self.profile_files: list[str] = []  #: set when the video is complete, if profiling was requested

    @property
    def format(self) -> _core.Format:
        """Size, rate and length of the video."""
        return self._core.format

    @property
    def ignored(self) -> list[_core.Ignored]:
        """What of the request was taken and has no effect, with the reason of each."""
        return self._core.ignored

    @property
    def warnings(self) -> list[str]:
        """What is done as it was asked for, and may disappoint: a size that the model was not trained for."""
        return self._core.warnings

    @property
    def unknown_words(self) -> list[str]:
        """Words of the newest prompts that the model was not trained with, in lower case. Each is a warning, too."""
        return self._core.unknown_words

    def _warn_of_unknown_words(self) -> None:
        for word in self.unknown_words:
            warnings.warn(f"the model does not know the word {word!r}; Model.words lists those that it knows", stacklevel=3)

    @property
    def text(self) -> str:
        """What the model has said so far; empty for models that make no text."""
        return self._core.text

    @property
    def failed_tracks(self) -> dict[str, str]:
        """Of a model of words and video: which half ("text", "video") failed, and why, while the other went on."""
        return self._core.failed_tracks

    @property
    def bytes(self) -> int:
        """Memory of the caches, in bytes."""
        return self._core.bytes

    def next(self, *, wait: bool = True) -> _core.Block | None:
        """The next block, None at the end. Releases the interpreter's lock while it computes.

        A model that waits for speech goes on when feed_speech() or end_speech() is called, from another thread; with
        `wait=False` None comes instead, and `waits_for_speech` is true.
        """
        block = self._core.next(wait)
        if block is None and not self.waits_for_speech:
            self._finish()
        return block

    def set_prompt(self, prompt: str) -> None:
        """Sets the prompt from the next block on. Warns of its unknown_words."""
        self._core.set_prompt(prompt)
        self._warn_of_unknown_words()

    def set_options(self, **options: bool | float | str | Sequence[float] | None) -> None:
        """Changes options of the model from the next frame on. Raises InvalidArgument for those that cannot change."""
        self._core.set_options(**options)

    @property
    def waits_for_speech(self) -> bool:
        """All that was said is shown, and more may come."""
        return self._core.waits_for_speech

    def feed_speech(self, samples: numpy.ndarray, hz: int | None = None, *, ends: bool = False) -> None:
        """More speech, float32 [samples], one channel, at `hz` (default: format.speech_hz). With `ends` all that came is
        an utterance: it is shown to its end without waiting for more. Raises Unsupported where the model takes none,
        Conflict behind end_speech()."""
        self._core.feed_speech(numpy.ascontiguousarray(samples, dtype=numpy.float32), hz or self.format.speech_hz or 1, ends)

    def end_speech(self) -> None:
        """No more comes: the video ends when what was fed is shown."""
        self._core.end_speech()

    def stop(self) -> None:
        """Stops the video before its next step."""
        self._core.stop()

    def fork(self) -> Generation:
        """A second video that continues from here; both share the blocks generated so far. Raises Conflict at the end of the video."""
        return Generation(self._core.fork())

    def save(self, target: str | os.PathLike, *, quality: int = 20) -> int:
        """Writes the remaining frames, with their sound, to .mp4, .y4m, .rgb, numbered .png or rtmp://; returns their number."""
        size = self.format
        writer = _core.VideoWriter(os.fspath(target), width=size.width, height=size.height, fps=size.fps, quality=quality,
                                   audio_hz=size.audio_hz)
        frames = 0
        while (block := self._core.next()) is not None:
            before = writer.encode_seconds, writer.deliver_seconds
            going_on = writer.write(block.frames, block.audio)
            self._core.report_output(block, writer.encode_seconds - before[0], writer.deliver_seconds - before[1])
            frames += len(block)
            if not going_on:
                break
        writer.close()
        self._finish()
        return frames

    @property
    def profile(self) -> dict | None:
        """The report, when the video is complete and profiling was requested."""
        return json.loads(self._core.profile_json) if self._core.profile_json else None

    def _finish(self) -> None:
        if self._profiling and not self._core.profile_json:
            self.profile_files = self._core.write_profile(
                os.fspath(self._profiling.directory), self._profiling.format, self._profiling.raw_data)

    def __iter__(self) -> Iterator[_core.Block]:
        while (block := self.next()) is not None:
            yield block

    async def __aiter__(self) -> AsyncIterator[_core.Block]:
        while (block := await asyncio.to_thread(self.next)) is not None:
            yield block


class Model:
    """A loaded model; any number of generations share its weights.

    `path` is a model folder (default: the shipped model); `checkpoint` replaces its transformer's weights, e.g.
    self_forcing_dmd.pt. `dtype`: auto, float32, bfloat16. `decoder`: auto, vae, tiny. `sampler`: few_step for distilled
    weights, many_step for others, auto as their files say. `strict` refuses tensors that the model does not have.
    `threads` 0: automatic.
    Raises InvalidArgument, NotFound or CorruptData.
    """

    def __init__(self, path: str | os.PathLike | None = None, *, checkpoint: str | os.PathLike = "", use_ema: bool = False,
                 dtype: str = "auto", device: str = "cpu", decoder: str = "auto", sampler: str = "auto",
                 strict: bool = False, threads: int = 0):
        self.path = shipped_model() if path is None else os.fspath(path)
        self._core = _core.Model(self.path, checkpoint=os.fspath(checkpoint), use_ema=use_ema, dtype=dtype, device=device,
                                 decoder=decoder, sampler=sampler, strict=strict, threads=threads)

    @property
    def name(self) -> str:
        return self._core.name

    @property
    def description(self) -> str:
        """One readable line: sizes, type, device."""
        return self._core.description

    @property
    def assumptions(self) -> list[str]:
        """What its files do not tell: what was assumed, and how to say otherwise."""
        return self._core.assumptions

    @property
    def networks(self) -> list[_core.Network]:
        """The networks of the model, with the number of parameters of each."""
        return self._core.networks

    @property
    def words(self) -> list[str]:
        """Words and phrases of the captions that the model was trained with; empty: its files do not say."""
        return self._core.words

    @property
    def options(self) -> dict[str, str]:
        """Names and meanings of the model's own options for generate()."""
        return self._core.options

    def generate(self, prompts: str | Sequence[str] = (), *, seed: int = 0, segments: int | None = None,
                 video_frames: int | None = None, width: int | None = None, height: int | None = None,
                 fps: float | None = None, image: numpy.ndarray | str | os.PathLike | None = None,
                 speech: numpy.ndarray | str | os.PathLike | None = None, speech_hz: int | None = None,
                 live: bool = False, profiling: Profiling | None = None,
                 **options: bool | float | str | Sequence[float] | None) -> Generation:
        """A video of `prompts`, which apply in turn, one per segment. A string is a line of prompts with ';' between them
        (\\; is a semicolon in a prompt, as is one in quotes); a sequence is taken as it is.

        `segments`: default one for each prompt; 0 continues until stop(). `image`: the first frame, or the portrait that
        talks, uint8 [H, W, 3] or a file. `speech`: what is said, float32 [samples] in [-1, 1] at `speech_hz` (default:
        Format.speech_hz) or a file. `live`: more comes by Generation.feed_speech(), for which the video waits. With
        neither, a model that takes prompts makes a silent face; one that only makes portraits speak raises
        InvalidArgument.
        Models that need no prompt take none. `options`: of the model, such as steps=4 or guidance_scale=5.0; Model.options lists them, and None
        means the model's default. Computation starts with the first block. What has no effect is a warning, and in
        Generation.ignored; what may disappoint, in Generation.warnings;
        words that the model was not trained with, in Generation.unknown_words. Raises InvalidArgument with the field and its allowed values.
        """
        texts = (_core.prompts_of_line(prompts) or [prompts]) if isinstance(prompts, str) else list(prompts)
        if isinstance(image, (str, os.PathLike)):
            image = self._core.read_image(os.fspath(image))
        request = _core.Request(
            texts, seed=seed, segments=segments, video_frames=video_frames, width=width, height=height, fps=fps,
            image=None if image is None else numpy.ascontiguousarray(image, dtype=numpy.uint8), **options)
        generation = Generation(_core.Generation(self._core, request, profiling.options() if profiling else None), profiling)
        if isinstance(speech, (str, os.PathLike)):
            speech, speech_hz = _core.read_audio(os.fspath(speech))
        if speech is not None:
            generation.feed_speech(speech, speech_hz)
            if not live:
                generation.end_speech()
        elif not live:
            generation._core.without_speech()
        for ignored in generation.ignored:
            warnings.warn(f"{ignored.field} has no effect: {ignored.reason}", stacklevel=2)
        for warning in generation.warnings:
            warnings.warn(warning, stacklevel=2)
        generation._warn_of_unknown_words()
        return generation
