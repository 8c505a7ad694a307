"""The API's documents as a page: every operation with what it is for and an example, from this server alone."""
import gzip
import pathlib
import re

import pytest
from test_studio_states import open_tab, overflow, own_server, violations  # noqa: F401 (fixtures)

DIST = pathlib.Path(__file__).resolve().parents[2] / "web/dist"


def operations(server):
    document = server.request("GET", "/openapi.json")
    return [(method, path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def test_each_operation_says_what_it_is_for_and_shows_what_it_is_sent(server):
    bodies = 0
    for method, path, operation in operations(server):
        assert operation.get("summary") or operation.get("description"), (method, path)
        if path.startswith("/v1/sessions"):
            assert operation["description"], (method, path)
        for type, content in operation.get("requestBody", {}).get("content", {}).items():
            bodies += 1
            assert content.get("example"), (method, path, type)
    assert bodies > 20


def test_examples_of_the_sessions_are_taken(server):
    examples = {path: operation["requestBody"]["content"]["application/json"]["example"]
                for method, path, operation in operations(server) if method == "post" and path.startswith("/v1/sessions") and "application/json" in
                operation.get("requestBody", {}).get("content", {})}
    session = server.request("POST", "/v1/sessions", examples.pop("/v1/sessions"))["id"]
    try:
        for what in ("prompt", "pacing"):
            server.request("POST", f"/v1/sessions/{session}/{what}", examples[f"/v1/sessions/{{id}}/{what}"])
    finally:
        server.request("DELETE", f"/v1/sessions/{session}")


def test_every_operation_is_drawn_without_any_other_server(server, open_tab):  # noqa: F811
    tab = open_tab("about:blank")
    asked, errors = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: message.type == "error" and errors.append(message.text))
    tab.goto(f"{server.url}/docs")
    tab.locator(".opblock").first.wait_for()
    assert tab.locator(".opblock").count() == len(operations(server))
    assert all(url.startswith((server.url, "data:", "blob:")) for url in asked), asked
    assert errors == []
    tab.locator("#operations-steering-post_v1_sessions__id__prompt button").first.click()
    body = tab.locator("#operations-steering-post_v1_sessions__id__prompt .opblock-body")
    body.get_by_text("The block in work is completed under the prompt before it.").wait_for()
    body.get_by_text("a green square moves left on a brown background").first.wait_for()
    address = tab.url
    tab.goto("about:blank")
    tab.goto(address)
    body.wait_for()


def test_what_is_tried_goes_to_the_server_below_its_path_with_the_token_of_the_tab(own_server, open_tab):  # noqa: F811
    server = own_server("--token", "secret", "--base-path", "/studio")
    tab = open_tab(f"{server.url}/studio/docs?token=secret")
    assert "secret" not in tab.url
    operation = tab.locator("#operations-sessions-get_v1_sessions")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    with tab.expect_response("**/studio/v1/sessions") as answer:
        operation.get_by_role("button", name="Execute").click()
    assert answer.value.status == 200 and answer.value.json() == {"sessions": []}


# Colours differ by scheme and places by width: each of them once.
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1440, "light")])
def test_the_documents_fit_and_keep_the_rules_of_accessibility(server, open_tab, width, scheme):  # noqa: F811
    tab = open_tab(f"{server.url}/docs", width=width, height=900, color_scheme=scheme)
    tab.locator("#operations-steering-post_v1_sessions__id__fork button").first.click()
    tab.locator(".opblock-body").first.wait_for()
    assert overflow(tab) <= 0 and violations(tab) == []


def test_the_studio_loads_less_than_400_kb_and_nothing_of_other_pages():
    loaded = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', (DIST / "index.html").read_text())
    assert sum(len(gzip.compress((DIST / file).read_bytes())) for file in loaded) < 400_000
    assert not any(re.search("docs|admin", file) for file in loaded) and len(loaded) >= 2
