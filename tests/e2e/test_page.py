"""The page in a real browser: what a person sees, and when."""
import pathlib
import re

import pytest
from page_tab import PageTab, clearing_opener, difference, opener, trained_for
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "images"
PROMPT = "a red circle moves right on a blue background"

# Draws the video's current picture on a small canvas and reads it back.
LOOK = """() => {
  const video = document.querySelector('video');
  if (!video || video.readyState < 2 || video.videoWidth === 0) return null;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 16;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(video, 0, 0, 16, 16);
  return {time: video.currentTime, width: video.videoWidth, pixels: Array.from(context.getImageData(0, 0, 16, 16).data)};
}"""
PLAYS_AT = "(seconds) => { const video = document.querySelector('video'); return video !== null && video.currentTime > seconds; }"


def colours(pixels):
    return {tuple(pixels[i : i + 3]) for i in range(0, len(pixels), 4)}


def session_ids(server):
    return {session["id"] for session in server.request("GET", "/v1/sessions")["sessions"]}


class Page(PageTab):
    def __init__(self, browser, server, **size):
        super().__init__(browser, server, **size)
        self.tab.get_by_role("textbox", name="What should the video show?").wait_for()

    def generate(self, prompt, length="Medium"):
        """Types, clicks, and returns the id of the session that this made."""
        self.tab.get_by_role("textbox", name="What should the video show?").fill(prompt)
        self.tab.get_by_text(length, exact=True).click()
        with self.tab.expect_response(lambda reply: reply.request.method == "POST" and reply.url.endswith("/v1/sessions")) as answer:
            self.tab.get_by_role("button", name="Generate").click()
        session = answer.value.json()["id"]
        self.tab.wait_for_url(f"**/s/{session}")
        self.tab.locator("article.session video").first.wait_for()
        return session

    def wait_until_plays(self, seconds):
        self.tab.wait_for_function(PLAYS_AT, arg=seconds, timeout=180_000)

    def count(self, selector):
        return self.tab.locator(selector).count()


@pytest.fixture
def open_page(server, browser):
    with clearing_opener(Page, browser, server) as open_one:
        yield open_one


def test_a_prompt_typed_into_the_page_shows_moving_frames_before_the_generation_has_ended(server, open_page):
    page = open_page()
    session = page.generate(PROMPT, "Long")
    page.wait_until_plays(0)
    first = page.tab.evaluate(LOOK)
    page.wait_until_plays(first["time"] + 0.5)
    later = page.tab.evaluate(LOOK)
    # Asked after both pictures were read from the screen: what is not over now was not over then.
    status = server.request("GET", f"/v1/sessions/{session}")

    assert status["state"] == "running", f"the frames were seen only after the end: {status}"
    assert status["done"]["video_frames"] < status["format"]["video_frames"]
    assert len(colours(later["pixels"])) > 4, "the picture is one flat colour"
    assert difference(first["pixels"], later["pixels"]) > 0.5, "the picture does not move"
    assert page.count(".block.complete") > 0
    assert page.count(".block:not(.complete)") > 0, "the time line shows what is still to come"
    assert status["max_lead_s"] == 2, "real time is the default"
    assert re.fullmatch(r"\d+\.\d\d s", page.tab.locator(".measures dd").first.inner_text())
    assert page.tab.locator(".measures dt").first.inner_text() == "first frame on screen"
    assert page.errors == []


def test_the_time_line_fills_and_the_video_plays_to_its_end(server, open_page):
    page = open_page()
    session = page.generate("a yellow star moves up on a black background", "Short")
    page.tab.get_by_text("Download").wait_for(timeout=180_000)
    status = server.request("GET", f"/v1/sessions/{session}")
    assert status["state"] == "finished"
    assert page.count(".block.complete") == page.count(".block") == status["done"]["blocks"]
    page.tab.get_by_role("button", name="Play again").wait_for(timeout=90_000)
    seconds = status["format"]["video_frames"] / status["format"]["fps"]
    assert page.tab.evaluate("document.querySelector('video').currentTime") == pytest.approx(seconds, abs=0.2)
    assert page.errors == []


