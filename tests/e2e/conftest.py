"""What the end-to-end tests share: the binary, a running server, a browser. Everything stays on 127.0.0.1."""
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    # A microphone that nobody has to be asked for, and that says the shipped example again and again.
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    f"--use-file-for-fake-audio-capture={ROOT}/models/shipped-talk/examples/speech.wav",
]


#: Files that take longest, begun first: one that began last would keep a single worker busy while the others are done.
LONGEST = ("test_studio_states", "test_docs", "test_call", "test_omniavatar", "test_page", "test_serve",
           "test_talk_page", "test_inferix", "test_whep", "test_rtmp", "test_openapi", "test_proxy", "test_foresight_page", "test_replay")


def pytest_collection_modifyitems(items):
    """A file's tests share what they have started, so they run one after the other
    (pytest -n 3 --dist loadgroup --no-loadscope-reorder)."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.stem))


def find_binary():
    if "RUSHES_BINARY" in os.environ:
        return pathlib.Path(os.environ["RUSHES_BINARY"])
    binary = ROOT / "build" / "release" / "apps" / "rushes" / "rushes"
    if binary.exists():
        return binary
    raise RuntimeError("no rushes binary; run `make build` or set RUSHES_BINARY")


@pytest.fixture(scope="session")
def binary():
    return find_binary()


class Server:
    """A `rushes serve` process on a free port, with its log."""

    def __init__(self, binary, data_dir, *arguments, listen="127.0.0.1:0"):
        command = [str(binary), "serve", "--listen", listen, "--data-dir", str(data_dir), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log = []
        self._address = None
        self._found = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._found.wait(120) or self._address is None:
            self.process.kill()
            raise RuntimeError("the server did not print its address:\n" + "".join(self.log))

    def _read(self):
        for line in self.process.stdout:
            self.log.append(line)
            match = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if match and match.group(1) != "0":
                self._address = match.group(0)
                self._found.set()
        self._found.set()

    @property
    def url(self):
        return self._address

    def request(self, method, path, body=None, timeout=180):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            content = response.read()
            return json.loads(content) if content else None

    def answer(self, method, path, body=b"", headers=None):
        """Status and JSON, also of what is refused; the body goes out as it is."""
        request = urllib.request.Request(self.url + path, data=body if method == "POST" else None, method=method,
                                         headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=180) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        return status, json.loads(content) if content else None

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture(scope="session")
def server(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("data"))
    yield running
    running.stop()
    sys.stdout.write("".join(running.log[-20:]))


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()
