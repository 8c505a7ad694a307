"""Clients for talking heads of a server: speech in pieces that becomes HLS, and a conversation frame by frame.

>>> from rushes.talk import ChunkedStreamingClient
>>> with ChunkedStreamingClient("http://127.0.0.1:9999") as client:
...     client.init_session("face.png")
...     client.stream_file("speech.wav")
...     client.wait_until_complete()
...     client.download("talk.mp4")

They speak the protocol of IMTalker's stand-alone server (docs/talking_heads.md) and need neither the engine nor any package
outside of Python's standard library; only `RealtimeClient` needs `websockets`. An unreachable server raises OSError.
"""
from __future__ import annotations

import array
import asyncio
import base64
import contextlib
import http.client
import io
import json
import mimetypes
import os
import pathlib
import secrets
import shutil
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

if TYPE_CHECKING:
    import numpy
    import websockets.sync.client

#: Bytes are 16-bit PCM (little-endian, one channel); arrays are int16 or float in [-1, 1], [S] or [S, channels].
Speech = Union[bytes, bytearray, memoryview, "array.array[Any]", "numpy.ndarray[Any, Any]"]
Path = Union[str, "os.PathLike[str]"]
DEFAULT_SERVER = "http://localhost:9999"

#: Of an AU file: where its samples begin, and its channels.
_AU_HEADER = struct.Struct(">4xI12xI")
_HEADER = struct.Struct(">BQI")  # type, microseconds since 1970, length of what follows
_AUDIO, _VIDEO = 1, 2
_REALTIME_HZ = 16_000
_TICK_SECONDS = 0.04
_TICK_BYTES = 2 * 640
_POLL_SECONDS = 0.2
#: Pause before a piece is sent again that the server had no room for.
_FULL_SECONDS = 1.0


class TalkError(RuntimeError):
    """A request that the server refused, with the server's message."""

    def __init__(self, detail: str, status: int | None = None):
        super().__init__(detail if status is None else f"{status}: {detail}")
        self.detail = detail  #: the server's message
        self.status = status  #: HTTP status, or a WebSocket's close code; None if a session failed later


# ---- audio ----
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


# ---- HTTP ----
class _File(NamedTuple):
    name: str
    content: bytes
    type: str


def _picture(image: Path | bytes) -> _File:
    if isinstance(image, bytes):
        return _File("image", image, "application/octet-stream")
    path = pathlib.Path(image)
    return _File(path.name, path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def _form(fields: Mapping[str, object]) -> tuple[bytes, str]:
    """A multipart/form-data body and its type. Fields that are None are left out."""
    boundary = secrets.token_hex(16)
    body = io.BytesIO()
    for name, value in fields.items():
        if value is None:
            continue
        about, content = f'form-data; name="{name}"', b""
        if isinstance(value, _File):
            quoted = value.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            about += f'; filename="{quoted}"\r\nContent-Type: {value.type}'
            content = value.content
        elif isinstance(value, bool):
            content = b"true" if value else b"false"
        else:
            content = str(value).encode()
        body.write(f"--{boundary}\r\nContent-Disposition: {about}\r\n\r\n".encode())
        body.write(content)
        body.write(b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())
    return body.getvalue(), f"multipart/form-data; boundary={boundary}"


def _detail(body: bytes) -> str:
    """The message in the body of an error, in any of the server's formats."""
    text = body.decode(errors="replace").strip()
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if not isinstance(told, dict):
        return text
    detail = told.get("detail", told.get("error", text))
    if isinstance(detail, list):  # several fields at once
        return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" if isinstance(each, dict) and "loc" in each and "msg" in each
                         else str(each) for each in detail)
    if isinstance(detail, dict):
        detail = detail.get("message", text)
    return str(detail)


