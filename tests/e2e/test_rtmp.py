"""RTMP push to a real nginx with its RTMP module; what it recorded is compared with what was sent."""
import contextlib
import json
import pathlib
import socket
import subprocess
import time
import urllib.error

import numpy
import pytest
from video_server import video_server
from waiting import wait_for

MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
pytestmark = pytest.mark.skipif(not MODULE.exists(), reason="libnginx-mod-rtmp is not installed")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Nginx:
    """An RTMP server that records every publication as FLV."""

    def __init__(self, directory):
        self.port = free_port()
        self.directory = directory
        self.records = directory / "records"
        self.records.mkdir()
        self.records.chmod(0o777)
        self.configuration = directory / "nginx.conf"
        self.configuration.write_text(f"""
load_module {MODULE};
daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log info;
events {{ worker_connections 64; }}
rtmp {{ access_log off; server {{ listen 127.0.0.1:{self.port}; application live {{
  live on; record all; record_unique on; record_path {self.records}; }} }} }}
""")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["nginx", "-c", self.configuration, "-p", self.directory, "-e", self.directory / "error.log"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError("nginx did not start:\n" + (self.directory / "error.log").read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def url(self, name):
        return f"rtmp://127.0.0.1:{self.port}/live/{name}"

    def recorded(self):
        return sorted(self.records.iterdir(), key=lambda path: path.stat().st_mtime)


@pytest.fixture
def nginx(tmp_path):
    server = Nginx(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with video_server(tmp_path_factory.mktemp("rtmp")) as running:
        yield running


def packets(path):
    """Digest, time and key flag of each picture, as ffprobe sees them after a conversion to the same byte stream."""
    out = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "packet=pts_time,flags", "-of", "json", path], capture_output=True, check=True)
    return [(float(p["pts_time"]), "K" in p["flags"]) for p in json.loads(out.stdout)["packets"]]


def pictures(path):
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True).stdout
    return numpy.frombuffer(raw, numpy.uint8).reshape(-1, 352, 640)


def numbers(path):
    """The numbers that are drawn in the second row of cells."""
    return [sum(1 << i for i in range(32) if picture[30, i * 20 + 10] > 127) for picture in pictures(path)]


def state(server, push):
    return server.request("GET", push["urls"]["self"])


def test_nginx_records_exactly_what_was_sent(server, nginx, tmp_path):
    session = server.create("red asap", segments=1)
    push = server.request("POST", f"/v1/sessions/{session}/rtmp", {"url": nginx.url("whole"), "pacing": "asap", "from": "start"})
    assert push["url"].endswith("/live/...") and push["push"] == 1
    wait_for(lambda: state(server, push)["state"] == "finished")
    done = state(server, push)
    assert (done["video_frames"], done["connections"], done["error"]) == (84, 1, None)
    wait_for(lambda: nginx.recorded() and len(packets(nginx.recorded()[0])) == 84)
    mp4 = tmp_path / "sent.mp4"
    with mp4.open("wb") as file:
        subprocess.run(["curl", "-sf", f"{server.url}/v1/sessions/{session}/recording.mp4"], check=True, stdout=file)
    (recorded,) = nginx.recorded()
    sent, received = packets(mp4), packets(recorded)
    assert [key for _, key in received] == [key for _, key in sent]
    assert max(abs(a[0] - received[0][0] - b[0]) for a, b in zip(received, sent)) < 0.002  # RTMP counts milliseconds
    assert (pictures(recorded) == pictures(mp4)).all()


def test_a_push_in_real_time_takes_as_long_as_the_video(server, nginx):
    session = server.create("blue asap", segments=1)
    begin = time.monotonic()
    push = server.request("POST", f"/v1/sessions/{session}/rtmp", {"url": nginx.url("paced"), "from": "start"})
    wait_for(lambda: state(server, push)["state"] == "finished")
    assert time.monotonic() - begin >= 5
    assert numbers(nginx.recorded()[0])[-1] == 83


