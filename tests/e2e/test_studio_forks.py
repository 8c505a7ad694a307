"""The tree of forks below the stage."""
import pytest
from test_page import PROMPT
from test_studio import open_page  # noqa: F401 (the fixture)
from test_studio_states import overflow, violations

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
