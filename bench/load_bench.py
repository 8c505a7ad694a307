#!/usr/bin/env python3
"""What many viewers cost: starts the release build with the shipped model and measures, one after the other,
  - the server with one viewer beside the bare engine (`rushes generate`), in turns,
  - 1,000 HLS viewers and 200 WebSocket viewers of one live stream at a time, with the latency from the model's frames to
    the viewers' last byte of them, and how much slower generation becomes,
  - 100 WebSocket viewers, and the slowest answer of /health, while pictures of 16 megapixels, half hours of speech, forms
    and JSON of 24 MB are uploaded without a pause, and while another program has the catalogue locked,
  - the memory of viewers that wait, and of viewers that do not read.

usage: .deps/venv/bin/python bench/load_bench.py [--seconds N] [--hls N] [--websocket N] [--json FILE]
Build before: ninja -C build/release rushes viewer_load. The machine's load is printed, since viewers, server and model share it."""
import argparse
import array
import base64
import contextlib
import io
import json
import os
import pathlib
import platform
import random
import re
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import wave

from PIL import Image
from serve_bench import ROOT, Server

PROMPT = "a red circle moves right on a blue background"


class Load(Server):
    def __init__(self, binary, data_dir):
        super().__init__(binary, ["--max-connections", "100000"], data_dir)

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.request("GET", "/metrics").decode(), re.M).group(1))

    def session(self, **fields):
        return self.create(prompt=PROMPT, segments=0, **fields)["id"]

    def end(self, session):
        self.request("DELETE", f"/v1/sessions/{session}")

    def generation(self, seconds):
        """Video frames per second, and milliseconds of the model's time for each, over the next seconds."""
        def sample():
            return time.perf_counter(), self.metric("rushes_video_frames_total"), self.metric("rushes_device_busy_seconds_total")
        before = sample()
        time.sleep(seconds)
        after = sample()
        frames = max(after[1] - before[1], 1)
        return frames / (after[0] - before[0]), 1000 * (after[2] - before[2]) / frames

    def viewers(self, tool, session, seconds, **kinds):
        """Starts that many viewers; a process that prints its report when the seconds are over."""
        command = [str(tool), "--port", self.url.rsplit(":", 1)[1], "--session", session, "--seconds", str(seconds)]
        for kind, count in kinds.items():
            command += [f"--{kind}", str(count)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def report_of(process):
    return json.loads(process.communicate(timeout=300)[0])


def bare_engine(binary, segments):
    """Frames per second of `rushes generate`, without encoding: raw pictures into nothing."""
    command = [str(binary), "generate", PROMPT, "--segments", str(segments), "-o", "/dev/null", "--format", "y4m"]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(re.findall(r"([\d.]+) fps", done.stderr + done.stdout)[-1]) if done.returncode == 0 else None


def overhead(server, options, rounds=7, segments=12):
    """The same video by the bare engine and by the server with one viewer, in turns, since the machine's speed wanders."""
    pairs = []
    for _ in range(rounds):
        bare = bare_engine(options.binary, segments)
        session = server.create(prompt=PROMPT, segments=segments)
        viewer = server.viewers(options.tool, session["id"], 60, websocket=1)
        begin = time.perf_counter()
        while json.loads(server.request("GET", session["urls"]["self"]))["state"] != "finished":
            time.sleep(0.02)
        pairs.append((bare, session["format"]["video_frames"] / (time.perf_counter() - begin)))
        server.end(session["id"])
        viewer.kill()
        viewer.communicate()
    ratios = [served / bare for bare, served in pairs]
    print(f"bare engine against server with one viewer, {rounds} times {segments} segments in turns: median {statistics.median(b for b, _ in pairs):.1f} and "
          f"{statistics.median(s for _, s in pairs):.1f} fps; served is {100 * statistics.median(ratios):.1f} % of bare ({100 * min(ratios):.1f} to {100 * max(ratios):.1f})")
    return pairs


def under_load(server, options, kinds, pacing):
    """Generation without viewers, then with them; what they saw."""
    session = server.session(**pacing)
    time.sleep(3)
    alone = server.generation(options.seconds / 2)
    viewers = server.viewers(options.tool, session, options.seconds + 3, **kinds)
    time.sleep(3)
    loaded = server.generation(options.seconds - 2)
    seen = report_of(viewers)
    server.end(session)
    result = {"viewers": kinds, "pacing": pacing or "asap", "load_average": os.getloadavg()[0],
              "fps_alone": alone[0], "fps_loaded": loaded[0], "model_ms_per_frame_alone": alone[1], "model_ms_per_frame_loaded": loaded[1], "seen": seen}
    print(f"{kinds} {'in real time' if pacing else 'at full speed'}: {alone[0]:.1f} -> {loaded[0]:.1f} fps, model {alone[1]:.1f} -> {loaded[1]:.1f} ms a frame")
    for kind in kinds:
        tally = seen[kind]
        latency = tally["latency_ms"]
        print(f"  {kind}: {tally['connected']}/{tally['viewers']} connected, {tally['errors']} errors {tally['reasons'] or ''}, {tally['messages']} messages, "
              f"{tally['bytes'] / seen['seconds'] / 1e6:.1f} MB/s" + (f", latency p50 {latency['p50']:.1f} p95 {latency['p95']:.1f} p99 {latency['p99']:.1f} ms" if latency["count"] else ""))
    return result


class Health:
    """Asks for /health again and again, and keeps how long each answer took, in milliseconds."""

    def __init__(self, server):
        self.server, self.times, self.over = server, [], threading.Event()
        self.thread = threading.Thread(target=self.repeat)

    def repeat(self):
        while not self.over.wait(0.005):
            begin = time.perf_counter()
            self.server.request("GET", "/health")
            self.times.append(1000 * (time.perf_counter() - begin))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def report(self):
        ordered = sorted(self.times)
        return {"count": len(ordered), "p50": statistics.median(ordered), "p99": ordered[int(0.99 * len(ordered))], "max": ordered[-1]}


class LockedCatalogue:
    """Another program that has the catalogue of recordings locked for writing."""

    def __init__(self, data_dir):
        self.counts = {}
        self.path = pathlib.Path(data_dir) / "catalogue.sqlite"

    def __enter__(self):
        self.database = sqlite3.connect(self.path, isolation_level=None)
        self.database.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *_):
        self.database.close()


