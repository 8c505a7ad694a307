"""A conversation with a talking head, frame by frame."""
from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ._speech import Path, Speech, _mono, _pcm16, read_speech
from ._talk_server import DEFAULT_SERVER, TalkError, _detail, _picture, _Server

if TYPE_CHECKING:
    import websockets.sync.client

_HEADER = struct.Struct(">BQI")  # type, microseconds since 1970, length of what follows
_AUDIO, _VIDEO = 1, 2
_REALTIME_HZ = 16_000
_TICK_SECONDS = 0.04
_TICK_BYTES = 2 * 640


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