def test_a_new_prompt_pause_and_stop_reach_the_session(server, open_page):
    page = open_page()
    session = page.generate(PROMPT, "Endless")
    page.wait_until_plays(0.3)
    page.tab.get_by_role("textbox", name="New prompt").fill("a green square moves left on a brown background")
    page.tab.get_by_role("button", name="Switch").click()
    page.tab.locator(".block.tone-1.complete").first.wait_for(timeout=90_000)
    assert server.request("GET", f"/v1/sessions/{session}")["prompt"].startswith("a green square")

    page.tab.get_by_role("button", name="Pause generation").click()
    page.tab.get_by_role("button", name="Resume generation").click()
    page.tab.get_by_role("button", name="Pause generation").wait_for()
    page.wait_until_plays(4)
    PICTURES.mkdir(exist_ok=True)
    page.tab.evaluate("window.scrollTo(0, 0)")
    page.tab.screenshot(path=PICTURES / "page.png")

    page.tab.get_by_role("button", name="Stop").click()
    page.tab.get_by_text("Download").wait_for()
    assert server.request("GET", f"/v1/sessions/{session}")["state"] == "stopped"
    page.tab.get_by_role("button", name="Delete", exact=True).click()
    page.tab.get_by_text("The video appears here").wait_for()
    wait_for(lambda: page.tab.evaluate("0") or session not in session_ids(server))
    assert page.errors == []


def test_a_fork_goes_on_under_its_own_prompt_beside_its_origin(server, open_page):
    page = open_page()
    origin = page.generate(PROMPT, "Endless")
    page.wait_until_plays(0.3)
    page.tab.get_by_role("textbox", name="New prompt").fill("a green square moves left on a brown background")
    page.tab.get_by_role("button", name="Fork").click()
    page.tab.wait_for_url(lambda address: not address.endswith(origin))
    forked = page.tab.url.rsplit("/", 1)[1]
    assert session_ids(server) == {origin, forked}
    page.tab.locator(".block.tone-1.complete").first.wait_for(timeout=90_000)
    assert server.request("GET", f"/v1/sessions/{forked}")["prompt"].startswith("a green square")
    assert server.request("GET", f"/v1/sessions/{origin}")["prompt"] == PROMPT
    assert page.tab.locator("article.session .pill").inner_text().startswith("fork")
    page.tab.locator("article.session").get_by_role("button", name="Real time").click()
    page.tab.locator("article.session button[aria-pressed=false]").wait_for()
    assert server.request("GET", f"/v1/sessions/{forked}")["max_lead_s"] is None
    assert server.request("GET", f"/v1/sessions/{origin}")["max_lead_s"] is not None
    page.wait_until_plays(3)
    page.tab.evaluate("window.scrollTo(0, 0)")
    page.tab.screenshot(path=PICTURES / "page_fork.png")
    page.tab.go_back()
    page.tab.locator("article.session .now").get_by_text(PROMPT).wait_for()
    assert page.errors == []


def test_a_finished_video_is_scrubbed_looped_and_made_again(server, open_page):
    page = open_page()
    session = page.generate("a yellow star moves up on a black background", "Short")
    page.tab.get_by_role("button", name="Play again").wait_for(timeout=180_000)
    page.tab.get_by_role("slider", name="Time line").fill("1")
    page.tab.wait_for_function("() => document.querySelector('video').currentTime < 3", timeout=90_000)
    page.tab.get_by_role("button", name="Play", exact=False).first.click()
    page.tab.get_by_role("button", name="Loop").click()
    page.tab.evaluate("window.turns = 0; document.querySelector('video').addEventListener('seeked', () => ++window.turns)")
    page.tab.wait_for_function("() => window.turns > 0", timeout=180_000)
    page.tab.get_by_role("button", name="Use again").click()
    assert page.tab.get_by_role("textbox", name="Seed").input_value() == str(server.request("GET", f"/v1/sessions/{session}")["seed"])
    assert page.tab.get_by_role("textbox", name="What should the video show?").input_value().startswith("a yellow star")
    assert page.errors == []


