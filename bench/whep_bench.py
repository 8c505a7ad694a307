#!/usr/bin/env python3
"""WebRTC viewers in a real browser: how long after it was drawn a picture is seen on a canvas (H.264 and VP8), and what many
peers of one stream cost. Server, model and the browser that decodes for all peers share the machine. The model only draws.

usage: .deps/venv/bin/python bench/whep_bench.py [--pictures N] [--peers N] [--seconds N]
Build before: ninja -C build/release serve_test_video"""
import argparse
import os
import pathlib
import re
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from conftest import CHROMIUM_FLAGS  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from serve_bench import processor_seconds  # noqa: E402
from video_server import WATCH_BY_WHEP, video_server  # noqa: E402


def percentiles(delays):
    delays = sorted(delays)
    return " ".join(f"p{p} {delays[min(len(delays) * p // 100, len(delays) - 1)]}" for p in (5, 50, 95, 99)) + f" ms of {len(delays)}"


def delays(seen):
    return [(frame["now"] - frame["clock"]) % 2**32 for frame in seen]


def latency(browser, server, codec, pictures):
    session = server.create("red single", segments=0, fps=25)  # a block a picture: each can be shown when it is drawn
    tab = browser.new_page()
    tab.goto(server.url)
    assert tab.evaluate("([url, codec]) => watch(url, codec, false)", [f"/v1/sessions/{session}/whep", codec])["status"] == 201
    tab.wait_for_function("(n) => seen.length > n", arg=pictures + 25, timeout=600_000)
    seen, stats, first = tab.evaluate("async () => [seen, await stats(), firstFrame]")
    server.request("DELETE", f"/v1/sessions/{session}")
    tab.close()
    print(f"{stats['codec']}, one viewer, 640x352 at 25 fps: first frame {first:.0f} ms after the offer; drawn to canvas "
          f"{percentiles(delays(seen[25:]))}; {stats['lost']} packets lost, {stats['freezes']} freezes")


def sample(server):
    metrics = urllib.request.urlopen(server.url + "/metrics").read().decode()

    def of(name):
        return float(re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.M).group(1))
    return (time.perf_counter(), processor_seconds(server.process.pid), of("rushes_video_frames_total"),
            of('rushes_stage_seconds_total{stage="encode"}'), of("process_resident_memory_bytes") / 2**20)


def many(browser, server, peers, seconds):
    session = server.create("red single", segments=0, fps=16, width=640, height=96)
    url = f"/v1/sessions/{session}/whep"
    tab = browser.new_page()
    tab.goto(server.url)

    def over(viewers):
        tab.evaluate("async () => { while (!(await decoded()).every((count) => count > 16)) await new Promise((go) => setTimeout(go, 100)); }")
        tab.evaluate("() => { seen.length = 0; }")
        counts, before = tab.evaluate("decoded()"), sample(server)
        time.sleep(seconds)
        after = sample(server)
        wall, processor, frames, encode, _ = (b - a for a, b in zip(before, after))
        each = [(b - a) / wall for a, b in zip(counts, tab.evaluate("decoded()"))]
        print(f"{viewers} peers: {frames / wall:.1f} fps drawn, {min(each):.1f} to {max(each):.1f} fps decoded by each; encoder "
              f"{1000 * encode / frames:.2f} ms a picture; server {100 * processor / wall:.0f} % of a core, {after[4]:.0f} MiB; "
              f"drawn to canvas {percentiles(delays(tab.evaluate('seen')))}")
    assert tab.evaluate("(url) => watch(url)", url)["status"] == 201
    over(1)
    tab.evaluate("async ([url, n]) => { for (let i = 0; i < n; ++i) await watch(url, null, false, false); }", [url, peers - 1])
    over(peers)
    server.request("DELETE", f"/v1/sessions/{session}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--peers", type=int, default=64, help="number of peers, at most 64, the limit of the server")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f} before the start")
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright, \
            video_server(pathlib.Path(directory), WATCH_BY_WHEP) as server:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=CHROMIUM_FLAGS)
        for codec in ("H264", "VP8"):
            latency(browser, server, codec, options.pictures)
        many(browser, server, options.peers, options.seconds)
        browser.close()


if __name__ == "__main__":
    main()
