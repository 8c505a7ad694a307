"""Words of a prompt that a shipped model was not trained with: told by each surface, in each family that has a list."""
import base64
import json
import re
import subprocess

import pytest
from conftest import ROOT, Server
from page_tab import clearing_opener
from test_page import Page
from waiting import wait_for

#: A prompt of words that the model knows, and what is said instead of one of them.
FAMILIES = {"shipped-t2v": "a big red circle spins on a black background",
            "shipped-avatar": "A close-up of a smiling woman with long red hair, wearing a blue shirt and talking before a white wall",
            "shipped-foresight": "What happens if I push the red ball to the left?"}
ARROW = ROOT / "models/shipped-foresight/examples/arrow.png"
each_family = pytest.mark.parametrize(("name", "known"), FAMILIES.items(), ids=list(FAMILIES))


def words_of(text):
    return re.findall(r"[a-z0-9']+", text.lower())


@pytest.fixture(scope="module")
def shipped(binary, tmp_path_factory):
    """A server with the models that have a list."""
    running = Server(binary, tmp_path_factory.mktemp("data"), *(f"--model={ROOT / 'models' / name}" for name in FAMILIES))
    yield running
    running.stop()


@pytest.fixture
def open_page(shipped, browser):
    with clearing_opener(Page, browser, shipped) as open_one:
        yield open_one


def ask(server, name, prompt):
    more = {"shipped-t2v": {"segments": 0, "max_lead": 1}, "shipped-avatar": {},
            "shipped-foresight": {"image": base64.b64encode(ARROW.read_bytes()).decode(), "tracks": "text"}}
    model = "rushes-shapes" if name == "shipped-t2v" else name
    return server.request("POST", "/v1/sessions", {"model": model, "prompt": prompt, **more[name]})


@each_family
def test_a_manifest_lists_the_words_of_its_captions(binary, name, known):
    report = json.loads(subprocess.run([binary, "inspect", "--json", ROOT / "models" / name], capture_output=True, check=True, timeout=60).stdout)
    listed = {word for phrase in report["words"] for word in words_of(phrase)}
    assert set(words_of(known)) <= listed and "cat" not in listed


@each_family
def test_a_session_tells_those_of_its_prompt_that_the_model_does_not_know_and_so_does_one_line_of_the_log(shipped, name, known):
    assert ask(shipped, name, known)["unknown_words"] == []
    session = ask(shipped, name, known.replace("red", "Sofa") + " CAT")
    assert session["unknown_words"] == ["sofa", "cat"]
    (told,) = wait_for(lambda: [line for line in shipped.log if session["id"] in line and "does not know" in line])
    assert 'the model does not know the words "sofa" and "cat"' in told


def test_a_prompt_that_is_set_while_the_video_is_made_is_compared_too(shipped):
    id = ask(shipped, "shipped-t2v", "a red cat")["id"]
    path = f"/v1/sessions/{id}"
    assert shipped.request("POST", path + "/prompt", {"prompt": "a green star"})["unknown_words"] == []
    assert shipped.request("POST", path + "/prompt", {"prompt": "a green dog"})["unknown_words"] == ["dog"]
    assert shipped.request("GET", path)["unknown_words"] == ["dog"]
    shipped.request("DELETE", path)


def test_the_command_line_tells_them_and_where_the_others_are_listed(binary, tmp_path):
    def told(prompt):
        made = subprocess.run([binary, "generate", prompt, "--frames", "9", "-o", tmp_path / "out.mp4"], capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stderr
        return [line for line in made.stderr.splitlines() if line.startswith("warning:")]

    assert told(FAMILIES["shipped-t2v"]) == []
    assert told("a red cat on a sofa") == ["warning: the model does not know the words \"cat\" and \"sofa\"; 'rushes inspect' lists the words that it knows"]


def test_the_page_tells_them_while_they_are_typed_and_its_chips_build_a_sentence(open_page):
    page = open_page()
    box = page.tab.get_by_role("textbox", name="What should the video show?")
    told = page.tab.locator(".studio form.prompt .vocabulary p")
    chips = page.tab.locator(".studio form.prompt .vocabulary .chip")
    box.fill("a red ci")
    assert told.inner_text() == "" and not chips.first.is_visible(), "a word may yet become a known one"
    box.fill("a red cat")
    assert told.inner_text() == "The model rushes-shapes does not know “cat”; it knows the words below."
    box.fill("")
    for words in ("a", "red", "circle", "moves", "to the left"):
        page.tab.locator(".studio form.prompt .vocabulary").get_by_role("button", name=words, exact=True).click()
    assert box.input_value() == "a red circle moves to the left" and told.inner_text() == ""
    page.tab.get_by_text("Words that rushes-shapes knows").first.click()
    assert not chips.first.is_visible()
    for example in page.tab.locator(".studio form.prompt > .examples .chip").all():
        example.click()
        assert told.inner_text() == "", "an example is made of words that the model knows"
    assert page.errors == []


def test_the_box_for_new_words_tells_them_too_and_so_do_the_other_places_in_chinese(open_page, shipped):
    session = ask(shipped, "shipped-t2v", "a red circle")["id"]
    page = open_page()
    page.tab.goto(f"{shipped.url}/s/{session}")
    page.tab.get_by_role("textbox", name="New prompt").fill("a green dog")
    page.tab.locator(".steering .vocabulary").get_by_text("does not know “dog”").wait_for()
    page.tab.get_by_label("Language").select_option("zh")
    page.tab.locator(".steering .vocabulary").get_by_text("不认识“dog”").wait_for()
    assert page.overflow() <= 0 and page.errors == []


def test_the_list_fits_a_narrow_screen(open_page):
    page = open_page(width=320, height=700)
    page.tab.get_by_role("textbox", name="What should the video show?").fill("a cat")
    page.tab.locator(".studio form.prompt .vocabulary .chip").first.wait_for()
    assert page.overflow() <= 0
