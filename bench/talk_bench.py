#!/usr/bin/env python3
"""Measures the shipped talking head: how much faster than life it speaks, how long after the first 200 ms of speech its first
pictures are there, how far pictures are behind speech over the realtime WebSocket with one and with two sessions. Clients, server
and model share the machine. For an hour of speech see talk_long.py.

usage: .deps/venv/bin/python bench/talk_bench.py [--seconds N] [-- FLAGS OF rushes serve]
Build before: ninja -C build/release rushes"""
import argparse
import array
import concurrent.futures
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave

from serve_bench import ROOT, Server, processor_seconds

sys.path.insert(0, str(ROOT / "python"))
from rushes.talk import ChunkedStreamingClient, RealtimeClient, wav

EXAMPLES = ROOT / "models/shipped-talk/examples"
PORTRAIT = EXAMPLES / "ada.png"
HZ, TICK = 16000, 640  # 40 ms
FPS = 25
PREAMBLE, BIT, LOUD = 8, 8, 6000  # of a packet's mark: a bit takes so many samples


def speech():
    with wave.open(str(EXAMPLES / "speech.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (HZ, 1, 2)
        return array.array("h", file.readframes(file.getnframes()))


def one_shot(binary, seconds):
    """Seconds of video per second, `rushes talk` as a whole: loading, encoding and writing included."""
    with tempfile.TemporaryDirectory() as directory:
        said = speech()
        path = pathlib.Path(directory) / "speech.wav"
        path.write_bytes(wav((said * (1 + seconds * HZ // len(said)))[:seconds * HZ], HZ))
        begin = time.perf_counter()
        subprocess.run([str(binary), "talk", "--image", str(PORTRAIT), "--audio", str(path), "-o", f"{directory}/out.mp4"],
                       check=True, capture_output=True)
        return seconds / (time.perf_counter() - begin)


def first_pictures(server, rounds):
    """Milliseconds from the end of the upload of the first 200 ms to the first pictures."""
    said, times = speech(), []
    for _ in range(rounds):
        with ChunkedStreamingClient(server.url) as client:
            client.init_session(PORTRAIT, chunk_duration=0.2, audio_sample_rate=HZ)
            begin = time.perf_counter()
            client.feed_audio_chunk(said[:HZ // 5])
            while client.get_status()["total_frames_generated"] == 0:
                time.sleep(0.001)
            times.append(1000 * (time.perf_counter() - begin))
    return times


def mark(samples, number):
    """The packet with its number in it, which survives rounding: a loud preamble, then 16 bits."""
    for i in range(PREAMBLE):
        samples[i] = LOUD
    for bit in range(16):
        for i in range(BIT):
            samples[PREAMBLE + bit * BIT + i] = LOUD if number >> bit & 1 else -LOUD
    return samples


def marked(samples):
    """The number in a packet that came back; None for silence."""
    if min(samples[:PREAMBLE]) < LOUD // 2:
        return None
    return sum(1 << bit for bit in range(16) if samples[PREAMBLE + bit * BIT + BIT // 2] > 0)


def converse(server, seconds):
    """Speaks in real time. Seconds from sending 40 ms of speech to their picture, the packets that never came back, and the
    share of pictures that were not new."""
    said, sent, lags, pictures = speech(), {}, [], []
    with RealtimeClient(server.url) as client:
        client.init_session(PORTRAIT)
        client.connect()

        def speak():
            begin = time.perf_counter()
            for number in range(int(seconds * FPS)):
                time.sleep(max(0.0, begin + number / FPS - time.perf_counter()))
                first = number * TICK % (len(said) - TICK)
                sent[number] = time.perf_counter()
                client.send_audio(mark(said[first:first + TICK], number))
            time.sleep(2)
            client.close()
        mouth = threading.Thread(target=speak)
        mouth.start()
        for frame in client:
            pictures.append(frame.jpeg)
            if (number := marked(array.array("h", frame.pcm))) in sent:
                lags.append(time.perf_counter() - sent.pop(number))
        mouth.join()
    repeated = sum(a == b for a, b in zip(pictures, pictures[1:])) / max(len(pictures) - 1, 1)
    return lags, len(sent), repeated


def realtime(server, sessions, seconds):
    before, begin = processor_seconds(server.process.pid), time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(sessions) as pool:
        results = list(pool.map(lambda _: converse(server, seconds), range(sessions)))
    used = (processor_seconds(server.process.pid) - before) / (time.perf_counter() - begin)
    lags = sorted(1000 * lag for result in results for lag in result[0])
    lost, repeated = sum(result[1] for result in results), statistics.mean(result[2] for result in results)
    print(f"{sessions} live session{'s' if sessions > 1 else ''}, {seconds:g} s: speech sent to its frame received p50 {lags[len(lags) // 2]:.0f} "
          f"p95 {lags[int(0.95 * len(lags))]:.0f} worst {lags[-1]:.0f} ms of {len(lags)}; {lost} packets of 40 ms lost; "
          f"{100 * repeated:.1f} % of the pictures repeat the one before; server {100 * used:.0f} % of a core")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--seconds", type=float, default=30, help="duration of each live measurement")
    parser.add_argument("flags", nargs="*", help="flags for rushes serve")
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f} before the start")
    print(f"rushes talk, 60 s of speech: {one_shot(options.binary, 60):.2f} x real time")
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(options.binary, options.flags, data_dir)
        try:
            models = json.loads(server.request("GET", "/v1/models"))["models"]
            model = next(model for model in models if "audio" in model["capabilities"]["feeds"])
            print(re.sub(r"\s+", " ", model["description"]))
            times = first_pictures(server, 10)
            print(f"first 200 ms of speech to first frames: median {statistics.median(times):.0f}, worst {max(times):.0f} ms of {len(times)}")
            for sessions in (1, 2):
                realtime(server, sessions, options.seconds)
        finally:
            server.process.terminate()
            server.process.wait(60)


if __name__ == "__main__":
    main()
