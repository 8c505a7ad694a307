"""The page with a model that answers in text and video, in a real browser: the order in which an answer appears, half of it
failing, the history after a reload, and the ways in which pictures get there."""
import base64
import io
import json
import re

import pytest
from conftest import ROOT, Server
from page_tab import PageTab, opener
from PIL import Image
from waiting import wait_for

PICTURES = ROOT / "docs" / "images"
PATIENCE_S = 60  # bounds failures only
WORDS = ".answer"
EXAMPLE_ARROW = r"green triangle on a blue ground\. It will slide to the left"

# As a person's clipboard and hand give files.
GIVE = """(target, [how, name, content]) => {
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name, {type: 'image/png'}));
  const given = how === 'paste' ? new ClipboardEvent('paste', {clipboardData: files, bubbles: true, cancelable: true})
                                : new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true});
  target.dispatchEvent(given);
}"""


def picture(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


class AnswerPage(PageTab):
    def __init__(self, browser, server, **size):
        super().__init__(browser, server, **size)
        self.tab.set_default_timeout(1000 * PATIENCE_S)
        self.question = self.tab.get_by_label("What do you want to know about it?")
        self.question.wait_for()

    def button(self, name):
        return self.tab.get_by_role("button", name=name, exact=True)

    def choose(self, content=None, name="ball.png"):
        pictures = self.tab.locator(".pictures figure")
        before = pictures.count()
        self.tab.get_by_label("Picture files").set_input_files({"name": name, "mimeType": "image/png", "buffer": content or picture()})
        pictures.nth(before).wait_for()

    def ask(self, question="What will happen?", size=None):
        """Returns what the server was asked."""
        self.question.fill(question)
        if size:
            self.tab.get_by_text(size, exact=True).click()
        with self.tab.expect_request("**/api/predict") as asked:
            self.button("Ask").click()
        return asked.value.post_data_json

    def give(self, how, name, content):
        where = self.tab.locator("form.ask" if how == "drop" else "body")
        where.evaluate(GIVE, [how, name, base64.b64encode(content).decode()])

    def wait_until_shows(self, what):
        self.tab.locator(f"[data-shows={what}]").wait_for()

    def states(self):
        return self.tab.locator(".state").all_inner_texts()


class Line:
    """The page's WebSocket in a test's hand: what the server sends waits here until it is passed on."""

    def __init__(self, page):
        self.page, self.waiting, self.opened = page, [], []
        page.tab.route_web_socket(re.compile("/api/ws/"), self._open)

    def _open(self, socket):
        self.opened.append(socket)
        self.waiting = waiting = []
        server = socket.connect_to_server()
        server.on_message(lambda message: waiting.append(message))
        server.on_close(lambda *_: None)

    def wait_for_all(self):
        def complete():
            self.page.tab.evaluate("0")  # messages come while Playwright works
            return self.waiting and isinstance(self.waiting[-1], str) and "thinking_complete" in self.waiting[-1]
        wait_for(complete, PATIENCE_S)

    def kinds(self):
        return ["video_frame" if isinstance(each, bytes) else json.loads(each)["type"] for each in self.waiting]

    def pass_on(self, until):
        """All up to the first message of a kind."""
        kind = None
        while kind != until:
            kind = self.kinds()[0]
            self.opened[-1].send(self.waiting.pop(0))


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("data"), "--model", "random:foresight", "--talk-model", "none")
    yield running
    running.stop()


@pytest.fixture
def open_page(server, browser):
    with opener(AnswerPage, browser, server) as open_one:
        yield open_one