def test_a_picture_is_where_a_video_starts(server, open_page, tmp_path):
    from PIL import Image

    Image.new("RGB", (96, 96), (0, 128, 128)).save(tmp_path / "start.png")
    page = open_page()
    page.tab.get_by_label("First frame").set_input_files(tmp_path / "start.png")
    page.tab.get_by_alt_text("The first frame").wait_for()
    page.generate("a white ring bounces on a teal background", "Short")
    page.wait_until_plays(0)
    seen = page.tab.evaluate(LOOK)["pixels"]
    assert abs(seen[1] - 128) < 40 and abs(seen[2] - 128) < 40, seen[:4]
    assert page.errors == []


def test_many_videos_at_once_leave_the_buttons_alive(server, open_page):
    page = open_page()
    sessions = [page.generate(f"a white ring bounces on a teal background; {i}", "Endless") for i in range(7)]
    assert page.count(".library li") == 7
    page.tab.get_by_role("button", name="Stop", exact=True).click(timeout=60_000)
    page.tab.get_by_text("Download").first.wait_for(timeout=60_000)
    states = [server.request("GET", f"/v1/sessions/{session}")["state"] for session in sessions]
    assert states.count("stopped") == 1
    assert page.errors == []


def test_sessions_of_others_are_found_and_played(server, open_page):
    ended = server.request("POST", "/v1/sessions", {"prompt": PROMPT})["id"]
    page = open_page()
    page.tab.get_by_text("Download").wait_for(timeout=180_000)
    again = open_page()
    again.tab.get_by_role("button", name="Play", exact=True).click(timeout=90_000)
    again.wait_until_plays(0.3)
    assert server.request("GET", f"/v1/sessions/{ended}")["state"] == "finished"
    assert page.errors == again.errors == []


LENGTH = """async (address) => {
  const video = document.createElement('video');
  video.preload = 'metadata';
  video.src = address;
  await new Promise((done, failed) => { video.onloadedmetadata = done; video.onerror = () => failed(video.error.message); });
  video.currentTime = video.duration / 2;
  await new Promise((done) => { video.onseeked = done; });
  return {duration: video.duration, sought: video.currentTime};
}"""


def test_a_finished_video_tells_a_browser_its_length_and_can_be_sought(server, open_page):
    session = server.request("POST", "/v1/sessions", {"prompt": "a red circle", "frames": 21})["id"]
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["recording"]["complete"])
    page = open_page()
    for way in ("video.mp4", "recording.mp4"):
        seen = page.tab.evaluate(LENGTH, f"/v1/sessions/{session}/{way}")
        assert abs(seen["duration"] - 21 / 16) < 0.01 and abs(seen["sought"] - 21 / 32) < 0.01, (way, seen)


def test_what_the_server_refuses_is_said_in_its_words(open_page):
    page = open_page()
    page.tab.get_by_role("textbox", name="What should the video show?").fill("x" * 9000)
    page.tab.get_by_role("button", name="Generate").click()
    page.tab.get_by_role("alert").filter(has_text="the limit is 8192").wait_for()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_fits_its_window(open_page, width):
    page = open_page(width=width, height=844)
    assert page.overflow() <= 0
    page.generate(PROMPT, "Long")
    page.wait_until_plays(0.5)
    assert page.overflow() <= 0, f"the page is {page.overflow()} px too wide"
    PICTURES.mkdir(exist_ok=True)
    if width == 390:
        page.tab.wait_for_function("() => { const top = document.querySelector('.stage-place').getBoundingClientRect().top; return top > -1 && top < 40; }")
        page.tab.screenshot(path=PICTURES / "page_phone.png")


def test_a_size_is_chosen_of_those_that_the_model_was_trained_for(server, browser):
    with trained_for(browser, (96, 96), (64, 96)) as tabs, opener(Page, tabs, server) as open_one:
        page = open_one()
        choice = page.tab.get_by_label("Size of the video")
        choice.wait_for()
        assert choice.locator("option").all_text_contents() == ["Standard size", "96x96", "64x96"]
        for size, made in (("64x96", (64, 96)), ("Standard size", (96, 96))):
            choice.select_option(size)
            session = server.request("GET", "/v1/sessions/" + page.generate(PROMPT, "Short"))
            assert (session["format"]["width"], session["format"]["height"]) == made
        page.tab.set_viewport_size({"width": 320, "height": 800})
        assert page.overflow() <= 0
        assert page.errors == []
    for session in server.request("GET", "/v1/sessions")["sessions"]:
        server.request("DELETE", "/v1/sessions/" + session["id"])
