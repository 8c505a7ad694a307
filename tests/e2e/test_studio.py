"""The studio in a real browser: the stage, steering, the time line, the library, and what is said when things go wrong."""
import contextlib
import re

import pytest
from page_tab import clearing_opener
from test_page import PROMPT, Page, session_ids
from waiting import wait_for

AT = "document.querySelector('.theatre video')?.currentTime"
DONE = 180_000


class Studio(Page):
    def press(self, key):
        self.tab.locator("body").press(key)

    def at(self):
        return self.tab.evaluate(AT)

    def waits(self, condition, arg=None):
        self.tab.wait_for_function(condition, arg=arg, timeout=DONE)

    def library(self):
        return self.tab.get_by_role("region", name="Sessions")


@contextlib.contextmanager
def told(page, **changes):
    """A page that hears this of the format of every session."""
    def tell(route):
        answer = route.fetch()
        sessions = answer.json()
        for session in sessions["sessions"]:
            session["format"].update(changes)
        route.fulfill(response=answer, json=sessions)

    page.tab.route("**/v1/sessions", tell)
    page.tab.reload()
    yield
    page.tab.unroute_all(behavior="wait")


@pytest.fixture
def open_page(server, browser):
    with clearing_opener(Studio, browser, server) as open_one:
        yield open_one


@pytest.fixture
def finished(server):
    """A video of 2.5 seconds that is complete."""
    session = server.request("POST", "/v1/sessions", {"prompt": "a yellow star moves up on a black background", "frames": 41})["id"]
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["recording"]["complete"])
    return session


def test_the_stage_fills_its_column_and_enlarges_small_pictures_without_blur(server, open_page, finished):
    page = open_page(width=1440, height=900)
    screen = page.tab.locator(".theatre .screen")
    screen.wait_for()
    assert screen.bounding_box()["width"] > 900 and screen.bounding_box()["height"] > 400
    assert page.tab.locator(".theatre video").evaluate("(video) => getComputedStyle(video).imageRendering") == "pixelated"


def test_a_video_of_832_by_480_is_shown_at_its_size_or_larger(server, open_page, finished):
    page = open_page(width=1440, height=900)
    with told(page, width=832, height=480):
        page.tab.get_by_text("832×480").wait_for()  # noqa: RUF001
        screen = page.tab.locator(".theatre .screen").bounding_box()
        assert min(screen["width"], screen["height"] * 832 / 480) >= 832
        assert page.tab.locator(".theatre video").evaluate("(video) => getComputedStyle(video).imageRendering") == "auto"


def test_keys_move_the_stage(server, open_page, finished):
    page = open_page()
    page.waits("() => document.querySelector('.theatre video')?.readyState >= 1")
    page.press("k")
    page.waits("() => !document.querySelector('.theatre video').paused")
    page.press(" ")
    page.waits("() => document.querySelector('.theatre video').paused")
    page.press("Home")
    page.waits(f"() => {AT} === 0")
    page.press("ArrowRight")
    page.waits(f"() => {AT} === 1")
    page.press(".")
    page.waits(f"() => Math.abs({AT} - 17 / 16) < 1e-3")
    page.press("j")
    page.waits(f"() => {AT} === 0")
    page.press("l")
    page.waits(f"() => Math.abs({AT} - 40 / 16) < 1e-3")  # the last frame
    page.press("f")
    page.waits("() => document.fullscreenElement?.className === 'theatre'")
    page.tab.get_by_role("button", name="Leave full screen").wait_for()
    page.press("f")
    page.waits("() => document.fullscreenElement === null")
    page.press("/")
    page.tab.keyboard.type("/?kf")
    assert page.tab.get_by_label("New prompt").input_value() == "/?kf", "typed words are no commands"
    page.tab.get_by_role("button", name="Keys").focus()
    page.tab.keyboard.press("?")
    page.tab.get_by_role("dialog", name="Keys").get_by_text("five seconds back").wait_for()
    page.tab.keyboard.press("Escape")
    page.tab.get_by_role("dialog").wait_for(state="detached")
    assert page.errors == []


