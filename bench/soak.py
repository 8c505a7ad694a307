#!/usr/bin/env python3
"""Lets a server live: sessions are opened, steered, forked, paused, stopped and deleted, viewers of every kind come and go,
some without a word, and its memory is watched. At the end: errors, and the slope of the resident memory over the second half.

usage: .deps/venv/bin/python bench/soak.py [--minutes N] [--seed N]        Build before: ninja -C build/release rushes viewer_load"""
import argparse
import json
import pathlib
import random
import tempfile
import time
import urllib.error

from load_bench import Load
from serve_bench import COLOURS, ROOT

EXPECTED = {404, 409, 429}  # another step was faster


class Soak:
    def __init__(self, server, tool, seed):
        self.server, self.tool, self.random = server, tool, random.Random(seed)
        self.counts, self.errors, self.viewers, self.ids = {}, [], [], []

    def call(self, method, path, body=None):
        try:
            content = self.server.request(method, path, body)
            return json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            if error.code not in EXPECTED:
                self.errors.append(f"{method} {path}: {error.code} {error.read()[:200]}")
            return None

    def prompt(self):
        return f"a {self.random.choice(COLOURS)} circle moves right"

    def open(self):
        fields = {"prompt": self.prompt(), "seed": self.random.randrange(1000), "segments": self.random.choice([0, 1, 3])}
        if self.random.random() < 0.7:
            fields["max_lead"] = self.random.choice([1, 2, 5])
        if session := self.call("POST", "/v1/sessions", fields):
            self.ids.append(session["id"])

    def steer(self):
        self.call("POST", f"{self.any()}/prompt", {"prompt": self.prompt()})

    def fork(self):
        if session := self.call("POST", f"{self.any()}/fork", {"prompt": self.prompt()}):
            self.ids.append(session["id"])

    def pause(self):
        self.call("POST", f"{self.any()}/pause")

    def resume(self):
        self.call("POST", f"{self.any()}/resume")

    def stop(self):
        self.call("POST", f"{self.any()}/stop")

    def delete(self):
        path = self.any()
        self.call("DELETE", path)
        self.ids.remove(path.rsplit("/", 1)[1])

    def watch(self):
        kinds = {kind: self.random.randrange(1, 5) for kind in self.random.sample(["hls", "websocket", "sse", "ndjson", "mp4", "stalled"], 2)}
        self.viewers.append(self.server.viewers(self.tool, self.any().rsplit("/", 1)[1], self.random.uniform(1, 8), **kinds))

    def read(self):
        for path in ("/v1/sessions", "/v1/recordings", "/metrics", "/v1/videos"):
            self.server.request("GET", path)

    def any(self):
        return f"/v1/sessions/{self.random.choice(self.ids)}"

    def step(self):
        running = [s for s in json.loads(self.server.request("GET", "/v1/sessions"))["sessions"] if s["state"] not in ("finished", "stopped", "failed")]
        if len(running) < 2 or not self.ids:
            action = self.open
        elif len(running) > 5:
            action = self.stop
        else:
            action = self.random.choice([self.open, self.steer, self.steer, self.fork, self.pause, self.resume, self.resume, self.stop, self.delete, self.watch, self.watch, self.watch, self.read])
        action()
        self.counts[action.__name__] = self.counts.get(action.__name__, 0) + 1
        for viewer in [v for v in self.viewers if v.poll() is not None]:
            self.viewers.remove(viewer)
            seen = json.loads(viewer.communicate()[0])
            for kind, tally in seen.items():
                # A deleted session is a 404; its WebSockets and bodies end.
                reasons = [r for r in tally["reasons"] if r != "status 404" and "End of file" not in r] if isinstance(tally, dict) else []
                if reasons:
                    self.errors.append(f"viewer {kind}: {reasons}")


def slope(samples):
    """MiB a minute, least squares."""
    n = len(samples)
    mean_t, mean_m = sum(t for t, _ in samples) / n, sum(m for _, m in samples) / n
    return 60 * sum((t - mean_t) * (m - mean_m) for t, m in samples) / max(sum((t - mean_t) ** 2 for t, _ in samples), 1e-9)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--tool", default=ROOT / "build/release/bench/viewer_load")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        server = Load(options.binary, data_dir)
        soak = Soak(server, options.tool, options.seed)
        samples, begin, told = [], time.perf_counter(), 1
        try:
            while (now := time.perf_counter() - begin) < 60 * options.minutes:
                soak.step()
                samples.append((now, server.resident_mib()))
                if now >= 60 * told:
                    print(f"{told} min: {samples[-1][1]:.0f} MiB, {sum(soak.counts.values())} calls, {len(soak.errors)} errors", flush=True)
                    told += 1
                time.sleep(0.2)
            late = samples[len(samples) // 2:]
            print(f"{options.minutes:g} minutes: {soak.counts}")
            print(f"resident memory, each tenth: {' '.join(f'{samples[i * (len(samples) - 1) // 10][1]:.0f}' for i in range(11))} MiB")
            print(f"slope over the second half: {slope(late):+.2f} MiB per minute")
            print(f"{len(soak.errors)} errors")
            for error in soak.errors[:20]:
                print("  " + error)
        finally:
            server.process.terminate()
            code = server.process.wait(60)
            for viewer in soak.viewers:
                viewer.kill()
        print(f"the server ended with {code}; recordings left: {len(list(pathlib.Path(data_dir).glob('*.mp4')))}")


if __name__ == "__main__":
    main()
