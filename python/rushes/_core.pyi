"""The engine of rushes."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy
from numpy.typing import NDArray

from rushes import (
    Cancelled as Cancelled,
    Conflict as Conflict,
    CorruptData as CorruptData,
    Error as Error,
    Exhausted as Exhausted,
    InvalidArgument as InvalidArgument,
    NotFound as NotFound,
    TooLarge as TooLarge,
    Unavailable as Unavailable,
    Unsupported as Unsupported
)


class Format:
    """The format of a generation's video, known before its first step."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def fps(self) -> float: ...

    @property
    def video_frames(self) -> int | None:
        """The total number of frames; None: endless."""

    @property
    def segments(self) -> int:
        """0: endless."""

    @property
    def blocks_per_segment(self) -> int: ...

    @property
    def blocks_per_later_segment(self) -> int: ...

    @property
    def audio_hz(self) -> int:
        """Of the sound that comes with the frames; 0: the video is silent."""

    @property
    def speech_hz(self) -> int:
        """Of the speech that the model takes; 0: it takes none."""

class Ignored:
    """What was given and has no effect, and why."""

    @property
    def field(self) -> str: ...

    @property
    def reason(self) -> str: ...

    def __repr__(self) -> str: ...

class Network:
    """One network of a model."""

    @property
    def role(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def parameters(self) -> int: ...

class Block:
    """Consecutive frames of the video that the model generated together."""

    @property
    def frames(self) -> Annotated[NDArray[numpy.uint8], dict(shape=(None, None, None, 3))]:
        """
        uint8 [frames, height, width, 3], RGB; the model's own memory, not a copy.
        """

    def __dlpack__(self, **kwargs) -> object: ...

    def __dlpack_device__(self) -> object: ...

    def __len__(self) -> int: ...

    @property
    def audio(self) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), writable=False)] | None:
        """
        The sound of its frames, float32 [samples] at Format.audio_hz; None: it has none.
        """

    @property
    def fps(self) -> float: ...

    @property
    def first_frame(self) -> int:
        """Index of its first frame in the video: time = first_frame / fps."""

    @property
    def segment(self) -> int: ...

    @property
    def block(self) -> int:
        """Index of the block within the segment."""

    @property
    def latent_frames(self) -> int: ...

    @property
    def prompt(self) -> str: ...

    @property
    def text_seconds(self) -> float: ...

    @property
    def denoise_seconds(self) -> float: ...

    @property
    def decode_seconds(self) -> float: ...

    def __repr__(self) -> str: ...

class Model:
    """A loaded model; any number of generations share it."""

    def __init__(self, path: str, *, checkpoint: str = '', use_ema: bool = False, dtype: str = 'auto', device: str = 'cpu', decoder: str = 'auto', sampler: str = 'auto', strict: bool = False, threads: int = 0) -> None: ...

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def assumptions(self) -> list[str]: ...

    @property
    def networks(self) -> list[Network]: ...

    @property
    def words(self) -> list[str]: ...

    @property
    def options(self) -> dict[str, str]: ...

    @property
    def load_seconds(self) -> float: ...

    def read_image(self, path: str) -> Annotated[NDArray[numpy.uint8], dict(shape=(None, None, 3))]:
        """
        Reads a JPEG, PNG or WebP file as uint8 [H, W, 3], within the limits of the model's family.
        """

class Request:
    """What to generate; None means the model's default."""

    def __init__(self, prompts: Sequence[str], *, seed: int = 0, segments: int | None = None, video_frames: int | None = None, width: int | None = None, height: int | None = None, fps: float | None = None, image: Annotated[NDArray[numpy.uint8], dict(shape=(None, None, 3), order='C', device='cpu', writable=False)] | None = None, **options) -> None: ...

    def plan(self, model: Model) -> Format:
        """
        The format of the resulting video. Raises InvalidArgument with the field and its allowed values.
        """

class ProfilerOptions:
    """Options for measuring a generation."""

    def __init__(self, *, gpu_interval: float = 0.5, cpu_interval: float = 1.0, monitor_gpu: bool = True, monitor_cpu: bool = True, real_time_display: bool = False, display_interval: float = 5.0, max_samples: int = 10000, tags: Mapping[str, str] = {}, id: str = '') -> None: ...

