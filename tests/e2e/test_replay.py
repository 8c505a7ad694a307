"""Forks whose blocks are made again have the frames of a video that was never forked, with the shipped model."""
import json
import sqlite3
import subprocess

from conftest import Server
from waiting import wait_for

FIRST, THEN = "a red circle moves right on a white background", "a blue square moves left on a white background"
SEED = 7


def finish(server, session):
    """Waits for its end and its recording; the session then."""
    path = f"/v1/sessions/{session['id']}"
    ended = wait_for(lambda: (now := server.request("GET", path))["recording"]["complete"] and now, seconds=300)
    assert ended["state"] == "finished", ended["error"]
    return ended


def make(server, **request):
    return finish(server, server.request("POST", "/v1/sessions", {"seed": SEED, **request}))


def checks(data, session):
    """Of the pixels of its blocks, as they were before they were encoded."""
    with sqlite3.connect(data / "catalogue.sqlite") as catalogue:
        (details,) = catalogue.execute("SELECT details FROM sessions WHERE id = ?", (session["id"],)).fetchone()
    return json.loads(details)["history"]["checks"]


def decoded(data, session):
    """The frames of its recording, as bytes."""
    side = session["format"]["width"] * session["format"]["height"] * 3 // 2
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(data / f"{session['id']}.mp4"), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                         capture_output=True, check=True).stdout
    return [raw[at:at + side] for at in range(0, len(raw), side)]


def test_forks_of_ended_sessions_have_the_frames_of_videos_that_were_never_forked(binary, tmp_path):
    data = tmp_path / "data"
    server = Server(binary, data)
    try:
        origin = make(server, prompt=FIRST, segments=2)
        switched = make(server, prompts=[FIRST, THEN], segments=2)  # at the border between its segments
        longer = make(server, prompt=FIRST, segments=3)
    finally:
        server.stop()
    border = origin["format"]["blocks_per_segment"]
    server = Server(binary, data)
    try:
        path = f"/v1/sessions/{origin['id']}"
        assert server.request("GET", path)["forks"] == {"least_blocks": 0, "most_blocks": origin["done"]["blocks"],
                                                        "least_kept": None, "most_kept": None, "no_replay": None}
        fork = server.request("POST", f"{path}/fork", {"blocks": border, "prompt": THEN})
        assert fork["replay_blocks"] == border and fork["replayed_blocks"] == 0
        fork = finish(server, fork)
        continued = finish(server, server.request("POST", f"{path}/fork", {"segments": 1}))
        assert fork["replayed_blocks"] == border and continued["replayed_blocks"] == origin["done"]["blocks"]
    finally:
        server.stop()
    assert checks(data, fork) == checks(data, switched)
    assert checks(data, continued) == checks(data, longer)
    shared = decoded(data, origin)
    assert decoded(data, continued)[:len(shared)] == shared
    assert len(decoded(data, continued)) == longer["format"]["video_frames"]
    assert len(decoded(data, fork)) == len(shared) == origin["format"]["video_frames"]
