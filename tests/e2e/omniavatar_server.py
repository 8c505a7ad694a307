"""A server with OmniAvatar's API and a tiny model with random weights, files for it, and what ffprobe says of a video."""
import base64
import io
import json
import os
import pathlib
import subprocess
import urllib.request

import pytest
from conftest import ROOT, Server
from ditto_server import PORTRAITS, speech
from PIL import Image

SIDE = 64
# Of the tiny model that makes segments: they have 13 frames and share 5; the first one is the portrait, before the sound.
SEGMENT, SHARED, SEGMENT_FPS = 13, 5, 25
PATIENCE_S = 180  # bounds failures only


class AvatarServer(Server):
    def __init__(self, binary, folder, *arguments, model="random:omniavatar"):
        self.model = model
        super().__init__(binary, folder / "data", "--model", str(model), "--talk-model", "none", *arguments,
                         listen="127.0.0.1:0=omniavatar")

    def stream(self, path, fields):
        """The answer, open."""
        request = urllib.request.Request(self.url + path, json.dumps(fields).encode(), {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=PATIENCE_S)


def segment_model(folder):
    """The folder of a tiny model that makes segments, with guidance."""
    found = [pathlib.Path(os.environ.get("WRITE_SEGMENT_AVATAR", ""))] if "WRITE_SEGMENT_AVATAR" in os.environ else [
        path for preset in ("release", "dev") if (path := ROOT / "build" / preset / "tests/write_segment_avatar").exists()]
    if not found:
        pytest.skip("write_segment_avatar is not built")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    subprocess.run([newest, folder, ROOT / "tests/golden/wan/tokenizer_unigram/tokenizer.json"], check=True, timeout=60)
    return folder


def portrait():
    file = io.BytesIO()
    Image.open(PORTRAITS / "ada.png").convert("RGB").resize((SIDE, SIDE)).save(file, "PNG")
    return file.getvalue()


def files(seconds, hz=16_000):
    """The fields of a request that says a tone of so many seconds."""
    return {"audio_base64": base64.b64encode(speech(seconds, hz)).decode(), "image_base64": base64.b64encode(portrait()).decode()}


def packets(file):
    """Of each kind of stream: time and duration of its packets in seconds, and whether a decoder may start there."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-show_packets", "-show_streams", "-of", "json", file], capture_output=True,
                           check=True, timeout=120)
    found = json.loads(probe.stdout)
    kinds = {stream["index"]: stream["codec_type"] for stream in found["streams"]}
    packets = {kind: [] for kind in kinds.values()}
    for packet in found["packets"]:
        packets[kinds[packet["stream_index"]]].append(
            (float(packet["pts_time"]), float(packet["duration_time"]), packet["flags"].startswith("K")))
    return packets
