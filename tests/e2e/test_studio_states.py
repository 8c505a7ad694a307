"""The studio where things go wrong, in every state and look: the server gone, a token missing, a queue; accessibility, languages, widths."""
import pathlib
import re

import pytest
from conftest import Server
from test_page import PROMPT
from test_studio import AT
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE_MS = 30_000


@pytest.fixture
def open_tab(browser):
    contexts = []

    def open_one(address, width=1280, height=860, **look):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **look))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(address)
        return tab

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def own_server(binary, tmp_path):
    """Starts servers of this test's own on the same folder."""
    running = []

    def start(*arguments, listen="127.0.0.1:0"):
        running.append(Server(binary, tmp_path / "data", *arguments, listen=listen))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.stop()


@pytest.fixture
def clean(server):
    yield server
    for session in server.request("GET", "/v1/sessions")["sessions"]:
        server.request("DELETE", "/v1/sessions/" + session["id"])


def complete(server, prompt="a yellow star moves up on a black background", **fields):
    session = server.request("POST", "/v1/sessions", {"prompt": prompt, "frames": 41, **fields})["id"]
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["recording"]["complete"])
    return session


def violations(tab):
    """What breaks WCAG AA, as axe sees it: the rule, the place, why."""
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("(rules) => axe.run(document, {runOnly: rules})", RULES)["violations"]
    return [(rule["id"], node["target"], node["failureSummary"]) for rule in found for node in rule["nodes"]]


def overflow(tab):
    return tab.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")


def test_a_page_whose_server_goes_says_so_and_goes_on_when_it_is_back(own_server, open_tab):
    first = own_server()
    session = first.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "pacing": "realtime"})["id"]
    tab = open_tab(f"{first.url}/s/{session}")
    tab.wait_for_function(f"() => {AT} > 1")
    tab.get_by_label("New prompt").fill("half a thought")
    first.stop()
    tab.get_by_text("The server does not answer.").wait_for()
    assert violations(tab) == []
    shown = tab.evaluate(AT)
    own_server(listen=first.url.removeprefix("http://"))
    tab.get_by_text("The server does not answer.").wait_for(state="detached")
    tab.locator("article.session .pill").get_by_text("stopped").wait_for()
    tab.wait_for_function(f"(shown) => document.querySelector('.theatre video').readyState >= 2 && {AT} >= shown - 1", arg=shown)
    other = first.request("POST", "/v1/sessions", {"prompt": "a white ring bounces on a teal background", "frames": 21})["id"]
    tab.locator(f".library a[href$='{other}']").first.wait_for()


def test_a_video_whose_connection_is_cut_goes_on_where_it_was(clean, open_tab):
    session = clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "pacing": "realtime"})["id"]
    tab = open_tab("about:blank")
    lines = []

    def pass_on(page):
        lines.append(page)
        page.connect_to_server()

    tab.route_web_socket(re.compile(r"/v1/sessions/\w+/video"), pass_on)
    tab.goto(f"{clean.url}/s/{session}")
    tab.wait_for_function(f"() => {AT} > 1")
    cut = tab.evaluate(AT)
    lines[0].close(code=1006)
    wait_for(lambda: tab.evaluate("0") or len(lines) == 2, PATIENCE_MS / 1000)
    tab.wait_for_function(f"(cut) => {AT} > cut + 1", arg=cut)
    assert tab.locator(".notice").count() == 0


def test_who_comes_late_to_a_video_in_real_time_sees_what_is_made_now(clean, open_tab):
    session = clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "pacing": "realtime"})["id"]
    made = wait_for(lambda: (frames := clean.request("GET", f"/v1/sessions/{session}")["done"]["video_frames"]) > 6 * 16 and frames / 16)
    tab = open_tab(f"{clean.url}/s/{session}")
    tab.wait_for_function("() => { const video = document.querySelector('.theatre video'); return video && !video.paused && video.readyState > 2; }")
    tab.wait_for_function(f"(made) => {AT} > made - 3", arg=made)
    tab.get_by_role("slider", name="Time line").fill("1")
    tab.wait_for_function(f"() => {AT} >= 1 && {AT} < 3")


