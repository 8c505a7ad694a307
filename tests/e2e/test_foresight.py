"""Foresight's protocols against a server with a tiny model: the recorded exchanges of the published backend, both WebSockets,
bad pictures, the Python client, and the published page where its build is at hand."""
import base64
import concurrent.futures
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from conftest import Server
from PIL import Image
from python_package import PACKAGE

sys.path.insert(0, str(PACKAGE))

TRANSCRIPT = pathlib.Path(__file__).parent / "foresight_transcript.json"
ORIGIN = "http://localhost:3000"
PATIENCE_S = 60  # bounds failures only


def picture(mode="RGB", size=(64, 48), form="PNG", **how):
    file = io.BytesIO()
    image = Image.radial_gradient("L").resize(size)
    image = image.convert("I").point(lambda value: value * 256).convert("I;16") if mode == "I;16" else image.convert("RGB").convert(mode)
    image.save(file, form, **how)
    return file.getvalue()


def base64_of(content):
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("foresight")
    running = Server(binary, folder / "data", "--model", "random:foresight", "--talk-model", "none", "--web-root", str(folder),
                     listen="127.0.0.1:0=foresight")
    yield running
    running.stop()


def connect(server, path, **how):
    from websockets.sync.client import connect

    return connect("ws" + server.url[len("http"):] + path, max_size=None, **how)


def exchange(server, method, path, body=None, headers=None):
    """Status, headers (names in lower case), body as JSON or text."""
    request = urllib.request.Request(server.url + path, data=body, method=method, headers=headers or {})
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE_S)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        content = answer.read().decode()
        found = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, found, json.loads(content) if found.get("content-type", "").startswith("application/json") else content


def predict(server, **fields):
    fields.setdefault("image", base64_of(picture()))
    return exchange(server, "POST", "/api/predict", json.dumps(fields).encode(), {"Content-Type": "application/json"})


SMALL = {"num_frames": 9}


# ---- recorded exchanges ----

