"""`rushes serve` with the shipped model as its clients meet it: videos that are watched while they are made, sessions
that share the device, controls, viewers that misbehave, bad input. FFmpeg judges what is watched."""
import base64
import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from conftest import Server
from families import FAMILIES, TALKING_HEAD, TEXT_TO_VIDEO, each_family
from python_package import decoded
from waiting import wait_for
from websockets.sync.client import connect

PROMPT = TEXT_TO_VIDEO.fields["prompt"]
END_STATES = {"finished", "stopped", "failed"}


def create(server, **fields):
    return server.request("POST", "/v1/sessions", {"prompt": PROMPT, **fields})


def status(server, session):
    return server.request("GET", f"/v1/sessions/{session}")


def control(server, session, what, body=None):
    return server.request("POST", f"/v1/sessions/{session}/{what}", body or {})


def socket_to(server, session, what):
    return connect(server.url.replace("http", "ws", 1) + f"/v1/sessions/{session}/{what}", max_size=None)


def events(server, session):
    """All events with the time of their arrival, until the session has ended."""
    with socket_to(server, session, "events") as viewer:
        for message in viewer:
            yield time.monotonic(), json.loads(message)


def wait_for_end(server, session):
    *_, (_, last) = events(server, session)
    return last["state"]


def video_frames(path):
    probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-of", "json",
                            "-show_entries", "stream=width,height,codec_name,nb_read_frames", path],
                           capture_output=True, text=True, check=True)
    assert probe.stderr == ""
    return json.loads(probe.stdout)["streams"][0]


@pytest.fixture(autouse=True)
def no_sessions_left_behind(request):
    yield
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        for session in server.request("GET", "/v1/sessions")["sessions"]:
            server.request("DELETE", "/v1/sessions/" + session["id"])


# ---- watching ---------------------------------------------------------------------------------------------------------


def test_a_websocket_viewer_plays_the_video_while_it_is_made(server, tmp_path):
    session = create(server, segments=3)
    with socket_to(server, session["id"], "video") as viewer:
        pieces = [viewer.recv(timeout=90), viewer.recv(timeout=90)]
        (tmp_path / "first.mp4").write_bytes(b"".join(pieces))
        first = video_frames(tmp_path / "first.mp4")
        early = status(server, session["id"])
        pieces += list(viewer)
        assert (viewer.close_code, viewer.close_reason) == (1000, "finished")
    (tmp_path / "all.mp4").write_bytes(b"".join(pieces))
    whole = video_frames(tmp_path / "all.mp4")

    assert early["state"] == "running", "its first block could be decoded before the session had ended"
    assert int(first["nb_read_frames"]) > 0
    assert int(whole["nb_read_frames"]) == session["format"]["video_frames"]
    assert (whole["codec_name"], whole["width"], whole["height"]) == ("h264", session["format"]["width"], session["format"]["height"])
    assert len(pieces) == 1 + status(server, session["id"])["done"]["blocks"]


def test_the_file_grows_while_it_is_sent_and_shows_what_others_saw(server, tmp_path):
    session = create(server, segments=3)["id"]
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session}/video.mp4", timeout=180) as growing:
        assert growing.headers["Transfer-Encoding"] == "chunked"
        head = growing.read(1000)
        assert status(server, session)["state"] == "running"
        (tmp_path / "live.mp4").write_bytes(head + growing.read())
    assert int(video_frames(tmp_path / "live.mp4")["nb_read_frames"]) == status(server, session)["format"]["video_frames"]
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session}/video.mp4", timeout=180) as file:
        assert int(file.headers["Content-Length"]) > 1000
        (tmp_path / "file.mp4").write_bytes(file.read())
    assert decoded(tmp_path / "file.mp4").tobytes() == decoded(tmp_path / "live.mp4").tobytes()


def test_the_same_seed_makes_the_same_video(server):
    videos = []
    for seed in (7, 7, 8):
        session = create(server, seed=seed)["id"]
        with socket_to(server, session, "video") as viewer:
            videos.append(b"".join(viewer))
    assert videos[0] == videos[1] != videos[2]


# ---- several sessions -------------------------------------------------------------------------------------------------


@pytest.fixture
def one_lane(binary, tmp_path):
    running = Server(binary, tmp_path, "--lanes", "1")
    yield running
    running.stop()


