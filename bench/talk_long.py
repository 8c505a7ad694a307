#!/usr/bin/env python3
"""One long speech in one session of any model that speaks: does memory stay flat, and do sound and pictures stay together?
The speech is random pieces of the shipped one, fed as fast as the session takes it and read while it is made: by the native API
(any model), or over Ditto's WebSocket with the sound of each frame (--ditto). At the end: frames that came, resident memory at
each tenth, and of the recording the lengths of both tracks and how far its sound is from what was said, near the end too.

usage: .deps/venv/bin/python bench/talk_long.py [--minutes N] [--model DIR] [--ditto [--binary-frames]] [--realtime] [-- FLAGS OF rushes serve]
Build before: ninja -C build/release rushes"""
import argparse
import array
import base64
import json
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import numpy as np
from serve_bench import ROOT, Server
from talk_bench import HZ, PORTRAIT, speech, wav
from websockets.sync.client import connect

PIECE_S = 10
AHEAD_S = 60  # of speech that may wait for its frames
NEAR_S = 20  # of the recording's sound that is compared in one place
DITTO_FRAME = 640  # samples


def long_speech(seconds):
    said, chosen, samples = speech(), random.Random(1), array.array("h")
    while len(samples) < seconds * HZ:
        first = chosen.randrange(len(said))
        samples += (said[first:] + said)[:chosen.randrange(HZ, len(said))]
    return samples[:int(seconds * HZ)]


class Watch:
    """The server's resident memory at each tenth of the frames."""

    def __init__(self, server, frames):
        self.server, self.frames, self.begin, self.tenths = server, frames, time.perf_counter(), []

    def at(self, done):
        while len(self.tenths) <= 10 * done // max(self.frames, 1) and len(self.tenths) <= 10:
            self.tenths.append(self.server.resident_mib())
            took = time.perf_counter() - self.begin
            print(f"{10 * (len(self.tenths) - 1)} %: {done} frames after {took:.0f} s, {self.tenths[-1]:.0f} MiB", flush=True)


def native(server, said, options):
    """By POST /v1/sessions/{id}/audio. The session, its frames and those that were expected."""
    fields = {"model": options.name, "image": base64.b64encode(PORTRAIT.read_bytes()).decode(), **json.loads(options.fields)}
    session = server.create(**fields)
    fps, hz = session["format"]["fps"], session["format"]["speech_hz"]
    expected = int(len(said) / HZ * fps)
    watch, path, fed = Watch(server, expected), session["urls"]["self"], 0

    def status():
        now = json.loads(server.request("GET", path))
        if now["state"] in ("failed", "stopped"):
            raise SystemExit(f"the session {now['state']}: {now['error']}")
        watch.at(now["done"]["video_frames"])
        return now

    while fed < len(said):
        while fed / HZ - status()["done"]["video_frames"] / fps > AHEAD_S:
            time.sleep(0.2)
        piece = said[fed:fed + PIECE_S * HZ]
        fed += len(piece)
        address = f"{server.url}{path}/audio?format=s16le&rate={HZ}&end={'true' if fed == len(said) else 'false'}"
        urllib.request.urlopen(urllib.request.Request(address, data=piece.tobytes(), method="POST"), timeout=600).read()
        if options.realtime:
            time.sleep(max(0.0, watch.begin + fed / HZ - time.perf_counter()))
    while not (now := status())["speech"]["at_rest"]:
        time.sleep(0.2)
    assert hz, "the model does not feed on speech"
    server.request("POST", path + "/stop")
    return path, now["done"]["video_frames"], expected