def test_words_for_a_portrait_survive_tabs_and_reloads(clean, open_tab):
    model = next(m for m in clean.request("GET", "/v1/models")["models"]
                 if "audio" in m["capabilities"]["feeds"] and "text" in m["capabilities"]["takes"])
    tab = open_tab(f"{clean.url}/#talk")
    tab.get_by_label("Model", exact=True).select_option(model["name"])
    tab.get_by_label("What should be seen?").fill("a woman with red hair speaks")
    tab.get_by_text("Text to video", exact=True).click()
    tab.get_by_role("button", name="Generate").wait_for()
    tab.get_by_text("Talking head", exact=True).click()
    for _ in range(2):
        tab.get_by_label("What should be seen?").wait_for()
        assert tab.get_by_label("What should be seen?").input_value() == "a woman with red hair speaks"
        tab.reload()


def test_a_token_that_is_missing_is_asked_for_and_stands_in_no_address(own_server, open_tab):
    server = own_server("--token", "secret")
    tab = open_tab(server.url)
    tab.get_by_label("Token").fill("wrong")
    assert violations(tab) == []
    tab.get_by_role("button", name="Use it").click()
    tab.get_by_text("The server does not know this token.").wait_for()
    tab.get_by_label("Token").fill("secret")
    tab.get_by_role("button", name="Use it").click()
    tab.get_by_role("button", name="Generate").click()
    tab.wait_for_function(f"() => {AT} > 0.2")
    assert re.fullmatch(re.escape(server.url) + r"/s/[0-9a-f]{32}", tab.url)
    tab.reload()
    tab.locator("article.session").wait_for()
    assert tab.evaluate("localStorage.length === 0 || !JSON.stringify(localStorage).includes('secret')"), "it ends with the tab"
    other = open_tab(f"{server.url}/?token=secret")
    other.locator("article.session").wait_for()
    assert other.url == f"{server.url}/"


def test_a_place_in_the_queue_and_a_refusal_are_said_in_words(own_server, open_tab):
    server = own_server("--max-sessions", "1", "--max-queued", "1")
    server.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "pacing": "realtime"})
    tab = open_tab(server.url)
    tab.locator("article.session.running").wait_for()
    tab.get_by_role("button", name="Generate").click()
    tab.locator(".veil").get_by_text("number 1 in the queue").wait_for()
    tab.locator(".library").get_by_text("number 1 in the queue").wait_for()
    tab.get_by_role("button", name="Generate").click()
    alert = tab.get_by_role("alert").filter(has_text="Try again when one of the sessions has ended")
    alert.wait_for()
    assert "{" not in alert.inner_text()
    assert violations(tab) == []


@pytest.mark.parametrize("look", [{"color_scheme": "dark"}, {"color_scheme": "light"}, {"color_scheme": "light", "locale": "zh-CN"}])
def test_every_state_of_the_studio_keeps_the_rules_of_accessibility(clean, open_tab, look):
    tab = open_tab(clean.url, **look)
    generate = tab.locator(".studio .prompt button[type=submit]")
    generate.wait_for()
    tab.locator(".stage-place .empty").wait_for()
    assert violations(tab) == [], "empty"
    complete(clean)
    tab.locator(".library li img").wait_for()
    assert violations(tab) == [], "finished"
    tab.locator("input[name=length]").last.check(force=True)
    generate.click()
    tab.wait_for_function(f"() => {AT} > 0.5")
    tab.locator(".steering input").fill("a blue star")
    tab.locator(".block.begun").first.wait_for()
    assert violations(tab) == [], "running"
    tab.locator(".library input[type=search]").fill("nothing of the kind")
    tab.locator(".library p").wait_for()
    assert violations(tab) == [], "nothing found"
    tab.locator(".library input[type=search]").fill("")
    tab.locator(".library li button").last.click()
    tab.locator(".toast").wait_for()
    assert violations(tab) == [], "undo"
    tab.locator("h1").click()
    tab.keyboard.press("?")
    tab.locator("dialog").wait_for()
    assert violations(tab) == [], "keys"
    tab.keyboard.press("Escape")
    for view in (1, 2):
        tab.locator("input[name=view]").nth(view).check(force=True)
        tab.locator("section .portraits img, form.ask .portrait img").first.wait_for()
        assert violations(tab) == [], view


