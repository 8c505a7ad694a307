"""The clients of talking heads, against servers that write down what they get."""
import array
import asyncio
import base64
import contextlib
import email.parser
import email.policy
import inspect
import io
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
import pytest
import websockets.sync.server

from rushes import talk
from rushes.talk import ChunkedStreamingClient, RealtimeClient, TalkError

INIT = {"status": "success", "session_id": "abc", "hls_url": "/hls/abc/playlist.m3u8"}
FED = {"status": "success", "session_id": "abc", "buffer_samples": 8000, "frames_generated": 0, "session_status": "processing"}
PICTURE = b"\x89PNG that nobody looks at"
BEGUN, FEED, STATUS = ("/api/audio-driven/chunked/" + path for path in ("init", "feed", "status/abc"))


class Server(ThreadingHTTPServer):
    """Gives the answers that were put in for a path, the last one again and again: (status, JSON or bytes)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {BEGUN: [(200, INIT)], FEED: [(200, FED)]}
        self.asked = []  # method, path, form, headers
        self.url = f"http://127.0.0.1:{self.server_port}"

    def forms(self, path):
        return [form for _, asked, form, _ in self.asked if asked == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append((self.command, self.path, read_form(self.headers["Content-Type"], body), self.headers))
        answers = self.server.answers.get(self.path, [(404, {"detail": "Not Found"})])
        status, content = answers.pop(0) if len(answers) > 1 else answers[0]
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


def read_form(content_type, body):
    """Field to text, of files to (name, bytes)."""
    if content_type is None:
        return {}
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields = {}
    for part in message.iter_parts():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        fields[name] = content.decode() if part.get_filename() is None else (part.get_filename(), content)
    return fields


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def client(server):
    client = ChunkedStreamingClient(server.url)
    client.init_session(PICTURE)
    return client


def samples_of(file):
    with wave.open(io.BytesIO(file), "rb") as reader:
        return reader.getframerate(), reader.getnchannels(), numpy.frombuffer(reader.readframes(reader.getnframes()), "<i2")


def tone(seconds=1.0, rate=16000):
    return numpy.sin(numpy.arange(int(seconds * rate)) / 10).astype(numpy.float32) / 2


def pcm(samples):
    return numpy.rint(samples.astype(float) * 32767).astype("<i2")


@pytest.mark.parametrize("method, parameters", [
    ("__init__", {"server_url": "http://localhost:9999"}),
    ("init_session", {"image_path": inspect.Parameter.empty, "crop": True, "seed": 42, "nfe": 10, "cfg_scale": 2.0, "chunk_duration": 1.0,
                      "audio_sample_rate": 24000}),
    ("feed_audio_chunk", {"audio_data": inspect.Parameter.empty, "is_final": False}),
    ("get_status", {}),
    ("cleanup", {}),
])
def test_the_published_methods_have_the_published_parameters(method, parameters):
    found = list(inspect.signature(getattr(ChunkedStreamingClient, method)).parameters.values())[1:]
    published = {each.name: each.default for each in found if each.kind is not inspect.Parameter.KEYWORD_ONLY}
    assert list(published.items()) == list(parameters.items())


def test_a_session_begins_with_the_published_fields(server, tmp_path):
    (tmp_path / 'a "face".png').write_bytes(PICTURE)
    client = ChunkedStreamingClient(server.url + "/")
    assert client.session_id is None
    assert client.init_session(str(tmp_path / 'a "face".png')) == client.session_id == "abc"
    assert client.hls_url == server.url + "/hls/abc/playlist.m3u8"
    client.init_session(PICTURE, crop=False, nfe=5, session_id="abc", pose_style=(1, 2, 3), gaze_style=[0.5, 0], mode="reference")
    published, more = server.forms(BEGUN)
    assert published == {"image": ("a %22face%22.png", PICTURE), "crop": "true", "seed": "42", "nfe": "10", "cfg_scale": "2.0",
                         "chunk_duration": "1.0", "audio_sample_rate": "24000"}
    assert more.items() >= {"crop": "false", "nfe": "5", "session_id": "abc", "pose_style": "[1, 2, 3]", "gaze_style": "[0.5, 0]",
                            "mode": "reference"}.items()


def test_a_sound_file_is_fed_as_it_is_and_arrays_at_the_sessions_rate(server, client):
    file = b"ID3 some sound"
    assert client.feed_audio_chunk(file) == FED
    as_floats, as_integers = tone(0.1), pcm(tone(0.1))
    for array_of_sound in (as_floats, as_integers, as_floats.astype(float), as_floats[:, None], array.array("f", as_floats)):
        client.feed_audio_chunk(array_of_sound, is_final=True)
    client.feed_audio_chunk(numpy.stack([as_floats, -as_floats], 1))
    first, *mono, stereo = server.forms(FEED)
    assert first == {"session_id": "abc", "audio_chunk": ("chunk.wav", file), "is_final_chunk": "false"}
    for each in mono:
        rate, channels, samples = samples_of(each["audio_chunk"][1])
        assert (rate, channels, each["is_final_chunk"]) == (24000, 1, "true")
        assert numpy.array_equal(samples, as_integers)
    assert samples_of(stereo["audio_chunk"][1])[:2] == (24000, 2)
    with pytest.raises(ValueError, match="int16 or float"):
        client.feed_audio_chunk(numpy.zeros(5, numpy.int64))


def test_what_is_too_loud_is_limited():
    assert list(samples_of(talk.wav(numpy.array([2.0, -3.0, 0.0]), 8000))[2]) == [32767, -32767, 0]


@pytest.mark.parametrize("status, body, words", [
    (400, {"detail": "nfe must be between 5 and 50"}, "nfe must be between 5 and 50"),
    (422, {"detail": [{"loc": ["body", "image"], "msg": "Field required"}, {"loc": ["body", "seed"], "msg": "Input should be a valid integer"}]},
     "image: Field required; seed: Input should be a valid integer"),
    (401, {"error": {"type": "unauthorized", "message": "this server asks for a token"}}, "this server asks for a token"),
    (400, {"error": "image file required"}, "image file required"),
    (502, b"Bad gateway", "Bad gateway"),
    (500, [1], "[1]"),
    (503, b"", "Service Unavailable"),
])
def test_refusals_are_told_in_the_servers_words(server, status, body, words):
    server.answers[BEGUN] = [(status, body)]
    with pytest.raises(TalkError) as caught:
        ChunkedStreamingClient(server.url).init_session(PICTURE)
    assert (caught.value.status, caught.value.detail) == (status, words)
    assert words in str(caught.value) and str(status) in str(caught.value)


def test_without_a_session_nothing_is_asked(server):
    client = ChunkedStreamingClient(server.url)
    client.cleanup()
    for call in (client.get_status, client.wait_until_complete, lambda: client.feed_audio_chunk(b"x"), RealtimeClient(server.url).next):
        with pytest.raises(ValueError, match="init_session"):
            call()
    assert server.asked == []


def test_a_token_goes_with_each_request(server):
    ChunkedStreamingClient(server.url, token="secret").init_session(PICTURE)
    assert server.asked[0][3]["Authorization"] == "Bearer secret"


def test_a_server_that_is_not_there_is_an_os_error():
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError):
            ChunkedStreamingClient(f"http://127.0.0.1:{bound.getsockname()[1]}").init_session(PICTURE)


@pytest.mark.parametrize("seconds, sizes", [(2.5, [16000, 16000, 8000]), (2.0, [16000, 16000]), (0.3, [4800]), (0.0, [0])])
def test_a_file_is_fed_in_pieces_of_which_only_the_last_is_final(server, client, tmp_path, seconds, sizes):
    samples = pcm(tone(seconds))
    (tmp_path / "speech.wav").write_bytes(talk.wav(samples, 16000))
    replies = []
    assert client.stream_file(tmp_path / "speech.wav", on_reply=replies.append) == FED
    forms = server.forms(FEED)
    pieces = [samples_of(form["audio_chunk"][1]) for form in forms]
    assert [len(piece) for _, _, piece in pieces] == sizes and len(replies) == len(sizes)
    assert {rate for rate, _, _ in pieces} == {16000}
    assert numpy.array_equal(numpy.concatenate([piece for _, _, piece in pieces]), samples)
    assert [form["is_final_chunk"] for form in forms] == ["false"] * (len(sizes) - 1) + ["true"]


def test_channels_are_averaged(tmp_path):
    (tmp_path / "stereo.wav").write_bytes(talk.wav(numpy.array([[100, 300], [-5, 5]], numpy.int16), 44100))
    samples, rate = talk.read_speech(tmp_path / "stereo.wav")
    assert rate == 44100 and list(numpy.frombuffer(samples, "<i2")) == [200, 0]


@pytest.mark.parametrize("sample_rate", [None, 8000])
def test_channels_that_cancel_each_other_are_not_lost(tmp_path, sample_rate):
    samples = pcm(tone(1.0))
    (tmp_path / "inverted.wav").write_bytes(talk.wav(numpy.stack([samples, -samples], axis=1), 16000))
    heard = numpy.frombuffer(talk.read_speech(tmp_path / "inverted.wav", sample_rate)[0], "<i2")
    assert abs(heard).max() > 0.8 * abs(samples).max()


def test_other_files_are_read_by_ffmpeg(tmp_path, monkeypatch):
    (tmp_path / "speech.wav").write_bytes(talk.wav(tone(1.0), 16000))
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "speech.wav", tmp_path / "speech.flac"], check=True)
    samples, rate = talk.read_speech(tmp_path / "speech.flac", 16000)
    assert rate == 16000 and samples == talk.read_speech(tmp_path / "speech.wav")[0]
    assert talk.read_speech(tmp_path / "speech.flac")[1] == 24000
    assert len(talk.read_speech(tmp_path / "speech.wav", 8000)[0]) == 2 * 8000
    (tmp_path / "no.wav").write_bytes(b"no sound at all")
    with pytest.raises(ValueError, match="no audio that ffmpeg can read"):
        talk.read_speech(tmp_path / "no.wav")
    with pytest.raises(FileNotFoundError):
        talk.read_speech(tmp_path / "none.wav")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match=r"ffmpeg.*not installed"):
        talk.read_speech(tmp_path / "speech.flac")


def test_raw_speech_of_a_generator_is_fed_as_it_comes_and_waits_for_room(server, client, monkeypatch):
    monkeypatch.setattr(talk, "_FULL_SECONDS", 0)
    server.answers[FEED] = [(200, FED), (429, {"detail": "send this piece again"}), (200, FED)]
    fed_before = []

    def microphone():
        for chunk in (b"\1\0" * 100, tone(0.1)):
            fed_before.append(len(server.forms(FEED)))
            yield chunk

    assert client.stream_audio(microphone()) == FED
    assert fed_before == [0, 1]
    lengths = [len(samples_of(form["audio_chunk"][1])[2]) for form in server.forms(FEED)]
    assert lengths == [100, 1600, 1600, 0]
    assert [form["is_final_chunk"] for form in server.forms(FEED)] == ["false", "false", "false", "true"]


def test_waiting_ends_with_the_video_with_its_failure_or_with_the_time(server, client, monkeypatch):
    monkeypatch.setattr(talk, "_POLL_SECONDS", 0)
    status = {"session_id": "abc", "status": "processing", "total_frames_generated": 7, "error": None}
    server.answers[STATUS] = [(200, status), (200, status), (200, {**status, "status": "complete"})]
    assert client.wait_until_complete()["status"] == "complete"
    server.answers[STATUS] = [(200, {**status, "status": "error", "error": "the model is tired"})]
    with pytest.raises(TalkError, match="the model is tired") as caught:
        client.wait_until_complete()
    assert caught.value.status is None
    server.answers[STATUS] = [(200, status)]
    with pytest.raises(TimeoutError, match="'processing' after 0 s, with 7 frames"):
        client.wait_until_complete(timeout=0)
    server.answers["/api/hls/abc/playlist.m3u8"] = [(202, {"detail": "Playlist not ready yet."}), (200, b"#EXTM3U")]
    assert client.wait_until_playable() == client.hls_url


def test_the_video_is_written_to_a_file(server, client, tmp_path):
    server.answers["/api/hls/abc/download"] = [(200, b"mp4" * 1000)]
    assert client.download(str(tmp_path / "talk.mp4")).read_bytes() == b"mp4" * 1000
    server.answers["/api/hls/abc/download"] = [(404, {"detail": "Session not found"})]
    with pytest.raises(TalkError, match="Session not found"):
        client.download(tmp_path / "none.mp4")
    assert not (tmp_path / "none.mp4").exists()


def test_a_session_is_removed_once(server):
    path = "/api/audio-driven/chunked/session/abc"
    server.answers[path] = [(200, {"status": "success"})]
    with ChunkedStreamingClient(server.url) as client:
        client.init_session(PICTURE)
    client.cleanup()
    assert client.session_id is None
    assert [asked[:2] for asked in server.asked[1:]] == [("DELETE", path)]
    server.answers[path] = [(404, {"detail": "Session abc not found"})]
    with ChunkedStreamingClient(server.url) as client:
        client.init_session(PICTURE)  # and is gone before the end
    client.init_session(PICTURE)
    with pytest.raises(TalkError, match="Session abc not found"):
        client.cleanup()


def test_pictures_come_one_by_one(server, tmp_path):
    (tmp_path / "speech.wav").write_bytes(talk.wav(tone(0.1), 16000))
    data = b"".join(b"data: " + base64.b64encode(jpeg) + b"\n\n" for jpeg in (b"one", b"two"))

    def ask():
        return list(talk.stream_pictures(PICTURE, tmp_path / "speech.wav", server_url=server.url))

    server.answers["/api/realtime-sse"] = [(200, data + b"event: complete\ndata: {\"frames\": 2, \"time\": 0.1}\n\n")]
    assert ask() == [b"one", b"two"]
    assert server.asked[-1][2]["audio"] == ("speech.wav", (tmp_path / "speech.wav").read_bytes())
    server.answers["/api/realtime-sse"] = [(200, data + b"event: error\ndata: the model is tired\n\n")]
    with pytest.raises(TalkError, match="the model is tired"):
        ask()
    server.answers["/api/realtime-sse"] = [(200, data)]
    with pytest.raises(ConnectionError):
        ask()


# ---- realtime ----
def packet(kind, timestamp_us, payload):
    return struct.pack(">BQI", kind, timestamp_us, len(payload)) + payload


class Head:
    """A WebSocket server whose conversation is `talk(head, connection)`; counts what it has heard."""

    def __init__(self, server, talk):
        self.heard = b""
        self.packets = []
        self.headers = None
        self._talk = talk
        self._listener = websockets.sync.server.serve(self._serve, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._listener.serve_forever)
        self._thread.start()
        port = self._listener.socket.getsockname()[1]
        server.answers["/api/realtime/init"] = [(200, {"session_id": "abc", "websocket_url": f"http://127.0.0.1:{port}/ws/realtime/abc"})]

    def _serve(self, connection):
        self.headers = connection.request.headers
        self._talk(self, connection)

    def listen(self, connection, timeout=None):
        message = connection.recv(timeout=timeout)
        self.packets.append(struct.unpack_from(">BQI", message))
        self.heard += message[13:]

    def stop(self):
        self._listener.shutdown()
        self._thread.join()


@pytest.fixture
def head(server):
    running = []

    def start(conversation):
        running.append(Head(server, conversation))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def three_frames(_, connection):
    connection.send(packet(1, 5, b"sound without a picture"))
    connection.send(b"short")
    for number in range(3):
        connection.send(packet(2, number, b"jpeg%d" % number))
        connection.send(packet(9, number, b"of another kind"))
        connection.send(packet(1, number, bytes(1280)))


THREE = [(number, b"jpeg%d" % number, bytes(1280)) for number in range(3)]


def test_pictures_come_with_their_sound_until_the_server_ends_it(server, head):
    talking = head(three_frames)
    client = RealtimeClient(server.url, token="secret")
    assert client.init_session(PICTURE) == "abc" == client.session_id
    assert server.asked[0][2] == {"image": ("image", PICTURE), "crop": "true"}
    with client:
        assert list(client) == THREE
    assert talking.headers["Authorization"] == "Bearer secret"


def test_the_same_in_an_async_loop(server, head):
    head(three_frames)

    async def collect():
        client = RealtimeClient(server.url)
        client.init_session(PICTURE)
        return [frame async for frame in client]

    assert asyncio.run(collect()) == THREE


def test_speech_goes_out_in_packets_of_40_ms(server, head):
    def listen(talking, connection):
        for _ in range(3):
            talking.listen(connection)
        three_frames(talking, connection)

    talking = head(listen)
    speech = pcm(tone(0.1))  # two packets and a half
    with RealtimeClient(server.url) as client:
        client.init_session(PICTURE)
        for piece in numpy.array_split(speech, 7):
            client.send_audio(piece)
        client.flush()
        client.flush()
        assert list(client) == THREE
    assert [(kind, length) for kind, _, length in talking.packets] == [(1, 1280)] * 3
    assert min(time_us for _, time_us, _ in talking.packets) > 1.6e15
    assert talking.heard == speech.tobytes() + bytes(640)


@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_said_is_sent_while_pictures_come(server, head, tmp_path, is_file):
    def talk_and_listen(talking, connection):
        try:
            while True:
                connection.send(packet(2, 1, b"jpeg"))
                connection.send(packet(1, 1, bytes(1280)))
                with contextlib.suppress(TimeoutError):
                    talking.listen(connection, timeout=0.005)
        except websockets.exceptions.ConnectionClosed:
            talking.done.set()

    talking = head(talk_and_listen)
    talking.done = threading.Event()
    speech = tone(0.22)
    (tmp_path / "speech.wav").write_bytes(talk.wav(speech, 16000))
    with RealtimeClient(server.url) as client:
        client.init_session(PICTURE)
        frames = list(client.say(tmp_path / "speech.wav" if is_file else speech, tail_seconds=0.1))
        assert client.next() is not None  # the conversation goes on
    assert talking.done.wait(60)
    assert len(frames) > 6 and set(frames) == {(1, b"jpeg", bytes(1280))}
    assert talking.heard == pcm(speech).tobytes() + bytes(2 * (6 * 640 - 3520))


def test_a_conversation_that_ends_badly_says_why(server, head):
    head(lambda _, connection: connection.close(4004, "Session not found"))
    client = RealtimeClient(server.url)
    client.init_session(PICTURE)
    with pytest.raises(TalkError) as caught:
        client.next()
    assert (caught.value.status, caught.value.detail) == (4004, "Session not found")
    client.send_audio(bytes(1280))  # is lost
    client.close()


def test_a_socket_that_is_refused_says_why(server):
    server.answers["/api/realtime/init"] = [(200, {"session_id": "abc", "websocket_url": "/ws/realtime/abc"})]
    server.answers["/ws/realtime/abc"] = [(503, {"detail": "there is no talking-head model"})]
    client = RealtimeClient(server.url)
    client.init_session(PICTURE)
    with pytest.raises(TalkError, match="there is no talking-head model") as caught:
        client.connect()
    assert caught.value.status == 503


def test_the_clients_need_neither_the_engine_nor_other_packages():
    code = """
import sys
for name in ("rushes._core", "numpy", "torch", "websockets"):
    sys.modules[name] = None
from rushes.talk import ChunkedStreamingClient, RealtimeClient
client = RealtimeClient()
client.session_id = "abc"
try:
    client.connect()
except ImportError as error:
    assert "pip install websockets" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)
