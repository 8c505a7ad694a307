"""A server whose pictures a test can read: see serve_test_video.cpp."""
import contextlib
import os
import pathlib

import pytest
from conftest import ROOT, Server

CELLS, CELL = 32, 20

# Reads time and number from a picture that is drawn on a canvas of its own size: {clock, number, body: [r, g, b]}.
READ_PICTURE = """
const canvas = document.createElement('canvas');
const context = canvas.getContext('2d', {willReadFrequently: true});
function readPicture(source, width, height) {
  canvas.width = width; canvas.height = height;
  context.drawImage(source, 0, 0, width, height);
  const bits = (row) => {
    let value = 0;
    const pixels = context.getImageData(0, row * 20 + 10, 640, 1).data;
    for (let i = 31; i >= 0; --i) value = value * 2 + (pixels[(i * 20 + 10) * 4 + 1] > 127 ? 1 : 0);
    return value;
  };
  return {clock: bits(0), number: bits(1), body: Array.from(context.getImageData(320, height - 40, 1, 1).data.slice(0, 3))};
}
"""

# Tells at which sample a beep begins; with it its clock, which the page compares with its own again and again: the smallest
# difference counts, as a busy page runs behind.
FIND_BEEPS = """
registerProcessor('beeps', class extends AudioWorkletProcessor {
  quiet = 0;
  process([[samples]]) {
    this.port.postMessage({clock: currentTime});
    for (let i = 0; samples && i < samples.length; ++i) {
      if (Math.abs(samples[i]) < 0.1) { ++this.quiet; continue; }
      if (this.quiet > sampleRate / 4) this.port.postMessage({beep: currentTime + i / sampleRate});
      this.quiet = 0;
    }
    return true;
  }
});
"""

# watch() opens a peer; the pictures of one that is shown are read into `seen`.
WATCH_BY_WHEP = """
const video = document.querySelector('video');
const seen = [], heard = [];  // heard: when beeps begin, on the clock of seen
let begin = 0, firstFrame = null;
function onFrame(now, metadata) {
  if (firstFrame === null) firstFrame = performance.now() - begin;
  seen.push({...readPicture(video, video.videoWidth, video.videoHeight), now: Math.round(performance.timeOrigin + performance.now()),
             shown: performance.timeOrigin + metadata.expectedDisplayTime});
  video.requestVideoFrameCallback(onFrame);
}
video.requestVideoFrameCallback(onFrame);
async function watch(url, codec, withAudio, show = true) {
  begin = performance.now();
  const pc = new RTCPeerConnection();
  if (withAudio) pc.addTransceiver('audio', {direction: 'recvonly'});
  const transceiver = pc.addTransceiver('video', {direction: 'recvonly'});
  if (codec) transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('video').codecs.filter((c) => c.mimeType === 'video/' + codec));
  const tracks = new MediaStream();
  if (show) pc.ontrack = ({track, streams}) => {
    (pc.streams ??= []).push(...streams.map((stream) => stream.id));
    tracks.addTrack(track);
    if (track.kind === 'video') video.srcObject = tracks;
  };
  await pc.setLocalDescription(await pc.createOffer());
  const answer = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  if (answer.status !== 201) return {status: answer.status, text: await answer.text()};
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  pc.location = answer.headers.get('Location');
  (window.peers ??= []).push(pc);
  return {status: 201, location: pc.location};
}
// Notes when each beep of the peer that is shown is heard.
async function listen() {
  const context = new AudioContext();
  await context.resume();
  await context.audioWorklet.addModule('beeps.js');
  const node = new AudioWorkletNode(context, 'beeps');
  let behind = Infinity;
  node.port.onmessage = ({data}) => {
    const now = performance.timeOrigin + performance.now();
    if (data.clock !== undefined) behind = Math.min(behind, now - 1000 * data.clock);
    else heard.push(1000 * data.beep + behind);
  };
  const source = context.createMediaStreamSource(new MediaStream(video.srcObject.getAudioTracks()));
  source.connect(node).connect(context.destination);
  window.listening = {context, source, node};
}
async function soundStats() {
  for (const entry of (await window.peers.at(-1).getStats()).values()) if (entry.type === 'inbound-rtp' && entry.kind === 'audio')
    return {packets: entry.packetsReceived, lost: entry.packetsLost, concealed: entry.concealedSamples,
            silent: entry.silentConcealedSamples, samples: entry.totalSamplesReceived, delay: entry.jitterBufferDelay / entry.jitterBufferEmittedCount};
  return null;
}
async function stats() {
  const report = await window.peers.at(-1).getStats();
  for (const entry of report.values()) if (entry.type === 'inbound-rtp' && entry.kind === 'video') {
    const codec = report.get(entry.codecId);
    return {codec: codec && codec.mimeType, received: entry.framesReceived, decoded: entry.framesDecoded, lost: entry.packetsLost, freezes: entry.freezeCount};
  }
  return null;
}
async function decoded() {
  const counts = [];
  for (const pc of window.peers) {
    let count = 0;
    for (const entry of (await pc.getStats()).values()) if (entry.type === 'inbound-rtp' && entry.kind === 'video') count = entry.framesDecoded || 0;
    counts.push(count);
  }
  return counts;
}
"""


def find_program():
    if "SERVE_TEST_VIDEO" in os.environ:
        return pathlib.Path(os.environ["SERVE_TEST_VIDEO"]).resolve()
    found = [ROOT / "build" / preset / "tests/serve_test_video" for preset in ("release", "dev")]
    found = sorted((p for p in found if p.exists()), key=lambda p: p.stat().st_mtime)
    if not found:
        pytest.skip("serve_test_video is not built")
    return found[-1]


class VideoServer(Server):
    def create(self, prompt="red", **fields):
        return self.request("POST", "/v1/sessions", {"prompt": prompt, **fields})["id"]

    def status(self, session):
        return self.request("GET", f"/v1/sessions/{session}")


@contextlib.contextmanager
def video_server(directory, script="", *arguments):
    """Serves a page with a video element and `script` beside the API, with hls.js beside it."""
    web = directory / "web"
    web.mkdir()
    # A file of its own: the server's pages run no scripts that stand in them.
    (web / "test.js").write_text(READ_PICTURE + script)
    (web / "index.html").write_text("<!doctype html><meta charset=utf-8><title>test</title><video muted playsinline autoplay></video>"
                                    "<script src=hls.js></script><script src=test.js></script>")
    (web / "beeps.js").write_text(FIND_BEEPS)
    (web / "hls.js").write_text("")
    hls = ROOT / "web/node_modules/hls.js/dist/hls.min.js"
    if hls.exists():
        (web / "hls.js").write_bytes(hls.read_bytes())
    running = VideoServer(find_program(), directory / "data", "--web-root", str(web), *arguments)
    try:
        yield running
    finally:
        running.stop()
