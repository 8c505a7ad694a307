"""The page's talking head in a real browser, with the shipped model: a sound file and a microphone make a portrait talk."""
import pathlib
import re

import pytest
from page_tab import PageTab, difference, opener

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "images"
EXAMPLES = ROOT / "models" / "shipped-talk" / "examples"
PATIENCE_MS = 180_000  # bounds failures only

LOOK = """() => {
  const video = document.querySelector('.screen.talk video');
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  return Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);
}"""
PICTURES_SHOWN = "(least) => Number(document.querySelectorAll('.measures dd')[2].textContent) >= least"
# Speech came back from the server: its beginning was heard again, and timed.
SPOKE = r"() => /^\d+\.\d\d s$/.test(document.querySelectorAll('.measures dd')[0].textContent)"


class TalkPage(PageTab):
    def __init__(self, browser, server, **size):
        super().__init__(browser, server, **size)
        self.tab.get_by_text("Talking head", exact=True).click()
        self.tab.get_by_alt_text("The portrait").wait_for()

    def wait_until(self, condition, argument=None):
        self.tab.wait_for_function(condition, arg=argument, timeout=PATIENCE_MS)

    def button(self, name):
        return self.tab.get_by_role("button", name=name, exact=True)


@pytest.fixture
def open_page(server, browser):
    with opener(TalkPage, browser, server) as open_one:
        yield open_one


def test_a_portrait_says_the_example_and_comes_to_rest(open_page):
    page = open_page()
    page.button("Speak the example").click()
    page.wait_until(SPOKE)
    page.wait_until(PICTURES_SHOWN, 10)
    first = page.tab.evaluate(LOOK)
    page.wait_until(PICTURES_SHOWN, 25)
    later = page.tab.evaluate(LOOK)
    assert len(first) == len(later) == 128 * 128 * 4
    assert len(set(zip(later[0::4], later[1::4], later[2::4]))) > 100, "the picture is no portrait"
    assert difference(first, later) > 0.05, "the portrait does not move"
    PICTURES.mkdir(exist_ok=True)
    page.tab.screenshot(path=PICTURES / "page_talk.png")
    page.button("End").click()
    page.tab.get_by_alt_text("The portrait").wait_for()
    assert page.button("End").is_disabled()
    assert page.errors == []


def test_videos_of_another_view_are_not_shown_beside_it(server, open_page):
    session = server.request("POST", "/v1/sessions", {"prompt": "a red circle", "frames": 9})["id"]
    page = open_page()
    videos = page.tab.get_by_label("Sessions", exact=True)
    assert not videos.is_visible()
    page.tab.get_by_text("Text to video", exact=True).click()
    videos.get_by_role("listitem").wait_for()
    server.request("DELETE", "/v1/sessions/" + session)


def test_who_holds_the_button_is_heard(open_page):
    page = open_page(width=390, height=844)
    assert page.overflow() <= 0
    button = page.button("Hold to speak")
    button.hover()
    page.tab.mouse.down()
    page.button("Listening").wait_for()
    page.wait_until(SPOKE)
    page.wait_until(PICTURES_SHOWN, 5)
    assert page.overflow() <= 0
    page.tab.screenshot(path=PICTURES / "page_talk_phone.png")
    page.tab.mouse.up()
    button.wait_for()
    page.button("End").click()
    page.tab.get_by_alt_text("The portrait").wait_for()
    assert page.errors == []


def test_own_portraits_and_sounds_are_taken_and_saved_as_a_file(open_page, tmp_path):
    from PIL import Image

    Image.open(EXAMPLES / "boris.png").resize((200, 260)).save(tmp_path / "own.jpg")
    page = open_page()
    page.tab.get_by_label("Portrait image").set_input_files(tmp_path / "own.jpg")
    page.button("own.jpg").wait_for()
    page.button("Whole image").click()
    page.tab.get_by_label("Audio file").set_input_files(EXAMPLES / "speech.wav")
    page.wait_until(PICTURES_SHOWN, 3)
    assert page.tab.evaluate("[document.querySelector('.screen.talk video').videoWidth, document.querySelector('.screen.talk video').videoHeight]") == [200, 260]
    page.button("End").click()
    with page.tab.expect_download(timeout=PATIENCE_MS) as download:
        page.button("Save as MP4").click()
    assert download.value.suggested_filename == "speech.mp4"
    assert re.match(rb"....ftyp", pathlib.Path(download.value.path()).read_bytes(), re.DOTALL)
    assert page.errors == []


def test_of_several_faces_one_is_chosen(open_page, tmp_path, server):
    from PIL import Image

    face = Image.open(ROOT / "tests" / "pictures" / "astronaut.jpg").convert("RGB")
    two = Image.new("RGB", (2 * face.width, face.height), "white")
    two.paste(face, (0, 0))
    two.paste(face.resize((face.width * 3 // 4, face.height * 3 // 4)), (face.width + 30, 20))
    two.save(tmp_path / "two.png")
    asked = []
    page = open_page()
    page.tab.on("response", lambda reply: reply.request.method == "POST" and reply.url.endswith("/v1/sessions") and asked.append(reply))
    page.tab.get_by_label("Portrait image").set_input_files(tmp_path / "two.png")
    page.button("two.png").wait_for()
    page.button("Speak the example").click()
    page.wait_until(PICTURES_SHOWN, 1)
    told = asked[0].json()["image"]
    if len(told["faces"]) < 2:
        pytest.skip("this build looks for no faces")
    assert told["face"] == told["faces"][0]
    chooser = page.tab.get_by_label("Face", exact=True)
    assert [option.strip() for option in chooser.locator("option").all_inner_texts()] == ["Face 1, left", "Face 2, right"]
    assert page.overflow() <= 0
    chooser.select_option("1")
    page.tab.get_by_alt_text("The portrait").wait_for()  # the first one has ended
    page.button("Speak the example").click()
    page.wait_until(PICTURES_SHOWN, 1)
    assert asked[-1].json()["image"]["face"] == told["faces"][1]
    page.button("End").click()
    page.tab.get_by_label("Portrait image").set_input_files(EXAMPLES / "boris.png")
    assert chooser.count() == 0
    assert page.errors == []


def test_what_is_no_portrait_and_what_is_no_sound_is_said(open_page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing follows")
    (tmp_path / "text.wav").write_text("these are words")
    page = open_page()
    page.tab.get_by_label("Audio file").set_input_files(tmp_path / "text.wav")
    page.tab.get_by_role("alert").get_by_text("cannot read audio").wait_for()
    page.button("End").click()
    page.button("Dismiss").click()
    page.tab.get_by_label("Portrait image").set_input_files(tmp_path / "broken.png")
    page.button("broken.png").wait_for()
    page.button("Speak the example").click()
    page.tab.get_by_role("alert").wait_for()
    assert "broken" not in page.tab.get_by_role("alert").inner_text()
    assert page.tab.get_by_role("alert").inner_text().strip()