def test_light_or_dark_is_chosen_by_hand_and_kept(clean, open_tab):
    tab = open_tab(clean.url, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = tab.evaluate(ground)
    tab.get_by_label("Light or dark").select_option("Light")
    light = tab.evaluate(ground)
    assert light != dark
    tab.reload()
    tab.get_by_label("Light or dark").wait_for()
    assert tab.evaluate(ground) == light
    tab.get_by_label("Light or dark").select_option("Auto")
    assert tab.evaluate(ground) == dark


def test_the_language_is_the_systems_or_chosen_by_hand_and_kept(clean, open_tab):
    tab = open_tab(clean.url, locale="zh-CN")
    tab.get_by_role("button", name="生成", exact=True).wait_for()
    assert tab.evaluate("document.documentElement.lang") == "zh-Hans"
    tab.get_by_label("语言").select_option("English")
    tab.get_by_role("button", name="Generate").wait_for()
    tab.reload()
    tab.get_by_role("button", name="Generate").wait_for()
    assert tab.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440, 2560])
def test_the_studio_fits_every_window(clean, open_tab, width):
    complete(clean, prompt="a_word_that_does_not_end_" * 8)
    tab = open_tab(clean.url, width=width, height=900)
    tab.locator(".library li").scroll_into_view_if_needed()
    tab.locator(".library li img").wait_for()
    assert overflow(tab) <= 0
    tab.locator("input[name=length]").last.check(force=True)
    tab.get_by_role("button", name="Generate").click()
    tab.wait_for_function(f"() => {AT} > 0.5")
    assert overflow(tab) <= 0
    screen = tab.locator(".theatre .screen").bounding_box()
    assert screen["width"] >= min(width - 60, 540)


def test_who_wishes_for_less_motion_starts_videos_of_others_by_hand(clean, open_tab):
    session = clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "pacing": "realtime"})["id"]
    tab = open_tab(f"{clean.url}/s/{session}", reduced_motion="reduce")
    tab.wait_for_function("() => document.querySelector('.theatre video')?.readyState >= 2")
    assert tab.evaluate("document.querySelector('.theatre video').paused")
    assert tab.evaluate("document.getAnimations().length") == 0
    tab.get_by_role("button", name="Play", exact=True).click()
    tab.wait_for_function(f"() => {AT} > 0.3")


def test_a_long_library_costs_one_socket_and_little_memory(clean, open_tab):
    session = complete(clean)
    tab = open_tab("about:blank", width=1440, height=900)
    sockets = []
    tab.on("websocket", lambda socket: sockets.append(socket.url))

    def many(route):
        answer = route.fetch()
        (one,) = answer.json()["sessions"]
        route.fulfill(response=answer, json={"sessions": [{**one, "id": f"{number:032x}"} for number in range(63)] + [one]})

    tab.route("**/v1/sessions", many)
    tab.route(re.compile("/v1/sessions/0{20}.*/video.mp4"), lambda route: route.continue_(url=f"{clean.url}/v1/sessions/{session}/video.mp4"))
    tab.goto(clean.url)
    for shown in (24, 48):
        tab.locator(".library li").nth(shown - 1).wait_for()
        tab.get_by_role("button", name="Show more").click()
    items = tab.locator(".library li")
    items.nth(63).wait_for()
    assert items.count() == 64
    for number in range(0, 64, 8):
        items.nth(number).scroll_into_view_if_needed()
        items.nth(number).locator("img").wait_for()
    assert len(sockets) <= 1, "the events of the session on the stage"
    used = tab.context.new_cdp_session(tab).send("Runtime.getHeapUsage")["usedSize"]
    assert used < 100e6
    tab.unroute_all(behavior="wait")
