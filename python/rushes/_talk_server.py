"""Requests to a server of talking heads: forms in, JSON out, and the server's words for what it refuses."""
from __future__ import annotations

import http.client
import io
import json
import mimetypes
import pathlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

from ._speech import Path

DEFAULT_SERVER = "http://localhost:9999"


class TalkError(RuntimeError):
    """A request that the server refused, with the server's message."""

    def __init__(self, detail: str, status: int | None = None):
        super().__init__(detail if status is None else f"{status}: {detail}")
        self.detail = detail  #: the server's message
        self.status = status  #: HTTP status, or a WebSocket's close code; None if a session failed later


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
