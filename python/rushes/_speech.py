"""Speech as the clients of talking heads send it: WAV files, and 16-bit PCM of any file."""
from __future__ import annotations

import array
import io
import os
import shutil
import struct
import subprocess
import sys
import wave
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import numpy

#: Bytes are 16-bit PCM (little-endian, one channel); arrays are int16 or float in [-1, 1], [S] or [S, channels].
Speech = Union[bytes, bytearray, memoryview, "array.array[Any]", "numpy.ndarray[Any, Any]"]
Path = Union[str, "os.PathLike[str]"]

#: Of an AU file: where its samples begin, and its channels.
_AU_HEADER = struct.Struct(">4xI12xI")


def wav(speech: Speech, sample_rate: int) -> bytes:
    """A WAV file, 16-bit PCM. Raises ValueError for arrays that are not speech."""
    samples, channels = _pcm16(speech)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(samples)
    return file.getvalue()


def read_speech(path: Path, sample_rate: int | None = None) -> tuple[bytes, int]:
    """The audio of a file as 16-bit PCM of one channel, and its samples per second.

    16-bit WAV is read here; ffmpeg reads other files and converts to other rates. Without `sample_rate`,
    WAV keeps its own rate and other files become 24000. Raises FileNotFoundError, and ValueError if the file cannot be read.
    """
    try:
        with wave.open(os.fspath(path), "rb") as file:
            if file.getsampwidth() == 2 and sample_rate in (None, file.getframerate()):
                return _mono(file.readframes(file.getnframes()), file.getnchannels()), file.getframerate()
    except (wave.Error, EOFError):
        pass  # another kind of file
    sample_rate = sample_rate or 24_000
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise ValueError(f"{os.fspath(path)} is not a 16-bit WAV at the requested rate; ffmpeg, which reads other files, is not installed")
    run = subprocess.run([ffmpeg, "-nostdin", "-v", "error", "-i", f"file:{os.fspath(path)}", "-map", "0:a:0",
                          "-ar", str(sample_rate), "-c:a", "pcm_s16be", "-f", "au", "-"], capture_output=True)
    if run.returncode:
        raise ValueError(f"{os.fspath(path)} has no audio that ffmpeg can read: {run.stderr.decode(errors='replace').strip()}")
    begin, channels = _AU_HEADER.unpack_from(run.stdout)
    samples = array.array("h", run.stdout[begin:])
    if sys.byteorder == "little":
        samples.byteswap()
    return _mono(_little_endian(samples).tobytes(), channels), sample_rate


def _pcm16(speech: Speech) -> tuple[bytes, int]:
    """16-bit little-endian PCM, and its channels."""
    view = memoryview(speech)
    if view.format in ("B", "b", "c"):
        return view.tobytes(), 1
    if view.ndim > 2 or view.format not in ("h", "f", "d"):
        raise ValueError(f"speech must be 16-bit PCM as bytes, or an array [S] or [S, channels] of int16 or float; got "
                         f"{view.ndim} axes of '{view.format}'")
    samples = array.array(view.format, view.tobytes())
    if view.format != "h":
        samples = array.array("h", (round(max(-1.0, min(1.0, sample)) * 32767) for sample in samples))
    return _little_endian(samples).tobytes(), view.shape[1] if view.shape and view.ndim == 2 else 1


def _mono(samples: bytes, channels: int) -> bytes:
    """The mean of the channels; where they cancel each other, or most are silent, the loudest one, as the server has it."""
    if channels == 1:
        return samples
    interleaved = _little_endian(array.array("h", samples))
    each = [interleaved[channel::channels] for channel in range(channels)]
    mixed = array.array("h", (sum(together) // channels for together in zip(*each)))
    loudest = max(each, key=_energy)
    if _energy(mixed) < 0.2 * _energy(loudest):
        mixed = loudest
    return _little_endian(mixed).tobytes()


def _energy(samples: array.array[int]) -> int:
    return sum(sample * sample for sample in samples)


def _little_endian(samples: array.array[int]) -> array.array[int]:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
