"""Predictions of a server: a picture and a question go in, words and frames come back as they are made.

>>> from rushes import foresight
>>> for event in foresight.predict("ball.png", "What will happen?"):
...     if event.type == "text_chunk":
...         print(event.content, end="", flush=True)
...     elif event.type == "video_complete":
...         foresight.download(event.video_url, "ball.mp4")

It speaks the protocol of Foresight's design document (docs/models/foresight_api.md); it needs the package `websockets` and no
engine.
"""
from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import shutil
import struct
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union

Path = Union[str, "os.PathLike[str]"]
DEFAULT_SERVER = "http://localhost:8000"

#: Index and number of frames, before the JPEG of a binary message.
_FRAME = struct.Struct(">II")


class PredictionError(RuntimeError):
    """A request that the server refused, a server that cannot be reached, or a connection that did not end well."""

    def __init__(self, message: str, code: str | None = None, status: int | None = None, retry_after: float | None = None):
        super().__init__(message if code is None else f"{code}: {message}")
        self.code = code  #: as the server names it: BUSY, INVALID_IMAGE, ...
        self.status = status  #: HTTP status, or a WebSocket's close code
        self.retry_after = retry_after  #: seconds, if the server is busy


@dataclass(frozen=True)
class Event:
    """What happens in a prediction. `type` says which of the other fields are set.

    thinking_start; text_chunk: `content`, and `done` in the one that ends the text; video_frame: `frame_index`, `total_frames`, `jpeg`; video_progress: `step`, `steps`,
    and for a preview `frame_index` and `jpeg`, which is empty without one; video_complete: `video_url`; error: `source` (the half that failed, text or video), `message`, `code`; thinking_complete, the last one: `text` and
    `video_url`, which is None without a video.
    """

    type: str
    content: str = ""
    done: bool = False
    frame_index: int = 0
    total_frames: int = 0
    jpeg: bytes = b""
    step: int = 0
    steps: int = 0
    video_url: str | None = None
    source: str = ""
    message: str = ""
    code: str = ""
    text: str = ""


def predict(picture: Path | bytes, prompt: str = "", *, server_url: str = DEFAULT_SERVER, model: str | None = None,
            preset: str | None = None, num_frames: int | None = None, fps: float | None = None, seed: int | None = None,
            tracks: str | None = None, previews: int | None = None, earlier_pictures: Sequence[Path | bytes] = (),
            token: str | None = None, timeout: float | None = 300.0) -> Iterator[Event]:
    """The events of a new prediction, as they come.

    `picture`: a JPEG, PNG or WebP file, or its bytes. Without a prompt the model describes what it sees and what will happen.
    `model`: its name, where the server has several. `preset`: size and length of the video ("256", "512", "768"). `tracks`:
    "text" or "video" alone. `previews`: be told how far the video is, with a look at it every so many denoising steps, 0:
    without looks. `earlier_pictures`: of the same conversation, oldest first; `picture` begins the video. Who stops iterating
    cancels the prediction. What may disappoint, as a size that the model was not trained for, is a warning. Raises
    PredictionError with the server's message; a half that fails is an event.
    """
    fields = {"image": _base64(picture), "prompt": prompt or None, "model": model, "preset": preset, "num_frames": num_frames,
              "fps": fps, "seed": seed, "tracks": tracks, "previews": previews,
              "earlier_images": [_base64(each) for each in earlier_pictures] or None}
    server = server_url.rstrip("/")
    begun = _post(server + "/api/predict", {name: value for name, value in fields.items() if value is not None}, token, timeout)
    for warning in begun.get("warnings", []):
        warnings.warn(warning, stacklevel=2)
    for word in begun.get("unknown_words", []):
        warnings.warn(f"the model does not know the word {word!r}", stacklevel=2)
    return follow(begun["session_id"], server_url=server, token=token, timeout=timeout)


