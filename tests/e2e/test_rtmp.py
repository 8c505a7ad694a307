"""RTMP push to a real nginx with its RTMP module; what it recorded is compared with what was sent."""
import json
import pathlib
import subprocess
import time
import urllib.error

import numpy
import pytest
from conftest import Server
from families import TALKING_HEAD
from nginx import free_port, start_nginx
from python_package import python
from video_server import video_server
from waiting import wait_for

MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
pytestmark = pytest.mark.skipif(not MODULE.exists(), reason="libnginx-mod-rtmp is not installed")


class Nginx:
    """An RTMP server that records every publication as FLV."""

    def __init__(self, directory):
        self.port = free_port()
        self.directory = directory
        self.records = directory / "records"
        self.records.mkdir()
        self.records.chmod(0o777)
        # The module is loaded before anything else is said.
        self.configuration = f"""
load_module {MODULE};
events {{ worker_connections 64; }}
rtmp {{ access_log off; server {{ listen 127.0.0.1:{self.port}; application live {{
  live on; record all; record_unique on; record_path {self.records}; }} }} }}
"""
        self.process = None

    def start(self):
        self.process = start_nginx(self.directory, self.configuration, self.port)

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
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time,flags", "-of", "json", path], capture_output=True, check=True)
    return [(float(p["pts_time"]), "K" in p["flags"]) for p in json.loads(out.stdout)["packets"]]


def pictures(path):
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True).stdout
    return numpy.frombuffer(raw, numpy.uint8).reshape(-1, 352, 640)


def tracks(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name", "-of", "json", path], capture_output=True, check=True)
    return [(s["codec_type"], s["codec_name"]) for s in json.loads(out.stdout)["streams"]]


def sound(path):
    """Samples at 16 kHz from the time of the first picture on, silence where there is none."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "16000",
                          "-f", "f32le", "-"], capture_output=True, check=True).stdout
    return numpy.frombuffer(raw, numpy.float32)


def gaps(path):
    """The times between packets of sound."""
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "packet=pts_time", "-of", "json", path], capture_output=True, check=True)
    return numpy.diff([float(p["pts_time"]) for p in json.loads(out.stdout)["packets"]])


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
    assert tracks(recorded) == [("video", "h264"), ("audio", "aac")], "sites refuse a stream without sound"
    assert abs(sound(recorded)).max() == 0 and gaps(recorded).max() < 0.03
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


def test_pictures_go_alone_where_no_silence_is_wanted(server, nginx):
    session = server.create("blue asap", segments=1)
    push = server.request("POST", f"/v1/sessions/{session}/rtmp", {"url": nginx.url("mute"), "pacing": "asap", "from": "start", "silent_audio": False})
    wait_for(lambda: state(server, push)["state"] == "finished")
    wait_for(lambda: nginx.recorded() and len(packets(nginx.recorded()[0])) == 84)
    assert tracks(nginx.recorded()[0]) == [("video", "h264")]


@pytest.mark.parametrize("body, words", [
    ({}, "url is missing"),
    ({"url": "http://127.0.0.1/live/x"}, "rtmp://host"),
    ({"url": "rtmp://127.0.0.1/live/x tcurl=rtmp://elsewhere"}, "without spaces"),
    ({"url": "rtmp://example.org/live/x"}, "--allow-push"),
    ({"url": "rtmp://127.0.0.1/live/x", "pacing": "fast"}, "pacing must be"),
    ({"url": "rtmp://127.0.0.1/live/x", "speed": 1}, "speed"),
    ({"url": "rtmp://127.0.0.1/live/x", "silent_audio": "no"}, "silent_audio must be true or false"),
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
    assert ("audio", "aac") in tracks(nginx.recorded()[0])
    nginx.kill()
    run = subprocess.run([PROGRAM, "generate", "--model", "drawing", "a", "-o", nginx.url("secret")], capture_output=True, text=True, timeout=180)
    assert run.returncode == 1 and "refused" in run.stderr and "secret" not in run.stderr
    # Told before the model is looked at, let alone loaded.
    assert "cannot be reached" in run.stderr and "model" not in run.stderr


EXAMPLES = pathlib.Path(__file__).parents[2] / "models" / "shipped-talk" / "examples"


def offset(reference, heard):
    """Seconds by which `heard` comes later."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    match = numpy.fft.irfft(numpy.fft.rfft(heard, size) * numpy.conj(numpy.fft.rfft(reference, size)), size)
    at = int(numpy.argmax(match))
    return (at if at < size // 2 else at - size) / 16000


def test_a_talking_head_is_heard_in_time(binary, nginx, tmp_path):
    arguments = [binary, "talk", "--quiet", "--image", EXAMPLES / "ada.png", "--audio", EXAMPLES / "speech.wav", "-o"]
    run = subprocess.run([*arguments, nginx.url("talk")], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    subprocess.run([*arguments, tmp_path / "talk.mp4"], check=True, timeout=300)
    (recorded,) = nginx.recorded()
    assert tracks(recorded) == [("video", "h264"), ("audio", "aac")]
    assert len(packets(recorded)) == len(packets(tmp_path / "talk.mp4"))
    assert gaps(recorded).max() < 0.1
    assert abs(offset(sound(tmp_path / "talk.mp4"), sound(recorded))) < 0.005


def test_a_push_of_a_talking_head_is_heard_in_time(binary, nginx, tmp_path):
    server = Server(binary, tmp_path / "data")
    try:
        session = TALKING_HEAD.begin(server)
        push = server.request("POST", f"/v1/sessions/{session}/rtmp", {"url": nginx.url("head"), "from": "start"})
        wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["done"]["video_frames"] > 50)
        server.request("POST", f"/v1/sessions/{session}/stop")
        wait_for(lambda: state(server, push)["state"] == "finished")
        wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["recording"]["complete"])
        sent = tmp_path / "data" / f"{session}.mp4"
        (recorded,) = nginx.recorded()
        assert tracks(recorded) == [("video", "h264"), ("audio", "aac")]
        assert len(packets(recorded)) == len(packets(sent)) == state(server, push)["video_frames"]
        assert gaps(recorded).max() < 0.1
        assert abs(offset(sound(sent), sound(recorded))) < 0.005
    finally:
        server.stop()


def test_nothing_is_published_before_there_is_a_picture(nginx, tmp_path):
    script = tmp_path / "push.py"
    script.write_text(f"""
import numpy, rushes
from rushes.inferix.core.media import create_streaming_backend
backend = create_streaming_backend("rtmp")
assert backend.connect(832, 480, fps=16, rtmp_url={nginx.url("late")!r})
for _ in range(3):
    assert backend.stream_batch(numpy.zeros((8, 96, 128, 3), numpy.uint8))
backend.disconnect()
""")
    run = python(script)
    assert run.wait(120) == 0, run.stdout.read()
    (recorded,) = nginx.recorded()
    assert len(packets(recorded)) == 24


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
