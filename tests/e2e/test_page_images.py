"""The images of docs/tour.md, each of a page that shows what the tour says of it."""
from test_page import PICTURES, PROMPT
from test_studio import open_page  # noqa: F401 (the fixture)
from test_studio_side_by_side import TIMES, put_beside
from test_studio_states import clean, complete, open_tab  # noqa: F401 (fixtures)
from waiting import wait_for

STAR, RING, SQUARE = ("a big yellow star spins on a black background", "on a teal ground, a small white ring bounces",
                      "a green square moves left on a brown background")


def test_sessions_side_by_side(server, open_page):  # noqa: F811
    for words in (RING, STAR, PROMPT):
        complete(server, words)
    page = open_page(height=820)
    page.tab.emulate_media(reduced_motion="reduce")
    put_beside(page, STAR)
    put_beside(page, RING).get_by_role("button", name="More").click()
    page.tab.wait_for_function("() => [...document.querySelectorAll('.beside video')].filter((video) => video.readyState >= 2).length === 3")
    page.tab.get_by_role("slider", name="Time line").fill("1.5")
    page.tab.wait_for_function(f"() => {TIMES}.every((at) => at === 1.5)")
    page.tab.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0); }")
    page.tab.screenshot(path=PICTURES / "page_side_by_side.png")
    assert page.errors == []


def test_the_tree_of_forks(server, open_page):  # noqa: F811
    def fork(origin, words, blocks):
        made = server.request("POST", f"/v1/sessions/{origin}/fork", {"prompt": words, "blocks": blocks})["id"]
        wait_for(lambda: server.request("GET", f"/v1/sessions/{made}")["recording"]["complete"])
        return made

    first = complete(server, PROMPT, frames=81)
    second = fork(first, SQUARE, 3)
    fork(second, RING, 5)
    fork(first, STAR, 4)
    page = open_page(height=820)
    page.tab.goto(f"{server.url}/s/{second}")
    page.tab.get_by_role("treeitem").nth(3).wait_for()
    page.tab.wait_for_function("() => document.querySelector('.theatre video').readyState >= 2 && document.querySelectorAll('.block.complete').length > 4")
    page.tab.get_by_role("slider", name="Time line").fill("5")
    page.tab.wait_for_function("() => { const video = document.querySelector('.theatre video'); return Math.abs(video.currentTime - 5) < 0.1 && !video.seeking; }")
    page.tab.get_by_role("treeitem").nth(3).scroll_into_view_if_needed()
    page.tab.wait_for_function("() => [...document.querySelectorAll('[role=treeitem] img')].filter((image) => image.naturalWidth > 0).length === 4")
    page.tab.evaluate("() => document.activeElement.blur()")
    page.tab.locator(".stage-place").screenshot(path=PICTURES / "page_forks.png")
    assert page.errors == []


def test_the_documents_of_the_api(server, open_tab):  # noqa: F811
    tab = open_tab(f"{server.url}/docs", height=900, color_scheme="dark")
    operation = tab.locator("#operations-steering-post_v1_sessions__id__fork")
    operation.locator("button").first.click()
    operation.locator(".opblock-body").wait_for()
    operation.scroll_into_view_if_needed()
    tab.evaluate("(place) => window.scrollTo(0, document.querySelector(place).getBoundingClientRect().top + scrollY - 120)",
                 "#operations-steering-post_v1_sessions__id__fork")
    tab.screenshot(path=PICTURES / "page_docs.png")


def test_the_page_for_operators(clean, open_tab):  # noqa: F811
    for words in (STAR, RING):
        complete(clean, words)
    clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})
    tab = open_tab(f"{clean.url}/admin", height=900, color_scheme="dark")
    tab.get_by_role("row").filter(has_text="running").wait_for()
    tab.locator(".curve path.line").first.wait_for(state="attached")
    # The folders of the machine that draws this are nobody's business.
    tab.get_by_label("Search lines").fill("session")
    tab.wait_for_function("() => [...document.querySelectorAll('[role=log] p')].every((line) => line.textContent.includes('session'))")
    tab.screenshot(path=PICTURES / "page_admin.png", full_page=True)