def follow(session_id: str, *, server_url: str = DEFAULT_SERVER, token: str | None = None,
           timeout: float | None = 300.0) -> Iterator[Event]:
    """The events of a prediction from its beginning, also of one that somebody else has asked for."""
    try:
        from websockets.exceptions import ConnectionClosed, InvalidStatus
        from websockets.sync.client import connect
    except ImportError as missing:
        raise ImportError("rushes.foresight needs the package websockets: pip install websockets") from missing
    server = server_url.rstrip("/")
    address = f"ws{server[len('http'):]}/api/ws/{urllib.parse.quote(session_id, safe='')}?frames=binary"
    try:
        socket = connect(address, additional_headers=_headers(token), compression=None, max_size=None, open_timeout=timeout)
    except InvalidStatus as refusal:
        raise PredictionError("there is no such prediction", None, refusal.response.status_code) from None
    except OSError as error:
        raise _unreachable(server, error) from None
    over = False
    with socket:
        try:
            while not over:
                event = _event(socket.recv(timeout=timeout), server)
                over = event.type == "thinking_complete"
                yield event
        except ConnectionClosed as end:
            over = True
            code = 1006 if end.rcvd is None else end.rcvd.code
            raise PredictionError((end.rcvd and end.rcvd.reason) or "the connection was lost", None, code) from None
        finally:
            if not over:
                with contextlib.suppress(ConnectionClosed, OSError):
                    socket.send('{"type": "cancel"}')


def download(video_url: str, target: Path, *, token: str | None = None, timeout: float | None = 300.0) -> None:
    """Saves the video of a `video_complete`. Raises PredictionError."""
    request = urllib.request.Request(video_url, headers=_headers(token))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer, pathlib.Path(target).open("wb") as file:
            shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError as refusal:
        raise _refusal(refusal) from None
    except urllib.error.URLError as error:
        raise _unreachable(video_url, error) from None


def _base64(picture: Path | bytes) -> str:
    return base64.b64encode(picture if isinstance(picture, bytes) else pathlib.Path(picture).read_bytes()).decode()


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _post(url: str, fields: dict[str, Any], token: str | None, timeout: float | None) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(fields).encode(), {"Content-Type": "application/json", **_headers(token)})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        raise _refusal(refusal) from None
    except urllib.error.URLError as error:
        raise _unreachable(url, error) from None


def _unreachable(url: str, error: OSError) -> PredictionError:
    server = urllib.parse.urlsplit(url).netloc
    why = error.reason if isinstance(error, urllib.error.URLError) else error
    return PredictionError(f"the server at {server} cannot be reached ({why}); start one with `rushes serve`, or give its address as server_url")


def _refusal(refusal: urllib.error.HTTPError) -> PredictionError:
    """With the message of any of the server's formats."""
    with refusal:
        text = refusal.read().decode(errors="replace").strip()
    after = refusal.headers.get("Retry-After")
    code = None
    try:
        told = json.loads(text)
        detail = told.get("detail", told.get("error"))
        if isinstance(detail, list):
            text = "; ".join(": ".join(filter(None, (".".join(map(str, each["loc"][1:])), each["msg"]))) for each in detail)
        elif isinstance(detail, dict):
            text, code = str(detail.get("error") or detail.get("message")), detail.get("code")
        elif detail:
            text = str(detail)
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    return PredictionError(text or refusal.reason, code, refusal.code, float(after) if after else None)


def _event(message: str | bytes, server: str) -> Event:
    if isinstance(message, bytes):
        index, total = _FRAME.unpack_from(message)
        return Event("video_frame", frame_index=index, total_frames=total, jpeg=message[_FRAME.size:])
    told = json.loads(message)
    known = {name: told[name] for name in ("content", "source", "message", "code", "text") if isinstance(told.get(name), str)}
    known["done"] = told.get("done") is True
    known |= {name: told[name] for name in ("step", "steps", "frame_index") if isinstance(told.get(name), int)}
    url = told.get("video_url")
    video_url = None if url is None else urllib.parse.urljoin(server + "/", url)
    return Event(told["type"], jpeg=base64.b64decode(told.get("data", "")), video_url=video_url, **known)
