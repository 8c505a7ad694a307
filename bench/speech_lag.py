#!/usr/bin/env python3
"""How far pictures are behind live speech, of any model that speaks: 40 ms of speech are sent every 40 ms, and each block is timed
when the server tells of it. Prints when the first block came after the first 0.75 s of speech, and of each block's last and first
video frame how long after its own speech had been sent it came (median, 95 %, largest).

usage: .deps/venv/bin/python bench/speech_lag.py [--seconds N] [--model DIR] [-- FLAGS OF rushes serve]
Build before: ninja -C build/release rushes"""
import argparse
import base64
import json
import os
import tempfile
import threading
import time
import urllib.request

from serve_bench import ROOT, Server
from talk_bench import HZ, PORTRAIT, TICK
from talk_long import long_speech
from websockets.sync.client import connect

FIRST_S = 0.75


def spread(values):
    values = sorted(values)
    return f"median {1000 * values[len(values) // 2]:.0f} ms, p95 {1000 * values[int(0.95 * (len(values) - 1))]:.0f} ms, largest {1000 * values[-1]:.0f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--seconds", type=float, default=60, help="of speech")
    parser.add_argument("--model", default=str(ROOT / "models/shipped-avatar"), help="folder, or random:FAMILY")
    parser.add_argument("flags", nargs="*", help="flags for rushes serve")
    options = parser.parse_args()
    said = long_speech(options.seconds)
    print(f"{len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f} before the start", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        server = Server(options.binary, ["--model", options.model, "--talk-model", "none", *options.flags], f"{directory}/data")
        try:
            model = json.loads(server.request("GET", "/v1/models"))["models"][0]
            name = model["name"]
            body = {"model": name, "image": base64.b64encode(PORTRAIT.read_bytes()).decode()}
            if "text" in model["capabilities"]["takes"]:
                body["prompt"] = "a young woman with brown hair speaks"
            session = json.loads(server.request("POST", "/v1/sessions", body))
            path, fps = session["urls"]["self"], session["format"]["fps"]
            came = []  # first video frame, count, when

            def listen():
                with connect(server.url.replace("http", "ws", 1) + path + "/events", max_size=None) as events:
                    for message in events:
                        told = json.loads(message)
                        if told["type"] == "frame_block":
                            came.append((told["first_video_frame"], told["video_frames"], time.perf_counter()))

            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            with connect(server.url.replace("http", "ws", 1) + f"{path}/audio?format=s16le&rate={HZ}", max_size=None) as microphone:
                begin = time.perf_counter()
                for at in range(0, len(said), TICK):
                    time.sleep(max(0.0, begin + (at + TICK) / HZ - time.perf_counter()))  # it has been said by then
                    microphone.send(said[at:at + TICK].tobytes())
            urllib.request.urlopen(urllib.request.Request(f"{server.url}{path}/audio?format=s16le&rate={HZ}&end=true", data=bytes(2 * TICK), method="POST"), timeout=60)
            while not json.loads(server.request("GET", path))["speech"]["at_rest"]:
                time.sleep(0.1)
            server.request("POST", path + "/stop")
            listener.join(10)
            live = [block for block in came if (block[0] + block[1]) / fps <= options.seconds - 1]
            first, steady = live[0], live[2:]
            print(f"{name}: first block {1000 * (first[2] - begin - FIRST_S):.0f} ms after the first {FIRST_S} s of speech")
            print("behind the last video frame's speech: " + spread([when - begin - (at + count) / fps for at, count, when in steady]))
            print("behind the first video frame's speech: " + spread([when - begin - (at + 1) / fps for at, count, when in steady]))
        finally:
            server.process.terminate()
            server.process.wait(60)


if __name__ == "__main__":
    main()
