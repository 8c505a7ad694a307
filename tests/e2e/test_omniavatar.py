"""OmniAvatar's HTTP API and its published clients, against a server with a tiny model: segments that ffmpeg joins without a
gap, files, exit codes."""
import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

import pytest
from ditto_server import speech
from omniavatar_server import SEGMENT, SEGMENT_FPS, SHARED, AvatarServer, files, packets, portrait, segment_model
from python_package import PACKAGE, decoded

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 6.3
CLIENTS = ["module", "script"]


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    running = AvatarServer(binary, tmp_path_factory.mktemp("avatar"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def segments(binary, tmp_path_factory):
    """One whose model makes segments."""
    folder = tmp_path_factory.mktemp("segments")
    running = AvatarServer(binary, folder, model=segment_model(folder / "model"))
    yield running
    running.stop()


@pytest.fixture(params=["blocks", "segments"])
def either(request):
    return request.getfixturevalue({"blocks": "server", "segments": "segments"}[request.param])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "speech.wav").write_bytes(speech(SECONDS, 24_000))
    (folder / "portrait.png").write_bytes(portrait())
    return folder


def client(kind, name, *arguments, cwd):
    command = [sys.executable, "-m", f"rushes.omniavatar.{name}"] if kind == "module" else [
        sys.executable, str(ROOT / f"examples/omniavatar/{name}.py")]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=cwd,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE)})


def assert_follow_each_other(packets, tolerance):
    """Each begins where the one before ends."""
    for (pts, duration, _), (following, _, _) in zip(packets, packets[1:]):
        assert abs(following - pts - duration) <= tolerance, (pts, duration, following)