class _Server:
    """Where requests go."""

    def __init__(self, url: str, token: str | None, timeout: float | None):
        self.url = url.rstrip("/")
        self.token = token
        self.timeout = timeout

    def open(self, method: str, path: str, fields: Mapping[str, object] | None = None) -> http.client.HTTPResponse:
        """The answer, not yet read. Raises TalkError if the server refuses the request."""
        request = urllib.request.Request(self.url + path, method=method)
        if fields is not None:
            request.data, content_type = _form(fields)
            request.add_header("Content-Type", content_type)
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise TalkError(_detail(refusal.read()) or refusal.reason, refusal.code) from None

    def call(self, method: str, path: str, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The answer's JSON."""
        with self.open(method, path, fields) as answer:
            return json.loads(answer.read())


# ---- speech in pieces, HLS out ----
class ChunkedStreamingClient:
    """One session of a talking head that receives speech in pieces while its video grows as HLS.

    Has the interface of IMTalker's client of this name; parameters after `*` are additions. `token` is for servers that require
    one, `timeout` (seconds) limits how long each request waits without data.
    """

    def __init__(self, server_url: str = DEFAULT_SERVER, *, token: str | None = None, timeout: float | None = 300.0):
        self.server_url = server_url
        self.session_id: str | None = None
        self.hls_url: str | None = None  #: URL of the video, once there is a session
        self._server = _Server(server_url, token, timeout)
        self._chunk_duration = 1.0
        self._audio_sample_rate = 24_000

    def init_session(self, image_path: Path | bytes, crop: bool = True, seed: int = 42, nfe: int = 10, cfg_scale: float = 2.0,
                     chunk_duration: float = 1.0, audio_sample_rate: int = 24_000, *, session_id: str | None = None,
                     pose_style: Sequence[float] | None = None, gaze_style: Sequence[float] | None = None,
                     mode: str | None = None, face: int | Sequence[float] | None = None) -> str:
        """Creates a session with this portrait (a file, or its bytes); returns its id.

        `crop`: crop to the face. `nfe` 5-50 solver steps, `cfg_scale` 1-5. `chunk_duration` 0.1-10 s of speech become motion
        at once. `audio_sample_rate`: of speech without a header. `pose_style` [pitch, yaw, roll], `gaze_style` [x, y].
        `mode`: aligned or reference. `face`: which face of the image, by index (0: the largest near the middle) or box
        [x1, y1, x2, y2]. A session with the same id is replaced. Raises TalkError with the server's message.
        """
        answer = self._server.call("POST", "/api/audio-driven/chunked/init", {
            "image": _picture(image_path), "session_id": session_id, "crop": crop, "seed": seed, "nfe": nfe,
            "cfg_scale": cfg_scale, "chunk_duration": chunk_duration, "audio_sample_rate": audio_sample_rate,
            "pose_style": None if pose_style is None else json.dumps(list(pose_style)),
            "gaze_style": None if gaze_style is None else json.dumps(list(gaze_style)), "mode": mode,
            "face": None if face is None else json.dumps(face if isinstance(face, int) else list(face))})
        session: str = answer["session_id"]
        self.session_id = session
        self.hls_url = urllib.parse.urljoin(self._server.url + "/", answer["hls_url"])
        self._chunk_duration = chunk_duration
        self._audio_sample_rate = audio_sample_rate
        return session

    def feed_audio_chunk(self, audio_data: Speech, is_final: bool = False) -> dict[str, Any]:
        """Sends the next piece of speech; the server answers before any of it is spoken.

        Bytes are an audio file of any kind (WAV, MP3, ...); arrays are samples at the session's `audio_sample_rate`. Returns
        `session_status`, `frames_generated` (so far), `buffer_samples` (received, at 16 kHz) and more. Raises TalkError: 429
        when too much speech is waiting; the piece is then not accepted.
        """
        if memoryview(audio_data).format not in ("B", "b", "c"):
            audio_data = wav(audio_data, self._audio_sample_rate)
        return self._server.call("POST", "/api/audio-driven/chunked/feed", {
            "session_id": self._session(), "audio_chunk": _File("chunk.wav", bytes(audio_data), "audio/wav"),
            "is_final_chunk": is_final})

    def get_status(self) -> dict[str, Any]:
        """`status` (waiting_for_audio, processing, complete, error), `total_frames_generated`, `error`, `uptime_seconds`."""
        return self._server.call("GET", f"/api/audio-driven/chunked/status/{self._session()}")

    def cleanup(self) -> None:
        """Ends the session and removes its video from the server. Does nothing without a session."""
        if self.session_id is None:
            return
        path = f"/api/audio-driven/chunked/session/{self._session()}"
        self.session_id = self.hls_url = None
        self._server.call("DELETE", path)

    def stream_file(self, audio_path: Path, *, realtime: bool = False,
                    on_reply: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Sends a whole audio file, in pieces of `chunk_duration`; `realtime`: at the speed of playback.

        `on_reply` gets the server's answer to each piece; returns the last answer. Raises the errors of `read_speech`.
        """
        samples, rate = read_speech(audio_path)
        size = 2 * max(1, int(rate * self._chunk_duration))
        begun = time.monotonic()
        last = max(0, (len(samples) - 1) // size)
        for number in range(last + 1):
            if realtime:
                time.sleep(max(0.0, begun + number * self._chunk_duration - time.monotonic()))
            reply = self._feed(wav(samples[number * size:(number + 1) * size], rate), number == last, on_reply)
        return reply

    def stream_audio(self, chunks: Iterable[Speech], *, on_reply: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Sends raw speech at the session's `audio_sample_rate` as it arrives, e.g. from a generator; its end ends the video.

        Each chunk is sent at once. Returns the server's last answer.
        """
        for chunk in chunks:
            self._feed(wav(chunk, self._audio_sample_rate), False, on_reply)
        return self._feed(wav(b"", self._audio_sample_rate), True, on_reply)

    def wait_until_playable(self) -> str:
        """Waits for the first segment of the video; returns its URL."""
        while True:
            with self._server.open("GET", f"/api/hls/{self._session()}/playlist.m3u8") as answer:
                if answer.status == 200:
                    assert self.hls_url is not None
                    return self.hls_url

    def wait_until_complete(self, timeout: float | None = None) -> dict[str, Any]:
        """Waits until the video of all speech is complete; returns the last status.

        Raises TalkError if the session failed, TimeoutError after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self.get_status()
            if status["status"] == "complete":
                return status
            if status["status"] == "error":
                raise TalkError(status["error"] or "the session failed")
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"session {self.session_id} was still '{status['status']}' after {timeout:g} s, with "
                                   f"{status['total_frames_generated']} frames")
            time.sleep(_POLL_SECONDS)

    def download(self, path: Path) -> pathlib.Path:
        """Writes the whole video so far as one MP4; returns its path."""
        target = pathlib.Path(path)
        with self._server.open("GET", f"/api/hls/{self._session()}/download") as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            promised = answer.headers["Content-Length"]
            if promised is not None and file.tell() != int(promised):
                raise ConnectionError(f"the connection ended after {file.tell()} of {promised} bytes of {target}")
        return target

    def __enter__(self) -> ChunkedStreamingClient:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.cleanup()
        except TalkError as error:
            if error.status != 404:  # already removed
                raise

    def _session(self) -> str:
        if self.session_id is None:
            raise ValueError("there is no session; call init_session() first")
        return urllib.parse.quote(self.session_id, safe="")

    def _feed(self, audio: bytes, is_final: bool, on_reply: Callable[[dict[str, Any]], None] | None) -> dict[str, Any]:
        """Waits while the server has no room for more speech."""
        while True:
            try:
                reply = self.feed_audio_chunk(audio, is_final)
            except TalkError as error:
                if error.status != 429:
                    raise
                time.sleep(_FULL_SECONDS)
            else:
                if on_reply is not None:
                    on_reply(reply)
                return reply


# ---- a conversation ----
class TalkFrame(NamedTuple):
    """A frame and its 40 ms of speech."""

    timestamp_us: int  #: when the server sent it, since 1970
    jpeg: bytes
    pcm: bytes  #: 640 samples, 16-bit, 16 kHz


class _Frames:
    """Iterates over the results of next(), with `for` or `async for`."""

    def next(self) -> TalkFrame | None:
        raise NotImplementedError

    def __iter__(self) -> Iterator[TalkFrame]:
        while (frame := self.next()) is not None:
            yield frame

    async def __aiter__(self) -> AsyncIterator[TalkFrame]:
        while (frame := await asyncio.to_thread(self.next)) is not None:
            yield frame


class RealtimeClient(_Frames):
    """A portrait that listens and talks: every 40 ms, a packet of speech is sent, and a frame with its audio comes back.

    Iterate over it for the frames, with `for` or `async for`, and call `send_audio` from another thread; or iterate over
    `say(...)`, which does both. Frames arrive from the beginning; without speech the head is silent. Needs `websockets`.
    """

    def __init__(self, server_url: str = DEFAULT_SERVER, *, token: str | None = None, timeout: float | None = 300.0):
        self.server_url = server_url
        self.session_id: str | None = None
        self._server = _Server(server_url, token, timeout)
        self._address = ""
        self._socket: websockets.sync.client.ClientConnection | None = None
        self._open = contextlib.ExitStack()
        self._unsent = b""
        self._picture: bytes | None = None

    def init_session(self, image_path: Path | bytes, crop: bool = True) -> str:
        """Creates a session with this portrait (a file, or its bytes); returns its id. Raises TalkError with the server's message."""
        answer = self._server.call("POST", "/api/realtime/init", {"image": _picture(image_path), "crop": crop})
        session: str = answer["session_id"]
        self.session_id = session
        self._address = urllib.parse.urljoin(self._server.url + "/", answer["websocket_url"])
        return session

    def connect(self) -> RealtimeClient:
        """Begins the conversation; the other methods also begin it when necessary. A session can be connected only once."""
        self._connection()
        return self

    def send_audio(self, speech: Speech) -> None:
        """Sends the next speech, at 16 kHz; samples that do not fill 40 ms wait for more. Callable from any thread.

        Call it at the speed of the speech: the server keeps at most one second of speech that is not yet due.
        """
        samples, channels = _pcm16(speech)
        self._unsent += _mono(samples, channels)
        while len(self._unsent) >= _TICK_BYTES:
            packet, self._unsent = self._unsent[:_TICK_BYTES], self._unsent[_TICK_BYTES:]
            self._send(packet)

    def flush(self) -> None:
        """Sends the remaining samples, filled up to 40 ms with silence."""
        if self._unsent:
            self.send_audio(bytes(_TICK_BYTES - len(self._unsent)))

    def next(self) -> TalkFrame | None:
        """The next frame with its audio, None when the conversation has ended.

        Raises TalkError with the close code and the server's reason if it did not end well, TimeoutError if nothing comes.
        """
        from websockets.exceptions import ConnectionClosed

        socket = self._connection()
        while True:
            try:
                message = socket.recv(timeout=self._server.timeout)
            except ConnectionClosed as end:
                if end.rcvd is None and end.sent is not None and end.sent.code == 1000:
                    return None  # closed by us, and not answered
                code = 1006 if end.rcvd is None else end.rcvd.code
                if code == 1000:
                    return None
                raise TalkError((end.rcvd and end.rcvd.reason) or "the connection was lost", code) from None
            if not isinstance(message, bytes) or len(message) < _HEADER.size:
                continue
            kind, timestamp_us, length = _HEADER.unpack_from(message)
            payload = message[_HEADER.size:_HEADER.size + length]
            if kind == _VIDEO:
                self._picture = payload
            elif kind == _AUDIO and self._picture is not None:
                return TalkFrame(timestamp_us, self._picture, payload)

    def say(self, speech: Speech | str | os.PathLike[str], *, tail_seconds: float = 1.0) -> _Saying:
        """Speaks an audio file, or samples at 16 kHz, at normal speed; iterate over the result for the frames that come back.

        It ends `tail_seconds` after the speech, as the frames arrive with a delay. The conversation
        continues.
        """
        samples = read_speech(speech, _REALTIME_HZ)[0] if isinstance(speech, (str, os.PathLike)) else _mono(*_pcm16(speech))
        return _Saying(self, samples, tail_seconds)

    def close(self) -> None:
        """Ends the conversation, and with it the session. Callable from any thread."""
        self._open.close()

    def __enter__(self) -> RealtimeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self) -> websockets.sync.client.ClientConnection:
        if self._socket is not None:
            return self._socket
        if self.session_id is None:
            raise ValueError("there is no session; call init_session() first")
        try:
            from websockets.exceptions import InvalidHandshake, InvalidStatus
            from websockets.sync.client import connect
        except ImportError as missing:
            raise ImportError("RealtimeClient needs the package websockets: pip install websockets") from missing
        headers = {} if self._server.token is None else {"Authorization": f"Bearer {self._server.token}"}
        try:
            self._socket = self._open.enter_context(connect(
                "ws" + self._address[len("http"):], additional_headers=headers, compression=None, max_size=None,
                open_timeout=self._server.timeout))
        except InvalidStatus as refusal:
            answer = refusal.response
            raise TalkError(_detail(bytes(answer.body or b"")) or answer.reason_phrase, answer.status_code) from None
        except InvalidHandshake as failure:
            raise ConnectionError(f"{self._address} is not a WebSocket: {failure}") from failure
        return self._socket

    def _send(self, samples: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        # next() tells why it was closed.
        with contextlib.suppress(ConnectionClosed):
            self._connection().send(_HEADER.pack(_AUDIO, time.time_ns() // 1000, len(samples)) + samples)


class _Saying(_Frames):
    """Speech that is being sent, and the frames that come back. Each received frame paces the next packets."""

    #: After a late frame, missed packets are caught up, but not in one burst, since the server keeps only one second.
    _MOST_PACKETS_A_FRAME = 2

    def __init__(self, client: RealtimeClient, samples: bytes, tail_seconds: float):
        self._client = client
        self._samples = samples
        self._tail_seconds = tail_seconds
        self._begun: float | None = None
        self._sent = 0
        self._spoken_at: float | None = None
        self._frames_behind = 0

    def next(self) -> TalkFrame | None:
        """The next frame with its audio; None at the end of the speech, or of the conversation."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        if self._spoken_at is None:
            due = 1 + int((now - self._begun) / _TICK_SECONDS)
            for _ in range(min(self._MOST_PACKETS_A_FRAME, due - self._sent)):
                at = self._sent * _TICK_BYTES
                self._client.send_audio(self._samples[at:at + _TICK_BYTES])
                self._sent += 1
            if self._sent * _TICK_BYTES >= len(self._samples):
                self._client.flush()
                self._spoken_at = now
        # Both, as frames may lie in wait that are older than the speech.
        elif now - self._spoken_at >= self._tail_seconds and self._frames_behind * _TICK_SECONDS >= self._tail_seconds:
            return None
        else:
            self._frames_behind += 1
        return self._client.next()


# ---- frames alone ----
def stream_pictures(image_path: Path | bytes, audio_path: Path, *, server_url: str = DEFAULT_SERVER, crop: bool = True,
                    seed: int = 42, nfe: int = 10, cfg_scale: float = 2.0, token: str | None = None,
                    timeout: float | None = 300.0) -> Iterator[bytes]:
    """The frames of a portrait that speaks an audio file, each a JPEG, at the time when they are due. Raises TalkError."""
    server = _Server(server_url, token, timeout)
    sound = pathlib.Path(audio_path)
    with server.open("POST", "/api/realtime-sse", {
            "image": _picture(image_path), "audio": _File(sound.name, sound.read_bytes(), "application/octet-stream"),
            "crop": crop, "seed": seed, "nfe": nfe, "cfg_scale": cfg_scale}) as answer:
        event = "message"
        for line in answer:
            field, _, value = line.decode().rstrip("\r\n").partition(": ")
            if field == "event":
                event = value
            elif field == "data" and event == "message":
                yield base64.b64decode(value)
            elif field == "data" and event == "error":
                raise TalkError(value)
            elif field == "data" and event == "complete":
                return
    raise ConnectionError("the frames ended before the speech")
