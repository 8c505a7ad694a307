"""The end of a server whose clients have left it with work that takes long."""
import io
import json
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from conftest import Server
from PIL import Image
from test_talk import form


def test_it_goes_on_when_the_reader_of_its_log_leaves(binary, tmp_path):
    process = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", line):
            break
    process.stdout.close()
    for _ in range(2):  # each is logged
        body = json.dumps({"prompt": "a red circle", "frames": 1}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{found[0]}/v1/sessions", data=body), timeout=60) as answer:
            assert answer.status == 201
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.fixture(scope="module")
def huge_picture():
    picture = io.BytesIO()
    Image.radial_gradient("L").resize((8000, 8000)).convert("RGB").save(picture, "PNG", compress_level=1)
    return picture.getvalue()


def test_it_does_not_wait_for_huge_pictures_that_are_being_decoded(binary, tmp_path, huge_picture):
    server = Server(binary, tmp_path, "--max-input-mib", "4000", "--max-upload-mib", "4000")
    port = int(server.url.rsplit(":", 1)[1])
    body, headers = form({"session_id": "x"}, {"image": ("huge.png", huge_picture)})
    clients = []
    for _ in range(3):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(f"POST /api/audio-driven/chunked/init HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {headers['Content-Type']}\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        clients.append(client)
    time.sleep(0.3)  # they are being decoded
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    took = time.monotonic() - begin
    print(f"ended after {took:.2f} s")
    assert took < 5  # a second, and what a busy machine adds
    for client in clients:
        client.close()
