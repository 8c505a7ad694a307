"""Backends that a pipeline's callback feeds.

gradio and webrtc are the server of rushes: its page at http://HOST:PORT plays the stream live and again from the start,
and the same stream is there as HLS, WebRTC (WHEP) and a growing MP4, encoded once. rtmp pushes to a media server.
"""
from __future__ import annotations

import json
import queue
import tempfile
import threading
import time
import urllib.request
from abc import ABC, abstractmethod

import numpy

import rushes

_QUEUE = 100  # batches
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is in this process


def _pixels(frames) -> numpy.ndarray:
    """uint8 [T, H, W, 3] of an array or tensor. Raises ValueError for anything else."""
    if hasattr(frames, "detach") and not isinstance(frames, numpy.ndarray):
        frames = frames.detach().cpu().numpy()
    array = numpy.ascontiguousarray(frames)
    if array.dtype != numpy.uint8 or array.ndim != 4 or array.shape[3] != 3:
        raise ValueError(f"frames must be uint8 [T, H, W, 3] (got {array.dtype} {list(array.shape)})")
    return array


class StreamingBackend(ABC):
    def __init__(self):
        self.is_connected = False

    @abstractmethod
    def connect(self, width: int, height: int, fps: int = 16, **kwargs) -> bool:
        """Starts the service. False, with the reason printed, if it cannot be started."""

    @abstractmethod
    def stream_batch(self, frames) -> bool:
        """Frames uint8 [T, H, W, 3]. False when not connected or when the queue is full."""

    @abstractmethod
    def disconnect(self):
        """Ends the stream and the service."""

    def stop(self):
        self.disconnect()


