"""The page for operators: sessions, models, the device, the last hour, the log."""
import json
import urllib.request

import pytest
from test_page import PROMPT
from test_studio_states import clean, complete, open_tab, overflow, own_server, violations  # noqa: F401 (fixtures)
from waiting import wait_for


def row(tab, id):
    return tab.get_by_role("row").filter(has_text=id[:8])


def ids(server):
    return {session["id"] for session in server.request("GET", "/v1/sessions")["sessions"]}


def test_sessions_are_seen_with_their_states_stopped_and_deleted_with_undo(clean, open_tab):  # noqa: F811
    ended = complete(clean, frames=9)
    running = clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})["id"]
    tab = open_tab(f"{clean.url}/admin")
    row(tab, ended).get_by_text("finished").wait_for()
    row(tab, running).get_by_text("running").wait_for()
    assert "a yellow star" in row(tab, ended).inner_text() and "9 of 9" in row(tab, ended).inner_text()
    assert row(tab, ended).get_by_role("button", name="Stop").count() == 0
    row(tab, running).get_by_role("button", name="Stop").click()
    row(tab, running).get_by_text("stopped").wait_for()
    assert clean.request("GET", f"/v1/sessions/{running}")["state"] == "stopped"
    row(tab, running).get_by_role("button", name="Delete").click()
    row(tab, running).wait_for(state="detached")
    tab.get_by_role("button", name="Undo").click()
    row(tab, running).get_by_role("button", name="Delete").click()
    row(tab, running).wait_for(state="detached")
    assert ids(clean) == {ended, running}, "it can still be had back"
    wait_for(lambda: tab.evaluate("0") or ids(clean) == {ended})
    row(tab, ended).get_by_role("link").click()
    tab.wait_for_url(f"**/s/{ended}")


def test_those_that_wait_come_in_their_order_and_ended_ones_can_be_left_out(own_server, open_tab):  # noqa: F811
    server = own_server("--max-sessions", "1", "--max-queued", "5")
    gone = complete(server, frames=9)
    first, second, third = (server.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})["id"] for _ in range(3))
    tab = open_tab(f"{server.url}/admin")
    row(tab, third).get_by_text("number 2 in the queue").wait_for()
    shown = [each.split("\n")[-1] for each in tab.locator(".entries code").all_inner_texts()]
    assert shown == [id[:8] for id in (first, second, third, gone)]
    tab.get_by_label("without those that have ended").check()
    row(tab, gone).wait_for(state="detached")
    assert tab.locator(".entries tbody tr").count() == 3
    tab.get_by_text("2 of 5").wait_for()


def test_models_are_loaded_and_unloaded(clean, open_tab):  # noqa: F811
    tab = open_tab(f"{clean.url}/admin")
    models = tab.get_by_role("region", name="Models")
    talk = models.get_by_role("listitem").filter(has_text="shipped-talk")
    models.get_by_text("loaded · wan · default").wait_for()
    assert models.get_by_role("button", name="Unload rushes-shapes").is_disabled(), "the default stays"
    if talk.get_by_role("button", name="Load", exact=False).inner_text() == "Load":
        talk.get_by_role("button").click()
    talk.get_by_role("button", name="Unload shipped-talk").click()
    talk.get_by_text("not loaded").wait_for()
    assert clean.request("GET", "/v1/models/shipped-talk")["state"] == "unloaded"
    talk.get_by_role("button", name="Load shipped-talk").click()
    talk.get_by_role("button", name="Unload shipped-talk").wait_for()
    assert clean.request("GET", "/v1/models/shipped-talk")["state"] == "loaded"


def test_the_curves_begin_with_the_page_and_go_on_after_a_reload(clean, open_tab):  # noqa: F811
    clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})
    tab = open_tab(f"{clean.url}/admin")
    running = tab.get_by_role("img", name="sessions that run")
    running.and_(tab.locator("[aria-label*='now 1']")).wait_for()
    tab.locator(".curve path.line").first.wait_for(state="attached")
    since = tab.get_by_role("heading", name="The last hour").inner_text()
    assert "since" in since
    kept = "JSON.parse(sessionStorage.getItem('rushes.history.1'))"
    tab.reload()
    tab.get_by_role("heading", name=since).wait_for()
    assert tab.evaluate(f"{kept}.length") >= 2 and tab.evaluate(f"{kept}[0].values.memory") > 1e6


def test_the_log_is_followed_told_apart_and_searched(clean, open_tab):  # noqa: F811
    tab = open_tab(f"{clean.url}/admin")
    log = tab.get_by_role("log")
    session = complete(clean, frames=9)
    log.get_by_text("created, model").last.wait_for()
    log.locator("p").filter(has_text="ended, finished").last.wait_for()
    assert log.locator(f"a[href$='/s/{session}']").first.inner_text() == session[:8]
    tab.get_by_label("Search lines").fill("FIRST frame")
    wait_for(lambda: all("first frame" in line for line in log.locator("p").all_inner_texts()))
    tab.get_by_label("Least level").select_option("errors")
    log.get_by_text("No line is like that.").wait_for()


def test_the_page_asks_for_the_token_and_works_below_a_path(own_server, open_tab):  # noqa: F811
    server = own_server("--token", "secret", "--base-path", "/studio")
    tab = open_tab(f"{server.url}/studio/admin")
    tab.get_by_label("Token").fill("secret")
    tab.get_by_role("button", name="Use it").click()
    tab.get_by_role("region", name="Device and disk").get_by_text("Lanes").wait_for()
    tab.get_by_role("log").locator("p").first.wait_for()
    assert "secret" not in tab.url
    tab.get_by_role("link", name="Studio").click()
    tab.get_by_role("textbox", name="What should the video show?").wait_for()
    assert tab.url == f"{server.url}/studio/"
    tab.get_by_role("link", name="Administration").click()
    tab.get_by_role("region", name="Models").wait_for()


def test_a_server_that_is_gone_is_told_and_what_was_seen_stays(own_server, open_tab):  # noqa: F811
    server = own_server()
    tab = open_tab(f"{server.url}/admin")
    tab.get_by_role("region", name="Models").wait_for()
    server.stop()
    tab.get_by_text("The server does not answer.").wait_for()
    assert tab.get_by_role("region", name="Models").is_visible()
    own_server(listen=server.url.removeprefix("http://"))
    tab.get_by_text("The server does not answer.").wait_for(state="detached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_the_page_for_operators_fits_and_keeps_the_rules_of_accessibility(clean, open_tab, width, scheme):  # noqa: F811
    complete(clean, prompt="a_word_that_does_not_end_" * 8, frames=9)
    clean.request("POST", "/v1/sessions", {"prompt": PROMPT, "segments": 0, "max_lead": 1})
    tab = open_tab(f"{clean.url}/admin", width=width, height=900, color_scheme=scheme)
    tab.get_by_role("log").locator("p").first.wait_for()
    tab.locator(".curve path.line").first.wait_for(state="attached")
    assert overflow(tab) <= 0 and violations(tab) == []


def test_the_log_is_protected_as_the_rest(own_server):  # noqa: F811
    server = own_server("--token", "secret")
    assert server.answer("GET", "/v1/log")[0] == 401
    request = urllib.request.Request(f"{server.url}/v1/log", headers={"Authorization": "Bearer secret"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = json.load(answer)["lines"]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    status, refused = server.answer("GET", "/v1/log?after=x&token=secret")
    assert status == 400 and "after must be the number of a line" in refused["error"]["message"]
    assert server.answer("GET", f"/v1/log?after={len(lines)}&token=secret")[1] == {"lines": []}
