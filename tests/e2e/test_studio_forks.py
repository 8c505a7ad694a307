"""Forks: what an ended video goes on with, what that costs, and the tree of forks below the stage."""
import pytest
from test_page import PROMPT
from test_studio import finished, open_page  # noqa: F401 (the fixtures)
from test_studio_states import overflow, violations
from waiting import wait_for

WORDS = {"b": "a green square moves left on a brown background", "c": "a white ring bounces on a teal background", "d": "a yellow star moves up on a black background"}


@pytest.fixture
def forks(server):
    """a, of which b and d are forks, and c of b: the ids by their letters."""
    def fork(origin, letter):
        return server.request("POST", f"/v1/sessions/{ids[origin]}/fork", {"prompt": WORDS[letter], "blocks": 0})["id"]

    ids = {"a": server.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})["id"]}
    server.request("POST", f"/v1/sessions/{ids['a']}/pause")
    for origin, letter in (("a", "b"), ("b", "c"), ("a", "d")):
        ids[letter] = fork(origin, letter)
    for id in ids.values():
        server.request("POST", f"/v1/sessions/{id}/stop")
    return ids


def test_the_tree_of_forks_is_walked_by_keys_and_the_stage_follows(server, open_page, forks):  # noqa: F811
    page = open_page()
    page.tab.goto(f"{server.url}/s/{forks['c']}")
    tree = page.tab.get_by_role("tree", name="Forks")
    items = tree.get_by_role("treeitem")
    items.nth(3).wait_for()
    assert [item.get_attribute("aria-level") for item in items.all()] == ["1", "2", "3", "2"]
    assert [item.get_attribute("aria-selected") for item in items.all()] == ["false", "false", "true", "false"], "c is on the stage"
    items.nth(2).focus()
    for key, letter in (("ArrowLeft", "b"), ("ArrowLeft", "a"), ("End", "d"), ("ArrowUp", "c"), ("Home", "a"), ("ArrowRight", "b")):
        page.tab.keyboard.press(key)
        place = list("abcd").index(letter)
        assert items.nth(place).evaluate("(item) => item === document.activeElement"), (key, letter)
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_url(f"**/s/{forks['b']}")
    assert items.nth(1).get_attribute("aria-selected") == "true"
    assert items.nth(1).evaluate("(item) => item === document.activeElement"), "the keys stay where they were"
    items.nth(3).click()
    page.tab.wait_for_url(f"**/s/{forks['d']}")
    page.tab.go_back()
    page.tab.wait_for_url(f"**/s/{forks['b']}")
    assert page.errors == []


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_the_tree_of_forks_fits_and_keeps_the_rules_of_accessibility(server, open_page, forks, width):  # noqa: F811
    page = open_page(width=width, height=900)
    page.tab.goto(f"{server.url}/s/{forks['a']}")
    page.tab.get_by_role("treeitem").nth(3).wait_for()
    assert violations(page.tab) == [] and overflow(page.tab) <= 0


def test_a_session_without_forks_has_no_tree(server, open_page):  # noqa: F811
    server.request("POST", "/v1/sessions", {"prompt": PROMPT, "frames": 9})
    page = open_page()
    page.tab.get_by_role("article", name="Stage").wait_for()
    assert page.tab.get_by_role("tree").count() == 0


def ended(server, session):
    return wait_for(lambda: (now := server.request("GET", f"/v1/sessions/{session}"))["recording"]["complete"] and now)


def tell(page, **changes):
    """The page hears this of every session, from now on."""
    def changed(route):
        answer = route.fetch()
        sessions = answer.json()
        for session in sessions["sessions"]:
            session.update(changes)
        route.fulfill(response=answer, json=sessions)

    page.tab.route("**/v1/sessions", changed)


def fork_on_stage(page, origin):
    """The id of the fork that took the stage of its origin."""
    page.tab.wait_for_url(lambda address: "/s/" in address and not address.endswith(origin))
    return page.tab.url.rsplit("/", 1)[1]


def cells(page):
    """The blocks of the time line: the colour of each, and whether it is made."""
    return page.tab.locator(".theatre .block").evaluate_all("(blocks) => blocks.map(({ classList }) => [[...classList].find((name) => name.startsWith('tone-')), classList.contains('complete')])")


