#!/usr/bin/env python3
"""Measures a running server from the place of a local viewer: how long after the request the first frames arrive, how
fast the video comes, and whether the server's memory grows with its length.

usage: .deps/venv/bin/python bench/serve_bench.py [--segments N] [--requests N] [-- FLAGS OF rushes serve]
Starts the release build on a free port with the shipped model; FLAGS may name another. `make test` installs what it needs."""
import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from websockets.sync.client import connect

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLOURS = ["red", "green", "blue", "yellow", "white", "orange", "purple", "teal"]


def processor_seconds(pid):
    """That a process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, binary, flags, data_dir):
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        started = re.search(r"http://\S+", self.process.stdout.readline())
        if started is None:
            sys.exit(f"the server did not start; try: {' '.join(map(str, command))}")
        self.url = started.group(0)

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data, method=method), timeout=600) as response:
            return response.read()

    def create(self, **fields):
        return json.loads(self.request("POST", "/v1/sessions", fields))

    def resident_mib(self):
        return float(re.search(rb"process_resident_memory_bytes (\d+)", self.request("GET", "/metrics")).group(1)) / 2**20


def fragments(server, session):
    """Arrival times of the fragments at a viewer."""
    with connect(server.url.replace("http", "ws", 1) + session["urls"]["video"], max_size=None, compression=None) as viewer:
        for message in viewer:
            if message[4:8] == b"moof":
                yield time.perf_counter()


def first_frame(server, requests):
    """Milliseconds from the request to the first fragment, each with a prompt that the server has not seen."""
    times = []
    for i in range(requests):
        begin = time.perf_counter()
        session = server.create(prompt=f"a {COLOURS[i % 8]} circle moves right, number {i}", seed=i)
        times.append(1000 * (next(fragments(server, session)) - begin))
        server.request("POST", session["urls"]["self"] + "/stop")
    return times


def speed(server, segments):
    """Video frames per second of wall time, from the request to the last fragment at the viewer."""
    begin = time.perf_counter()
    session = server.create(prompt="a red circle moves right on a blue background", segments=segments)
    *_, end = fragments(server, session)
    return session["format"], session["format"]["video_frames"] / (end - begin)


def memory(server, segments):
    """Resident MiB after each tenth of a long session with a viewer."""
    session = server.create(prompt="a yellow star spins on a black background", segments=segments)
    form = session["format"]
    blocks = form["blocks_per_segment"] + (segments - 1) * form["blocks_per_later_segment"]
    samples = []
    for done, _ in enumerate(fragments(server, session), 1):
        if done * 10 // blocks > (done - 1) * 10 // blocks:
            samples.append(server.resident_mib())
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--requests", type=int, default=10, help="number of requests for the time to the first frame")
    parser.add_argument("--segments", type=int, default=100, help="number of segments of the long session")
    parser.add_argument("flags", nargs="*", help="flags for rushes serve")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(options.binary, options.flags, data_dir)
        try:
            model = json.loads(server.request("GET", "/v1/models"))["models"][0]["description"]
            print(f"{model}\n{platform.machine()}, {len(os.sched_getaffinity(0))} cores")
            times = first_frame(server, options.requests)
            print(f"request to first frame at a viewer   median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms of {len(times)}")
            form, fps = speed(server, 5)
            print(f"generated, encoded, delivered        {fps:.1f} fps at {form['width']}x{form['height']} (plays at {form['fps']:g})")
            samples = memory(server, options.segments)
            print(f"resident memory over {options.segments} segments     " + " ".join(f"{mib:.0f}" for mib in samples) + " MiB")
        finally:
            server.process.terminate()
            server.process.wait(30)


if __name__ == "__main__":
    main()
