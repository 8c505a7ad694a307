"""Scripts written for Inferix, run as docs/python.md says, with each backend: what viewers get is looked at."""
import contextlib
import json
import pathlib
import signal
import sys
import threading
import urllib.error
import urllib.request

import numpy
import pytest
from page_tab import PageTab
from python_package import PACKAGE, PROMPT, assert_shows_the_prompt, decoded, python, watched
from test_page import LOOK, colours
from test_rtmp import MODULE, Nginx, free_port
from test_stream import CONFIG
from waiting import wait_for

SCRIPTS = pathlib.Path(__file__).with_name("inferix_scripts")

# A viewer by WebRTC: pictures as they are shown, drawn on a small canvas.
WATCH = """async (url) => {
  const pc = new RTCPeerConnection();
  pc.addTransceiver('video', {direction: 'recvonly'});
  const video = document.createElement('video');
  video.muted = true;
  pc.ontrack = ({track}) => { video.srcObject = new MediaStream([track]); void video.play(); };
  await pc.setLocalDescription(await pc.createOffer());
  const answer = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  if (answer.status !== 201) return {status: answer.status, text: await answer.text()};
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 16;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const pictures = [];
  await new Promise((done) => {
    let calls = 0;
    const look = () => {
      context.drawImage(video, 0, 0, 16, 16);
      // On a busy machine the first call may come before its frame can be drawn.
      if (++calls > 1) pictures.push(Array.from(context.getImageData(0, 0, 16, 16).data));
      if (pictures.length === 16) done(); else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
  return {status: 201, width: video.videoWidth, height: video.videoHeight, pictures};
}"""


class Script:
    """A script for Inferix in a process of its own, with what it said and the server that it started."""

    def __init__(self, directory, name, *arguments):
        config = directory / "self_forcing_dmd.yaml"
        config.write_text(CONFIG)
        self._watched = directory / "watched.mp4"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = python("-m", "rushes.inferix", "--shipped-model", SCRIPTS / name, "--config_path", config,
                              "--checkpoint_path", directory / "self_forcing_dmd.pt", "--prompt", PROMPT,
                              "--port", self.port, *arguments)
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")), daemon=True)
        self._reader.start()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def said(self, words):
        return wait_for(lambda: self.running() and any(words in line for line in self.lines))

    def running(self):
        assert self.process.poll() is None, "the script has ended:\n" + "".join(self.lines)
        return True

    def session(self):
        """The one session of its server, once viewers get a block of it."""
        def begun():
            self.running()
            with contextlib.suppress(urllib.error.URLError):
                (session,) = self.ask("GET", "/v1/sessions")["sessions"] or [{"state": "none", "done": {"fragments": 0}}]
                assert session["state"] != "failed", session["error"]
                return session if session["done"]["fragments"] > 0 else None
            return None

        return wait_for(begun)

    def state(self):
        return self.ask("GET", "/v1/sessions/" + self.session()["id"])

    def pictures(self):
        """What its viewers could see so far, uint8 [T, H, W, 3]."""
        return watched(self.url, self.session()["id"], self._watched)

    def ends(self, status=0):
        assert self.process.wait(60) == status, "".join(self.lines)
        self._reader.join(10)


@pytest.fixture
def run(tmp_path):
    with contextlib.ExitStack() as started:
        def begin(*arguments):
            script = Script(tmp_path, *arguments)
            started.callback(script.process.kill)
            return script

        yield begin


def test_the_default_backend_shows_each_block_on_the_page_and_in_one_file(run, browser):
    script = run("run_progressive_streaming.py")
    session = script.session()
    assert (session["format"]["width"], session["format"]["height"], session["format"]["fps"]) == (96, 96, 16)
    page = PageTab(browser, script)
    try:
        page.tab.wait_for_function("() => document.querySelector('article.session video')?.currentTime > 1", timeout=60_000)
        seen = page.tab.evaluate(LOOK)
    finally:
        page.tab.close()
    assert seen["width"] == 96 and len(colours(seen["pixels"])) > 4 and not page.errors
    script.said("Generated video shape: (1, 81, 96, 96, 3)")
    wait_for(lambda: script.state()["done"]["fragments"] == 7)
    pictures = script.pictures()
    assert pictures.shape == (81, 96, 96, 3)
    assert_shows_the_prompt(pictures)
    wait_for(lambda: script.state()["state"] == "finished")
    page = PageTab(browser, script)  # the script says that it is played in a loop
    try:
        page.tab.wait_for_function("() => document.querySelector('article.session video')?.currentTime > 4.5", timeout=60_000)
        page.tab.wait_for_function("() => { const v = document.querySelector('article.session video'); return v.currentTime < 3 && !v.paused; }",
                                   timeout=60_000)
        assert "waiting for the next block" not in page.tab.inner_text("article.session")
    finally:
        page.tab.close()
    script.process.send_signal(signal.SIGINT)
    script.ends()


