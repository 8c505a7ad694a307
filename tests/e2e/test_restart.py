"""A server that is killed loses nothing that was complete. RUSHES_TEST_KILLS says how often it is killed (default 3)."""
import os
import random
import signal
import sqlite3
import subprocess
import time

from video_server import VideoServer, find_program
from waiting import wait_for


def frames_that_play(path):
    """Decodes the whole file; any complaint of FFmpeg's is a failure."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    counted = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", str(path)],
                             capture_output=True, text=True, check=True)
    return int(counted.stdout)


def wait_for_fragment(server, session):
    wait_for(lambda: server.status(session)["done"]["fragments"] > 0)


def check(server, data):
    """Everything that is listed plays to its end, and catalogue, list and directory agree."""
    recordings = {r["id"]: r for r in server.request("GET", "/v1/recordings")["recordings"]}
    sessions = {s["id"]: s for s in server.request("GET", "/v1/sessions")["sessions"]}
    assert set(sessions) == set(recordings) == {p.stem for p in data.glob("*.mp4")}
    for id, recording in recordings.items():
        assert recording["complete"] and sessions[id]["state"] in ("finished", "failed", "stopped")
        assert frames_that_play(data / f"{id}.mp4") == recording["video_frames"] > 0
        assert (data / f"{id}.mp4").stat().st_size == recording["bytes"]
    return recordings


def test_recordings_survive_kills_at_any_moment(tmp_path):
    kills = int(os.environ.get("RUSHES_TEST_KILLS", 3))
    moments = random.Random(20260101)
    data = tmp_path / "data"
    kept = {}
    for _ in range(kills):
        server = VideoServer(find_program(), data)
        try:
            recordings = check(server, data)
            assert kept.items() <= {id: r["bytes"] for id, r in recordings.items()}.items()
            kept = {id: r["bytes"] for id, r in recordings.items()}
            first, _ = [server.create(f"{colour} asap", segments=0) for colour in ("red", "blue")]
            wait_for_fragment(server, first)  # there is something to lose
            time.sleep(moments.uniform(0, 1.5))
        finally:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(30)
        with sqlite3.connect(data / "catalogue.sqlite") as catalogue:
            assert catalogue.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    server = VideoServer(find_program(), data)
    try:
        recordings = check(server, data)
        assert len(recordings) >= kills
        for recording in list(recordings.values())[:-1]:
            server.request("DELETE", recording["urls"]["self"])
    finally:
        assert server.stop() == 0
    assert len(list(data.glob("*.mp4"))) == 1
