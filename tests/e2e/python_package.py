"""The Python package of the build, and how pictures that arrived are looked at."""
import json
import os
import subprocess
import sys
import urllib.request

import numpy
from conftest import ROOT, find_binary

PACKAGE = find_binary().parents[2] / "python"
PROMPT = "a red circle moves right on a blue background"


def environment(**more):
    """Of a process that finds the package, may use the shipped model, and has no other rushes on its path."""
    return {**os.environ, "PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1", "RUSHES_MODEL": str(ROOT / "models/shipped-t2v"),
            "RUSHES_INFERIX_SHIPPED": "1", **more}


def python(*arguments, **options):
    return subprocess.Popen([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            **{"env": environment(), **options})


def decoded(file):
    """The pictures of a video file as uint8 [T, H, W, 3], as FFmpeg decodes them."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", file], capture_output=True, check=True,
                           timeout=120)
    (video,) = [stream for stream in json.loads(probe.stdout)["streams"] if stream["codec_type"] == "video"]
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", file, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         capture_output=True, check=True, timeout=120).stdout
    return numpy.frombuffer(raw, numpy.uint8).reshape(-1, video["height"], video["width"], 3)


def watched(url, session, file):
    """The pictures so far of a session: a viewer of a growing MP4 would wait for more."""
    with urllib.request.urlopen(f"{url}/v1/sessions/{session}", timeout=60) as answer:
        status = json.load(answer)
    with urllib.request.urlopen(f"{url}/v1/sessions/{session}/video.mp4", timeout=60) as video:
        # Complete by now, the file has a length, and another order of boxes than while it grew.
        file.write_bytes(video.read() if video.length is not None else video.read(status["done"]["bytes"]))
    return decoded(file)


def assert_shows_the_prompt(pictures):
    """A red circle on blue, which moves: more blue than red, both there, no two ends alike."""
    red, _, blue = pictures.mean(axis=(0, 1, 2))
    assert blue > red > 10, (red, blue)
    assert (pictures.std(axis=(1, 2, 3)) > 10).all(), "a picture is one flat colour"
    assert numpy.abs(pictures[0].astype(int) - pictures[-1]).mean() > 2, "the pictures do not move"