def test_the_backend_webrtc_shows_pictures_to_a_browser(run, browser):
    script = run("run_progressive_streaming.py", "--streaming_backend", "webrtc", "--num_segments", 200)
    session = script.session()
    page = PageTab(browser, script)
    try:
        seen = page.tab.evaluate(WATCH, f"/v1/sessions/{session['id']}/whep")
    finally:
        page.tab.close()
    assert seen["status"] == 201, seen
    assert (seen["width"], seen["height"]) == (96, 96)
    pictures = numpy.array(seen["pictures"], numpy.uint8).reshape(-1, 16, 16, 4)[..., :3]
    red, _, blue = pictures.mean(axis=(0, 1, 2))
    assert blue > red > 10 and (pictures.std(axis=(1, 2, 3)) > 10).all()
    script.running()
    script.process.send_signal(signal.SIGINT)
    script.ends()


@pytest.mark.skipif(not MODULE.exists(), reason="libnginx-mod-rtmp is not installed")
def test_the_backend_rtmp_pushes_every_picture(run, tmp_path):
    nginx = Nginx(tmp_path)
    nginx.start()
    try:
        run("run_progressive_streaming.py", "--streaming_backend", "rtmp", "--rtmp_url", nginx.url("stream")).ends()
        # The script announces another size than its frames have; nothing is published before they come.
        (recorded,) = wait_for(nginx.recorded)
        pictures = wait_for(lambda: (made := decoded(recorded)).shape[0] >= 81 and [made])[0]
    finally:
        nginx.kill()
    assert pictures.shape == (81, 96, 96, 3)
    assert_shows_the_prompt(pictures)


def test_viewers_steer_the_interactive_backend(run):
    script = run("run_interactive_streaming.py", "--num_segments", 200, "--apply_policy", "next_block")
    session = "/v1/sessions/" + script.session()["id"]
    assert_shows_the_prompt(wait_for(lambda: (made := script.pictures()).shape[0] >= 33 and [made[:33]])[0])
    script.ask("POST", session + "/prompt", {"prompt": "a green star on a brown background"})
    script.said("asked for a green star on a brown background")
    wait_for(lambda: (means := script.pictures()[-12:].mean(axis=(0, 1, 2)))[0] > means[2])
    script.ask("POST", session + "/pause")
    script.said("asked for pause")
    assert script.state()["state"] == "paused"
    script.ask("POST", session + "/resume")
    script.said("asked for resume")
    before = script.state()["done"]["blocks"]
    wait_for(lambda: script.state()["done"]["blocks"] > before)
    script.ask("POST", session + "/stop")
    script.ends()
    assert any(line.startswith("asked for stop") for line in script.lines)


@pytest.fixture
def media():
    sys.path.insert(0, str(PACKAGE))
    from rushes.inferix.core import media

    yield media
    sys.path.remove(str(PACKAGE))


def test_a_page_that_was_open_before_the_first_frames_shows_them(media, browser):
    streamer = media.create_streaming_backend("gradio")
    assert streamer.connect(width=64, height=48, fps=16, host="127.0.0.1", port=0)
    page = PageTab(browser, streamer)
    try:
        page.tab.get_by_text("The video appears here").wait_for()
        for level in (60, 120, 180):
            assert streamer.stream_batch(numpy.full((16, 48, 64, 3), (level, 0, 0), numpy.uint8))
        page.tab.wait_for_function("() => document.querySelector('article.session video')?.currentTime > 0.5", timeout=60_000)
        seen = page.tab.evaluate(LOOK)
    finally:
        page.tab.close()
        streamer.disconnect()
    assert seen["width"] == 64 and seen["pixels"][0] > 40 and seen["pixels"][1] < 30


def test_frames_of_a_program_cannot_be_forked_and_the_session_goes_on(media):
    streamer = media.create_streaming_backend("webrtc")
    assert streamer.connect(width=64, height=48, fps=16, host="127.0.0.1", port=0)
    try:
        streamer.stream_batch(numpy.zeros((16, 48, 64, 3), numpy.uint8))
        wait_for(lambda: streamer.status()["done"]["blocks"] == 1)
        with pytest.raises(urllib.error.HTTPError) as caught:
            streamer._ask("POST", f"/v1/sessions/{streamer.session_id}/fork", {})
        assert caught.value.code == 429  # the program's session is the only one
        streamer.stream_batch(numpy.zeros((16, 48, 64, 3), numpy.uint8))
        wait_for(lambda: streamer.status()["done"]["blocks"] == 2)
        assert streamer.status()["state"] == "running"
    finally:
        streamer.disconnect()
