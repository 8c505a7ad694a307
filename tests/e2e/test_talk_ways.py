"""More ways to make a portrait talk, in a real browser: by camera, by typed words, by a video; and to make it stop."""
import pytest
from page_tab import opener
from test_studio_states import violations
from test_talk_page import EXAMPLES, PATIENCE_MS, PICTURES_SHOWN, SPOKE, TalkPage
from waiting import wait_for

DENIED = "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '%s')); }"
SPOKEN_LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"


@pytest.fixture
def open_page(server, browser):
    with opener(TalkPage, browser, server) as open_one:
        yield open_one


@pytest.fixture(scope="module")
def speech(server):
    """Skips where the server cannot speak."""
    import urllib.error
    import urllib.parse
    import urllib.request

    form = urllib.parse.urlencode({"text": "one"}).encode()
    try:
        urllib.request.urlopen(server.url + "/api/tts/generate", form).close()
    except urllib.error.HTTPError as refused:
        if refused.code == 503:
            pytest.skip("espeak-ng is not installed")
        raise


@pytest.mark.parametrize("width, scheme", [(390, "light"), (1440, "dark")])
def test_the_camera_takes_a_portrait(open_page, width, scheme):
    page = open_page(width=width, height=900)
    page.tab.emulate_media(color_scheme=scheme)
    page.button("Camera").click()
    camera = page.tab.get_by_role("dialog", name="A portrait by camera")
    take = camera.get_by_role("button", name="Take the picture")
    page.wait_until("() => document.querySelector('.camera video').videoWidth > 0")
    assert violations(page.tab) == [] and page.overflow() <= 0
    page.tab.evaluate("() => { window.lamp = document.querySelector('.camera video').srcObject.getTracks(); }")
    take.focus()
    page.tab.keyboard.press("Enter")
    camera.wait_for(state="detached")
    assert page.button("camera.jpg").get_attribute("aria-pressed") == "true"
    assert page.tab.evaluate("window.lamp.map((track) => track.readyState)") == ["ended"], "the camera goes on"
    assert page.tab.get_by_alt_text("The portrait").evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [1280, 960]
    assert page.errors == []


def test_escape_closes_the_camera_and_keeps_the_portrait(open_page):
    page = open_page()
    page.button("Camera").click()
    page.wait_until("() => document.querySelector('.camera video').videoWidth > 0")
    page.tab.evaluate("() => { window.lamp = document.querySelector('.camera video').srcObject.getTracks(); }")
    page.tab.keyboard.press("Escape")
    page.tab.get_by_role("dialog").wait_for(state="detached")
    assert page.tab.evaluate("window.lamp[0].readyState") == "ended"
    assert page.tab.get_by_role("button", name="camera.jpg").count() == 0


@pytest.mark.parametrize("error, words, chinese", [("NotAllowedError", "does not have permission", "没有使用摄像头的权限"), ("NotFoundError", "has no camera", "没有摄像头")])
def test_why_there_is_no_camera_is_said(open_page, error, words, chinese):
    page = open_page()
    page.tab.evaluate(DENIED % error)
    page.button("Camera").click()
    page.tab.get_by_role("dialog").get_by_role("alert").get_by_text(words).wait_for()
    assert page.button("Take the picture").count() == 0 and violations(page.tab) == []
    page.tab.keyboard.press("Escape")
    page.tab.get_by_label("Language").select_option("zh")
    page.button("摄像头").click()
    page.tab.get_by_role("dialog").get_by_role("alert").get_by_text(chinese).wait_for()


def test_typed_words_are_spoken_and_can_be_interrupted(open_page, speech):
    page = open_page(width=390, height=900)
    assert page.button("Speak").is_disabled() and page.button("Stop speaking").is_disabled()
    page.tab.get_by_label("Text to speak").fill(SPOKEN_LONG)
    page.tab.keyboard.press("Enter")
    page.tab.locator(".pill").get_by_text("speaking").wait_for(timeout=PATIENCE_MS)
    page.wait_until(SPOKE)
    page.wait_until(PICTURES_SHOWN, 3)
    assert page.overflow() <= 0 and violations(page.tab) == []
    page.button("Stop speaking").click()
    page.tab.locator(".pill").get_by_text("listening", exact=True).wait_for()
    assert page.button("Stop speaking").is_disabled()
    page.tab.get_by_label("Voice", exact=True).select_option("male")
    with page.tab.expect_request("**/api/tts/generate") as asked:
        page.button("Speak").click()
    assert "male" in asked.value.post_data
    page.tab.locator(".pill").get_by_text("speaking").wait_for(timeout=PATIENCE_MS)
    page.button("End").click()
    assert page.errors == []


def test_a_server_that_cannot_speak_says_what_it_lacks(open_page):
    page = open_page()
    page.tab.route("**/api/tts/generate", lambda route: route.fulfill(status=503, json={"detail": "text to speech needs libespeak-ng1"}))
    page.tab.get_by_label("Text to speak").fill("hello")
    page.button("Speak").click()
    page.tab.get_by_role("alert").get_by_text("libespeak-ng1").wait_for()
    page.button("End").click()


@pytest.fixture(scope="module")
def driving(server, tmp_path_factory):
    """A video of a face that talks, of one second."""
    import base64
    import urllib.request

    image = base64.b64encode((EXAMPLES / "boris.png").read_bytes()).decode()
    session = server.request("POST", "/v1/sessions", {"model": "shipped-talk", "image": image})["id"]
    server.answer("POST", f"/v1/sessions/{session}/audio?end=true&format=s16le", bytes(32_000))
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["speech"]["at_rest"])
    server.request("POST", f"/v1/sessions/{session}/stop")
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["recording"]["complete"])
    file = tmp_path_factory.mktemp("driving") / "driving.mp4"
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session}/recording.mp4") as video:
        file.write_bytes(video.read())
    server.request("DELETE", f"/v1/sessions/{session}")
    return file


def test_a_video_moves_the_portrait(open_page, driving, tmp_path):
    page = open_page()
    page.tab.get_by_label("Driving video").set_input_files(driving)
    page.wait_until("() => document.querySelector('video.driven')?.videoWidth > 0")
    assert page.tab.locator("video.driven").evaluate("(video) => [video.videoWidth, Math.round(video.duration)]") == [128, 1]
    with page.tab.expect_download() as download:
        page.tab.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "driven.mp4"
    page.button("End").click()
    page.tab.locator("video.driven").wait_for(state="detached")
    page.tab.get_by_alt_text("The portrait").wait_for()
    (tmp_path / "no.mp4").write_text("these are words")
    assert page.errors == []
    page.tab.get_by_label("Driving video").set_input_files(tmp_path / "no.mp4")
    page.tab.get_by_role("alert").get_by_text("video").wait_for()
