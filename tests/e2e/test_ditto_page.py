"""The page with a model whose options change while it runs, and the demo page of Ditto's server, in a real browser."""
import pathlib
import re

import pytest
from conftest import Server
from ditto_server import DittoServer, speech
from page_tab import PageTab, opener
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORTRAIT = ROOT / "models" / "shipped-talk" / "examples" / "ada.png"
PATIENCE_MS = 180_000  # bounds failures only
PICTURES_SHOWN = "(least) => Number(document.querySelectorAll('.measures dd')[2].textContent) >= least"


@pytest.fixture(scope="module")
def talkers(binary, tmp_path_factory):
    """A tiny Ditto model and the shipped talking heads."""
    running = Server(binary, tmp_path_factory.mktemp("data"), "--model", "random:ditto")
    yield running
    running.stop()


class HeadPage(PageTab):
    def controls(self):
        return self.tab.get_by_role("group", name="While it runs")

    def move(self, slider, value):
        self.tab.get_by_label(slider, exact=True).evaluate(
            """(input, value) => {
              Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, value);
              input.dispatchEvent(new Event('input', { bubbles: true }));
            }""", str(value))


@pytest.fixture
def page(talkers, browser):
    with opener(HeadPage, browser, talkers) as open_one:
        yield open_one()


def test_controls_are_those_that_the_model_lists_as_live(page, talkers):
    models = {model["family"]: model for model in talkers.request("GET", "/v1/models")["models"]}
    said = [re.split("[,:;]", option["doc"])[0] for option in models["ditto"]["options"] if option["live"]]
    live = [what[0].upper() + what[1:] for what in said]
    assert {"Emotion", "Head to the side", "Eyes to the side", "Blinks a minute"} <= set(live)
    page.controls().wait_for()
    assert page.controls().locator("label > span").all_inner_texts() == live
    page.tab.get_by_label("Model", exact=True).select_option(models["imtalker"]["name"])
    page.tab.get_by_role("button", name="ada", exact=True).wait_for()
    assert page.controls().count() == 0
    assert page.errors == []


def test_a_slider_acts_on_the_running_head(page, talkers, tmp_path):
    (tmp_path / "speech.wav").write_bytes(speech(30))
    page.tab.get_by_label("Portrait image").set_input_files(PORTRAIT)
    page.move("Eyes to the side", 0.5)  # before it runs: the session begins with it
    page.tab.wait_for_timeout(200)
    page.tab.get_by_label("Audio file").set_input_files(tmp_path / "speech.wav")
    page.tab.wait_for_function(PICTURES_SHOWN, arg=3, timeout=PATIENCE_MS)
    session = talkers.request("GET", "/v1/sessions")["sessions"][-1]

    def options():
        return talkers.request("GET", f"/v1/sessions/{session['id']}")["options"]

    assert options()["gaze_x"] == 0.5
    page.move("Head to the side", 20)
    page.controls().get_by_label("Emotion").select_option("happy")
    wait_for(lambda: options().get("delta_yaw") == 20 and options().get("emo") == "happy")
    page.tab.get_by_role("button", name="End", exact=True).click()
    assert page.errors == []


def test_the_demo_page_shows_a_stream_and_its_controls_act(browser, binary, tmp_path):
    server = DittoServer(binary, tmp_path)
    (server.root / "minute.wav").write_bytes(speech(60))
    tab = browser.new_page()
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(server.url + "/demo")
    tab.locator("#audio_file").set_input_files(server.root / "example" / "audio.wav")
    tab.locator("#source_file").set_input_files(server.root / "example" / "image.png")
    tab.get_by_role("button", name="Upload").click()
    tab.wait_for_function("() => document.querySelector('#source_path').value.startsWith('uploads/')", timeout=PATIENCE_MS)
    tab.locator("#audio_path").fill("minute.wav")
    tab.get_by_role("button", name="Connect", exact=True).click()
    tab.locator("#start:enabled").click()
    tab.wait_for_function("() => parseInt(document.querySelector('#figures').textContent) >= 5", timeout=PATIENCE_MS)
    tab.wait_for_function("() => document.querySelector('#frame').naturalWidth > 0", timeout=PATIENCE_MS)
    tab.locator("#controls input[type=range]").first.evaluate("(input) => { input.value = input.max; input.dispatchEvent(new Event('input')); }")
    wait_for(lambda: any(each["options"].get("delta_pitch") == 30 for each in server.request("GET", "/v1/sessions")["sessions"]))
    tab.locator("#stop").click()
    tab.wait_for_function("() => document.querySelector('#log').textContent.includes('stopped')", timeout=PATIENCE_MS)
    assert errors == []
    tab.close()
    server.stop()