@pytest.mark.parametrize("kind", CLIENTS)
def test_segments_are_saved_and_joined_without_a_gap_or_a_repeated_frame(either, inputs, tmp_path, kind):
    run = client(kind, "streaming_client", "--server-url", either.url, "--prompt", "a woman speaks", "--audio", inputs / "speech.wav",
                 "--image", inputs / "portrait.png", "--concatenate", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Video generation started" in run.stdout and "Joined" in run.stdout
    folder = tmp_path / "streaming_output"
    segments = sorted(folder.glob("segment_*.mp4"))
    assert len(segments) > 1
    assert not (folder / "segments.txt").exists()
    joined = packets(folder / "final_video.mp4")
    parts = [packets(segment) for segment in segments]
    fps = round(1 / parts[0]["video"][0][1])
    for part in parts:
        assert part["video"][0][0] == 0 and part["video"][0][2], "it begins with a key frame at time 0"
        assert_follow_each_other(part["video"], 1e-3)
    video, audio = joined["video"], joined["audio"]
    assert len(video) == sum(len(part["video"]) for part in parts)
    assert 0 <= len(video) - SECONDS * fps < 2  # the last one is begun; where segments are made the portrait is one, too
    for index, (pts, _, _) in enumerate(video):
        assert abs(pts - index / fps) < 1e-3, index
    assert len(audio) == sum(len(part["audio"]) for part in parts)
    assert_follow_each_other(audio, 1e-3)
    assert abs(audio[0][0]) < 1e-3
    end = video[-1][0] + video[-1][1]
    # ffmpeg writes lengths in whole milliseconds.
    assert -2e-3 <= audio[-1][0] + audio[-1][1] - end < 1024 / 24_000 + 1e-3, "the sound is as long as the pictures, up to a unit"
    # No frame stands twice: what is decoded of the whole is what is decoded of the parts.
    whole, pieces = decoded(folder / "final_video.mp4"), [decoded(segment) for segment in segments]
    assert len(whole) == sum(map(len, pieces))
    assert (whole[len(pieces[0])] == pieces[1][0]).all()


def test_the_joined_sound_is_what_was_said(either, inputs, tmp_path):
    import numpy

    run = client("module", "streaming_client", "--server-url", either.url, "--prompt", "a woman", "--audio", inputs / "speech.wav",
                 "--output-dir", tmp_path / "out", "--concatenate", "--final-output", "all.mp4", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr

    def samples(file):
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", file, "-vn", "-ac", "1", "-ar", "24000", "-f", "f32le", "-"],
                             capture_output=True, check=True, timeout=120).stdout
        return numpy.frombuffer(raw, numpy.float32)

    said, heard = samples(inputs / "speech.wav"), samples(tmp_path / "out" / "all.mp4")
    first = len(heard) > len(said) and either.request("GET", "/v1/sessions")["sessions"][-1]["format"]["fps"] == SEGMENT_FPS
    heard = heard[24_000 // SEGMENT_FPS :] if first else heard  # the portrait says nothing
    count = min(len(said), len(heard))
    error = said[:count] - heard[:count]
    assert (error**2).mean() < 0.05 * (said[:count] ** 2).mean(), "it is neither shifted nor broken at the joints"
    for second in range(1, int(SECONDS)):
        piece = slice(24_000 * second - 12_000, 24_000 * second + 12_000)
        assert (error[piece] ** 2).mean() < 0.08 * (said[piece] ** 2).mean(), second


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_whole_video_comes_with_its_sound(server, inputs, tmp_path, kind):
    run = client(kind, "client", "--server-url", server.url, "--prompt", "a woman speaks", "--audio", inputs / "speech.wav", "--image",
                 inputs / "portrait.png", "--output", "video.mp4", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "demo_out/server_output_" in run.stdout
    found = packets(tmp_path / "video.mp4")
    assert found["audio"] and abs(len(found["video"]) * found["video"][0][1] - SECONDS) < 0.1


def test_what_is_missing_or_wrong_ends_with_1_and_says_why(server, inputs, tmp_path):
    ask = ["--server-url", server.url, "--prompt", "a"]
    for name in ("client", "streaming_client"):
        for arguments, words in (
            ([*ask, "--audio", "none.wav"], "none.wav"),
            ([*ask, "--image", "none.png"], "none.png"),
            ([*ask, "--image", inputs / "speech.wav"], "rror"),
            ([*ask, "--prompt", "", "--image", inputs / "portrait.png"], "status 400: {\"error\":\"Prompt is required\"}"),
            (["--prompt", "a", "--server-url", "http://127.0.0.1:9"], "Health check failed"),
        ):
            run = client("module", name, *arguments, cwd=tmp_path)
            assert run.returncode == 1, (name, arguments, run.stdout)
            assert words in run.stdout, (name, arguments, run.stdout)
        assert client("module", name, *ask, "--check-health", cwd=tmp_path).returncode == 0
        assert client("module", name, "--prompt", "a", "--server-url", "http://127.0.0.1:9", "--check-health", cwd=tmp_path).returncode == 0
        assert client("module", name, "--server-url", server.url, cwd=tmp_path).returncode == 2  # no prompt


def test_a_stream_that_is_closed_early_leaves_what_has_come(tmp_path):
    """As published: only an error event makes it a failure."""
    video = base64.b64encode(b"video").decode()
    event = "event: segment\ndata: " + json.dumps(
        {"segment_index": 0, "total_segments": 2, "segment_base64": video, "is_final": False}) + "\n\n: ping\n\n"
    answers = {
        "GET": b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{"model_loaded": true}',
        "POST": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n" + event.encode(),
    }
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                head = connection.recv(65536)
                connection.sendall(answers[head[:4].strip().decode()[:4].strip()])

    threading.Thread(target=serve, daemon=True).start()
    run = client("module", "streaming_client", "--server-url", f"http://127.0.0.1:{listener.getsockname()[1]}", "--prompt", "a",
                 cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "streaming_output" / "segment_000.mp4").read_bytes() == b"video"


def test_a_request_that_is_slow_to_come_holds_up_nobody(server):
    """100 MiB of base64, most of which is no sound."""
    large = {"prompt": "a", "audio_base64": "A" * (100 << 20)}
    answers = []

    def ask():
        with server.stream("/generate-stream", large) as answer:
            answers.append(answer.read().decode())

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(20):
        assert server.request("GET", "/health")["status"] == "healthy"
    asking.join()
    assert "event: error" in answers[0]


def test_sizes_are_treated_alike_however_they_are_asked_for(server):
    """Of a model that was trained for 32x32; no wanted size: what published clients send without being told one."""

    def size_and_notes(session):
        return (session["format"]["height"], session["format"]["width"], session["ignored"], session["warnings"])

    for height, width in ((40, 64), (32, 32), (720, 720)):
        fields = {"prompt": "a woman", "frames": 9, "steps": 1}
        if height != 720:
            fields |= {"height": height, "width": width}
        asked = size_and_notes(server.request("POST", "/v1/sessions", fields))
        server.stream("/generate-stream", {"prompt": "a woman", "num_steps": 1, "height": height, "width": width}).read()
        streamed = size_and_notes(server.request("GET", "/v1/sessions")["sessions"][-1])
        if height == 720:
            assert [each["field"] for each in streamed[2]] == ["height", "width"]
            assert asked[:2] == streamed[:2] == (32, 32) and asked[3] == streamed[3] == []
            continue
        assert asked == streamed
        assert asked[:2] == ((48, 64) if height == 40 else (32, 32))
        assert [each["field"] for each in asked[2]] == (["height"] if height == 40 else [])
        assert [("trained for 32x32, not for 64x48" in text) for text in asked[3]] == ([True] if height == 40 else [])


def test_speech_with_samples_that_are_not_numbers_is_heard_and_that_is_said(server):
    import numpy

    samples = numpy.zeros(16_000, numpy.float32)
    samples[100:110] = numpy.nan
    header = b"RIFF" + (36 + samples.nbytes).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") + b"".join(
        value.to_bytes(size, "little") for value, size in ((3, 2), (1, 2), (16_000, 4), (64_000, 4), (4, 2), (32, 2)))
    file = header + b"data" + samples.nbytes.to_bytes(4, "little") + samples.tobytes()
    told = server.stream("/generate-stream", {"prompt": "a", "num_steps": 1, "audio_base64": base64.b64encode(file).decode()}).read()
    assert b"event: complete" in told
    (warning,) = server.request("GET", "/v1/sessions")["sessions"][-1]["warnings"]
    assert "not numbers" in warning


def test_segments_come_while_the_rest_is_made(server):
    states = []
    with server.stream("/generate-stream", {"prompt": "a woman", **files(60)}) as answer:
        for line in answer:
            if line.startswith(b"event: segment"):
                states.append(server.request("GET", "/v1/sessions")["sessions"][-1]["state"])
    assert states[0] == "running"


def events(answer):
    """Name and fields of each."""
    found = []
    for line in answer:
        if line.startswith(b"event: "):
            found.append([line[7:-1].decode(), None])
        elif line.startswith(b"data: "):
            found[-1][1] = json.loads(line[6:])
    return found


def test_guided_segments_come_as_many_as_the_speech_needs_and_the_last_one_ends_with_it(segments, tmp_path):
    """With a scale of its own for the speech a step is three passes, with 1 one."""
    speech_frames = 30
    videos = []
    for numbers in ({"guidance_scale": 4.5}, {"guidance_scale": 4.5, "audio_scale": 3.0}, {"guidance_scale": 1.0}):
        with segments.stream("/generate-stream", {"prompt": "a woman", "num_steps": 3, **numbers, **files(speech_frames / SEGMENT_FPS)}) as answer:
            told = events(answer)
        assert [name for name, _ in told] == ["start", *["segment"] * 4, "complete"], told[-1]
        frames = []
        for index, (_, fields) in enumerate(told[1:-1]):
            assert (fields["segment_index"], fields["total_segments"], fields["is_final"]) == (index, 4, index == 3)
            file = tmp_path / f"{index}.mp4"
            file.write_bytes(base64.b64decode(fields["segment_base64"]))
            frames.append(len(packets(file)["video"]))
        new = SEGMENT - SHARED
        assert frames == [SEGMENT, new, new, 1 + speech_frames - SEGMENT - 2 * new]
        session = segments.request("GET", "/v1/sessions")["sessions"][-1]
        assert session["state"] == "finished" and session["ignored"] == []
        videos.append(decoded(tmp_path / "0.mp4").tobytes())
    assert len(set(videos)) == 3


def test_overlap_and_teacache_are_options_of_a_session_that_makes_segments(binary, segments, tmp_path):
    (tmp_path / "face.png").write_bytes(portrait())
    (tmp_path / "speech.wav").write_bytes(speech(1.2, 16_000))

    def made(*options):
        file = tmp_path / "made.rgb"
        run = subprocess.run([binary, "avatar", "--model", segments.model, "--quiet", "--prompt", "a", "--image",
                              tmp_path / "face.png", "--audio", tmp_path / "speech.wav", "--steps", "6", *options, "-o", file],
                             capture_output=True, timeout=180)
        assert run.returncode == 0, run.stderr.decode()
        return file.read_bytes()

    plain = made()
    assert len(plain) == (1 + 30) * 32 * 32 * 3
    assert made("--teacache", "0") == plain
    for options in (("--teacache", "10"), ("--overlap_frame", "1"), ("--overlap_frame", "9"), ("--audio_scale", "2")):
        other = made(*options)
        assert len(other) == len(plain) and other != plain, options
    refused = subprocess.run([binary, "avatar", "--model", segments.model, "--prompt", "a", "--overlap_frame", "4", "-o", tmp_path / "none.mp4"],
                             capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert refused.returncode != 0 and b"overlap_frame must be 1 plus a multiple of 4" in refused.stderr
