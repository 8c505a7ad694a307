#!/usr/bin/env python3
"""Lets a server live: sessions of all sizes are opened, with pictures and without, steered, forked, paused, stopped and deleted;
portraits are uploaded and spoken to, for minutes or piece by piece; viewers of every kind come and go, and clients vanish: viewers
are killed, bodies are half sent, WebSockets are dropped. Memory, descriptors, threads and children of the server are watched.
Four times everything ends but one small video; what is left after --rest seconds, is what it costs to have lived.
At the end: errors, each tenth of the figures, and their slope over the second half.

usage: .deps/venv/bin/python bench/soak.py [--minutes N] [--rest SECONDS] [--seed N]   Build before: ninja -C build/release rushes viewer_load"""
import argparse
import array
import base64
import collections
import contextlib
import io
import json
import pathlib
import random
import re
import socket
import statistics
import struct
import sys
import tempfile
import time
import urllib.error
import urllib.request
import wave

from load_bench import Load
from PIL import Image
from serve_bench import COLOURS, ROOT

sys.path.insert(0, str(ROOT / "python"))
from rushes.talk import ChunkedStreamingClient, RealtimeClient, TalkError, wav

EXAMPLES = ROOT / "models/shipped-talk/examples"
EXPECTED = {404, 409, 429}  # another step was faster, or there is no room at the moment
ENDED = ("finished", "stopped", "failed")
HZ = 16000
LARGE = ["640x384", "640x384", "640x384", "960x544"]
RESTS = 4


