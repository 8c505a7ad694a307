"""The two ways by which the stage gets a video while it is made: MSE and WebRTC, chosen, measured, and left for each other."""
import contextlib
import json

import pytest
from test_page import PROMPT
from test_studio import DONE, open_page  # noqa: F401 (the fixture)
from test_studio_states import overflow, violations
from waiting import wait_for

STREAMS = "() => document.querySelector('.theatre video').srcObject?.getVideoTracks().length === 1 && document.querySelector('.theatre video').videoWidth > 0"
BUFFERS = "() => document.querySelector('.theatre video').srcObject === null && document.querySelector('.theatre video').src.startsWith('blob:')"


@pytest.fixture(scope="module")
def webrtc(server):
    """Skips where the program has none."""
    session = server.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0})["id"]
    status, answer = server.answer("POST", f"/v1/sessions/{session}/whep", b"v=0", {"Content-Type": "application/sdp"})
    server.request("DELETE", f"/v1/sessions/{session}")
    if status == 503:
        pytest.skip(answer["error"]["message"])


def ways(page):
    return page.tab.get_by_label("Transport")


def measured(page):
    return page.tab.locator(".way .measured")


@contextlib.contextmanager
def whep(page, **answer):
    """What the server says to whoever wants WebRTC."""
    page.tab.route("**/whep", lambda route: route.fulfill(content_type="application/json", **answer))
    yield
    page.tab.unroute_all(behavior="wait")


def test_the_way_is_chosen_in_the_menu_and_what_it_costs_is_told(server, open_page, webrtc):  # noqa: F811
    page = open_page()
    page.generate(PROMPT, "Endless")
    measured(page).get_by_text("s behind the newest frame").wait_for()
    assert "about" not in measured(page).inner_text() and "Auto (MSE)" in ways(page).inner_text()
    ways(page).select_option("webrtc")
    page.waits(STREAMS)
    measured(page).get_by_text("about").wait_for(timeout=DONE)
    measured(page).get_by_text("fps shown").wait_for(timeout=DONE)
    ways(page).select_option("mse")
    page.waits(BUFFERS)
    measured(page).get_by_text("s behind the newest frame").wait_for(timeout=DONE)
    assert page.errors == []


def test_auto_takes_the_way_that_was_nearer_to_the_newest_frame(server, open_page, webrtc):  # noqa: F811
    page = open_page()
    page.tab.evaluate("() => localStorage.setItem('rushes.way.known', JSON.stringify({mse: 1.9, webrtc: 0.4}))")
    page.generate(PROMPT, "Endless")
    page.waits(STREAMS)
    assert "Auto (WebRTC)" in ways(page).inner_text()
    page.tab.get_by_role("button", name="Stop", exact=True).click()
    page.tab.get_by_text("Download").wait_for()
    page.waits("() => document.querySelector('.theatre video').src.endsWith('/video.mp4')")
    assert ways(page).count() == 0, "what has ended is a file"
    assert page.errors == []


def test_going_back_leaves_webrtc_and_the_newest_frame_returns_to_it(server, open_page, webrtc):  # noqa: F811
    page = open_page()
    page.generate(PROMPT, "Endless")
    page.wait_until_plays(1.5)
    ways(page).select_option("webrtc")
    page.waits(STREAMS)
    measured(page).wait_for(timeout=DONE)
    page.press("j")
    page.waits(BUFFERS)
    page.tab.locator(".way").get_by_text("shows only what is made now").wait_for()
    page.tab.get_by_role("button", name="Go to newest").click()
    page.waits(STREAMS)
    page.press("k")
    page.waits("() => document.querySelector('.theatre video').paused")
    page.waits(BUFFERS)
    assert page.errors == []


@pytest.mark.parametrize("width, scheme", [(390, "light"), (1440, "dark")])
def test_where_webrtc_is_refused_the_video_goes_on_by_mse_and_says_why(server, open_page, width, scheme):  # noqa: F811
    page = open_page(width=width, height=900)
    page.tab.emulate_media(color_scheme=scheme)
    session = page.generate(PROMPT, "Endless")
    why = "this program was built without WebRTC."
    with whep(page, status=503, body=json.dumps({"error": {"code": "unavailable", "message": why}})):
        ways(page).select_option("webrtc")
        page.tab.locator(".way").get_by_text(why).wait_for()
        page.waits(BUFFERS)
        page.wait_until_plays(0.5)
        assert overflow(page.tab) <= 0 and violations(page.tab) == []
    page.tab.get_by_label("Language").select_option("zh")
    page.tab.locator(".way").get_by_text("改用 MSE").wait_for()
    assert server.request("GET", f"/v1/sessions/{session}")["state"] == "running"


def test_a_browser_without_webrtc_is_told_so(server, open_page):  # noqa: F811
    page = open_page()
    page.tab.evaluate("() => delete window.RTCPeerConnection")
    page.generate(PROMPT, "Endless")
    ways(page).focus()
    ways(page).select_option("webrtc")
    page.tab.locator(".way").get_by_text("This browser has no WebRTC").wait_for()
    page.waits(BUFFERS)
    assert page.errors == []


def test_who_leaves_webrtc_is_no_viewer_any_more(server, open_page, webrtc):  # noqa: F811
    page = open_page()
    page.generate(PROMPT, "Endless")
    with page.tab.expect_response(lambda answer: answer.url.endswith("/whep")) as connected:
        ways(page).select_option("webrtc")
    page.waits(STREAMS)
    with page.tab.expect_response(lambda answer: answer.request.method == "DELETE") as left:
        ways(page).select_option("mse")
    assert left.value.url.endswith(connected.value.headers["location"]) and left.value.status == 204
    wait_for(lambda: server.answer("DELETE", connected.value.headers["location"])[0] == 404 or None)