def test_the_first_frame_is_there_before_the_words_are_complete_and_the_film_replaces_it(open_page):
    page = open_page()
    line = Line(page)
    page.choose()
    page.ask(size="256")
    line.wait_for_all()
    kinds = line.kinds()
    first = kinds.index("video_frame")
    assert kinds.index("text_chunk") < first < kinds.index("video_complete"), "as the server sends it"
    # Words go first, and this text takes a millisecond: as it would be with a longer one.
    line.waiting.insert(kinds.index("text_chunk") + 1, line.waiting.pop(first))
    line.pass_on("video_frame")
    page.wait_until_shows("still")
    assert page.states() == ["thinking", "thinking"]
    assert page.tab.locator(".caret").count() == 1
    page.tab.wait_for_function("() => document.querySelector('.prediction-screen img').naturalWidth === 256")
    grown = []
    while "text_chunk" in (kinds := line.kinds()):
        chunk = json.loads(line.waiting[kinds.index("text_chunk")])
        grown.append(chunk["content"])
        line.pass_on("text_chunk")
        page.tab.wait_for_function("([place, end]) => document.querySelector(place).textContent.trimEnd().endsWith(end.trim())", arg=[WORDS, grown[-1]])
        if chunk.get("done"):
            page.tab.locator(".state.done").wait_for()
        assert page.states() == ["done" if chunk.get("done") else "thinking", "thinking"]
    assert len(grown) > 3, "the words come one after the other"
    assert page.tab.locator(".caret").count() == 0, "they are complete while the film is still being made"
    line.pass_on("video_complete")
    page.wait_until_shows("film")
    page.tab.locator(".state.done").nth(1).wait_for()
    assert page.tab.locator(".measures dd").nth(2).inner_text() == "\u2013", "thinking_complete has not come yet"
    line.pass_on("thinking_complete")
    page.button("Remove").wait_for()
    page.tab.wait_for_function("() => document.querySelector('.prediction-screen video').currentTime > 0.2")
    assert re.fullmatch(r"\d+\.\d\d s", page.tab.locator(".measures dd").nth(2).inner_text())
    assert page.errors == []


def test_a_page_that_is_new_opens_with_what_the_servers_model_is_for(binary, browser, tmp_path):
    server = Server(binary, tmp_path / "data", "--model", str(ROOT / "models/shipped-foresight"))  # and others for talking heads
    page = browser.new_page()
    try:
        page.goto(server.url)
        page.locator("form.ask").wait_for()
        assert page.get_by_label("Prediction", exact=True).is_checked()
        page.get_by_text("Talking head", exact=True).click()
        page.reload()
        page.wait_for_function("() => document.querySelector('nav.choice .on')?.textContent === 'Talking head'")
    finally:
        page.close()
        server.stop()


def test_sizes_that_the_model_was_not_trained_for_are_marked_and_warned_of(binary, browser, tmp_path):
    server = Server(binary, tmp_path / "data", "--model", str(ROOT / "models/shipped-foresight"), "--talk-model", "none")
    try:
        with opener(AnswerPage, browser, server) as open_one:
            page = open_one()
            sizes = page.tab.get_by_role("group", name="Size of the video")
            assert sizes.locator("label").all_text_contents() == ["Standard", *(f"{side}, not trained for" for side in (256, 512, 768))]
            assert sizes.locator("label.beyond").count() == 3
            hint = page.tab.get_by_text("The model was trained for 128x128 and 33 frames: at 256 the video may be poor.")
            assert hint.count() == 0
            page.choose()
            sizes.get_by_text("256").click()
            hint.wait_for()
            page.tab.set_viewport_size({"width": 320, "height": 800})
            assert page.overflow() <= 0
            assert page.ask()["preset"] == "256"
            page.tab.get_by_text("note: the model was trained for 128x128, not for 256x256: the picture may be poor").wait_for()
            page.wait_until_shows("film")
            sizes.get_by_text("Standard").click()
            page.ask()
            assert page.tab.get_by_role("article").get_by_text("note:").count() == 0
            page.wait_until_shows("film")
            assert page.errors == []
    finally:
        server.stop()


def test_the_shipped_model_says_what_will_happen_in_its_example_and_shows_it(binary, browser, tmp_path):
    server = Server(binary, tmp_path / "data", "--model", str(ROOT / "models/shipped-foresight"), "--talk-model", "none")
    try:
        with opener(AnswerPage, browser, server) as open_one:
            page, kinds = open_one(), []

            def note(message):
                kinds.append("video_frame" if isinstance(message, bytes) else json.loads(message)["type"])
            page.tab.on("websocket", lambda socket: socket.on("framereceived", note))
            page.button("Example arrow").click()
            page.tab.locator(".pictures figure").wait_for()
            page.ask()
            page.wait_until_shows("film")
            page.tab.locator(".state.done").nth(1).wait_for()
            assert re.search(EXAMPLE_ARROW, page.tab.locator(WORDS).inner_text())
            assert kinds[0] == "thinking_start" and kinds[-1] == "thinking_complete"
            assert kinds.index("text_chunk") < kinds.index("video_frame") < kinds.index("video_complete")
            page.tab.wait_for_function("() => document.querySelector('.prediction-screen video').currentTime > 0.2")
            page.tab.locator(".prediction-screen").scroll_into_view_if_needed()
            page.tab.screenshot(path=PICTURES / "page_prediction.png")
            assert page.errors == []
    finally:
        server.stop()


