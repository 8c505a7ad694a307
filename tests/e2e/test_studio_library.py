"""What people do with sessions of the library: names of their own, links for others."""
import pytest
from test_studio import finished, open_page  # noqa: F401 (the fixtures)
from test_studio_states import overflow, violations

WORDS = "a yellow star moves up on a black background"


def test_a_session_is_renamed_by_keys_found_by_its_name_and_keeps_it(open_page, finished):  # noqa: F811
    page = open_page()
    more = page.library().get_by_role("button", name=f"More: {WORDS}")
    more.focus()
    for key in ("Enter", "Tab", "Tab", "Enter"):  # past Delete to Rename
        page.tab.keyboard.press(key)
    page.tab.keyboard.type("The star for Ada")
    page.tab.keyboard.press("Enter")
    item = page.library().get_by_role("link", name="The star for Ada").first
    assert WORDS in item.inner_text(), "the words are still told"
    assert page.tab.evaluate("document.activeElement.getAttribute('aria-label')") == "More: The star for Ada"
    assert page.tab.title() == "The star for Ada – rushes"  # noqa: RUF001
    page.tab.reload()
    page.tab.get_by_text("The star for Ada").wait_for()
    page.library().get_by_role("button", name="More: The star for Ada").click()
    page.library().get_by_role("button", name="Rename").click()
    page.tab.keyboard.press("Escape")
    page.library().get_by_role("button", name="More: The star for Ada").click()
    page.library().get_by_role("button", name="Rename").click()
    page.library().get_by_label("New name").fill("")
    page.library().get_by_role("button", name="Save").click()
    page.library().get_by_role("button", name=f"More: {WORDS}").wait_for()
    assert page.tab.title() == f"{WORDS} – rushes"  # noqa: RUF001
    assert page.errors == []


@pytest.mark.parametrize("secure", [True, False])
def test_the_link_of_a_session_is_copied_with_and_without_the_clipboard_of_secure_pages(server, open_page, finished, secure):  # noqa: F811
    page = open_page()
    page.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not secure:
        page.tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.library().get_by_role("button", name=f"More: {WORDS}").click()
    page.library().get_by_role("button", name="Copy link").click()
    page.tab.get_by_text("The link is copied.").wait_for()
    assert page.tab.evaluate("navigator.clipboard.readText()") == f"{server.url}/s/{finished}"
    assert violations(page.tab) == []


def test_a_session_is_shared_where_the_system_can(server, open_page, finished):  # noqa: F811
    page = open_page()
    page.tab.add_init_script("navigator.share = async (what) => { window.shared = what; }")
    page.tab.reload()
    page.library().get_by_role("button", name=f"More: {WORDS}").click()
    page.library().get_by_role("button", name="Share").click()
    assert page.tab.evaluate("window.shared") == {"title": WORDS, "url": f"{server.url}/s/{finished}"}


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_what_can_be_done_with_a_session_fits_and_keeps_the_rules_of_accessibility(open_page, finished, width):  # noqa: F811
    page = open_page(width=width, height=900)
    page.library().get_by_role("button", name=f"More: {WORDS}").click()
    assert violations(page.tab) == [] and overflow(page.tab) <= 0
    page.library().get_by_role("button", name="Rename").click()
    assert violations(page.tab) == [] and overflow(page.tab) <= 0
