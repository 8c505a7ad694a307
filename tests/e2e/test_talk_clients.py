"""The Python clients of talking heads against the server, with the shipped talking head; FFmpeg judges the video."""
import io
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import numpy
import pytest
from PIL import Image
from python_package import PACKAGE

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PACKAGE))
from rushes import talk  # noqa: E402
from rushes.talk import ChunkedStreamingClient, RealtimeClient, TalkError  # noqa: E402

EXAMPLES = ROOT / "models" / "shipped-talk" / "examples"
PATIENCE_S = 300  # bounds failures only
LOUD = 0.05
MOST_FRAMES = 5000


def streams(path):
    told = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-count_packets", "-of", "json", str(path)],
                          capture_output=True, check=True, timeout=60)
    return {stream["codec_type"]: stream for stream in json.loads(told.stdout)["streams"]}


def picture():
    """One in which there is no face."""
    file = io.BytesIO()
    Image.new("RGB", (512, 512), (90, 90, 90)).save(file, "PNG")
    return file.getvalue()


def test_a_file_becomes_a_video_that_can_be_watched_and_kept(server, tmp_path):
    replies = []
    with ChunkedStreamingClient(server.url) as client:
        client.init_session(EXAMPLES / "ada.png", nfe=5, chunk_duration=0.5)
        client.stream_file(EXAMPLES / "speech.wav", on_reply=replies.append)
        assert client.wait_until_playable() == client.hls_url
        status = client.wait_until_complete(PATIENCE_S)
        samples, rate = talk.read_speech(EXAMPLES / "speech.wav")
        seconds = len(samples) / 2 / rate
        assert replies[-1]["buffer_samples"] == pytest.approx(16000 * seconds, abs=len(replies))
        assert status["total_frames_generated"] == pytest.approx(25 * seconds, abs=1)
        for video in (client.hls_url, client.download(tmp_path / "talk.mp4")):
            found = streams(video)
            assert int(found["video"]["nb_read_packets"]) == status["total_frames_generated"]
            assert found["audio"]["codec_name"] == "aac"
        playlist, session = client.hls_url, client.session_id
    assert client.session_id is None
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(playlist, timeout=60)
    client.session_id = session
    with pytest.raises(TalkError, match=f"Session {session} not found") as caught:
        client.get_status()
    assert caught.value.status == 404


def test_raw_speech_of_a_generator_becomes_as_much_video(server):
    with ChunkedStreamingClient(server.url) as client:
        client.init_session(EXAMPLES / "boris.png", nfe=5, chunk_duration=0.4, audio_sample_rate=16000, session_id="generated")
        client.stream_audio(bytes(2 * 4000) for _ in range(5))
        assert client.wait_until_complete(PATIENCE_S)["total_frames_generated"] == 32  # 1.25 s are 31.25 frames


def test_the_published_clients_sequence_gives_the_published_numbers(server):
    client = ChunkedStreamingClient(server.url)
    session = client.init_session(picture(), crop=False, nfe=5, chunk_duration=0.5, mode="reference")
    chunk = talk.wav(0.3 * numpy.sin(2 * numpy.pi * 1000 * numpy.arange(12000) / 24000), 24000)
    received = [client.feed_audio_chunk(chunk, is_final=number == 2)["buffer_samples"] for number in range(3)]
    assert received == [8000, 16000, 24000]
    status = client.wait_until_complete(PATIENCE_S)
    assert status["total_frames_generated"] == 52 and status["error"] is None and status["uptime_seconds"] > 0
    with urllib.request.urlopen(f"{server.url}/hls/{session}/playlist.m3u8", timeout=60) as answer:
        playlist = answer.read().decode()
    assert playlist.count("#EXTINF") == 2 and playlist.rstrip().endswith("#EXT-X-ENDLIST")
    assert list(streams(client.hls_url)) == ["video"]
    client.cleanup()


@pytest.mark.parametrize("arguments, status, words", [
    ({"image_path": b"no picture"}, 500, "image"),
    ({"image_path": picture(), "nfe": 99}, 400, "nfe must be between 5 and 50"),
    ({"image_path": picture(), "seed": "x", "crop": "maybe"}, 422, "seed: Input should be a valid integer"),
])
def test_what_the_server_refuses_is_told_in_its_words(server, arguments, status, words):
    with pytest.raises(TalkError) as caught:
        ChunkedStreamingClient(server.url).init_session(**arguments)
    assert caught.value.status == status and words in caught.value.detail


