"""Requests to a server's session API: what it refuses as an exception, and again when it is busy. Standard library only."""
from __future__ import annotations

import http.client
import json
import pathlib
import shutil
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

#: What to do about a refusal, where the server's message does not say it.
ADVICE = {
    401: "give the server's token: Client(url, token=...)",
    403: "use the address under which the server was started, or allow this one with --allow-origin",
    404: "Client.sessions() and Client.models() list what there is",
    409: "Session.refresh() tells the state that it is in",
    413: "send less at once",
    429: "try again later, or allow more with --max-sessions and --max-queued",
    500: "this is a bug of the server: please report it",
    503: "try again later",
}


class RequestError(RuntimeError):
    """A request that the server refused."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None = None):
        self.status = status  #: of HTTP
        self.code = code  #: as docs/api.md lists them: invalid_argument, not_found, conflict, too_large, ...
        self.message = message  #: the server's own words: what is wrong, and what is allowed
        self.advice = ADVICE.get(status, "")  #: what to do
        self.retry_after = retry_after  #: seconds after which to try again; None: trying again does not help
        super().__init__(f"{status} {code}: {message}" + (f" ({self.advice})" if self.advice else ""))


class Connection:
    """Where requests go. Any thread. An unreachable server raises OSError."""

    def __init__(self, url: str, token: str | None, timeout: float | None, patience: float):
        self.url = url.rstrip("/")
        self.token = token
        self.timeout = timeout
        self.patience = patience
        self.closed = threading.Event()
        parts = urllib.parse.urlsplit(self.url)
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._base = parts.netloc, parts.path

    def address(self, path: str, scheme: str = "http") -> str:
        """A whole address for players, with the token, since they send no header."""
        mark = "&" if "?" in path else "?"
        told = "" if self.token is None else f"{mark}token={urllib.parse.quote(self.token, safe='')}"
        return scheme + self.url[len("http"):] + path + told

    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def open(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """The answer, not yet read. `body`: bytes as they are, else JSON. Raises RequestError.

        A busy server (429 or 503 with Retry-After) is asked again as it says, for `patience` seconds in all.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        until = time.monotonic() + self.patience
        while True:
            connection = self._connect(self._host, timeout=self.timeout)
            try:
                connection.request(method, self._base + path, data, {"Connection": "close", **self.headers()})
                answer = connection.getresponse()
                if answer.status < 400:
                    return answer
                refusal = _refusal(answer)
            except BaseException:
                connection.close()
                raise
            connection.close()
            if refusal.retry_after is None or time.monotonic() + refusal.retry_after > until or self.closed.wait(refusal.retry_after):
                raise refusal

    def call(self, method: str, path: str, body: object = None) -> Any:
        with self.open(method, path, body) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def save(self, path: str, target: pathlib.Path) -> pathlib.Path:
        with self.open("GET", path) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
        return target


def lines_of(answer: http.client.HTTPResponse) -> Iterator[Any]:
    """Each line's JSON. Empty lines only keep the connection."""
    with answer:
        for line in answer:
            if line.strip():
                yield json.loads(line)


def _refusal(answer: http.client.HTTPResponse) -> RequestError:
    text = answer.read().decode(errors="replace").strip()
    after = answer.headers.get("Retry-After")
    code, message = "", text or answer.reason
    try:
        error = json.loads(text)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        pass  # a proxy's page
    return RequestError(answer.status, code, message, float(after) if after and after.isdigit() else None)