def test_sessions_share_a_lane_of_the_device_block_by_block(one_lane):
    server = one_lane
    sessions = [create(server, segments=2, seed=i)["id"] for i in range(3)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        seen = list(pool.map(lambda session: list(events(server, session)), sessions))
    blocks = sorted((at, i) for i, each in enumerate(seen) for at, event in each if event["type"] == "frame_block")
    totals = [sum(1 for _, i in blocks if i == k) for k in range(3)]
    assert len(set(totals)) == 1 and totals[0] > 5
    counts = [0, 0, 0]
    head_start = None  # of those that were created first
    for _, i in blocks:
        counts[i] += 1
        if head_start is None and min(counts) > 0:
            head_start = counts.copy()
        if head_start and max(counts) < totals[0]:
            since = [count - start for count, start in zip(counts, head_start)]
            assert max(since) - min(since) <= 3, f"unfair: {counts} blocks"


def test_a_new_session_gets_its_first_block_though_others_run(server):
    for i in range(3):
        create(server, segments=0, seed=i)
    late = create(server)["id"]
    assert wait_for_end(server, late) == "finished"
    assert status(server, late)["times_s"]["first_block"] < 30


# ---- controls ---------------------------------------------------------------------------------------------------------


def test_a_new_prompt_takes_effect_at_a_block_border(server):
    session = create(server, segments=0)["id"]
    prompts = []
    for _, event in events(server, session):
        if event["type"] == "frame_block":
            prompts.append(event["prompt"])
            if len(prompts) == 2:
                control(server, session, "prompt", {"prompt": "a green star"})
            if prompts[-1] == "a green star":
                control(server, session, "stop")
    assert prompts[:2] == [PROMPT, PROMPT]
    assert "a green star" in prompts[2:20]


def test_pause_holds_resume_goes_on_and_stop_ends(server, tmp_path):
    session = create(server, segments=0)["id"]
    assert control(server, session, "pause")["state"] == "paused"
    assert control(server, session, "pause")["state"] == "paused"
    bystander = create(server, segments=1)["id"]
    assert wait_for_end(server, bystander) == "finished"
    held = status(server, session)["done"]["blocks"]
    assert held <= 1
    assert control(server, session, "resume")["state"] in ("running", "queued")  # queued: it was held before it began
    for _, event in events(server, session):
        if event["type"] == "frame_block" and event["first_video_frame"] > 0:
            control(server, session, "stop")
    end = status(server, session)
    assert end["state"] == "stopped"
    assert end["done"]["blocks"] > held
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session}/video.mp4", timeout=180) as file:
        (tmp_path / "stopped.mp4").write_bytes(file.read())
    assert int(video_frames(tmp_path / "stopped.mp4")["nb_read_frames"]) == end["done"]["video_frames"]


def test_two_clients_may_stop_the_same_session(server):
    session = create(server, segments=0)["id"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: control(server, session, "stop")["state"], range(8)))
    assert answers == ["stopped"] * 8
    stops = [event for _, event in events(server, session) if event.get("state") == "stopped"]
    assert len(stops) == 1
    assert server.answer("POST", f"/v1/sessions/{session}/prompt", b'{"prompt": "x"}')[0] == 409


# ---- viewers that misbehave -------------------------------------------------------------------------------------------