class Inputs:
    """What is uploaded: pictures and portraits of several megapixels in each format, and speech."""

    def __init__(self):
        noise = Image.frombytes("RGB", (750, 500), random.Random(1).randbytes(750 * 500 * 3))
        drawn = [Image.open(EXAMPLES / name) for name in ("ada.png", "boris.png", "cleo.png")]
        self.pictures = [self.encoded(noise.resize(size), kind) for size, kind in (((3000, 2000), "jpeg"), ((1500, 1000), "png"), ((2000, 3000), "webp"))]
        self.portraits = [self.encoded(face.resize(size), kind) for face, size, kind in
                          zip(drawn, ((2400, 2400), (1600, 1600), (3000, 3000)), ("jpeg", "png", "webp"))]
        with wave.open(str(EXAMPLES / "speech.wav")) as file:
            self.said = array.array("h", file.readframes(file.getnframes()))

    @staticmethod
    def encoded(image, kind):
        file = io.BytesIO()
        image.save(file, kind)
        return file.getvalue()

    def speech(self, seconds):
        """A WAV file of that length."""
        return wav((self.said * (1 + seconds * HZ // len(self.said)))[:seconds * HZ], HZ)


class Soak:
    def __init__(self, server, tool, seed):
        self.server, self.tool, self.random, self.inputs = server, tool, random.Random(seed), Inputs()
        self.counts, self.errors = collections.Counter(), collections.Counter()
        self.viewers, self.sessions = [], []
        self.speakers = []  # clients in the middle of a speech
        self.held = []  # (time at which it vanishes, socket)

    # ---- how the server is asked ----
    def call(self, method, path, body=None, kind="application/json"):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.server.url + path, data=data, method=method, headers={"Content-Type": kind} if data else {})
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            if error.code not in EXPECTED:
                self.errors[f"{method} {re.sub('[0-9a-f]{32}', 'ID', path)}: {error.code} {error.read()[:200]}"] += 1
            return None

    def hold(self, head, content=b""):
        """Sends this from a client that reads nothing and then vanishes, at once or after a while."""
        client = socket.create_connection(("127.0.0.1", int(self.server.url.rsplit(":", 1)[1])), timeout=60)
        self.held.append((time.monotonic() + self.random.choice([0, 0, 1, 5, 60]), client))
        with contextlib.suppress(OSError):  # the server has refused it
            client.sendall((head + "\r\n\r\n").encode() + content)

    def post_by_hand(self, path, kind, body, sent):
        self.hold(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}", body[:sent])

    def any(self, sessions=None):
        return f"/v1/sessions/{self.random.choice(sessions or self.sessions)['id']}"

    def videos(self):
        return [s for s in self.sessions if not s["format"]["speech_hz"] and s["state"] not in ENDED]

    def heads(self):
        return [s for s in self.sessions if s["format"]["speech_hz"] and s["state"] not in ENDED]

    # ---- videos ----
    def prompt(self):
        return f"a {self.random.choice(COLOURS)} circle moves right"

    def start(self, **fields):
        fields |= {"prompt": self.prompt(), "seed": self.random.randrange(1000), "segments": self.random.choice([0, 1, 3])}
        if self.random.random() < 0.7:
            fields["max_lead"] = self.random.choice([1, 2, 5])
        self.call("POST", "/v1/sessions", fields)

    def open(self):
        self.start()

    def open_large(self):
        if any(session["format"]["width"] > 600 for session in self.videos()):
            self.delete()
        else:
            self.start(size=self.random.choice(LARGE))

    def open_picture(self):
        self.start(image=base64.b64encode(self.random.choice(self.inputs.pictures)).decode(), fit=self.random.choice(["crop", "pad", "stretch"]))

    def steer(self):
        self.call("POST", f"{self.any(self.videos())}/prompt", {"prompt": self.prompt()})

    def fork(self):
        self.call("POST", f"{self.any(self.videos())}/fork", {"prompt": self.prompt()})

    # ---- talking heads ----
    def talk(self):
        portrait = base64.b64encode(self.random.choice(self.inputs.portraits)).decode()
        self.call("POST", "/v1/sessions", {"model": "shipped-talk", "image": portrait, "seed": self.random.randrange(1000)})

    def speak(self):
        if not self.heads():
            return self.talk()
        end = self.random.choice(["true", "false"])
        self.call("POST", f"{self.any(self.heads())}/audio?end={end}", self.inputs.speech(self.random.choice([1, 10, 180])), "audio/wav")

    def feed(self):
        """The next request of a client that speaks in pieces. Some end their speech, some leave in the middle, with or without a word."""
        if len(self.speakers) < 2:
            self.speakers.append(ChunkedStreamingClient(self.server.url))
        client = self.random.choice(self.speakers)
        try:
            if client.session_id is None:
                client.init_session(self.random.choice(self.inputs.portraits), chunk_duration=self.random.choice([0.2, 1.0]), audio_sample_rate=HZ)
                return
            self.call("GET", f"/hls/{client.session_id}/playlist.m3u8")
            last = self.random.random() < 0.2
            client.feed_audio_chunk(self.inputs.speech(self.random.choice([1, 2, 15])), last)
            if not last and self.random.random() < 0.9:
                return
            if self.random.random() < 0.5:
                client.cleanup()
        except TalkError as error:
            if error.status not in EXPECTED:
                self.errors[f"feed: {error}"] += 1
        self.speakers.remove(client)

    def converse(self):
        """A conversation by WebSocket, whose client vanishes."""
        client = RealtimeClient(self.server.url)
        try:
            self.hold_socket(f"/ws/realtime/{client.init_session(self.random.choice(self.inputs.portraits))}", self.inputs.said[:HZ // 2].tobytes())
        except TalkError as error:
            if error.status not in EXPECTED:
                self.errors[f"converse: {error}"] += 1

    # ---- all sessions ----
    def pause(self):
        self.call("POST", f"{self.any()}/pause")

    def resume(self):
        self.call("POST", f"{self.any()}/resume")

    def stop(self):
        self.call("POST", f"{self.any(self.videos() + self.heads())}/stop")

    def delete(self):
        self.call("DELETE", self.any())

    def watch(self):
        kinds = {kind: self.random.randrange(1, 5) for kind in self.random.sample(["hls", "websocket", "sse", "ndjson", "mp4", "stalled"], 2)}
        self.viewers.append(self.server.viewers(self.tool, self.any(self.videos()).rsplit("/", 1)[1], self.random.uniform(1, 8), **kinds))

    def read(self):
        for path in ("/v1/sessions", "/v1/recordings", "/metrics", "/v1/videos"):
            self.call("GET", path)

    # ---- clients that vanish ----
    def kill_viewers(self):
        for viewer in self.viewers:
            viewer.kill()
            viewer.communicate()
        self.viewers = []

    def half_body(self):
        body = self.random.choice(self.inputs.pictures)
        form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + body + b"\r\n--x--\r\n"
        path, kind, content = self.random.choice([
            ("/v1/sessions", "application/json", json.dumps({"prompt": "a", "image": base64.b64encode(body).decode()}).encode()),
            ("/api/audio-driven/chunked/init", "multipart/form-data; boundary=x", form),
            ("/crop", "multipart/form-data; boundary=x", form)])
        self.post_by_hand(path, kind, content, self.random.randrange(len(content)))

    def abandon(self):
        """A whole request for a finished video of a talking head, for whose answer nobody waits."""
        form = (b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + self.random.choice(self.inputs.portraits) +
                b'\r\n--x\r\nContent-Disposition: form-data; name="audio"; filename="b"\r\n\r\n' + self.inputs.speech(60) + b"\r\n--x--\r\n")
        self.post_by_hand(self.random.choice(["/api/audio-driven", "/generate_stream"]), "multipart/form-data; boundary=x", form, len(form))

    def drop_socket(self):
        if self.heads() and self.random.random() < 0.3:
            self.hold_socket(f"{self.any(self.heads())}/audio?rate={HZ}", self.inputs.said[:HZ].tobytes())
        else:
            self.hold_socket(f"{self.any()}/{self.random.choice(['video', 'events', 'frames'])}")

    def hold_socket(self, path, said=b""):
        """A WebSocket that sends half of a message, if any."""
        message = b"\x82\xfe" + struct.pack(">H", len(said)) + bytes(4) + said[:len(said) // 2] if said else b""
        self.hold(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", message)

    def drop(self, until):
        """The sockets whose time has come end: some are reset, some closed."""
        for at, client in self.held:
            if at <= until:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", self.random.choice([0, 1]), 0))
                client.close()
        self.held = [(at, client) for at, client in self.held if at > until]

    # ---- what happens next ----
    def choose(self):
        if len(self.videos()) < 2:
            return self.random.choice([self.open, self.open, self.open_picture, self.open_large])
        if len(self.videos()) > 5 or len(self.heads()) > 8:
            return self.stop
        return self.random.choice([self.open, self.open_picture, self.open_large, self.steer, self.steer, self.fork, self.pause, self.resume, self.resume,
                                   self.stop, self.delete, self.watch, self.watch, self.watch, self.read, self.talk, self.speak, self.speak, self.feed, self.feed,
                                   self.feed, self.feed, self.converse, self.kill_viewers, self.half_body, self.half_body, self.abandon, self.drop_socket])

    def look(self):
        self.sessions = json.loads(self.server.request("GET", "/v1/sessions"))["sessions"]

    def step(self):
        self.look()
        action = self.choose()
        action()
        self.counts[action.__name__] += 1
        self.drop(time.monotonic())
        for viewer in [v for v in self.viewers if v.poll() is not None]:
            self.viewers.remove(viewer)
            for kind, tally in json.loads(viewer.communicate()[0]).items():
                # A deleted session is a 404; its WebSockets and bodies end.
                for reason in tally["reasons"] if isinstance(tally, dict) else []:
                    if reason != "status 404" and "End of file" not in reason:
                        self.errors[f"viewer {kind}: {reason}"] += 1

    def rest(self, seconds):
        """Everything ends but one small video; tells the figures after that time."""
        self.kill_viewers()
        self.drop(float("inf"))
        self.speakers = []
        self.look()
        for session in self.videos() + self.heads():
            self.call("POST", f"/v1/sessions/{session['id']}/stop")
        session = self.server.session()
        time.sleep(seconds)
        figures = Figures.of(self.server.process.pid)
        kept = self.server.metric("rushes_input_bytes") / 2**20  # up to --max-input-mib
        print(f"at rest: {figures}; {kept:.0f} MiB are inputs of sessions that have ended", flush=True)
        self.server.end(session)


class Figures(collections.namedtuple("Figures", ["memory_mib", "descriptors", "threads", "children"])):
    @classmethod
    def of(cls, pid):
        process = pathlib.Path(f"/proc/{pid}")
        tasks = list((process / "task").iterdir())
        kilobytes = int(re.search(r"VmRSS:\s*(\d+)", (process / "status").read_text()).group(1))
        children = 0
        for task in tasks:
            with contextlib.suppress(OSError):  # the thread has ended
                children += len((task / "children").read_text().split())
        return cls(kilobytes / 1024, len(list((process / "fd").iterdir())), len(tasks), children)

    def __str__(self):
        return f"{self.memory_mib:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads, {self.children} children"


def slope(times, values):
    """Of the values, for each minute, by least squares."""
    if len(set(times)) < 2:
        return 0.0
    return 60 * statistics.linear_regression(times, values).slope


def tell(samples):
    times = [at for at, _ in samples]
    half = len(samples) // 2
    for i, name in enumerate(Figures._fields[:3]):
        values = [figures[i] for _, figures in samples]
        tenths = [statistics.mean(values[len(values) * k // 10:max(len(values) * (k + 1) // 10, len(values) * k // 10 + 1)]) for k in range(10)]
        print(f"{name.replace('_mib', ', MiB')}: mean of each tenth {' '.join(f'{mean:.0f}' for mean in tenths)}, most {max(values):.0f}; "
              f"slope over the second half {slope(times[half:], values[half:]):+.2f} a minute")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "build/release/apps/rushes/rushes")
    parser.add_argument("--tool", default=ROOT / "build/release/bench/viewer_load")
    parser.add_argument("--minutes", type=float, default=30, help="without the rests")
    parser.add_argument("--rest", type=float, default=75, help="seconds of each of the four rests; frames of ended sessions are kept for a minute")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        server = Load(options.binary, data_dir)
        soak = Soak(server, options.tool, options.seed)
        samples, rested, lived, told = [], 0, 0.0, 1
        try:
            while lived < 60 * options.minutes:
                begin = time.perf_counter()
                soak.step()
                samples.append((lived, Figures.of(server.process.pid)))
                time.sleep(0.2)
                lived += time.perf_counter() - begin
                if lived >= 60 * told:
                    print(f"{told} min: {samples[-1][1]}, {soak.counts.total()} steps, {soak.errors.total()} errors", flush=True)
                    told += 1
                if lived >= 60 * options.minutes * (rested + 1) / RESTS:
                    soak.rest(options.rest)
                    rested += 1
            print(f"{options.minutes:g} minutes: {dict(soak.counts)}")
            tell(samples)
            print(f"{soak.errors.total()} errors")
            for error, count in soak.errors.most_common(20):
                print(f"  {count} x {error}")
        finally:
            soak.drop(float("inf"))
            server.process.terminate()
            code = server.process.wait(60)
            for viewer in soak.viewers:
                viewer.kill()
            print(f"the server ended with {code}; recordings left: {len(list(pathlib.Path(data_dir).glob('*.mp4')))}")


if __name__ == "__main__":
    main()
