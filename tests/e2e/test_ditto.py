"""Ditto's published protocol against the server, with a tiny model: order, error texts, who leaves, what is refused."""
import base64
import io
import struct
import time
import urllib.error
import urllib.request

import pytest
from ditto_server import DittoServer, picture_of, speech
from PIL import Image
from waiting import wait_for
from websockets.exceptions import ConnectionClosed


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    running = DittoServer(binary, tmp_path_factory.mktemp("ditto"))
    yield running
    running.stop()


@pytest.fixture
def peer(server, request):
    with server.connect(request.node.name[:40].replace("[", "_").replace("]", "_")) as one:
        yield one


def types(messages):
    return [message["type"] for message in messages]


def test_a_stream_is_told_in_the_published_order(server, peer):
    before = time.time()
    peer.start(audio_path="./example/audio.wav", source_path="./example/image.png", setup_kwargs={},
               run_kwargs={"chunksize": [3, 5, 2], "fade_in": -1, "fade_out": -1})
    messages = peer.hear_until("writer_closed", "error")
    assert types(messages) == ["streaming_started", "metadata", *["frame"] * 25, "streaming_completed", "writer_closed"]
    started, metadata, frames = messages[0], messages[1], messages[2:-2]
    assert (started["audio_path"], started["source_path"]) == ("./example/audio.wav", "./example/image.png")
    assert (metadata["audio_duration"], metadata["expected_frames"]) == (1.0, 25)
    assert [frame["frame_id"] for frame in frames] == list(range(25))
    assert messages[-1]["total_frames"] == 25
    times = [message["timestamp"] for message in messages]
    assert times == sorted(times) and before <= times[0] and times[-1] <= time.time()
    sizes = {picture_of(frame).size for frame in frames}
    assert len(sizes) == 1 and all(side % 2 == 0 for side in sizes.pop())
    assert picture_of(frames[0]).mode == "RGB"
    assert "streaming_completed" not in types(messages[:-2])


def test_the_stream_is_a_session_like_any_other(server, peer):
    peer.start()
    session = peer.hear_until("metadata", "error")[-1]["session_id"]
    peer.hear_until("writer_closed", "error")
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["recording"]["complete"])
    status = server.request("GET", f"/v1/sessions/{session}")
    assert status["state"] == "finished" and status["done"]["video_frames"] == 25 and status["format"]["fps"] == 25
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session}/hls/video.m3u8", timeout=60) as playlist:
        assert b"#EXT-X-ENDLIST" in playlist.read()
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session}/video.mp4", timeout=60) as video:
        assert video.read(12)[4:8] == b"ftyp"
    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as metrics:
        assert b'rushes_sessions{state="finished"}' in metrics.read()


def test_frames_come_as_bytes_with_their_speech(server):
    with server.connect("binary", "?audio=1") as peer:
        peer.start(binary=True)
        messages = peer.hear_until("writer_closed", "error")
    assert messages[0]["binary"] is True
    told = messages[2:-2]
    assert len(told) == 50
    for number, (sound, frame) in enumerate(zip(told[0::2], told[1::2])):
        assert sound["type"] == "audio" and sound["frame_id"] == number
        assert len(base64.b64decode(sound["audio"])) == 2 * 640
        id, timestamp, length = struct.unpack(">IdI", frame[:16])
        assert id == number and length == len(frame) - 16 and timestamp > 1.6e9
        assert Image.open(io.BytesIO(frame[16:])).format == "JPEG"


def test_speech_in_frames_is_what_was_said(server, peer):
    peer.start(audio=True)
    frames = [m for m in peer.hear_until("writer_closed", "error") if m["type"] == "frame"]
    heard = b"".join(base64.b64decode(frame["audio"]) for frame in frames)
    assert len(heard) == 2 * 16_000
    assert max(abs(a - b) for a, b in zip(struct.unpack("<16000h", heard), struct.unpack("<16000h", speech(1.0)[44:]))) <= 2


@pytest.mark.parametrize("fields, words", [
    ({"audio_path": "/etc/passwd"}, "Audio file not found: /etc/passwd"),
    ({"audio_path": "../../../../etc/passwd"}, "Audio file not found: ../../../../etc/passwd"),
    ({"audio_path": "none.wav", "source_path": "none.png"}, "Audio file not found: none.wav"),
    ({"audio_path": "outside.wav"}, "Audio file not found: outside.wav"),
    ({"source_path": "none.png"}, "Source file not found: none.png"),
    ({"source_path": "example"}, "Source file not found: example"),
    ({"source_path": "/dev/zero"}, "Source file not found: /dev/zero"),
])
def test_files_that_are_not_there_or_outside_of_the_root_are_not_found(server, peer, tmp_path, fields, words):
    link = server.root / "outside.wav"
    if not link.is_symlink():
        (tmp_path / "secret.wav").write_bytes(speech(0.1))
        link.symlink_to(tmp_path / "secret.wav")
    peer.start(**fields)
    assert peer.hear() == {"type": "error", "message": words}