def raw_viewer(server, session):
    """A WebSocket that has been opened and is never read, with as little room in the kernel as possible."""
    host, port = server.url.removeprefix("http://").split(":")
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    viewer.connect((host, int(port)))
    viewer.sendall(f"GET /v1/sessions/{session}/video HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    return viewer


def test_viewers_that_never_read_or_leave_disturb_nobody(server):
    session = create(server, segments=2)
    silent = raw_viewer(server, session["id"])
    for _ in range(5):
        raw_viewer(server, session["id"]).close()
        with socket_to(server, session["id"], "events") as leaving:
            leaving.recv(timeout=90)
    with socket_to(server, session["id"], "video") as lively:
        assert len(list(lively)) > 2
    assert status(server, session["id"])["state"] == "finished"
    silent.close()


def test_a_session_goes_on_without_viewers(server):
    session = create(server, segments=1)["id"]
    assert wait_for_end(server, session) == "finished"


# ---- bad input --------------------------------------------------------------------------------------------------------

def with_fields(**fields):
    """The body of a session of this family with these fields changed; None leaves one away."""
    return lambda server, family: json.dumps({key: value for key, value in {**family.request(server), **fields}.items() if value is not None}).encode()


def as_it_is(body):
    return lambda server, family: body


EVERY_FAMILY_REFUSES = [
    ("no JSON", as_it_is(b"prompt=a"), 400, "not JSON"),
    ("cut off", lambda server, family: with_fields()(server, family)[:-1], 400, "byte"),
    ("a list", as_it_is(b'["a"]'), 400, "object"),
    ("empty prompt", with_fields(prompt=""), 400, "prompt is empty"),
    ("blank prompt", with_fields(prompt="  "), 400, "prompt is empty"),
    ("100 kB prompt", with_fields(prompt="x" * 100_000), 413, "the limit is 8192"),
    ("prompt of another type", with_fields(prompt=5), 400, "prompt must be a string"),
    ("seed of another type", with_fields(seed="7"), 400, "seed must be an integer"),
    ("unknown field", with_fields(sead=7), 400, "unknown field sead"),
    ("no size", with_fields(size="large"), 400, "WIDTHxHEIGHT"),
    ("too many steps", with_fields(steps=100_000), 400, "steps"),
    ("another model", with_fields(model="other"), 404, "no model 'other'"),
    ("no picture", with_fields(image="aGVsbG8="), 415, "image"),
    ("a picture beyond 16 MiB", with_fields(image=base64.b64encode(bytes((16 << 20) + 1)).decode()), 413, "image has 16777217 bytes"),
    ("half a picture", with_fields(image=TALKING_HEAD.fields["image"][:400]), 422, "image"),
]
ONE_FAMILY_REFUSES = [
    (TEXT_TO_VIDEO, "no prompt", with_fields(prompt=None), 400, "give prompt"),
    (TEXT_TO_VIDEO, "odd width", with_fields(width=97), 400, "width"),
    (TEXT_TO_VIDEO, "huge size", with_fields(size="100000x100000"), 400, "100000"),
    (TEXT_TO_VIDEO, "segment length between blocks", with_fields(segment_length=20), 400, "multiple of 3"),
    (TALKING_HEAD, "no portrait", with_fields(image=None), 400, "image is missing"),
    (TALKING_HEAD, "a prompt", with_fields(prompt="a"), 415, "prompt: this model does not accept text"),
    (TALKING_HEAD, "a size", with_fields(size="64x64"), 415, "size cannot be set"),
    (TALKING_HEAD, "a length", with_fields(frames=81), 415, "frames cannot be set"),
    (TALKING_HEAD, "half a pose", with_fields(pose_style=[1, 2]), 400, "pose_style"),
]
REFUSED = [(family, *case) for family in FAMILIES for case in EVERY_FAMILY_REFUSES] + ONE_FAMILY_REFUSES


@pytest.mark.parametrize("family, body, code, words", [(case[0], *case[2:]) for case in REFUSED], ids=[f"{case[0].name}: {case[1]}" for case in REFUSED])
def test_a_wrong_request_is_refused_with_the_reason(server, family, body, code, words):
    answered, content = server.answer("POST", "/v1/sessions", body(server, family))
    assert answered == code, content
    assert words in content["error"]["message"]
    assert server.request("GET", "/v1/sessions")["sessions"] == []


@each_family
def test_a_wrong_input_leaves_the_running_session_alone(server, family):
    session = family.begin(server)
    for body, code in [(b"", 400), (b'{"prompt": ""}', 400), (b'{"prompt": 1}', 400), (json.dumps({"prompt": "x" * 100_000}).encode(), 413)]:
        assert server.answer("POST", f"/v1/sessions/{session}/prompt", body)[0] == code
    if family.feeds == "audio":
        assert server.answer("POST", f"/v1/sessions/{session}/prompt", b'{"prompt": "a"}')[0] == 415
        assert server.answer("POST", f"/v1/sessions/{session}/audio", b"no sound")[0] == 415
    else:
        assert server.answer("POST", f"/v1/sessions/{session}/audio?format=s16le", b"xx")[0] == 415
    assert server.answer("POST", f"/v1/sessions/{'0' * 32}/stop")[0] == 404
    assert server.answer("POST", "/v1/sessions/../stop")[0] in (400, 404, 405)
    before = status(server, session)["done"]["blocks"]
    wait_for(lambda: status(server, session)["done"]["blocks"] > before)


# ---- large sessions -----------------------------------------------------------------------------------------------------

LARGE = "1280x720"  # its first block takes minutes


def test_a_small_session_goes_on_beside_large_ones_and_their_memory_comes_back(one_lane):
    server = one_lane
    wait_for_end(server, create(server)["id"])
    before = server.resident_bytes()
    large = [create(server, size=LARGE, segments=0)["id"] for _ in range(2)]
    wait_for(lambda: status(server, large[0])["state"] == "running")
    assert wait_for_end(server, create(server, segments=2)["id"]) == "finished"
    for session in large:
        assert status(server, session)["done"]["blocks"] == 0, "they are still at it"
        server.request("DELETE", f"/v1/sessions/{session}")
    assert wait_for_end(server, create(server)["id"]) == "finished"
    wait_for(lambda: server.resident_bytes() < before + (300 << 20))


def test_memory_of_a_large_prediction_comes_back_and_one_beyond_it_is_refused(one_lane):
    server = one_lane
    question = {"model": "shipped-foresight", "prompt": "what happens?"}
    assert wait_for_end(server, create(server, **question)["id"]) == "finished"
    before = server.resident_bytes()
    large = create(server, **question, size="512x512", frames=65)["id"]
    most = 0
    while status(server, large)["state"] in ("queued", "running"):
        most = max(most, server.resident_bytes())
    assert status(server, large)["state"] == "finished"
    assert most > before + (300 << 20)
    wait_for(lambda: server.resident_bytes() < before + (200 << 20))
    code, refused = server.answer("POST", "/v1/sessions", json.dumps({**question, "size": "768x768", "frames": 897}).encode())
    assert code == 413, refused
    assert "768x768 need about" in refused["error"]["message"]


def test_the_end_of_the_server_does_not_wait_for_a_long_block(binary, tmp_path):
    server = Server(binary, tmp_path, "--drain-timeout", "1")
    session = create(server, size="1920x1088", segments=0)["id"]
    wait_for(lambda: status(server, session)["state"] == "running")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0


# ---- the process ------------------------------------------------------------------------------------------------------


def serve_fails(binary, tmp_path, *arguments):
    """Exit code and last line of a server that cannot start."""
    command = [str(binary), "serve", "--data-dir", str(tmp_path / "data"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=360)
    return ended.returncode, ended.stderr.strip().splitlines()[-1]


@each_family
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_server_in_good_order(binary, tmp_path, family, ending):
    server = Server(binary, tmp_path)
    session = family.begin(server)
    with socket_to(server, session, "video") as viewer:
        seen = [viewer.recv(timeout=90), viewer.recv(timeout=90)]
        server.process.send_signal(ending)
        seen += list(viewer)
        assert (viewer.close_code, viewer.close_reason) == (1001, "the server is shutting down")
    assert server.process.wait(30) == 0
    recording = tmp_path / f"{session}.mp4"
    (tmp_path / "seen.mp4").write_bytes(b"".join(seen))
    assert int(video_frames(recording)["nb_read_frames"]) > 0
    assert decoded(recording).tobytes() == decoded(tmp_path / "seen.mp4").tobytes()
    server = Server(binary, tmp_path)
    try:
        remembered = status(server, session)
        assert (remembered["state"], remembered["recording"]["complete"]) == ("stopped", True)
        assert remembered["done"]["video_frames"] == int(video_frames(recording)["nb_read_frames"])
        assert remembered["recording"]["bytes"] == recording.stat().st_size
    finally:
        assert server.stop() == 0


def test_a_token_is_asked_for_where_one_is_set(binary, tmp_path):
    server = Server(binary, tmp_path, "--token", "secret")
    body = json.dumps({"prompt": PROMPT}).encode()
    try:
        assert server.answer("POST", "/v1/sessions", body)[0] == 401
        assert server.answer("POST", "/v1/sessions", body, {"Authorization": "Bearer wrong"})[0] == 401
        code, session = server.answer("POST", "/v1/sessions", body, {"Authorization": "Bearer secret"})
        assert code == 201
        assert server.answer("GET", session["urls"]["self"] + "?token=secret")[0] == 200
        assert server.answer("GET", "/health")[0] == 200
    finally:
        assert server.stop() == 0


def test_an_address_for_all_needs_a_token(binary, tmp_path):
    code, line = serve_fails(binary, tmp_path, "--listen", "0.0.0.0:0")
    assert code == 2
    assert "--token" in line and "--no-auth" in line


def test_an_api_that_does_not_exist_is_named_with_those_that_do(binary, tmp_path):
    code, line = serve_fails(binary, tmp_path, "--listen", "127.0.0.1:0=openay")
    assert code == 2
    assert "openay" in line and "openai" in line and "imtalker" in line


def test_a_taken_address_is_named(binary, tmp_path, server):
    address = server.url.removeprefix("http://")
    code, line = serve_fails(binary, tmp_path, "--listen", address)
    assert code != 0
    assert address in line and "--listen" in line
    host, port = address.split(":")
    code, line = serve_fails(binary, tmp_path, "--host", host, "--port", port)
    assert code != 0 and address in line
    code, line = serve_fails(binary, tmp_path, "--port", port)
    assert code != 0 and f"127.0.0.1:{port}" in line
    code, line = serve_fails(binary, tmp_path, "--port", port, "--listen", address)
    assert code == 2, line


def test_a_missing_or_broken_model_is_named(binary, tmp_path):
    code, line = serve_fails(binary, tmp_path, "--model", str(tmp_path / "nothing"))
    assert code != 0
    assert str(tmp_path / "nothing") in line
    broken = tmp_path / "broken"
    shutil.copytree(binary_model(), broken)
    weights = broken / "transformer.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    code, line = serve_fails(binary, tmp_path, "--model", str(broken))
    assert code != 0
    assert "transformer.safetensors" in line


def binary_model():
    from conftest import ROOT

    return ROOT / "models" / "shipped-t2v"


def test_a_model_tells_the_same_options_before_and_after_it_is_loaded(binary, tmp_path):
    server = Server(binary, tmp_path / "data", "--model", "random")
    try:
        for name in ("shipped-ditto", "shipped-avatar", "shipped-foresight"):
            before = server.request("GET", f"/v1/models/{name}")
            assert before["state"] == "unloaded"
            server.request("POST", f"/v1/models/{name}/load")
            after = server.request("GET", f"/v1/models/{name}")
            assert after["state"] == "loaded"
            assert before["options"] == after["options"], name
    finally:
        server.stop()


def test_a_model_that_is_named_goes_before_the_shipped_one_of_its_name(binary, tmp_path):
    from conftest import ROOT

    own = tmp_path / "shipped-ditto"
    shutil.copytree(ROOT / "models" / "shipped-ditto", own)
    shipped = ["shipped-talk", "shipped-avatar", "shipped-foresight"]
    for path in (own, os.path.relpath(ROOT / "models" / "shipped-ditto")):
        server = Server(binary, tmp_path / "data", "--model", str(path))
        try:
            models = server.request("GET", "/v1/models")["models"]
            assert [model["name"] for model in models] == ["shipped-ditto", *shipped]
        finally:
            server.stop()


def test_a_model_that_is_not_loaded_yet_is_offered_for_what_it_can_do(binary, tmp_path):
    models = ("--model", str(binary_model()), "--model", "random:omniavatar", "--model", "random:foresight")
    server = Server(binary, tmp_path / "data", *models, "--talk-model", "none")
    try:
        _, avatar, seer = server.request("GET", "/v1/models")["models"]
        assert [(avatar["family"], avatar["state"]), (seer["family"], seer["state"])] == [("omniavatar", "unloaded"), ("foresight", "unloaded")]
        assert "audio" in avatar["capabilities"]["feeds"] and {"text", "image"} <= set(avatar["capabilities"]["takes"])
        assert set(seer["capabilities"]["yields"]) == {"text", "video"} and "previews" in [option["name"] for option in seer["options"]]
    finally:
        server.stop()


def test_an_unknown_flag_or_value_is_refused(binary, tmp_path):
    for arguments, words in [(["--lisen", "1"], "--lisen"), (["--max-sessions", "0"], "--max-sessions"), (["--threads", "x"], "--threads")]:
        command = [str(binary), "serve", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert ended.returncode == 2
        assert re.search(words, ended.stdout + ended.stderr)


def test_data_that_cannot_be_written_is_named(binary, tmp_path):
    (tmp_path / "file").write_text("x")
    command = [str(binary), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "file")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=360)
    assert ended.returncode != 0
    assert str(tmp_path / "file") in ended.stderr
