"""Requests to a server's session API, and the events of a session: all that a client needs."""
import json
import os
import urllib.parse
import urllib.request

SERVER = os.environ.get("SERVER", "http://127.0.0.1:8000")


def call(method, path, body=None):
    """The answer of a route. `body`: bytes as they are, anything else as JSON. What is refused raises urllib.error.HTTPError."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(SERVER + path, data, method=method)) as answer:
        return json.load(answer)


def model_that(yields, feeds):
    """The name of the server's first model that makes `yields` and takes `feeds` while it runs; None: whatever it takes."""
    for model in call("GET", "/v1/models")["models"]:
        can = model["capabilities"]
        if yields in can["yields"] and feeds in [None, *can["feeds"]]:
            return model["name"]
    raise SystemExit(f"{SERVER} has no model that makes {yields} of {feeds}")


def events(session):
    """What happens in a session, from its beginning to its end, as it happens."""
    with urllib.request.urlopen(f"{SERVER}/v1/sessions/{session}/stream.ndjson?video=none") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def download(session, file):
    """All of the video, to its end."""
    urllib.request.urlretrieve(f"{SERVER}/v1/sessions/{session}/video.mp4", file)