def test_the_speed_of_the_stage_is_chosen(server, open_page, finished):
    page = open_page()
    page.tab.get_by_label("Speed").select_option("2")
    page.tab.get_by_role("button", name="Play", exact=True).click()
    page.waits("() => document.querySelector('.theatre video').playbackRate === 2")
    page.tab.get_by_role("button", name="Play again").wait_for(timeout=DONE)


def test_new_words_say_when_they_will_be_seen_and_are(server, open_page):
    page = open_page()
    session = page.generate(PROMPT, "Endless")
    page.wait_until_plays(0.5)
    told = re.search(r"seen from 0:(\d\d\.\d) on, (\d\.\d) s from what is shown", page.tab.locator(".when").inner_text())
    assert float(told[2]) < 4, "a small lead"
    page.press("/")
    page.tab.keyboard.type("a green square moves left on a brown background")
    page.tab.keyboard.press("Enter")
    page.tab.locator(".now").get_by_text("a green square").wait_for(timeout=DONE)
    assert page.at() > float(told[1]) - 0.1, "not before it was told"
    assert server.request("GET", f"/v1/sessions/{session}")["prompt"].startswith("a green square")


def test_typed_words_and_choices_survive_tabs_and_reloads(server, open_page):
    page = open_page()
    session = page.generate(PROMPT, "Endless")
    page.tab.get_by_label("What should the video show?").fill("a star that is not finished")
    page.tab.get_by_text("As fast as it can", exact=True).click()
    page.tab.get_by_role("textbox", name="Seed").fill("77")
    page.tab.get_by_label("New prompt").fill("half a thought")
    page.tab.get_by_text("Talking head", exact=True).click()
    page.tab.get_by_alt_text("The portrait").wait_for()
    page.tab.go_back()
    for _ in range(2):
        assert page.tab.get_by_label("What should the video show?").input_value() == "a star that is not finished"
        assert page.tab.get_by_label("Endless").is_checked() and page.tab.get_by_label("As fast as it can").is_checked()
        assert page.tab.get_by_role("textbox", name="Seed").input_value() == "77"
        page.tab.get_by_label("New prompt").wait_for()
        assert page.tab.get_by_label("New prompt").input_value() == "half a thought"
        assert page.tab.url.endswith(f"/s/{session}")
        page.tab.reload()


def test_as_fast_as_it_can_is_a_choice(server, open_page):
    page = open_page()
    page.tab.get_by_text("As fast as it can", exact=True).click()
    session = page.generate(PROMPT, "Short")
    assert server.request("GET", f"/v1/sessions/{session}")["max_lead_s"] is None


def test_the_time_line_is_a_slider_in_the_colours_of_the_prompts(server, open_page):
    page = open_page()
    page.generate(PROMPT, "Endless")
    page.wait_until_plays(0.5)
    page.tab.locator(".block.begun").first.wait_for(timeout=DONE)
    page.tab.get_by_label("New prompt").fill("a green square moves left on a brown background")
    page.tab.get_by_role("button", name="Switch").click()
    page.tab.locator(".block.tone-1.complete").first.wait_for(timeout=DONE)
    page.wait_until_plays(3)
    page.tab.get_by_role("button", name="Pause", exact=True).click()
    slider = page.tab.get_by_role("slider", name="Time line")
    slider.fill("1")
    page.waits(f"() => {AT} === 1")
    assert slider.get_attribute("aria-valuetext").startswith("0:01.0 of ") and PROMPT in slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    page.waits(f"() => Math.abs({AT} - 17 / 16) < 1e-3")  # one frame
    slider.press("Home")
    page.waits(f"() => {AT} === 0")
    widths = page.tab.locator(".block.complete").evaluate_all("(blocks) => blocks.map((block) => block.clientWidth)")
    assert abs(widths[0] / widths[1] - 9 / 12) < 0.15, "blocks are as wide as they are long"


