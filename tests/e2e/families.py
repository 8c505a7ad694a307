"""What a test has to know of a family to run over all of them with the shipped models."""
import base64
import dataclasses

import pytest
from conftest import ROOT

EXAMPLES = ROOT / "models/shipped-talk/examples"


@dataclasses.dataclass(frozen=True)
class Family:
    name: str
    feeds: str  # what its sessions are fed with: its model is found by that
    fields: dict  # what begins a session, beside the model
    endless: dict  # and one without an end
    audio_codec: str | None

    def request(self, server, **fields):
        """The body that begins a session."""
        model = next(m["name"] for m in server.request("GET", "/v1/models")["models"] if self.feeds in m["capabilities"]["feeds"])
        return {"model": model, **self.fields, **fields}

    def begin(self, server, **fields):
        """A session with more work than a test waits for; its id."""
        id = server.request("POST", "/v1/sessions", self.request(server, **self.endless, **fields))["id"]
        if self.feeds == "audio":
            speech = (EXAMPLES / "speech.wav").read_bytes()
            for _ in range(20):
                assert server.answer("POST", f"/v1/sessions/{id}/audio", speech, {"Content-Type": "audio/wav"})[0] == 202
        return id


FAMILIES = [
    Family("text-to-video", "text", {"prompt": "a red circle moves right on a blue background"}, {"segments": 0}, None),
    Family("talking-head", "audio", {"image": base64.b64encode((EXAMPLES / "ada.png").read_bytes()).decode()}, {}, "aac"),
]
TEXT_TO_VIDEO, TALKING_HEAD = FAMILIES
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
