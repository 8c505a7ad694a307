"""A server that is killed loses nothing that was complete. RUSHES_TEST_KILLS says how often it is killed (default 2)."""
import json
import os
import random
import signal
import sqlite3
import subprocess
import time

from conftest import Server
from families import each_family
from waiting import wait_for


def streams_that_play(path):
    """Decodes the whole file; any complaint of FFmpeg's is a failure. Its streams, by kind."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    told = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", str(path)], capture_output=True, text=True, check=True)
    return {stream["codec_type"]: stream for stream in json.loads(told.stdout)["streams"]}


def boxes(path):
    """The names of an MP4's boxes and their sizes."""
    with path.open("rb") as file:
        while len(head := file.read(16)) >= 8:
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            yield head[4:8].decode(), size
            file.seek(size - len(head), os.SEEK_CUR)


def check(server, data, family):
    """Everything that is listed plays to its end, and catalogue, list and directory agree."""
    # What a server that was killed left in fragments becomes a plain file while the next one works.
    wait_for(lambda: all([name for name, _ in boxes(path)] == ["ftyp", "moov", "uuid", "mdat"] for path in data.glob("*.mp4")))
    recordings = {r["id"]: r for r in server.request("GET", "/v1/recordings")["recordings"]}
    sessions = {s["id"]: s for s in server.request("GET", "/v1/sessions?state=finished,failed,stopped")["sessions"]}
    assert set(sessions) == set(recordings) == {p.stem for p in data.glob("*.mp4")}
    for id, recording in recordings.items():
        assert recording["complete"] and sessions[id]["model"] == family.request(server)["model"]
        streams = streams_that_play(data / f"{id}.mp4")
        assert abs(float(streams["video"]["duration"]) - recording["seconds"]) < 0.01, "players show its length"
        assert int(streams["video"]["nb_read_packets"]) == recording["video_frames"] > 0
        assert streams.get("audio", {}).get("codec_name") == family.audio_codec
        assert (data / f"{id}.mp4").stat().st_size == recording["bytes"]
    return recordings


@each_family
def test_recordings_survive_kills_at_any_moment(binary, tmp_path, family):
    kills = int(os.environ.get("RUSHES_TEST_KILLS", 2))
    moments = random.Random(20260101)
    data = tmp_path / "data"
    kept = {}
    for _ in range(kills):
        server = Server(binary, data)
        try:
            recordings = check(server, data, family)
            assert kept.items() <= {id: r["bytes"] for id, r in recordings.items()}.items()
            kept = {id: r["bytes"] for id, r in recordings.items()}
            first, _ = [family.begin(server, seed=seed) for seed in (1, 2)]
            path = f"/v1/sessions/{first}"
            wait_for(lambda at=server, path=path: at.request("GET", path)["done"]["fragments"] > 0)  # there is something to lose
            time.sleep(moments.uniform(0, 1.5))
        finally:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(30)
        with sqlite3.connect(data / "catalogue.sqlite") as catalogue:
            assert catalogue.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    server = Server(binary, data)
    try:
        recordings = check(server, data, family)
        assert len(recordings) >= kills
        for recording in list(recordings.values())[:-1]:
            server.request("DELETE", recording["urls"]["self"])
    finally:
        assert server.stop() == 0
    assert len(list(data.glob("*.mp4"))) == 1
