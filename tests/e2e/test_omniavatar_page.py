"""The page with a model that takes words, a portrait and speech, in a real browser: from words alone, from a portrait, other
words while it runs, and its blocks on the time line."""
import pathlib
import re

import pytest
from conftest import Server
from ditto_server import speech
from omniavatar_server import PATIENCE_S, portrait
from page_tab import PageTab, opener, trained_for
from waiting import wait_for

PICTURES_SHOWN = "(least) => Number(document.querySelectorAll('.measures dd')[2].textContent) >= least"
BLOCKS_MADE = "(least) => document.querySelectorAll('.timeline .block.complete').length >= least"


class AvatarPage(PageTab):
    def wait_until(self, condition, argument):
        self.tab.wait_for_function(condition, arg=argument, timeout=1000 * PATIENCE_S)

    def button(self, name):
        return self.tab.get_by_role("button", name=name, exact=True)

    def say(self, file):
        self.tab.get_by_label("Audio file").set_input_files(file)


@pytest.fixture(scope="module")
def avatars(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("data"), "--model", "random:omniavatar", "--talk-model", "none")
    yield running
    running.stop()


@pytest.fixture
def page(avatars, browser):
    with opener(AvatarPage, browser, avatars) as open_one:
        yield open_one()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "speech.wav").write_bytes(speech(6))
    (folder / "ada.png").write_bytes(portrait())
    return folder


def newest(server):
    return server.request("GET", "/v1/sessions")["sessions"][-1]


def test_words_alone_make_a_person_who_says_what_is_heard(page, avatars, inputs):
    words = page.tab.get_by_label("What should be seen?")
    words.fill("a woman with red hair")
    assert page.button("From words").get_attribute("aria-pressed") == "true"
    page.say(inputs / "speech.wav")
    page.wait_until(PICTURES_SHOWN, 3)
    page.wait_until(BLOCKS_MADE, 2)
    assert newest(avatars)["prompts"] == ["a woman with red hair"]
    assert newest(avatars)["image"] is None
    words.fill("a man with a beard")
    words.press("Enter")
    wait_for(lambda: newest(avatars)["prompt"] == "a man with a beard", PATIENCE_S)
    assert page.overflow() <= 0
    page.button("End").click()
    assert page.errors == []


def test_a_portrait_says_it_and_is_saved_as_a_file(page, avatars, inputs):
    page.tab.get_by_label("Portrait image").set_input_files(inputs / "ada.png")
    page.button("ada.png").wait_for()
    page.say(inputs / "speech.wav")
    page.wait_until(BLOCKS_MADE, 1)
    assert newest(avatars)["image"] is not None
    page.button("End").click()
    with page.tab.expect_download(timeout=1000 * PATIENCE_S) as download:
        page.button("Save as MP4").click()
    assert re.match(rb"....ftyp", pathlib.Path(download.value.path()).read_bytes(), re.DOTALL)
    assert page.errors == []


def test_who_speaks_into_the_microphone_is_heard(page, inputs):
    page.button("Hold to speak").hover()
    page.tab.mouse.down()
    page.button("Listening").wait_for()
    page.wait_until(PICTURES_SHOWN, 3)
    page.tab.mouse.up()
    page.button("End").click()
    assert page.errors == []


def test_a_size_is_chosen_of_those_that_the_model_is_for(avatars, browser, inputs):
    with trained_for(browser, (32, 32), (48, 32)) as tabs, opener(AvatarPage, tabs, avatars) as open_one:
        page = open_one()
        choice = page.tab.get_by_label("Size of the video")
        choice.wait_for()
        assert choice.locator("option").all_text_contents() == ["Standard size", "32x32", "48x32"]
        assert choice.input_value() == "", "as the model has it"
        choice.select_option("48x32")
        page.say(inputs / "speech.wav")
        page.wait_until(BLOCKS_MADE, 1)
        assert (newest(avatars)["format"]["width"], newest(avatars)["format"]["height"]) == (48, 32)
        choice.select_option("Standard size")
        page.tab.get_by_text("resting").wait_for()
        page.say(inputs / "speech.wav")
        page.wait_until(PICTURES_SHOWN, 1)
        assert newest(avatars)["format"]["width"] == 32
        for width in (320, 390, 1440):
            page.tab.set_viewport_size({"width": width, "height": 800})
            assert page.overflow() <= 0
        page.button("End").click()
        assert page.errors == []


def test_the_one_size_of_a_model_is_told(page):
    page.tab.locator(".size").wait_for()
    assert page.tab.locator(".size").inner_text() == "Size 32x32"
    assert page.tab.get_by_label("Size of the video").count() == 0
