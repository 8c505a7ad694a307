"""Behind a real nginx: with its default settings, and as docs/nginx.conf has it."""
import json
import re
import socket
import time
import urllib.request

import pytest
from conftest import ROOT, Server
from nginx import free_port, http_block, start_nginx
from test_page import PROMPT, Page
from test_talk_page import PICTURES_SHOWN, TalkPage

SILENT = {"prompt": PROMPT, "segments": 0, "max_lead": 0}
# nginx waits 60 s for the next byte, with the example an hour; here 3 s, and the server breaks a silence after half a
# second.
READ_TIMEOUT = "proxy_read_timeout 3s;"


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("proxied"), "--keep-alive-seconds", "0.5")
    yield running
    running.stop()


def through(server, tmp_path, configuration):
    port = free_port()
    configuration = configuration.replace("127.0.0.1:8000", server.url.removeprefix("http://")).replace("8080", f"127.0.0.1:{port}")
    return start_nginx(tmp_path, http_block(tmp_path, configuration), port), port


class Proxied:
    """The server as its clients see it."""

    def __init__(self, port, path):
        self.url = f"http://127.0.0.1:{port}{path}"

    request = Server.request


@pytest.fixture
def default(server, tmp_path):
    process, port = through(server, tmp_path, f"server {{ listen 8080; location / {{ proxy_pass http://127.0.0.1:8000; {READ_TIMEOUT} }} }}")
    yield Proxied(port, "")
    process.kill()
    process.wait()


@pytest.fixture
def documented(server, tmp_path):
    configuration = (ROOT / "docs" / "nginx.conf").read_text().replace("proxy_read_timeout 1h;", READ_TIMEOUT)
    assert READ_TIMEOUT in configuration
    process, port = through(server, tmp_path, configuration)
    yield Proxied(port, "/rushes")
    process.kill()
    process.wait()


def read_while_silent(url, seconds):
    """What comes of a stream in a time that is longer than nginx would wait in silence. EOF is an error."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        content, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            piece = answer.read1(65536)
            assert piece, f"nginx has cut {url} after {content[-200:]!r}"
            content += piece
        return content


@pytest.mark.parametrize("proxy", ["default", "documented"])
def test_a_stream_without_news_is_not_cut(server, request, proxy):
    proxied = request.getfixturevalue(proxy)
    session = proxied.request("POST", "/v1/sessions", SILENT)
    try:
        proxied.request("POST", f"/v1/sessions/{session['id']}/pause")
        base = f"{proxied.url}/v1/sessions/{session['id']}"
        assert b"\n: keep-alive\n\n" in read_while_silent(f"{base}/stream.sse?video=none", 5)
        lines = read_while_silent(f"{base}/stream.ndjson?video=none", 5)
        assert lines.endswith(b" ")
        assert all(json.loads(line) for line in lines.splitlines() if line.strip())
        assert read_while_silent(f"{base}/video.mp4", 5).endswith(b"\0\0\0\x08free")
    finally:
        proxied.request("DELETE", f"/v1/sessions/{session['id']}")


def test_addresses_work_below_the_path_of_the_proxy(documented):
    session = documented.request("POST", "/v1/sessions", {"prompt": PROMPT, "frames": 9})
    here = documented.url.removesuffix("/rushes")
    for name in ("self", "mp4"):
        assert session["urls"][name].startswith("/rushes/v1/sessions/")
    with urllib.request.urlopen(here + session["urls"]["mp4"], timeout=120) as answer:
        assert answer.read()[4:8] == b"ftyp"
    (model,) = [m for m in documented.request("GET", "/v1/models")["models"] if m["default"]]
    for example in model["examples"]["images"]:
        assert urllib.request.urlopen(here + example["url"], timeout=60).status == 200
    master = urllib.request.urlopen(f"{documented.url}/v1/sessions/{session['id']}/hls/master.m3u8", timeout=60)
    playlist = re.search(rb"^[^#].*$", master.read(), re.M).group().decode()
    assert urllib.request.urlopen(f"{documented.url}/v1/sessions/{session['id']}/hls/{playlist}", timeout=60).status == 200


def test_the_page_works_below_the_path_of_the_proxy(documented, browser):
    page = Page(browser, documented)
    try:
        page.generate(PROMPT, "Short")
        page.wait_until_plays(0.2)
        assert page.tab.url.startswith(documented.url + "/s/")
        page.tab.reload()
        page.wait_until_plays(0.2)
        assert page.errors == []
    finally:
        page.tab.close()


def test_a_portrait_talks_below_the_path_of_the_proxy(documented, browser):
    page = TalkPage(browser, documented)
    try:
        page.button("Speak the example").click()
        page.wait_until(PICTURES_SHOWN, 5)
        page.button("End").click()
        page.tab.get_by_alt_text("The portrait").wait_for()
        assert page.errors == []
    finally:
        page.tab.close()


def test_a_slow_upload_through_the_proxy_is_read_as_it_comes(documented):
    body = json.dumps({"prompt": PROMPT, "frames": 1}).encode()
    host, port = documented.url.removeprefix("http://").removesuffix("/rushes").split(":")
    with socket.create_connection((host, int(port)), 30) as client:
        client.sendall(f"POST /rushes/v1/sessions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
        for byte in body:
            client.sendall(bytes([byte]))
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 201")
    assert b"Location: /rushes/v1/sessions/" in answer or b"location: /rushes/v1/sessions/" in answer