class Uploads:
    """Uploads large pictures, half hours of speech, forms and JSON, each kind from a thread of its own, until it is stopped."""

    def __init__(self, server):
        self.server, self.counts, self.over = server, {"pictures": 0, "speech": 0, "JSON": 0, "forms": 0}, threading.Event()
        self.wrong = []
        noise = random.Random(1).randbytes(4000 * 3 * 64)
        picture = Image.frombytes("RGB", (4000, 64), noise).resize((4000, 4000))
        file = io.BytesIO()
        picture.save(file, "jpeg", quality=90)
        # A size that no model makes, which is seen when the picture has been decoded.
        self.picture = json.dumps({"prompt": PROMPT, "width": 97, "height": 97, "image": base64.b64encode(file.getvalue()).decode()}).encode()
        speech = array.array("h", (random.Random(2).randrange(-9000, 9000) for _ in range(24000))) * 1800
        file = io.BytesIO()
        with wave.open(file, "wb") as wav:
            wav.setparams((1, 2, 24000, 0, "NONE", ""))
            wav.writeframes(speech.tobytes())
        self.speech = file.getvalue()
        portrait = base64.b64encode((ROOT / "models/shipped-talk/examples/ada.png").read_bytes()).decode()
        self.head = server.create(model="shipped-talk", image=portrait)["id"]
        server.request("POST", f"/v1/sessions/{self.head}/pause")
        many_values = b'{"prompt":[' + b"[]," * 7_900_000 + b"[]]}"
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + bytes(24 << 20) + b"\r\n--x--\r\n"
        self.threads = [threading.Thread(target=self.repeat, args=each) for each in
                        (("pictures", "/v1/sessions", self.picture, 400), ("speech", f"/v1/sessions/{self.head}/audio", self.speech, 413),
                         ("JSON", "/v1/sessions", many_values, 413), ("forms", "/crop", form, 500))]

    def repeat(self, kind, path, body, expected):
        headers = {"Content-Type": "multipart/form-data; boundary=x"} if kind == "forms" else {}
        while not self.over.is_set():
            request = urllib.request.Request(self.server.url + path, data=body, method="POST", headers=headers)
            try:
                urllib.request.urlopen(request, timeout=600).read()
                answer = 200
            except urllib.error.HTTPError as error:
                answer = error.code
                error.read()
            if answer != expected:  # 413: so much speech can never wait
                self.wrong.append(f"{path} answered {answer}")
                return
            self.counts[kind] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.server.end(self.head)
        if self.wrong:
            raise SystemExit(self.wrong[0])