def test_a_push_goes_on_when_the_server_comes_back_and_the_stream_never_waits(server, nginx):
    session = server.create("green", segments=2)  # ten seconds
    push = server.request("POST", f"/v1/sessions/{session}/rtmp", {"url": nginx.url("again")})
    wait_for(lambda: state(server, push)["video_frames"] > 16)
    nginx.kill()
    wait_for(lambda: state(server, push)["state"] in ("waiting", "connecting"))
    assert state(server, push)["error"]
    blocks = server.status(session)["done"]["blocks"]
    time.sleep(1)
    assert server.status(session)["done"]["blocks"] > blocks
    nginx.start()
    wait_for(lambda: state(server, push)["state"] == "finished")
    done = state(server, push)
    assert done["connections"] == 2
    status = server.status(session)
    assert status["state"] == "finished" and status["times_s"]["end"] > 9.0
    first, second = (numbers(path) for path in nginx.recorded())
    assert first[0] == 0 and second[-1] == 167
    assert second == list(range(second[0], 168)), "a block that comes after the break comes whole"
    assert second[0] % 12 == 0


def test_a_push_can_be_stopped_and_is_listed(server, nginx):
    session = server.create("red", segments=0)
    push = server.request("POST", f"/v1/sessions/{session}/rtmp", {"url": nginx.url("stopped")})
    wait_for(lambda: state(server, push)["video_frames"] > 0)
    server.request("DELETE", push["urls"]["self"])
    wait_for(lambda: state(server, push)["state"] == "stopped")
    assert [p["state"] for p in server.request("GET", f"/v1/sessions/{session}/rtmp")["pushes"]] == ["stopped"]
    server.request("DELETE", f"/v1/sessions/{session}")


@pytest.mark.parametrize("body, words", [
    ({}, "url is missing"),
    ({"url": "http://127.0.0.1/live/x"}, "rtmp://host"),
    ({"url": "rtmp://127.0.0.1/live/x tcurl=rtmp://elsewhere"}, "without spaces"),
    ({"url": "rtmp://example.org/live/x"}, "--allow-push"),
    ({"url": "rtmp://127.0.0.1/live/x", "pacing": "fast"}, "pacing must be"),
    ({"url": "rtmp://127.0.0.1/live/x", "speed": 1}, "speed"),
])
def test_bad_requests_are_refused_with_a_reason(server, body, words):
    session = server.create("red asap", segments=1)
    with pytest.raises(urllib.error.HTTPError) as error:
        server.request("POST", f"/v1/sessions/{session}/rtmp", body)
    assert error.value.code == 400
    assert words in json.loads(error.value.read())["error"]["message"]


def test_generate_streams_to_an_rtmp_server_in_real_time(nginx):
    from test_generate import PROGRAM

    begin = time.monotonic()
    run = subprocess.run([PROGRAM, "generate", "--model", "drawing", "a red circle", "-o", nginx.url("secret")], capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr
    assert time.monotonic() - begin >= 5
    assert "live/..." in run.stderr and "secret" not in run.stderr
    assert len(packets(nginx.recorded()[0])) == 84
    nginx.kill()
    run = subprocess.run([PROGRAM, "generate", "--model", "drawing", "a", "-o", nginx.url("secret")], capture_output=True, text=True, timeout=180)
    assert run.returncode == 1 and "refused" in run.stderr and "secret" not in run.stderr


def test_the_prompts_of_a_stream_take_turns_and_its_folder_gets_the_video(binary, nginx, tmp_path):
    """`rushes stream --rtmp_url`, as Inferix's scripts are called."""
    config = tmp_path / "config.yaml"
    config.write_text("timestep_shift: 5.0\n")
    folder = tmp_path / "out"
    subprocess.run([binary, "stream", "--config_path", config, "--checkpoint_path", tmp_path / "none.pt", "--shipped-model",
                    "--prompt", "a red circle; a green star", "--streaming_backend", "rtmp", "--rtmp_url", nginx.url("turns"),
                    "--segment_length", "3", "--overlap_frames", "0", "--output_folder", folder], check=True, timeout=300)
    (file,) = folder.iterdir()
    assert file.name == "progressive_streaming.mp4"
    wait_for(lambda: len(nginx.recorded()) == 1 and len(packets(nginx.recorded()[0])) == 18)
    assert len(packets(file)) == 18  # two segments of three latent frames
