"""Two to four sessions on the stage at once, played in step."""
import pytest
from test_page import PROMPT
from test_studio import open_page  # noqa: F401 (the fixture)
from test_studio_states import complete, overflow, violations

TIMES = "[...document.querySelectorAll('.beside video')].map((video) => video.currentTime)"
PAUSED = "[...document.querySelectorAll('.beside video')].every((video) => video.paused)"
WORDS = ["a yellow star moves up on a black background", "a white ring bounces on a teal background", PROMPT, "a green square spins on a brown background",
         "a blue circle moves left on a white background"]


def put_beside(page, words):
    """From the library; its item stays open."""
    item = page.library().get_by_role("listitem").filter(has_text=words)
    item.get_by_role("button", name="More").click()
    item.get_by_role("button", name="Side by side").click()
    return item


def test_sessions_side_by_side_play_in_step_and_wait_for_each_other_at_the_end(server, open_page):  # noqa: F811
    for words, frames in ((WORDS[0], 41), (WORDS[1], 21)):
        complete(server, words, frames=frames)
    page = open_page()
    item = put_beside(page, WORDS[0])
    page.tab.wait_for_function("() => [...document.querySelectorAll('.beside video')].filter((video) => video.readyState >= 2).length === 2")
    page.press("k")
    page.tab.wait_for_function(f"() => {{ const [a, b] = {TIMES}; return a > 0.5 && a < 1.2 && Math.abs(a - b) < 0.2; }}")
    page.tab.get_by_role("button", name="Play again").wait_for()
    shorter, longer = sorted(page.tab.evaluate(TIMES))
    assert abs(shorter - 21 / 16) < 0.1 and abs(longer - 41 / 16) < 0.1, "the shorter one shows its last frame"
    page.tab.get_by_role("slider", name="Time line").fill("0.5")
    page.tab.wait_for_function(f"() => {TIMES}.every((at) => at === 0.5)")
    page.press(".")
    page.tab.wait_for_function(f"() => {TIMES}.every((at) => Math.abs(at - 9 / 16) < 1e-3)")
    assert page.tab.evaluate(PAUSED)
    page.press("Home")
    page.tab.wait_for_function(f"() => {TIMES}.every((at) => at === 0)")
    item.get_by_role("button", name="Side by side").click()
    page.tab.get_by_role("article", name="Stage").wait_for()
    assert page.errors == []


def test_one_that_is_still_being_made_plays_beside_one_that_is_complete(server, open_page):  # noqa: F811
    complete(server, WORDS[0])
    page = open_page()
    page.generate(PROMPT, "Endless")
    page.wait_until_plays(0.2)
    put_beside(page, WORDS[0])
    page.tab.wait_for_function("() => [...document.querySelectorAll('.beside video')].filter((video) => video.readyState >= 2).length === 2")
    page.press("k")
    page.tab.wait_for_function(f"() => {{ const [a, b] = {TIMES}; return a > 0.5 && Math.abs(a - b) < 0.2; }}")
    page.tab.get_by_role("button", name=f"Take away: {PROMPT}").click()
    page.tab.get_by_role("article", name="Stage").get_by_text("a yellow star").first.wait_for()
    assert page.errors == []


def test_a_fork_is_shown_beside_its_origin(server, open_page):  # noqa: F811
    page = open_page()
    page.generate(PROMPT, "Endless")
    page.wait_until_plays(0.3)
    page.tab.get_by_role("textbox", name="New prompt").fill("a green square moves left on a brown background")
    page.tab.get_by_role("button", name="Fork").click()
    page.tab.get_by_role("button", name="Beside its origin").click()
    page.tab.wait_for_function("() => document.querySelectorAll('.beside video').length === 2")
    words = page.tab.locator(".beside-words")
    words.get_by_text("a green square moves left on a brown background").wait_for()  # when the list tells it
    words.get_by_text(PROMPT).wait_for()


def test_the_address_keeps_what_is_side_by_side_over_a_reload_and_the_back_button(server, open_page):  # noqa: F811
    ids = [complete(server, words, frames=9) for words in WORDS[:3]]
    page = open_page()
    page.tab.goto(f"{server.url}/s/{ids[0]}")
    for words in WORDS[1:3]:
        put_beside(page, words)
    assert page.tab.url == f"{server.url}/s/{ids[0]}?beside={ids[1]},{ids[2]}"
    titles = page.tab.locator(".beside-words button.quiet")
    page.tab.reload()
    titles.nth(2).wait_for()
    assert titles.all_inner_texts() == WORDS[:3]
    page.tab.go_back()
    titles.nth(2).wait_for(state="detached")
    assert titles.all_inner_texts() == WORDS[:2]
    page.tab.get_by_role("button", name=f"Take away: {WORDS[0]}").click()
    page.tab.wait_for_url(f"{server.url}/s/{ids[1]}")
    page.tab.get_by_role("article", name="Stage").wait_for()
    page.tab.goto(f"{server.url}/s/{ids[0]}?beside={'0' * 32},{ids[1]}")
    titles.nth(1).wait_for()
    assert titles.all_inner_texts() == WORDS[:2], "one that is gone is left out"
    assert page.errors == []


@pytest.mark.parametrize("width", [390, 1440])
def test_up_to_four_fit_keep_the_rules_of_accessibility_and_one_is_chosen_again(server, open_page, width):  # noqa: F811
    for words in WORDS:
        complete(server, words, frames=9)
    page = open_page(width=width, height=900)
    for count, words in enumerate(reversed(WORDS[1:4]), start=2):
        put_beside(page, words)
        assert page.count(".beside video") == count
        assert overflow(page.tab) <= 0
    item = page.library().get_by_role("listitem").filter(has_text=WORDS[0])
    item.get_by_role("button", name="More").click()
    assert item.get_by_role("button", name="Side by side").is_disabled(), "four are enough"
    assert violations(page.tab) == []
    page.tab.locator(".beside-words").get_by_role("button", name=WORDS[2], exact=True).click()
    page.tab.get_by_role("article", name="Stage").locator(".now").get_by_text(WORDS[2]).wait_for()
    assert page.errors == []