def test_a_session_has_an_address_that_reload_and_the_back_button_know(server, open_page, browser, finished):
    page = open_page()
    second = page.generate(PROMPT, "Short")
    assert page.tab.url == f"{server.url}/s/{second}"
    page.library().get_by_role("link").filter(has_text="a yellow star").click()
    assert page.tab.url == f"{server.url}/s/{finished}"
    page.tab.go_back()
    page.tab.locator(".now").get_by_text(PROMPT).wait_for()
    assert page.tab.url == f"{server.url}/s/{second}"
    page.tab.reload()
    page.tab.locator(".now").get_by_text(PROMPT).wait_for()
    page.tab.goto(f"{server.url}/s/{finished}")
    page.tab.locator(".now").get_by_text("a yellow star").wait_for()
    page.tab.goto(f"{server.url}/s/{'0' * 32}")
    page.tab.get_by_text("This session is not there any more").wait_for()
    assert page.errors == []


def test_the_library_finds_sessions_and_shows_those_of_others_as_they_come(server, open_page, finished):
    page = open_page()
    items = page.library().get_by_role("listitem")
    items.first.wait_for()
    assert items.count() == 1
    other = server.request("POST", "/v1/sessions", {"prompt": "a white ring bounces on a teal background", "frames": 21})["id"]
    items.nth(1).wait_for(timeout=30_000)
    assert "a yellow star" in page.tab.locator(".now").inner_text(), "what is on the stage stays"
    page.waits("() => document.querySelectorAll('.library img').length === 2")
    page.tab.get_by_label("Search prompts").fill("ring WHITE")
    page.tab.wait_for_function("() => document.querySelectorAll('.library li').length === 1")
    page.tab.get_by_label("Search prompts").fill("nothing of the kind")
    page.tab.get_by_text("No session has these words.").wait_for()
    page.tab.get_by_label("Search prompts").fill("")
    server.request("DELETE", f"/v1/sessions/{other}")
    page.tab.wait_for_function("() => document.querySelectorAll('.library li').length === 1")


def test_a_deleted_session_can_be_had_back(server, open_page, finished):
    page = open_page()
    delete = page.library().get_by_role("button", name="Delete: a yellow star")
    delete.click()
    delete.wait_for(state="detached")
    page.tab.get_by_role("button", name="Undo").click()
    delete.wait_for()
    assert finished in session_ids(server)
    delete.click()
    page.tab.goto("about:blank")  # who leaves will not have it back
    wait_for(lambda: page.tab.evaluate("0") or finished not in session_ids(server))


def test_a_video_is_downloaded_from_the_library(server, open_page, finished):
    page = open_page()
    with page.tab.expect_download() as download:
        page.library().get_by_role("link", name="Download: a yellow star").click()
    assert download.value.suggested_filename == f"rushes-{finished[:8]}.mp4"


def test_a_seed_keeps_all_its_digits(server, open_page):
    page = open_page()
    page.tab.get_by_role("textbox", name="Seed").fill("18446744073709551557")
    session = page.generate(PROMPT, "Short")
    assert server.request("GET", f"/v1/sessions/{session}")["seed"] == 18446744073709551557
    page.tab.get_by_role("button", name="Stop", exact=True).click()
    page.tab.get_by_role("textbox", name="Seed").fill("")
    page.tab.get_by_role("button", name="Use again").click()
    assert page.tab.get_by_role("textbox", name="Seed").input_value() == "18446744073709551557"


def test_a_video_with_sound_has_a_volume_that_is_kept(server, open_page, finished):
    page = open_page()
    with told(page, audio_hz=16000):
        page.tab.get_by_role("slider", name="Volume").fill("0.3")
        page.waits("() => document.querySelector('.theatre video').volume === 0.3 && !document.querySelector('.theatre video').muted")
        page.press("m")
        page.waits("() => document.querySelector('.theatre video').muted")
        page.tab.get_by_role("button", name="Sound on").click()
        page.waits("() => !document.querySelector('.theatre video').muted")
        page.tab.reload()
        page.waits("() => document.querySelector('.theatre video')?.volume === 0.3")
