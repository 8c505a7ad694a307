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

import base64
import json
import pathlib
import shutil
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable

from ._conversation import RealtimeClient, TalkFrame
from ._speech import Path, Speech, read_speech, wav
from ._talk_server import DEFAULT_SERVER, TalkError, _File, _picture, _Server

__all__ = ["DEFAULT_SERVER", "ChunkedStreamingClient", "Path", "RealtimeClient", "Speech", "TalkError", "TalkFrame", "read_speech",
           "stream_pictures", "wav"]

_POLL_SECONDS = 0.2
#: Pause before a piece is sent again that the server had no room for.
_FULL_SECONDS = 1.0


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
