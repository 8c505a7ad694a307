"""A server with Ditto's API, a folder of files for it, and a conversation over its WebSocket."""
import base64
import contextlib
import io
import json
import struct
import wave

from conftest import ROOT, Server
from PIL import Image

SHIPPED = ROOT / "models" / "shipped-ditto"
PORTRAITS = ROOT / "models" / "shipped-talk" / "examples"
SPEECH_HZ = 16_000
PATIENCE_S = 180  # bounds failures only


def speech(seconds, hz=SPEECH_HZ):
    """A tone of so many seconds as a WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(hz)
        out.writeframes(b"".join(struct.pack("<h", 8000 if i // 40 % 2 else -8000) for i in range(round(seconds * hz))))
    return file.getvalue()


def fill(folder):
    """The example files that clients name where they name none, and others."""
    (folder / "example").mkdir(parents=True)
    picture = Image.open(PORTRAITS / "ada.png").convert("RGB")
    picture.save(folder / "example" / "image.png")
    (folder / "example" / "audio.wav").write_bytes(speech(1.0))
    (folder / "example" / "notes.txt").write_text("neither sound nor picture")
    return folder


class DittoServer(Server):
    def __init__(self, binary, folder, *arguments, model="random:ditto"):
        self.root = fill(folder / "root")
        super().__init__(binary, folder / "data", "--model", str(model), "--talk-model", "none", "--file-root", str(self.root),
                         *arguments, listen="127.0.0.1:0=ditto")

    def connect(self, client="ada", query=""):
        return Peer(self.url.replace("http", "ws") + f"/ws/{client}{query}")


class Peer:
    def __init__(self, address):
        from websockets.sync.client import connect

        self._open = contextlib.ExitStack()
        self.socket = self._open.enter_context(connect(address, compression=None, max_size=None, open_timeout=60))

    def say(self, type, **fields):
        self.socket.send(json.dumps({"type": type, **fields}))

    def start(self, **fields):
        self.say("start_streaming", **fields)

    def hear(self):
        message = self.socket.recv(timeout=PATIENCE_S)
        return json.loads(message) if isinstance(message, str) else message

    def hear_until(self, *last):
        """All messages up to one whose type is among these."""
        messages = [self.hear()]
        while isinstance(messages[-1], bytes) or messages[-1]["type"] not in last:
            messages.append(self.hear())
        return messages

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()


def picture_of(frame):
    return Image.open(io.BytesIO(base64.b64decode(frame["frame_data"], validate=True)))