@pytest.mark.parametrize("fields, words", [
    ({"audio_path": "example/notes.txt"}, "audio"),
    ({"source_path": "example/notes.txt"}, ""),
    ({"audio_path": "data:audio/wav;base64,!!!"}, "audio_path"),
    ({"setup_kwargs": {"smile": 1}}, "smile is not an option of this model"),
    ({"setup_kwargs": {"overlap_v2": 5}}, "overlap"),
    ({"setup_kwargs": {"emo": 12}}, "emo"),
    ({"setup_kwargs": {"sampling_timesteps": 0}}, "sampling_timesteps must be an integer from 1 to 1000 (got 0)"),
    ({"run_kwargs": {"chunksize": [3, 5, 0]}}, "chunksize"),
    ({"run_kwargs": {"chunksize": [3, 5]}}, "chunksize must be 3 numbers"),
    ({"run_kwargs": {"speed": 2}}, "speed is not one of run_kwargs"),
])
def test_what_a_session_cannot_be_is_an_error_after_the_start_and_the_connection_goes_on(server, peer, fields, words):
    peer.start(**fields)
    assert peer.hear()["type"] == "streaming_started"
    refused = peer.hear()
    assert refused["type"] == "error" and refused["message"].startswith("Streaming error: ") and words in refused["message"]
    peer.say("ping")
    assert peer.hear()["type"] == "pong"


@pytest.mark.parametrize("fields", [{"setup_kwargs": "emo"}, {"run_kwargs": [1]}, {"audio_path": 3}, {"binary": "yes"}])
def test_a_start_with_fields_of_another_type_creates_no_task(peer, fields):
    peer.start(**fields)
    assert peer.hear()["message"].startswith("Failed to create streaming task: " + next(iter(fields)))


@pytest.mark.parametrize("setup", [
    {"sampling_timesteps": 5}, {"emo": 3}, {"emo": "happy"}, {"emo": [3, 4]}, {"emo": [[3], [4, 5]]}, {"online_mode": False, "overlap_v2": 10},
    {"ctrl_info": {"0": {"delta_yaw": 5}}, "fade_type": "d0"}, {"delta_eye_open_n": 12, "crop_scale": 2.5},
])
def test_options_are_applied_whatever_shape_they_have(peer, setup):
    peer.start(setup_kwargs=setup)
    assert peer.hear_until("writer_closed", "error")[-1].get("total_frames") == 25


@pytest.mark.parametrize("seconds, frames", [(0.01, 1), (0.1, 3), (0.33, 9)])
def test_speech_that_is_shorter_than_a_block_has_all_its_frames(server, peer, seconds, frames):
    (server.root / "short.wav").write_bytes(speech(seconds))
    peer.start(audio_path="short.wav")
    messages = peer.hear_until("writer_closed", "error")
    assert types(messages).count("frame") == messages[-1]["total_frames"] == messages[1]["expected_frames"] == frames


def test_speech_at_another_rate_and_a_source_that_is_data_are_taken(server, peer):
    picture = "data:image/png;base64," + base64.b64encode((server.root / "example/image.png").read_bytes()).decode()
    sound = "data:audio/wav;base64," + base64.b64encode(speech(0.4, 24_000)).decode()
    peer.start(audio_path=sound, source_path=picture)
    messages = peer.hear_until("writer_closed", "error")
    assert (messages[0]["audio_path"], messages[0]["source_path"]) == ("data:audio/wav", "data:image/png")
    assert messages[1]["expected_frames"] == messages[-1]["total_frames"] == 10