class Generation:
    """A video that is being generated."""

    def __init__(self, model: Model, request: Request, profiler: ProfilerOptions | None = None) -> None: ...

    def next(self, wait: bool = True) -> Block | None:
        """
        The next block; None at the end. Waits where the model waits for speech, unless told not to. Callable from any thread, but from one at a time.
        """

    @property
    def waits_for_speech(self) -> bool: ...

    def set_prompt(self, prompt: str) -> None:
        """Sets the prompt from the next block on. Callable from any thread."""

    def set_options(self, **options) -> None:
        """
        Changes options that are live, from the next frame on. Callable from any thread.
        """

    def feed_speech(self, samples: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], hz: int, ends: bool = False) -> None:
        """
        More speech, float32 [samples], one channel. With ends it is shown to its end without waiting for more. Callable from any thread.
        """

    def end_speech(self) -> None:
        """Nothing follows. Callable from any thread."""

    def without_speech(self) -> None:
        """
        Nothing is said at all. Raises InvalidArgument where the model shows nothing then.
        """

    def stop(self) -> None:
        """Stops before the next step. Callable from any thread."""

    def fork(self) -> Generation:
        """A copy that continues independently from the next block border."""

    @property
    def format(self) -> Format: ...

    @property
    def ignored(self) -> list[Ignored]:
        """What of the request was taken and has no effect."""

    @property
    def warnings(self) -> list[str]:
        """What is done as it was asked for, and may disappoint."""

    @property
    def unknown_words(self) -> list[str]:
        """Words of the newest prompts that the model was not trained with."""

    @property
    def text(self) -> str:
        """What the model has said so far."""

    @property
    def failed_tracks(self) -> dict[str, str]:
        """
        Of a model of words and video: which half failed, and why, while the other went on.
        """

    @property
    def stopped(self) -> bool: ...

    @property
    def bytes(self) -> int:
        """Memory of the caches, in bytes."""

    def report_output(self, block: Block, encode_seconds: float, deliver_seconds: float) -> None:
        """Reports to the profile the time that an output took for a block."""

    def write_profile(self, directory: str, format: str = 'both', raw_data: bool = False) -> list[str]:
        """
        Ends the measurement and returns the written files. An empty directory writes none.
        """

    @property
    def profile_json(self) -> str: ...

class VideoWriter:
    """
    Writes frames to a growing MP4, .y4m, .rgb, numbered PNGs or rtmp://...
    """

    def __init__(self, target: str, *, width: int, height: int, fps: float = 16.0, quality: int = 20, format: str = 'auto', silent_audio: bool = True, audio_hz: int = 0) -> None: ...

    def write(self, frames: Annotated[NDArray[numpy.uint8], dict(shape=(None, None, None, 3), order='C', device='cpu', writable=False)], audio: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None) -> bool:
        """
        Writes frames uint8 [T, H, W, 3] and their sound, float32 [samples] at audio_hz. Returns False if the reader is gone.
        """

    def close(self) -> None: ...

    @property
    def encode_seconds(self) -> float: ...

    @property
    def deliver_seconds(self) -> float: ...

def prompts_of_line(line: str) -> list[str]:
    """
    The prompts between the semicolons of a line, as the command line and the server take them.
    """

def set_log_level(level: str) -> None:
    """Sets the log level: debug, info, warning, error or off."""

def read_image(path: str) -> Annotated[NDArray[numpy.uint8], dict(shape=(None, None, 3))]:
    """Reads a JPEG, PNG or WebP file as uint8 [H, W, 3]."""

def read_audio(path: str) -> tuple[Annotated[NDArray[numpy.float32], dict(shape=(None,))], int]:
    """Reads a file of sound as float32 [samples], one channel, and its rate."""

def benchmark_json(directory: str) -> str:
    """
    The benchmark numbers of the newest profiling report in a folder, as JSON.
    """

def benchmark_markdown(directory: str) -> str: ...

TORCH_VERSION: str = '2.11.0+cu130'

class InteractiveSession:
    """
    Prompts and controls that wait for the next segment or block; only the newest is kept. One thread at a time.
    """

    def __init__(self, apply_policy: str = 'next_segment') -> None: ...

    def set_initial(self, prompt: str, guidance_scale: float) -> None: ...

    def set_length(self, segments: int, blocks_per_segment: int) -> None: ...

    def set_seconds_per_block(self, seconds: float) -> None: ...

    def submit(self, prompt: str | None, guidance_scale: float | None, control: str = 'continue') -> tuple[str, float]:
        """(will_apply_at, estimated_wait_seconds)."""

    def evaluate_checkpoint(self, place: str, index: int) -> bool:
        """Applies the input that waits for this point; False: stop."""

    def update_progress(self, segment: int, block: int, video_frames: int, device_gb: float = 0.0) -> None: ...

    def end(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def should_pause(self) -> bool: ...

    @property
    def should_stop(self) -> bool: ...

    @property
    def prompt(self) -> str: ...

    @property
    def guidance_scale(self) -> float: ...

    @property
    def remaining_seconds(self) -> float: ...

    @property
    def input_states(self) -> list[str]:
        """State of each input since the start: queued, applied or discarded."""