def under_uploads(server, options, data_dir, viewers=100):
    """Latency of viewers, and the answers of /health, without uploads, with them, and with a catalogue that is locked."""
    results = {}
    session = server.session(pacing="realtime")
    for name in ("quiet", "uploads", "locked catalogue"):
        beside = {"quiet": contextlib.nullcontext, "uploads": lambda: Uploads(server), "locked catalogue": lambda: LockedCatalogue(data_dir)}[name]
        with beside() as uploads, Health(server) as health:
            time.sleep(3)
            seen = report_of(server.viewers(options.tool, session, options.seconds, websocket=viewers))["websocket"]
        latency, answers = seen["latency_ms"], health.report()
        results[name] = {"seen": seen, "uploaded": uploads.counts if uploads else {}, "health_ms": answers}
        told = ", ".join(f"{count} {kind}" for kind, count in results[name]["uploaded"].items())
        print(f"{viewers} WebSocket viewers, {name}{f' ({told} in {options.seconds:.0f} s)' if told else ''}: latency p50 {latency['p50']:.1f} p95 {latency['p95']:.1f} "
              f"p99 {latency['p99']:.1f} max {latency['max']:.1f} ms, {seen['errors']} errors; "
              f"/health p50 {answers['p50']:.1f} p99 {answers['p99']:.1f} max {answers['max']:.1f} ms of {answers['count']}")
    server.end(session)
    return results


def memory(server, options, kind, count, paused):
    """Bytes of the server's memory for each further viewer."""
    session = server.session(max_lead=1)
    time.sleep(2)
    if paused:
        server.request("POST", f"/v1/sessions/{session}/pause")
    for warm_up in (True, False):  # what is allocated once is not of the viewers
        before = server.resident_mib()
        viewers = server.viewers(options.tool, session, 8, **{kind: count})
        time.sleep(6)
        connected, after = server.metric("rushes_connections"), server.resident_mib()
        viewers.communicate(timeout=60)
        if warm_up:
            while server.metric("rushes_connections") > 10:
                time.sleep(0.1)
    server.end(session)
    each = (after - before) * 2**20 / count
    print(f"memory of {count} {kind} viewers ({'nothing to send' if paused else 'live'}, {connected:.0f} connections): {each / 1024:.1f} KiB each")
    return {"kind": kind, "viewers": count, "paused": paused, "bytes_each": each}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--tool", default=ROOT / "build/release/bench/viewer_load")
    parser.add_argument("--seconds", type=float, default=20, help="duration of each measurement")
    parser.add_argument("--hls", type=int, default=1000)
    parser.add_argument("--websocket", type=int, default=200)
    parser.add_argument("--overhead-only", action="store_true", help="measure only the overhead of the server over the bare engine")
    parser.add_argument("--uploads-only", action="store_true", help="measure only viewers beside uploads")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f} before the start")
    results = {"load_average_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as data_dir:
        server = Load(options.binary, data_dir)
        try:
            real_time = {"pacing": "realtime"}
            if not options.overhead_only:
                results["uploads"] = under_uploads(server, options, data_dir)
            if not options.uploads_only:
                results["overhead"] = overhead(server, options)
            if options.overhead_only or options.uploads_only:
                return
            results["runs"] = [
                under_load(server, options, {"websocket": 1}, real_time),
                under_load(server, options, {"websocket": 1}, {}),
                under_load(server, options, {"hls": options.hls}, real_time),
                under_load(server, options, {"websocket": options.websocket}, real_time),
                under_load(server, options, {"hls": options.hls, "websocket": options.websocket}, real_time),
                under_load(server, options, {"sse": 100, "ndjson": 50, "mp4": 50}, real_time),
                under_load(server, options, {"hls": options.hls, "websocket": options.websocket}, {}),
            ]
            results["memory"] = [memory(server, options, "websocket", 1000, True), memory(server, options, "stalled", 200, False)]
            results["dropped_for_not_reading"] = server.metric("rushes_viewers_dropped_total")
        finally:
            server.process.terminate()
            server.process.wait(60)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