def test_uploads_can_be_named(server, peer):
    def upload(parts):
        body = b"".join(b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n' % part for part in parts) + b"--x--\r\n"
        return server.answer("POST", "/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})

    picture = (server.root / "example/image.png").read_bytes()
    status, paths = upload([(b"audio", b"a.wav", speech(0.2)), (b"source", b"b.PNG", picture)])
    assert status == 200
    assert paths["audio_path"].rpartition("/")[2][32:] == "_audio.wav" and paths["source_path"].endswith("_source.png")
    peer.start(**paths)
    assert peer.hear_until("writer_closed", "error")[-1].get("total_frames") == 5
    assert upload([]) == (400, {"error": "no files provided"})
    assert upload([(b"audio", b"a.exe", b"x")]) == (400, {"error": "unsupported audio extension: .exe"})
    assert upload([(b"source", b"a.gif", b"x")]) == (400, {"error": "unsupported image extension: .gif"})


def long_speech(server):
    file = server.root / "long.wav"
    if not file.exists():
        file.write_bytes(speech(60))
    return "long.wav"


def state(server, session):
    return server.request("GET", f"/v1/sessions/{session}")["state"]


def test_one_stream_runs_for_a_client_and_stops_when_it_is_told_to(server, peer):
    peer.say("stop_streaming")
    peer.say("ping")
    assert peer.hear()["type"] == "pong", "a stop without a stream has no answer"
    peer.start(audio_path=long_speech(server))
    session = peer.hear_until("metadata")[-1]["session_id"]
    peer.hear_until("frame")
    assert server.request("GET", "/health")["active_streams"] >= 1
    peer.start()
    assert peer.hear_until("error")[-1]["message"] == "Streaming already active for this client"
    peer.hear_until("frame")
    peer.say("stop_streaming")
    peer.hear_until("streaming_stopped")
    assert state(server, session) == "stopped"
    peer.start()
    assert types(peer.hear_until("writer_closed", "error"))[:2] == ["streaming_started", "metadata"], "what waited of the stream before is gone"


def test_a_second_connection_of_a_client_takes_over(server):
    with server.connect("twice") as second_first:
        second_first.start(audio_path=long_speech(server))
        session = second_first.hear_until("metadata")[-1]["session_id"]
        with server.connect("twice") as second:
            second.say("ping")
            second.hear_until("pong")
            second.hear_until("frame")
            second_first.socket.close()
            second.hear_until("frame")
            assert state(server, session) in ("running", "waiting")
        wait_for(lambda: state(server, session) == "stopped")


@pytest.mark.parametrize("message", ["hello", "[1, 2]", b'{"type": "ping"}'])
def test_what_is_no_message_ends_the_connection_and_its_stream(server, peer, message):
    peer.start(audio_path=long_speech(server))
    session = peer.hear_until("metadata")[-1]["session_id"]
    peer.socket.send(message)
    with pytest.raises(ConnectionClosed):
        peer.hear_until("never")
    wait_for(lambda: state(server, session) == "stopped")


def test_an_unknown_type_is_logged_and_ignored(server, peer):
    peer.say("dance")
    peer.say("ping")
    assert peer.hear()["type"] == "pong"
    wait_for(lambda: any("unknown message type" in line for line in server.log))


def test_a_client_that_vanishes_ends_its_stream_and_disturbs_nobody(server, peer):
    peer.start(audio_path=long_speech(server))
    session = peer.hear_until("metadata")[-1]["session_id"]
    peer.hear_until("frame")
    peer.socket.socket.close()
    wait_for(lambda: state(server, session) == "stopped")
    with server.connect("other") as other:
        other.start()
        assert other.hear_until("writer_closed", "error")[-1].get("total_frames") == 25


def test_live_options_act_on_the_running_stream(server, peer):
    peer.start(audio_path=long_speech(server), pacing="realtime")
    session = peer.hear_until("metadata")[-1]["session_id"]
    peer.hear_until("frame")
    peer.say("set_options", options={"delta_yaw": 20, "gaze_x": 0.5, "emo": 3})
    set_ = peer.hear_until("options_set", "error")[-1]
    assert set_["options"] == {"delta_yaw": 20, "gaze_x": 0.5, "emo": "3"}
    status = server.request("POST", f"/v1/sessions/{session}/options", {"blink_rate": 30})
    assert status["options"]["blink_rate"] == 30 and status["options"]["delta_yaw"] == 20
    for body, words in [({"delta_yaw": 45}, "delta_yaw must be a number from -30 to 30"), ({"overlap_v2": 12}, "cannot be changed while")]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.request("POST", f"/v1/sessions/{session}/options", body)
        assert refused.value.code == 400 and words in refused.value.read().decode()
    peer.say("stop_streaming")
    peer.hear_until("streaming_stopped")
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.request("POST", f"/v1/sessions/{session}/options", {"delta_yaw": 5})
    assert refused.value.code == 409


def test_frames_at_their_time_come_every_40_ms(server, peer):
    peer.start(audio_path="example/audio.wav", pacing="realtime")
    arrivals = []
    while (message := peer.hear())["type"] != "writer_closed":
        if message["type"] == "frame":
            arrivals.append(time.monotonic())
    assert (arrivals[-1] - arrivals[0]) / 24 == pytest.approx(0.04, abs=0.004)


def test_the_pages_are_there(server):
    with urllib.request.urlopen(server.url + "/", timeout=60) as page:
        assert "text/html" in page.headers["Content-Type"] and b"<title>Ditto Streaming Server</title>" in page.read()
    with urllib.request.urlopen(server.url + "/demo", timeout=60) as page:
        assert b"start_streaming" in page.read()
    assert server.answer("GET", "/nothing") == (404, {"detail": "Not Found"})
    assert server.answer("GET", "/health")[1]["status"] == "ok"


def test_the_end_of_the_server_is_told(binary, tmp_path):
    server = DittoServer(binary, tmp_path)
    with server.connect("idle") as idle, server.connect("busy") as busy:
        busy.start(audio_path=long_speech(server))
        busy.hear_until("frame")
        server.process.terminate()
        assert busy.hear_until("error")[-1]["message"] == "Streaming error: the server is shutting down"
        for peer in (idle, busy):
            with pytest.raises(ConnectionClosed):
                peer.hear_until("never")
        assert server.process.wait(30) == 0