def test_what_failed_is_made_again_alone(open_page):
    page = open_page()
    line = Line(page)
    page.choose()
    first = page.ask()
    line.wait_for_all()
    last = json.loads(line.waiting[-1])
    line.waiting = [each for each, kind in zip(line.waiting, line.kinds()) if kind in ("thinking_start", "text_chunk")]
    line.waiting.append(json.dumps({"type": "error", "source": "video", "message": "out of memory", "code": "VIDEO_ERROR"}))
    line.waiting.append(json.dumps({**last, "video_url": None}))
    line.pass_on("thinking_complete")
    page.tab.get_by_text("Out of memory.").wait_for()
    assert page.states() == ["done", "failed"]
    words = page.tab.locator(WORDS).inner_text()
    with page.tab.expect_request("**/api/predict") as asked:
        page.button("Retry the video").click()
    again = asked.value.post_data_json
    assert again["tracks"] == "video" and "tracks" not in first
    assert (again["image"], again["seed"], again["prompt"]) == (first["image"], first["seed"], first["prompt"])
    line.wait_for_all()
    assert "text_chunk" not in line.kinds()
    line.pass_on("thinking_complete")
    page.wait_until_shows("film")
    assert page.states() == ["done", "done"] and page.tab.locator(WORDS).inner_text() == words
    assert page.errors == []


def test_a_reload_keeps_the_history_and_goes_on_with_what_is_being_made(open_page):
    page = open_page()
    line = Line(page)
    page.choose()
    page.ask("Where will it be?")
    line.wait_for_all()
    line.pass_on("video_frame")
    page.wait_until_shows("still")
    page.tab.reload()
    wait_for(lambda: len(line.opened) == 2 or page.tab.evaluate("0"), PATIENCE_S)
    assert line.opened[0].url == line.opened[1].url
    line.wait_for_all()
    line.pass_on("thinking_complete")
    page.wait_until_shows("film")
    assert page.states() == ["done", "done"]
    words = page.tab.locator(WORDS).inner_text()
    page.tab.wait_for_function("() => document.querySelector('.history img').src.startsWith('data:')")
    page.tab.reload()
    page.tab.get_by_role("region", name="History").get_by_text("Where will it be?").wait_for()
    page.wait_until_shows("film")
    assert page.tab.locator(WORDS).inner_text() == words and words
    assert page.question.input_value() == "Where will it be?"
    page.button("Edit").click()
    page.tab.locator(".pictures figure").wait_for()
    assert page.tab.get_by_label("Seed").input_value().isdigit()
    page.button("Remove").click()
    page.tab.get_by_text("The answer appears here").wait_for()
    assert page.errors == []


class Tabs:
    """Of one browser, as a person has them: they share its storage."""

    def __init__(self, browser):
        self.context = browser.new_context(color_scheme="dark")

    def new_page(self, **_):
        return self.context.new_page()


def test_two_tabs_share_one_history(server, browser):
    questions = ("What is it?", "Where will it go?")
    tabs = Tabs(browser)
    with opener(AnswerPage, tabs, server) as open_one:
        pages = [open_one(), open_one()]
        for page, question in zip(pages, questions, strict=True):
            page.choose()
            page.ask(question)
        for page in pages:
            history = page.tab.get_by_role("region", name="History")
            for question in questions:
                history.get_by_text(question).wait_for()
            page.wait_until_shows("film")
        pages[0].button("Remove").click()
        for page in pages:
            page.tab.wait_for_function("() => document.querySelectorAll('.history li').length === 1")
            page.tab.reload()
            page.tab.get_by_role("region", name="History").get_by_text(questions[1]).wait_for()
            assert page.tab.locator(".history li").count() == 1
            assert page.errors == []
    tabs.context.close()


