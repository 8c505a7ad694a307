"""Talking heads as a user meets them: `rushes talk`, and a served session from its picture to its HLS; FFmpeg judges.

The model has random weights: its faces are noise, but frames, sound and times are as with a trained one."""
import base64
import io
import json
import subprocess
import time
import urllib.request
import uuid
import wave

import numpy
import pytest
from conftest import Server
from PIL import Image
from waiting import wait_for

SECONDS_BEFORE_TONE = 1.3


def portrait():
    picture = numpy.random.default_rng(1).integers(0, 255, (160, 160, 3), dtype=numpy.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def speech(seconds=3.0, rate=16000):
    """Silence, then a tone: whoever hears it knows the time."""
    time_s = numpy.arange(int(seconds * rate)) / rate
    return numpy.where(time_s < SECONDS_BEFORE_TONE, 0, 0.6 * numpy.sin(2 * numpy.pi * 440 * time_s)).astype(numpy.float32)


def wav(samples, rate=16000):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def streams(path):
    told = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-count_packets", "-of", "json", str(path)],
                          capture_output=True, check=True, timeout=60)
    return {stream["codec_type"]: stream for stream in json.loads(told.stdout)["streams"]}


def tone_begins(path):
    """When the tone begins, on the time line of the pictures."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-map", "a", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "16000", "-f", "f32le", "-"],
                         capture_output=True, check=True, timeout=60).stdout
    loud = numpy.abs(numpy.frombuffer(raw, numpy.float32)) > 0.1
    return int(numpy.argmax(loud)) / 16000


def form(fields, files):
    boundary = uuid.uuid4().hex
    parts = b""
    for name, value in fields.items():
        parts += f"--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n".encode()
    for name, (filename, content) in files.items():
        parts += f"--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n\r\n".encode() + content + b"\r\n"
    return parts + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


@pytest.fixture(scope="module")
def talk_server(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("talk"), "--model", "random", "--talk-model", "random")
    yield running
    running.stop()


def wait_until_complete(server, session):
    deadline = time.monotonic() + 300  # bounds failures only
    while time.monotonic() < deadline:
        status = server.request("GET", f"/api/audio-driven/chunked/status/{session}")
        if status["status"] in ("complete", "error"):
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def test_a_file_of_speech_becomes_a_video_with_its_sound_in_time(binary, tmp_path):
    (tmp_path / "face.png").write_bytes(portrait())
    (tmp_path / "speech.wav").write_bytes(wav(speech(rate=24000), 24000))
    video = tmp_path / "talk.mp4"
    run = subprocess.run([binary, "talk", "--model", "random", "--image", tmp_path / "face.png", "--audio", tmp_path / "speech.wav", "-o", video],
                         capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert "75 frames, 3.00 s of video" in run.stderr
    found = streams(video)
    assert int(found["video"]["nb_read_packets"]) == 75
    assert found["video"]["width"] == 128 and found["audio"]["codec_name"] == "aac"
    assert abs(float(found["video"]["duration"]) - float(found["audio"]["duration"])) < 0.1
    assert abs(tone_begins(video) - SECONDS_BEFORE_TONE) < 0.04


def test_speech_from_a_pipe_becomes_the_same_pictures(binary, tmp_path):
    (tmp_path / "face.png").write_bytes(portrait())
    samples = speech(2.0)
    (tmp_path / "speech.wav").write_bytes(wav(samples))
    arguments = [binary, "talk", "--model", "random", "--image", tmp_path / "face.png", "--chunk", "0.2", "-q", "-o"]
    whole = subprocess.run([*arguments, tmp_path / "whole.rgb", "--audio", tmp_path / "speech.wav"], capture_output=True, timeout=300)
    live = subprocess.run([*arguments, tmp_path / "live.rgb", "--live"], input=(samples * 32767).astype("<i2").tobytes(), capture_output=True, timeout=300)
    assert whole.returncode == live.returncode == 0, whole.stderr + live.stderr
    assert (tmp_path / "whole.rgb").read_bytes() == (tmp_path / "live.rgb").read_bytes()
    assert (tmp_path / "live.rgb").stat().st_size == 50 * 128 * 128 * 3


@pytest.mark.parametrize("arguments, words", [
    (["--image", "none.png", "--audio", "x.wav"], "none.png"),
    (["--image", "face.png"], "--audio FILE or --live"),
    (["--image", "face.png", "--audio", "face.png"], "WAV, MP3"),
    (["--image", "face.png", "--audio", "empty.wav"], "no audio"),
    (["--image", "face.png", "--audio", "speech.wav", "--model", "nowhere"], "nowhere"),
    (["--image", "wide.png", "--audio", "speech.wav"], "no face was found"),
])
def test_what_is_wrong_is_said_and_nothing_is_written(binary, tmp_path, arguments, words):
    (tmp_path / "face.png").write_bytes(portrait())
    Image.new("RGB", (200, 100), (90, 90, 90)).save(tmp_path / "wide.png")
    (tmp_path / "speech.wav").write_bytes(wav(speech(0.5)))
    (tmp_path / "empty.wav").write_bytes(wav(speech(0)))
    model = [] if "--model" in arguments else ["--model", "random"]
    run = subprocess.run([binary, "talk", *model, *arguments, "-o", "out.mp4"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert run.returncode != 0 and words in run.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_moves_a_portrait_with_its_length_its_rate_and_its_sound(binary, talk_server, tmp_path):
    driving, made, served = tmp_path / "driving.webm", tmp_path / "made.mp4", tmp_path / "served.mp4"
    (tmp_path / "face.png").write_bytes(portrait())
    (tmp_path / "speech.wav").write_bytes(wav(speech(2.4)))
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=30:duration=2.4", "-i", str(tmp_path / "speech.wav"),
                    "-c:v", "libvpx", "-b:v", "1M", "-c:a", "libopus", str(driving)], check=True, timeout=120)
    subprocess.run([binary, "talk", "--model", "random", "--image", str(tmp_path / "face.png"), "--video", str(driving), "--no-crop", "-o", str(made), "-q"],
                   check=True, timeout=120)
    body, headers = form({"crop": "false"}, {"image": ("face.png", portrait()), "video": ("driving.webm", driving.read_bytes())})
    request = urllib.request.Request(f"{talk_server.url}/api/video-driven", body, headers)
    with urllib.request.urlopen(request, timeout=120) as reply:
        assert reply.headers["X-Generation-Params"] == "crop=False"
        served.write_bytes(reply.read())
    for path in (made, served):
        told = streams(path)
        assert told["video"]["nb_read_packets"] == "72" and told["video"]["width"] == 160
        assert abs(float(told["video"]["duration"]) - 2.4) < 0.05 and abs(float(told["audio"]["duration"]) - 2.4) < 0.06
        assert abs(tone_begins(path) - SECONDS_BEFORE_TONE) < 0.04


def test_a_video_of_the_speaker_is_shown_with_other_speech(binary, tmp_path):
    source, made = tmp_path / "source.mp4", tmp_path / "made.mp4"
    (tmp_path / "speech.wav").write_bytes(wav(speech(1)))
    (tmp_path / "face.png").write_bytes(portrait())
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=128x128:rate=25:duration=0.4", "-c:v", "libx264", str(source)],
                   check=True, timeout=120)

    def talk(model, *arguments):
        return subprocess.run([binary, "talk", "--model", model, "--video", str(source), *arguments, "-o", str(made), "-q"],
                              capture_output=True, text=True, timeout=120, cwd=tmp_path)

    assert "give speech too" in talk("random:ditto").stderr
    assert "give either speech or --video" in talk("random", "--image", "face.png", "--no-crop", "--audio", "speech.wav").stderr
    assert not made.exists()
    shown = talk("random:ditto", "--audio", "speech.wav")
    assert shown.returncode == 0, shown.stderr
    assert streams(made)["video"]["nb_read_packets"] == "25"


def test_a_served_session_plays_as_hls_with_sound_in_time(talk_server):
    body, headers = form({"session_id": "e2e", "chunk_duration": 0.2}, {"image": ("face.png", portrait())})
    status, begun = talk_server.answer("POST", "/api/audio-driven/chunked/init", body, headers)
    assert status == 200 and begun["hls_url"] == "/hls/e2e/playlist.m3u8"
    samples = speech(5.3, 24000)
    pieces = numpy.array_split(samples, 11)
    for number, piece in enumerate(pieces):
        body, headers = form({"session_id": "e2e", "is_final_chunk": number == len(pieces) - 1}, {"audio_chunk": ("chunk.wav", wav(piece, 24000))})
        assert talk_server.answer("POST", "/api/audio-driven/chunked/feed", body, headers)[0] == 200
    done = wait_until_complete(talk_server, "e2e")
    assert done["status"] == "complete" and done["total_frames_generated"] == 133  # 5.3 s are 132.5 frames
    playlist = talk_server.url + begun["hls_url"]
    text = urllib.request.urlopen(playlist, timeout=10).read().decode()
    assert text.count("#EXTINF") == 3 and text.rstrip().endswith("#EXT-X-ENDLIST")
    found = streams(playlist)
    assert int(found["video"]["nb_read_packets"]) == 133
    assert abs(float(found["video"]["start_time"]) - float(found["audio"]["start_time"])) < 0.04
    assert abs(int(found["audio"]["nb_read_packets"]) * 1024 / 16000 - 5.3) < 0.13
    assert abs(tone_begins(playlist) - float(found["video"]["start_time"]) - SECONDS_BEFORE_TONE) < 0.04 or \
        abs(tone_begins(playlist) - SECONDS_BEFORE_TONE) < 0.04
    assert talk_server.answer("DELETE", "/api/audio-driven/chunked/session/e2e")[0] == 200


# A peer that receives both, and what it has received.
WATCH_WITH_SOUND = """async (url) => {
  const pc = window.peer = new RTCPeerConnection();
  for (const kind of ['audio', 'video']) pc.addTransceiver(kind, {direction: 'recvonly'});
  const player = document.createElement('video');
  const stream = player.srcObject = new MediaStream();
  player.autoplay = true;  // not muted: what is not heard has no energy
  pc.ontrack = ({track}) => stream.addTrack(track);
  document.body.append(player);
  await pc.setLocalDescription(await pc.createOffer());
  const answer = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  const sdp = await answer.text();
  if (answer.status === 201) await pc.setRemoteDescription({type: 'answer', sdp});
  return [answer.status, answer.headers.get('Location')];
}"""
RECEIVED = """async () => {
  const received = {};
  for (const entry of (await window.peer.getStats()).values()) if (entry.type === 'inbound-rtp') received[entry.kind] = entry;
  return received.video && received.audio ? {pictures: received.video.framesDecoded, packets: received.audio.packetsReceived, energy: received.audio.totalAudioEnergy} : null;
}"""


def talking_head(server, **options):
    """A session of the native API; its path."""
    model = next(model["name"] for model in server.request("GET", "/v1/models")["models"] if "audio" in model["capabilities"]["feeds"])
    picture = base64.b64encode(portrait()).decode()
    return "/v1/sessions/" + server.request("POST", "/v1/sessions", {"model": model, "image": picture, **options})["id"]


def test_a_talking_head_is_watched_and_heard_by_webrtc(talk_server, browser):
    session = talking_head(talk_server, chunk_duration=0.2)
    tab = browser.new_page()
    tab.goto(talk_server.url)
    status, location = tab.evaluate(WATCH_WITH_SOUND, session + "/whep")
    if status == 503:
        pytest.skip("built without WebRTC")
    assert status == 201 and location.startswith(session + "/whep/")
    for _ in range(3):
        assert talk_server.answer("POST", session + "/audio", wav(speech(4.0)), {"Content-Type": "audio/wav"})[0] == 202
    received = wait_for(lambda: tab.evaluate(f"async () => {{ const r = await ({RECEIVED})(); return r && r.pictures > 50 && r.energy > 0.01 && r; }}"), 180)
    assert received["packets"] > 100, received
    assert talk_server.answer("DELETE", location)[0] == 204
    assert talk_server.answer("DELETE", location)[0] == 404
    assert tab.evaluate(WATCH_WITH_SOUND, f"/v1/sessions/{'0' * 32}/whep")[0] == 404
    tab.close()
    assert talk_server.answer("DELETE", session)[0] == 204


def test_sound_of_every_kind_is_taken(talk_server, tmp_path):
    (tmp_path / "speech.wav").write_bytes(wav(speech(1.0, 48000), 48000))
    kinds = [("a.mp3", []), ("a.flac", []), ("a.ogg", ["-c:a", "libvorbis"]), ("a.opus", []), ("a.webm", ["-c:a", "libopus"]),
             ("a.m4a", []), ("b.wav", ["-ac", "2", "-ar", "8000"]), ("c.wav", ["-c:a", "pcm_f32le"]), ("d.wav", ["-c:a", "pcm_s24le"])]
    for name, codec in kinds:
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", tmp_path / "speech.wav", *codec, tmp_path / name], check=True, timeout=60)
        body, headers = form({"session_id": "kind"}, {"image": ("face.png", portrait())})
        assert talk_server.answer("POST", "/api/audio-driven/chunked/init", body, headers)[0] == 200
        body, headers = form({"session_id": "kind", "is_final_chunk": "true"}, {"audio_chunk": (name, (tmp_path / name).read_bytes())})
        status, fed = talk_server.answer("POST", "/api/audio-driven/chunked/feed", body, headers)
        assert status == 200, (name, fed)
        assert abs(fed["buffer_samples"] - 16000) < 1700, name
        assert wait_until_complete(talk_server, "kind")["total_frames_generated"] in (25, 26, 27), name
        assert talk_server.answer("DELETE", "/api/audio-driven/chunked/session/kind")[0] == 200