def test_other_words_take_over_from_the_picture_that_is_shown_of_a_video_that_has_ended(server, open_page, finished):  # noqa: F811
    page = open_page()
    page.tab.goto(f"{server.url}/s/{finished}")
    page.tab.get_by_role("slider", name="Time line").fill("1.2")
    page.tab.locator(".when").get_by_text("new words take over at 0:01.3. 2 blocks are generated again before.").wait_for()
    here = page.tab.get_by_role("button", name="From here")
    assert here.is_disabled(), "there are no words yet"
    page.press("/")
    page.tab.keyboard.type(WORDS["b"])
    here.click()
    fork = fork_on_stage(page, finished)
    made = ended(server, fork)
    assert made["replay_blocks"] == 2 and made["prompt"] == WORDS["b"] and made["origin"]["session"] == finished
    page.tab.locator("article.session .pill").get_by_text("fork, finished").wait_for()
    blocks = made["done"]["blocks"]
    wait_for(lambda: cells(page) == [["tone-0", True]] * 2 + [["tone-1", True]] * (blocks - 2))
    assert page.errors == []


def test_a_complete_video_is_continued_by_as_much_as_is_chosen_and_tells_what_is_generated_again(server, open_page, finished):  # noqa: F811
    session = server.request("GET", f"/v1/sessions/{finished}")
    page = open_page()
    page.tab.goto(f"{server.url}/s/{finished}")
    again = session["forks"]["most_blocks"]
    page.tab.locator("#go-on-cost").get_by_text(f"{again} blocks are generated again before.").wait_for()
    page.tab.get_by_label("How much is generated").select_option("2")
    page.tab.get_by_role("button", name="Continue", exact=True).click()
    fork = fork_on_stage(page, finished)
    made = ended(server, fork)
    assert made["replay_blocks"] == again and made["format"]["segments"] == session["format"]["segments"] + 2
    wait_for(lambda: cells(page) == [["tone-0", True]] * made["done"]["blocks"])
    assert page.errors == []


def test_words_at_the_end_of_a_complete_video_make_it_longer(server, open_page, finished):  # noqa: F811
    page = open_page()
    page.tab.goto(f"{server.url}/s/{finished}")
    page.tab.locator(".block.complete").first.wait_for()
    page.press("End")
    page.tab.get_by_label("New prompt").fill(WORDS["c"])
    page.tab.get_by_role("button", name="From here").click()
    made = ended(server, fork_on_stage(page, finished))
    assert made["format"]["video_frames"] > 41 and made["prompt"] == WORDS["c"]


def test_a_stopped_video_goes_on_to_its_planned_end(server, open_page):  # noqa: F811
    session = server.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 2, "max_lead": 1})["id"]
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session}")["done"]["blocks"] >= 3)
    server.request("POST", f"/v1/sessions/{session}/stop")
    stopped = ended(server, session)
    page = open_page()
    page.tab.goto(f"{server.url}/s/{session}")
    assert page.tab.get_by_label("How much is generated").input_value() == "0"
    page.tab.get_by_role("button", name="Continue", exact=True).click()
    fork = fork_on_stage(page, session)
    assert server.request("GET", f"/v1/sessions/{fork}")["replay_blocks"] == stopped["done"]["blocks"]
    made = ended(server, fork)
    assert made["state"] == "finished" and made["format"]["video_frames"] == made["done"]["video_frames"]
    wait_for(lambda: cells(page) == [["tone-0", True]] * made["done"]["blocks"])


def test_a_fork_that_is_generated_again_says_how_far_it_is(server, open_page):  # noqa: F811
    session = server.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})["id"]
    page = open_page()
    tell(page, replay_blocks=7, replayed_blocks=2)
    page.tab.goto(f"{server.url}/s/{session}")
    page.tab.locator(".veil").get_by_text("generating again 3 of 7").wait_for()
    assert page.tab.get_by_role("progressbar", name="generating again 3 of 7").get_attribute("value") == "2"
    assert violations(page.tab) == []
    page.tab.unroute_all(behavior="wait")


@pytest.mark.parametrize("width", [320, 1440])
def test_where_nothing_can_go_on_the_reason_stands_in_place_of_the_buttons(server, open_page, finished, width):  # noqa: F811
    page = open_page(width=width, height=900)
    assert violations(page.tab) == [] and overflow(page.tab) <= 0, "with the buttons"
    tell(page, forks={"least_blocks": None, "most_blocks": None, "least_kept": None, "most_kept": None, "no_replay": "its model cannot be forked"})
    page.tab.goto(f"{server.url}/s/{finished}")
    page.tab.get_by_text("It cannot be continued: its model cannot be forked.").wait_for()
    page.tab.get_by_label("Language").select_option("zh")
    page.tab.get_by_text("它的模型不支持分支").wait_for()
    page.tab.get_by_label("New prompt").wait_for(state="detached")  # once the page has heard all events
    assert page.tab.get_by_role("button", name="Continue").count() == 0
    assert violations(page.tab) == [] and overflow(page.tab) <= 0
    page.tab.unroute_all(behavior="wait")
