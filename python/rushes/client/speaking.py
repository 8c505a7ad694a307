"""What goes through WebSockets: live speech, and single frames. Needs the package `websockets`."""
from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .connection import Connection, RequestError

if TYPE_CHECKING:
    import websockets.sync.client

    from .sessions import Frame


class Speaker:
    """Live speech into a session."""

    def __init__(self, socket: websockets.sync.client.ClientConnection):
        self._socket = socket

    def send(self, samples: bytes) -> None:
        """16-bit little-endian PCM, one channel, at most 1 MiB."""
        self._socket.send(samples)

    def end(self) -> None:
        """Completes an utterance: all of it is spoken."""
        self._socket.send("end")


@contextlib.contextmanager
def speaker(connection: Connection, path: str) -> Iterator[Speaker]:
    with _open(connection, path) as socket:
        yield Speaker(socket)


def frames(connection: Connection, path: str) -> Iterator[Frame]:
    from websockets.exceptions import ConnectionClosedOK

    from .sessions import Frame

    with _open(connection, path) as socket, contextlib.suppress(ConnectionClosedOK):
        index, fps = 0, 1.0
        while True:
            message = socket.recv(timeout=connection.timeout)
            if isinstance(message, bytes):
                yield Frame(index, index / fps, message)
                index += 1
            else:
                told = json.loads(message)
                fps = told.get("fps", fps)
                index = told.get("index", index)


def _open(connection: Connection, path: str) -> websockets.sync.client.ClientConnection:
    try:
        from websockets.exceptions import InvalidStatus
        from websockets.sync.client import connect
    except ImportError as missing:
        raise ImportError("frames and live speech need the package websockets: pip install websockets") from missing
    try:
        return connect("ws" + connection.url[len("http"):] + path, additional_headers=connection.headers(), compression=None,
                       max_size=None, open_timeout=connection.timeout)
    except InvalidStatus as refusal:
        raise RequestError(refusal.response.status_code, "", refusal.response.reason_phrase) from None