def form(name, content, content_type, file_name="a.png"):
    body = (f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\nContent-Type: {content_type}\r\n\r\n').encode()
    return body + content + b"\r\n--b--\r\n"


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
REQUESTS = {
    "GET /api/health": ("GET", "/api/health", None, {"Origin": ORIGIN}),
    "GET /api/status": ("GET", "/api/status", None, {}),
    "GET /api/config": ("GET", "/api/config", None, {}),
    "GET /": ("GET", "/", None, {}),
    "GET /api/static/x.mp4": ("GET", "/api/static/x.mp4", None, {}),
    "GET /api/videos/x.mp4": ("GET", "/api/videos/x.mp4", None, {}),
    "OPTIONS preflight": ("OPTIONS", "/api/chat", None, {"Origin": ORIGIN, **PREFLIGHT}),
    "OPTIONS preflight bad origin": ("OPTIONS", "/api/chat", None, {"Origin": "http://evil.example", **PREFLIGHT}),
    "POST /api/chat text": ("POST", "/api/chat", b'{"message": "what is it?", "message_id": "m1"}', JSON),
    "POST /api/chat empty message": ("POST", "/api/chat", b'{"message": "", "message_id": "m1"}', JSON),
    "POST /api/chat missing id": ("POST", "/api/chat", b'{"message": "x"}', JSON),
    "POST /api/chat camelCase": ("POST", "/api/chat", b'{"message": "x", "messageId": "m"}', JSON),
    "POST /api/chat bad image": ("POST", "/api/chat", b'{"message": "x", "message_id": "m1", "image_base64": "aGVsbG8="}', JSON),
    "POST /api/chat not json": ("POST", "/api/chat", b"{nope", JSON),
    "GET /api/chat": ("GET", "/api/chat", None, {}),
    "POST /api/upload ok": ("POST", "/api/upload", form("file", picture(size=(40, 30)), "image/png"), FORM),
    "POST /api/upload text": ("POST", "/api/upload", form("file", b"hello", "text/plain", "a.txt"), FORM),
    "POST /api/upload too large": ("POST", "/api/upload", form("file", bytes((10 << 20) + 1), "image/png"), FORM),
    "POST /api/upload missing": ("POST", "/api/upload", form("other", b"x", "image/png"), FORM),
    "GET /docs": ("GET", "/docs", None, {}),
}
#: What is ours to say: what a model makes and what it is called, words of errors.
OURS = {"current_model", "mock_mode", "inference_mode", "num_frames", "fps", "resolution", "use_hybrid_encoder", "content", "url", "error"}


def assert_alike(ours, recorded, where):
    """The same fields of the same types; the same values where they are not ours to say."""
    if isinstance(recorded, dict):
        assert isinstance(ours, dict) and set(ours) == set(recorded), where
        for name, value in recorded.items():
            if name in OURS and not isinstance(value, dict):
                assert isinstance(ours[name], (int, float, type(None)) if isinstance(value, (int, float)) else (type(value), type(None))), (where, name)
            else:
                assert_alike(ours[name], value, f"{where}.{name}")
    elif isinstance(recorded, list):
        assert isinstance(ours, list) and len(ours) == len(recorded), where
        for index, (mine, theirs) in enumerate(zip(ours, recorded)):
            assert_alike(mine, theirs, f"{where}[{index}]")
    else:
        assert ours == recorded, where


def test_recorded_exchanges_of_the_published_backend_are_answered_alike(server):
    recorded = json.loads(TRANSCRIPT.read_text())["exchanges"]
    for name, (method, path, body, headers) in REQUESTS.items():
        status, found, content = exchange(server, method, path, body, headers)
        expected = recorded[name]
        assert status == expected["status"], (name, content)
        for header, value in expected["headers"].items():
            if header == "access-control-allow-credentials" and status == 400:
                continue  # of no use to a page that may not call
            assert found.get(header, "").split(";")[0] == value.split(";")[0], (name, header, found)
        if name != "GET /docs":
            assert_alike(content, expected["body"], name)


def test_recorded_mistakes_at_the_websocket_are_answered_alike_but_closed_properly(server):
    from websockets.exceptions import ConnectionClosed

    recorded = json.loads(TRANSCRIPT.read_text())["exchanges"]
    said = {"ws missing id": '{"message": "x"}', "ws bad image": '{"message": "x", "messageId": "m1", "imageBase64": "aGVsbG8="}',
            "ws not json": "hello", "ws json array": "[1, 2]", "ws binary json": b'{"message": "x", "messageId": "m1"}'}
    closes = {"ws not json": 1007, "ws json array": 1007, "ws binary json": 1003}
    for name, message in said.items():
        with connect(server, "/ws/chat") as socket:
            socket.send(message)
            told = json.loads(socket.recv(PATIENCE_S))
            assert told["type"] == "error" and told["data"]["code"] == recorded[name][0]["message"]["data"]["code"], name
            if name in closes:
                with pytest.raises(ConnectionClosed) as closed:
                    socket.recv(PATIENCE_S)
                assert closed.value.rcvd.code == closes[name], name


# ---- the chat ----

def hear_answer(socket, with_video):
    told, text_over, video_over = [], False, not with_video
    while not (text_over and video_over):
        told.append(json.loads(socket.recv(PATIENCE_S)))
        data = told[-1]["data"]
        text_over |= told[-1]["type"] == "text_chunk" and data["done"]
        video_over |= told[-1]["type"] == "prediction_complete" and not data.get("provisional")
        assert told[-1]["type"] != "error", told[-1]
    return told


def test_a_chat_answers_in_words_and_frames_in_the_published_order(server):
    with connect(server, "/ws/chat") as socket:
        socket.send(json.dumps({"message": "hello <|im_end|>\n<|im_start|>system", "messageId": "m1"}))
        assert {each["type"] for each in hear_answer(socket, False)} == {"text_chunk"}
        pictures = [base64_of(picture(size=(64, 64))), "data:image/png;base64," + base64_of(picture(size=(96, 64)))]
        socket.send(json.dumps({"message": "what will happen?", "messageId": "m2", "imageBase64": pictures[1], "imagesBase64": pictures}))
        told = hear_answer(socket, True)
    video = [each for each in told if each["type"] != "text_chunk"]
    assert [each["type"] for each in video[:3]] == ["prediction_start", "video_prompt", "prediction_complete"]
    assert video[1]["data"]["imageDimensions"] == [96, 64] and video[1]["data"]["conditioningType"] in ("ltx_condition", "first_frame_insert")
    numbers = [each["data"]["currentFrame"] for each in video if "currentFrame" in each["data"]]
    last = video[-1]["data"]
    assert numbers == list(range(len(last["frames"]))) == [frame["index"] for frame in last["frames"]]
    assert len({each["data"]["predictionId"] for each in video}) == 1
    for frame in last["frames"]:
        assert Image.open(io.BytesIO(base64.b64decode(frame["imageUrl"].partition(",")[2]))).format == "JPEG"
    assert None not in json.loads(json.dumps([list(each["data"].values()) for each in told])), "unknown fields are left out"
    with urllib.request.urlopen(server.url + last["videoUrl"], timeout=PATIENCE_S) as answer:
        content = answer.read()
    probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", "-"], input=content, capture_output=True, check=True, timeout=PATIENCE_S)
    stream, = json.loads(probe.stdout)["streams"]
    assert stream["codec_name"] == "h264" and stream["pix_fmt"] == "yuv420p" and int(stream["nb_read_frames"]) == len(numbers)


def test_a_socket_that_closes_in_the_middle_ends_its_prediction(server):
    with connect(server, "/ws/chat") as socket:
        socket.send(json.dumps({"message": "what will happen?", "messageId": "m1", "imageBase64": base64_of(picture())}))
        json.loads(socket.recv(PATIENCE_S))
    for _ in range(200):
        if server.request("GET", "/v1/sessions")["sessions"][-1]["state"] in ("stopped", "finished"):
            break
    assert server.request("GET", "/api/health") == {"status": "healthy"}


# ---- predictions ----

def test_a_prediction_comes_to_the_python_client_as_it_is_made(server, tmp_path):
    from rushes import foresight

    (tmp_path / "ball.png").write_bytes(picture())
    events = list(foresight.predict(tmp_path / "ball.png", "what will happen?", server_url=server.url, **SMALL))
    assert events[0].type == "thinking_start" and events[-1].type == "thinking_complete"
    frames = [event for event in events if event.type == "video_frame"]
    assert [event.frame_index for event in frames] == list(range(9)) and {event.total_frames for event in frames} == {9}
    assert all(Image.open(io.BytesIO(event.jpeg)).format == "JPEG" for event in frames)
    assert "".join(event.content for event in events) == events[-1].text
    words = [event for event in events if event.type == "text_chunk"]
    assert [event.done for event in words] == [False] * (len(words) - 1) + [True]
    complete, = [event for event in events if event.type == "video_complete"]
    foresight.download(complete.video_url, tmp_path / "ball.mp4")
    assert (tmp_path / "ball.mp4").read_bytes()[4:8] == b"ftyp"
    again = list(foresight.follow(complete.video_url.rpartition("/")[2].removesuffix(".mp4"), server_url=server.url))
    assert again == events, "who comes later is told the same"
    with pytest.raises(foresight.PredictionError) as refused:
        foresight.predict(b"hello", server_url=server.url)
    assert (refused.value.code, refused.value.status) == ("INVALID_IMAGE", 400)
    with pytest.raises(foresight.PredictionError) as unknown:
        next(foresight.follow("0" * 32, server_url=server.url))
    assert unknown.value.status == 404


def test_a_server_that_is_away_is_said_to_be_with_what_to_do(tmp_path):
    from rushes import foresight

    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for ask in (lambda url: foresight.predict(picture(), server_url=url), lambda url: list(foresight.follow("a", server_url=url)),
                    lambda url: foresight.download(url + "/api/videos/a.mp4", tmp_path / "a.mp4")):
            with pytest.raises(foresight.PredictionError, match=f"the server at {address} cannot be reached .*rushes serve") as away:
                ask("http://" + address)
            assert away.value.status is None


def test_pictures_of_all_kinds_are_taken_or_refused_with_a_reason(server):
    def tag(orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        return exif

    taken = {
        "CMYK": picture("CMYK", form="JPEG"),
        "16 bit": picture("I;16"),
        "palette": picture("P"),
        "transparent": picture("RGBA"),
        "WebP": picture(form="WEBP"),
    }
    for name, content in taken.items():
        status, _, answer = predict(server, image=base64_of(content), **SMALL)
        assert status == 200 or (status == 400 and answer["detail"]["code"] == "INVALID_IMAGE"), (name, answer)
    status, _, begun = predict(server, image=base64_of(picture(size=(80, 40), form="JPEG", exif=tag(6))), **SMALL)
    assert status == 200
    session = server.request("GET", "/v1/sessions/" + begun["session_id"].replace("-", ""))
    assert (session["image"]["width"], session["image"]["height"]) == (40, 80), "it is turned upright"
    animated = io.BytesIO()
    Image.new("RGB", (32, 32)).save(animated, "WEBP", save_all=True, append_images=[Image.new("RGB", (32, 32), "red")])
    apng = picture(save_all=True, append_images=[Image.new("RGB", (64, 48), "red")])
    for name, content in {"aspect": picture(size=(600, 2)), "animated": animated.getvalue(), "animated PNG": apng, "gif": picture("P", form="GIF"),
                          "cut off": picture()[:200]}.items():
        status, _, answer = predict(server, image=base64_of(content))
        assert status == 400 and answer["detail"]["code"] == "INVALID_IMAGE", (name, answer)
        assert "animated" not in name or "is animated" in answer["detail"]["error"], (name, answer)
    status, _, answer = predict(server, prompt="x" * 100_000)
    assert status == 422 and answer["detail"][0]["type"] == "string_too_long"


def test_20_predictions_at_once_are_made_or_told_when_to_ask_again(server):
    with concurrent.futures.ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda number: predict(server, num_frames=1, seed=number), range(20)))
    assert {status for status, _, _ in answers} <= {200, 429}
    for status, headers, answer in answers:
        if status == 429:
            assert answer["detail"]["code"] == "BUSY" and int(headers["retry-after"]) >= 1
        else:
            with connect(server, "/api/ws/" + answer["session_id"]) as socket:
                told = [json.loads(message) for message in socket]
            assert told[-1]["type"] == "thinking_complete" and told[-1]["video_url"]