class ServerBackend(StreamingBackend):
    """The server of rushes in this process. The video has the size of the first frames: a model decides that."""

    def __init__(self):
        super().__init__()
        self.url = None  #: http://..., once connected
        self.session_id = None  #: id of the session that viewers watch, with the first frames
        self._server = None
        self._directory = None
        self._finished = False

    def connect(self, width: int, height: int, fps: int = 16, host: str = "0.0.0.0", port: int = 8000, loop: bool = True,
                input_callback=None, frame_timeout: float = 10.0, **kwargs) -> bool:
        """The page is available at http://localhost:PORT immediately. With `loop` it plays a finished stream again and again.
        `frame_timeout` has no effect: it waits for frames without limit. `input_callback(text)` gets the text that a viewer
        types into the page's prompt field."""
        self._fps, self._host, self._input_callback, self._loop = float(fps), host, input_callback, loop
        self._finished = False
        self._directory = tempfile.TemporaryDirectory(prefix="rushes-stream-")
        try:
            self._open(int(width), int(height), port)
        except rushes.Error as error:
            print(f"rushes: {error}")
            return False
        self.is_connected = True
        return True

    def _open(self, width: int, height: int, port: int):
        self._size = (height, width)
        from rushes._server import FrameServer  # the server's libraries, only where they are used

        self._server = FrameServer(width=width, height=height, fps=self._fps, host=self._host, port=port,
                                   data_directory=self._directory.name, web_root=_web_root(), queue=_QUEUE,
                                   loop=self._loop)
        self.port = self._server.port
        local = "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host
        self.url = f"http://{local}:{self.port}"

    def _ask(self, method: str, path: str, body=None):
        request = urllib.request.Request(self.url + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        with _DIRECT.open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def stream_batch(self, frames) -> bool:
        if not self.is_connected:
            return False
        pixels = _pixels(frames)
        if self._finished:
            self._begin_again()
        if pixels.shape[1:3] != self._size:
            if self.session_id is not None:
                raise ValueError(f"the frames changed their size from {self._size} to {pixels.shape[1:3]}")
            self._server.resize(pixels.shape[2], pixels.shape[1])
            self._size = pixels.shape[1:3]
        if self.session_id is None:
            self.session_id = self._ask("POST", "/v1/sessions", {"prompt": self._title(), "segments": 0})["id"]
        if self._input_callback is not None and (text := self._server.take_prompt()) is not None:
            self._input_callback(text)
        return self._server.push(pixels)

    def _title(self) -> str:
        return "a stream of rushes.inferix"

    def status(self) -> dict:
        """The server's state of the session."""
        return self._ask("GET", f"/v1/sessions/{self.session_id}")

    def finish(self):
        """The frames of a generation are complete: pages say so, and play them again. stream_batch() begins another session."""
        if self._server is not None and self.session_id is not None:
            self._server.finish()
            self._finished = True

    def _begin_again(self):
        while self.status()["state"] in ("queued", "running", "paused", "waiting"):
            time.sleep(0.02)  # until the frames before are delivered
        self._server.open()
        self.session_id, self._finished = None, False

    def disconnect(self):
        self.is_connected = False
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None


class GradioStreamingBackend(ServerBackend):
    """The page, by default at port 8000."""


class WebRTCStreamingBackend(ServerBackend):
    """The same server; low latency through POST {url}/v1/sessions/{session_id}/whep."""


class RTMPStreamingBackend(StreamingBackend):
    """H.264 in FLV, with a track of silence, to a media server, in real time, from a separate thread. Publishes with the
    first frames; a server that cannot be reached then ends it. Reconnects when the server comes back later."""

    def __init__(self):
        super().__init__()
        self._frames = None
        self._thread = None

    def connect(self, width: int, height: int, fps: int = 16, rtmp_url: str = None, **kwargs) -> bool:
        if not rtmp_url:
            raise ValueError("rtmp_url is required, e.g. rtmp://localhost:1935/live/stream")
        self._url, self._fps = rtmp_url, float(fps)
        try:
            self._open(int(width), int(height))
        except rushes.Error as error:
            print(f"rushes: {error}")
            return False
        self.is_connected = True
        return True

    def _open(self, width: int, height: int):
        self._size = (height, width)
        self._written = False
        self._writer = rushes.VideoWriter(self._url, width=width, height=height, fps=self._fps)
        self._frames = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._write, args=(self._writer, self._frames), daemon=True)
        self._thread.start()

    def _write(self, writer, frames):
        try:
            while (batch := frames.get()) is not None:
                writer.write(batch)
            writer.close()
        except rushes.Error as error:
            self.is_connected = False
            print(f"rushes: {error}")

    def _close(self):
        self._frames.put(None)
        self._thread.join()

    def stream_batch(self, frames) -> bool:
        if not self.is_connected:
            return False
        pixels = _pixels(frames)
        if pixels.shape[1:3] != self._size:
            if self._written:
                raise ValueError(f"the frames changed their size from {self._size} to {pixels.shape[1:3]}")
            self._close()
            self._open(pixels.shape[2], pixels.shape[1])
        self._written = True
        try:
            self._frames.put_nowait(pixels)
        except queue.Full:
            return False
        return True

    def disconnect(self):
        """Returns when the last frame has been sent."""
        if self._thread is not None:
            self._close()
            self._thread = None
        self.is_connected = False


def _web_root() -> str:
    """The page's files: in the package, or in the checkout that it was built from."""
    import pathlib

    here = pathlib.Path(rushes.__file__).resolve().parent
    for place in (here / "share" / "rushes" / "web", *(folder / "web" / "dist" for folder in here.parents)):
        if (place / "index.html").is_file():
            return str(place)
    return str(here)


def create_streaming_backend(backend: str = "gradio", **kwargs) -> StreamingBackend:
    """"gradio", "webrtc" or "rtmp". Raises ValueError for any other name."""
    kinds = {"gradio": GradioStreamingBackend, "webrtc": WebRTCStreamingBackend, "rtmp": RTMPStreamingBackend}
    if backend.lower() not in kinds:
        raise ValueError(f"Unknown backend: {backend}. Supported backends: {', '.join(kinds)}")
    return kinds[backend.lower()](**kwargs)