def ditto(server, said, options):
    """Over Ditto's WebSocket, where each frame brings its part of the speech."""
    (options.root / "long.wav").write_bytes(wav(said, HZ))
    (options.root / "face.png").write_bytes(PORTRAIT.read_bytes())
    expected = -(-len(said) // DITTO_FRAME)
    watch, frames, wrong, sounds = Watch(server, expected), 0, 0, 0
    with connect(server.url.replace("http", "ws", 1) + "/ws/long?audio=1", max_size=None, compression=None) as client:
        client.send(json.dumps({"type": "start_streaming", "audio_path": "long.wav", "source_path": "face.png", "binary": options.binary_frames,
                                "pacing": "realtime" if options.realtime else "asap"}))
        for message in client:
            if isinstance(message, bytes):
                assert struct.unpack(">I", message[:4])[0] == frames
                frames += 1
                watch.at(frames)
                continue
            told = json.loads(message)
            if told["type"] in ("audio", "frame"):  # the speech of a binary frame comes before it
                heard = np.frombuffer(base64.b64decode(told["audio"]), "<i2").astype(int)
                meant = np.asarray(said[told["frame_id"] * DITTO_FRAME:(told["frame_id"] + 1) * DITTO_FRAME], int)
                wrong += bool(told["frame_id"] != frames or np.abs(heard[:len(meant)] - meant).max() > 2)
                sounds += 1
                if told["type"] == "frame":
                    frames += 1
                    watch.at(frames)
            elif told["type"] == "metadata":
                path = f"/v1/sessions/{told['session_id']}"
            elif told["type"] == "error":
                raise SystemExit(told["message"])
            elif told["type"] == "writer_closed":
                break
    print(f"{sounds} pieces of sound came, {wrong} of them not with the frame of their time")
    return path, frames, expected


def offset_ms(path, said, at_s):
    """How much later than it was said the recording's sound is, around this time; and how alike they are, 1 at most."""
    command = ["ffmpeg", "-v", "error", "-ss", str(at_s), "-t", str(NEAR_S), "-copyts", "-i", str(path), "-map", "0:a:0", "-af", f"aresample={HZ}:async=1:first_pts={int(at_s * HZ)}",
               "-ac", "1", "-f", "s16le", "-"]
    heard = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2").astype(float)
    meant = np.asarray(said[int(at_s * HZ):int(at_s * HZ) + len(heard)], float)
    heard = heard[:len(meant)]
    size = 1 << (2 * len(meant) - 1).bit_length()
    alike = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(meant, size)), size)
    best = int(alike.argmax())
    return 1000 * (best - size if best > size // 2 else best) / HZ, alike[best] / max(1e-9, np.linalg.norm(heard) * np.linalg.norm(meant))


def recording(server, path, said, directory):
    while not json.loads(server.request("GET", path))["recording"]["complete"]:
        time.sleep(0.2)
    file = pathlib.Path(directory) / "long.mp4"
    with urllib.request.urlopen(f"{server.url}{path}/recording.mp4", timeout=600) as answer, file.open("wb") as out:
        while part := answer.read(1 << 20):
            out.write(part)
    probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,start_time,duration,nb_frames", "-of", "json", str(file)],
                                      capture_output=True, text=True, check=True).stdout)
    tracks = {stream["codec_type"]: stream for stream in probe["streams"]}
    for kind, track in tracks.items():
        print(f"recording, {kind}: from {float(track['start_time']):.3f} s, {float(track['duration']):.3f} s, {track['nb_frames']} packets")
    seconds = len(said) / HZ
    for at in (0, seconds / 2, max(0, seconds - NEAR_S - 1)):
        late, alike = offset_ms(file, said, at)
        print(f"sound at {at:.0f} s: {late:+.2f} ms from what was said (correlation {alike:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--minutes", type=float, default=30, help="of speech")
    parser.add_argument("--model", default=str(ROOT / "models/shipped-talk"), help="folder, or random:FAMILY")
    parser.add_argument("--ditto", action="store_true", help="over Ditto's WebSocket instead of the native API")
    parser.add_argument("--binary-frames", action="store_true", help="over Ditto's WebSocket: frames as bytes")
    parser.add_argument("--realtime", action="store_true", help="feed the speech at its own speed")
    parser.add_argument("--fields", default="{}", help="further fields of the session, as JSON")
    parser.add_argument("flags", nargs="*", help="flags for rushes serve")
    options = parser.parse_args()
    said = long_speech(60 * options.minutes)
    print(f"{len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f} before the start", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        options.root = pathlib.Path(directory) / "root"
        options.root.mkdir()
        flags = ["--model", options.model, "--talk-model", "none", "--file-root", str(options.root), *options.flags]
        server = Server(options.binary, flags, f"{directory}/data")
        try:
            options.name = json.loads(server.request("GET", "/v1/models"))["models"][0]["name"]
            begin = time.perf_counter()
            path, frames, expected = (ditto if options.ditto else native)(server, said, options)
            took = time.perf_counter() - begin
            print(f"{options.name}: {options.minutes:g} min of speech in {took / 60:.1f} min ({60 * options.minutes / took:.2f} x real time), "
                  f"{frames} frames, {expected} expected; load average {os.getloadavg()[0]:.1f}", flush=True)
            recording(server, path, said, directory)
            print(f"at rest: {server.resident_mib():.0f} MiB")
        finally:
            server.process.terminate()
            server.process.wait(60)


if __name__ == "__main__":
    main()
