"""A server and its sessions, as blocking calls. Errors of every call: RequestError, and OSError if the server cannot be reached."""
from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Union

from . import schema
from .connection import Connection, lines_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .speaking import Speaker

Path = Union[str, "os.PathLike[str]"]
OptionValue = Union[bool, int, float, str, "Sequence[float]"]
DEFAULT_SERVER = "http://127.0.0.1:8000"
ENDS = ("finished", "stopped", "failed")
#: Bytes of a sound file that are sent at once.
_PIECE = 1 << 18


class Frame(NamedTuple):
    """One frame of a video."""

    number: int  #: from 0 on
    time_s: float  #: in the video
    jpeg: bytes


class Client:
    """A server. `token`: for servers that require one. `timeout`: seconds that a request waits without data.

    `patience`: seconds that a call waits for a busy server, as its Retry-After says, before RequestError is raised. `close()`
    ends these waits from any thread. Calls may come from any thread.
    """

    def __init__(self, server_url: str = DEFAULT_SERVER, *, token: str | None = None, timeout: float | None = 300.0, patience: float = 60.0):
        self._connection = Connection(server_url, token, timeout, patience)

    def create(self, prompt: str | Sequence[str] | None = None, *, image: Path | bytes | None = None, **fields: Unpack[schema.SessionFields]) -> Session:
        """Starts a generation, answered before its first frame.

        `prompt`: one, several with `;` between them, or a list. `image`: a JPEG, PNG or WebP file, or its bytes: the first frame,
        or the portrait. The other fields are those of docs/api.md and the options of the model.
        """
        body: dict[str, object] = dict(fields)
        if prompt is not None:
            body["prompt" if isinstance(prompt, str) else "prompts"] = prompt if isinstance(prompt, str) else list(prompt)
        if image is not None:
            body["image"] = base64.b64encode(image if isinstance(image, bytes) else pathlib.Path(image).read_bytes()).decode()
        return Session(self._connection, self._connection.call("POST", "/v1/sessions", body))

    def session(self, id: str) -> Session:
        return Session(self._connection, self._connection.call("GET", f"/v1/sessions/{urllib.parse.quote(id, safe='')}"))

    def sessions(self, *states: schema.State) -> list[Session]:
        """All, oldest first, or those in one of these states."""
        path = "/v1/sessions" + (f"?state={','.join(states)}" if states else "")
        return [Session(self._connection, info) for info in self._connection.call("GET", path)["sessions"]]

    def models(self) -> list[schema.Model]:
        models: list[schema.Model] = self._connection.call("GET", "/v1/models")["models"]
        return models

    def find_model(self, yields: str, feeds: str | None = None) -> str:
        """The name of the first model that makes `yields` and takes `feeds` while it runs (None: whatever it takes). Raises LookupError."""
        for model in self.models():
            can = model["capabilities"]
            if yields in can["yields"] and (feeds is None or feeds in can["feeds"]):
                return model["name"]
        raise LookupError(f"{self._connection.url} has no model that makes {yields}" + (f" of {feeds}" if feeds else ""))

    def load_model(self, name: str) -> schema.Model:
        """Returns when it is loaded."""
        model: schema.Model = self._connection.call("POST", f"/v1/models/{urllib.parse.quote(name, safe='')}/load")
        return model

    def unload_model(self, name: str) -> schema.Model:
        model: schema.Model = self._connection.call("POST", f"/v1/models/{urllib.parse.quote(name, safe='')}/unload")
        return model

    def props(self) -> schema.Props:
        props: schema.Props = self._connection.call("GET", "/props")
        return props

    def log(self, after: int = 0) -> list[schema.LogLine]:
        """The newest 500 lines of the server's log that came after the line with this number."""
        log: schema.Log = self._connection.call("GET", f"/v1/log?after={after}")
        return log["lines"]

    def close(self) -> None:
        self._connection.closed.set()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Session:
    """One session of a server. `info` is what the server last told of it; `refresh()` asks again."""

    def __init__(self, connection: Connection, info: schema.Session):
        self._connection = connection
        self.info = info
        self.id = info["id"]
        self._utterances = 0  # completed here

    @property
    def state(self) -> schema.State:
        return self.info["state"]

    @property
    def queue(self) -> schema.SessionQueue | None:
        """Its place among those that wait to run (1: next), and the expected seconds; None: it does not wait."""
        return self.info["queue"]

    def refresh(self) -> schema.Session:
        return self._tell("GET", "")

    # ---- watching ----
    @property
    def mp4_url(self) -> str:
        """For players: the video so far, then live. With the token, if there is one."""
        return self._connection.address(self._path("/video.mp4"))

    @property
    def hls_url(self) -> str:
        return self._connection.address(self._path("/hls/master.m3u8"))

    def events(self) -> Iterator[schema.Event]:
        """What happens, from the beginning to the end of the session. Leave the loop to stop following.

        Raises ConnectionError if the connection ends before the session does.
        """
        event: schema.Event
        for event in lines_of(self._connection.open("GET", self._path("/stream.ndjson?video=none"))):
            yield event
            if event["type"] == "state" and event["state"] in ENDS:
                return
        raise ConnectionError(f"the events of session {self.id} ended before it did")

    def wait(self) -> schema.Session:
        """Waits until the session has ended."""
        for _ in self.events():
            pass
        return self.refresh()

    def frames(self, *, realtime: bool = False, from_oldest: bool = False) -> Iterator[Frame]:
        """Frames as JPEG from the newest block on, at once or each at its time; a slow reader misses some. Needs `websockets`."""
        from .speaking import frames

        return frames(self._connection, self._path(f"/frames?pacing={'realtime' if realtime else 'asap'}&from={'oldest' if from_oldest else 'newest'}"))

    def video(self) -> Iterator[bytes]:
        """The MP4 in pieces as it grows, to its end."""
        with self._connection.open("GET", self._path("/video.mp4")) as answer:
            while piece := answer.read1(1 << 16):
                yield piece

    def download(self, path: Path) -> pathlib.Path:
        """Writes all of the video to a file, which is complete when the session has ended."""
        return self._connection.save(self._path("/video.mp4"), pathlib.Path(path))

    # ---- steering ----
    def set_prompt(self, prompt: str) -> schema.Session:
        """From the next block on."""
        return self._tell("POST", "/prompt", {"prompt": prompt})

    def set_options(self, **options: OptionValue) -> schema.Session:
        """Options that are `live` in models(), from the next frame that the model allows."""
        return self._tell("POST", "/options", options)

    def set_lead(self, seconds: float | None) -> schema.Session:
        """How far generation may be ahead of a viewer who plays from the first block on; None: as fast as it can."""
        return self._tell("POST", "/pacing", {"pacing": "asap"} if seconds is None else {"pacing": "realtime", "max_lead": seconds})

    def pause(self) -> schema.Session:
        return self._tell("POST", "/pause")

    def resume(self) -> schema.Session:
        return self._tell("POST", "/resume")

    def stop(self) -> schema.Session:
        """Ends it; the video so far is kept."""
        return self._tell("POST", "/stop")

    def delete(self) -> None:
        """Stops it, and removes it and its recording."""
        self._connection.call("DELETE", self._path(""))

    def replay_cost(self, blocks: int) -> int:
        """How many blocks a fork that begins with so many blocks would generate again, as `info` has it. Raises ValueError if it cannot be had."""
        forks = self.info["forks"]
        least, most = forks["least_blocks"], forks["most_blocks"]
        if least is None or most is None or not least <= blocks <= most:
            raise ValueError(f"a fork can begin with {least} to {most} blocks, not {blocks}" if least is not None else "the session cannot be forked")
        kept_from, kept_to = forks["least_kept"], forks["most_kept"]
        if kept_from is not None and kept_to is not None and kept_from <= blocks:
            return max(0, blocks - kept_to)
        if forks["no_replay"] is not None:
            raise ValueError(f"only {kept_from} to {kept_to} blocks are kept: {forks['no_replay']}")
        return blocks

    def fork(self, prompt: str | None = None, *, blocks: int | None = None) -> Session:
        """A new session that begins with the first `blocks` blocks of this one (None: with all so far), and goes on by itself.

        `info["replay_blocks"]` of the new session tells how many blocks are generated again for it.
        """
        return self._fork(prompt=prompt, blocks=blocks)

    def extend(self, prompt: str | None = None, *, segments: int | None = None, frames: int | None = None) -> Session:
        """Goes on where a session has ended, as a new session: a stopped one to its planned end, a complete one for so many segments or frames more."""
        return self._fork(prompt=prompt, segments=segments, frames=frames)

    # ---- speech ----
    def feed(self, audio: bytes, *, end: bool = False, format: str | None = None, rate: int = 16_000, channels: int = 1) -> schema.Session:
        """The next speech: a sound file, a part of one, or with `format` ("s16le", "f32le") raw samples at `rate` Hz. `end` completes an utterance.

        Waits while the server has no room for more, at most as long as the client's patience.
        """
        raw = "" if format is None else f"&format={format}&rate={rate}&channels={channels}"
        info = self._tell("POST", f"/audio?end={'true' if end else 'false'}{raw}", audio)
        self._utterances += end
        return info

    def say(self, file: Path) -> schema.Session:
        """Sends a whole sound file as one utterance."""
        sound = pathlib.Path(file).read_bytes()
        for begin in range(0, len(sound), _PIECE):
            info = self.feed(sound[begin:begin + _PIECE], end=begin + _PIECE >= len(sound))
        return info

    def speaker(self, rate: int = 16_000) -> contextlib.AbstractContextManager[Speaker]:
        """A WebSocket for live speech as 16-bit PCM of one channel at `rate` Hz. Needs `websockets`."""
        from .speaking import speaker

        return speaker(self._connection, self._path(f"/audio?format=s16le&rate={rate}"))

    def wait_until_spoken(self) -> schema.Session:
        """Waits until all utterances that were completed by feed() and say() of this object are video."""
        waiting = self._utterances
        for event in self.events():
            waiting -= event["type"] == "utterance_ended"
            if waiting <= 0:
                break
        return self.refresh()

    def _fork(self, **fields: object) -> Session:
        body = {name: value for name, value in fields.items() if value is not None}
        return Session(self._connection, self._connection.call("POST", self._path("/fork"), body))

    def _path(self, rest: str) -> str:
        return f"/v1/sessions/{self.id}{rest}"

    def _tell(self, method: str, rest: str, body: object = None) -> schema.Session:
        self.info = self._connection.call(method, self._path(rest), body)
        return self.info