def test_pictures_come_one_by_one(server, tmp_path):
    (tmp_path / "speech.wav").write_bytes(talk.wav(bytes(2 * 16000), 16000))
    pictures = list(talk.stream_pictures(EXAMPLES / "cleo.png", tmp_path / "speech.wav", server_url=server.url, nfe=5))
    assert len(pictures) == 25 and {Image.open(io.BytesIO(jpeg)).size for jpeg in pictures} == {(128, 128)}


def test_a_head_to_which_one_speaks_moves_and_is_heard(server):
    with RealtimeClient(server.url) as client:
        client.init_session(EXAMPLES / "ada.png")
        pictures, times, loudest = set(), [], 0.0

        def look(frame):
            nonlocal loudest
            assert Image.open(io.BytesIO(frame.jpeg)).size == (128, 128) and len(frame.pcm) == 1280
            pictures.add(frame.jpeg)
            times.append(frame.timestamp_us)
            loudest = max(loudest, numpy.abs(numpy.frombuffer(frame.pcm, "<i2")).max() / 32768)

        for frame in client.say(EXAMPLES / "speech.wav"):
            look(frame)
        # On a busy machine the head speaks later than it was spoken to.
        for _ in range(MOST_FRAMES):
            if loudest > LOUD and len(pictures) > 1:
                break
            look(client.next())
    assert loudest > LOUD and len(pictures) > 1
    assert times == sorted(times)


NODE_PROGRAM = """
import { readFile } from "node:fs/promises";
const [module, server, picture, sound] = process.argv.slice(1);
const { ChunkedStreamingClient } = await import(module);
const refusal = await new ChunkedStreamingClient(server).initSession(new Blob(["no picture"])).catch((error) => error);
const portrait = new Blob([await readFile(picture)]);
const client = new ChunkedStreamingClient(server);
await client.initSession(portrait, { nfe: 5, chunk_duration: 0.5 });
const fed = await client.feedAudioChunk(new Blob([await readFile(sound)]), true);
await client.waitUntilPlayable();
const status = await client.waitUntilComplete();
const playlist = await (await fetch(client.hlsUrl)).text();
const video = await client.download();
await client.cleanup();
console.log(JSON.stringify({ refused: refusal.status, words: refusal.detail, fed, status, playlist, bytes: video.size }));
"""


def test_the_client_for_node_does_the_same(server, tmp_path):
    (tmp_path / "speech.wav").write_bytes(talk.wav(bytes(2 * 20000), 16000))
    run = subprocess.run(["node", "--input-type=module", "-e", NODE_PROGRAM, (ROOT / "web" / "dist" / "talk_client.js").as_uri(), server.url,
                          EXAMPLES / "ada.png", tmp_path / "speech.wav"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["refused"] == 500 and "image" in told["words"]
    assert told["fed"]["status"] == "success" and told["status"]["status"] == "complete"
    assert told["status"]["total_frames_generated"] == 32  # 1.25 s are 31.25 frames
    assert told["playlist"].rstrip().endswith("#EXT-X-ENDLIST") and told["bytes"] > 10_000


BROWSER_PROGRAM = """async (mostFrames) => {
  const { RealtimeClient } = await import("/talk_client.js");
  const client = new RealtimeClient(location.origin);
  await client.initSession(await (await fetch("/v1/models/shipped-talk/examples/boris.png")).blob());
  let frames = 0, loudest = 0, width = 0;
  void client.say(Float32Array.from({ length: 16000 }, (_, i) => Math.sin(i / 10) / 2));
  for await (const { jpeg, samples } of client) {
    loudest = Math.max(loudest, ...samples);
    width ||= (await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }))).width;
    if (++frames === mostFrames || loudest > 0.05) break;
  }
  client.close();
  return { frames, loudest, width };
}"""


def test_the_client_that_the_server_gives_to_browsers_talks_and_is_heard(server, browser):
    tab = browser.new_page()
    tab.goto(server.url)
    told = tab.evaluate(BROWSER_PROGRAM, MOST_FRAMES)
    tab.close()
    assert told["loudest"] > LOUD and told["width"] == 128