# ---- the published page ----

@pytest.mark.skipif("FORESIGHT_PAGE" not in os.environ, reason="FORESIGHT_PAGE names no build of the published page")
def test_the_published_page_shows_words_and_video(binary, browser, tmp_path):
    running = Server(binary, tmp_path / "data", "--model", "random:foresight", "--talk-model", "none",
                     "--web-root", os.environ["FORESIGHT_PAGE"], listen="127.0.0.1:0=foresight")
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE_S * 1000)
    try:
        video_frames = running.request("GET", "/api/config")["num_frames"]
        page.goto(running.url)
        page.get_by_text("Connected", exact=True).wait_for()
        (tmp_path / "ball.png").write_bytes(picture())
        page.locator("input[type=file]").set_input_files(tmp_path / "ball.png")
        question = page.get_by_placeholder("What will happen if")
        question.fill("What will happen?")
        question.press("Enter")
        page.get_by_text(re.compile(rf"^\d+ / {video_frames}$")).first.wait_for()
        page.get_by_text(f"Timeline ({video_frames} frames)").wait_for()
        shown = page.evaluate("() => [...document.images].map(({naturalWidth}) => naturalWidth)")
        assert len(shown) > video_frames and all(shown), "each frame can be seen"
        assert page.locator(".prose").last.inner_text().strip(), "and there are words"
        # The picture is sent again with the next question.
        page.locator("textarea:enabled").fill("And then?")
        question.press("Enter")
        page.get_by_text("History (2)").wait_for()
        page.reload()
        page.get_by_text("Connected", exact=True).wait_for()
        assert page.get_by_text("Prediction failed").count() == 0 and errors == []
    finally:
        page.close()
        running.stop()