def test_pictures_are_chosen_dropped_and_pasted_and_all_are_asked_about(open_page):
    page = open_page()
    assert page.button("Ask").is_disabled()
    page.choose(picture("red"))
    page.give("drop", "dropped.png", picture("green"))
    page.tab.get_by_alt_text("dropped.png").wait_for()
    page.give("paste", "pasted.png", picture("blue"))
    page.tab.get_by_alt_text("pasted.png").wait_for()
    page.tab.get_by_text("All 3 pictures are shown to the model").wait_for()
    page.button("Remove dropped.png").click()
    asked = page.ask()
    assert base64.b64decode(asked["image"]) == picture("blue"), "the newest one begins the video"
    assert [base64.b64decode(each) for each in asked["earlier_images"]] == [picture("red")]
    assert page.tab.get_by_role("article").locator(".asked img").count() == 2
    page.wait_until_shows("film")
    asked = page.ask("And then?")
    assert len(asked["earlier_images"]) == 1, "they stay for the next question"
    assert page.errors == []


def test_a_cancelled_prediction_says_so_and_ends(server, open_page):
    page = open_page()
    page.choose()
    page.ask(size="768")
    page.wait_until_shows("still")
    page.button("Cancel").click()
    page.tab.get_by_text("Cancelled.").first.wait_for()
    assert page.states()[1] == "failed"
    assert page.tab.get_by_text("complete", exact=True).count() == 0, "what was cancelled is not complete"
    assert server.request("GET", "/v1/sessions")["sessions"][-1]["state"] == "stopped"
    assert page.errors == []


def test_what_goes_wrong_is_said_in_plain_words(open_page):
    page = open_page()
    page.tab.get_by_label("Picture files").set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"hello"})
    unread = page.tab.get_by_role("alert").filter(has_text="notes.png is not a picture that can be read.")
    unread.wait_for()
    page.tab.set_viewport_size({"width": 390, "height": 800})
    assert unread.evaluate("""(alert) => {
        const { left, top, bottom } = alert.getBoundingClientRect();
        return document.elementFromPoint(left + 1, (top + bottom) / 2) === alert && getComputedStyle(alert).position === "static";
    }"""), "it has a place of its own in the form"
    page.choose()
    unread.wait_for(state="detached")
    busy = json.dumps({"detail": {"error": "too many sessions", "code": "BUSY"}})
    page.tab.route("**/api/predict", lambda route: route.fulfill(status=429, headers={"Retry-After": "3"}, content_type="application/json", body=busy))
    page.ask()
    page.tab.get_by_text("The server is busy. Try again in 3 s.").first.wait_for()
    assert page.tab.get_by_role("article").get_by_text("{").count() == 0
    page.tab.unroute("**/api/predict")
    page.button("Try again").click()
    page.wait_until_shows("film")
    assert page.states() == ["done", "done"]


def test_before_and_after_are_compared_by_keys_and_nothing_moves_for_who_wants_that(open_page):
    page = open_page()
    page.tab.emulate_media(reduced_motion="reduce")
    page.choose()
    page.ask()
    page.wait_until_shows("film")
    assert page.tab.evaluate("document.querySelector('.prediction-screen video').paused")
    assert page.tab.evaluate("getComputedStyle(document.querySelector('.answer')).animationName") == "none"
    page.button("Before and after").click()
    slider = page.tab.get_by_role("slider")
    for key, cut in (("End", "0%"), ("Home", "100%"), ("ArrowRight", "99%")):
        slider.press(key)
        assert cut in page.tab.locator(".before-after video").nth(1).evaluate("(video) => video.style.clipPath"), key
    page.tab.wait_for_function("() => document.querySelector('.before-after video').currentTime > 0.5")
    assert page.errors == []


def test_an_answer_fits_all_windows(open_page):
    page = open_page()
    page.choose()
    page.ask("what will happen to the thing with theverylongnamethatnobodywouldgiveanythingunlessitweretobreakapage " * 2)
    page.wait_until_shows("film")
    places = {}
    for width in (320, 390, 699, 700, 1440, 2560):
        page.tab.set_viewport_size({"width": width, "height": 800})
        assert page.overflow() <= 0, f"the page is {page.overflow()} px too wide at {width}"
        text, video = (page.tab.get_by_role("region", name=name, exact=True).bounding_box() for name in ("Text", "Video"))
        places[width] = "side by side" if video["x"] >= text["x"] + text["width"] else "below"
    assert [places[width] for width in (320, 699, 700, 2560)] == ["below", "below", "side by side", "side by side"]
    assert page.errors == []
