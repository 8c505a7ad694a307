"""The published client, launcher and scripts: flags, log lines, statistics, exit codes, with a tiny model's server."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from ditto_server import DittoServer, fill, speech
from PIL import Image
from python_package import PACKAGE
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = ["program", "module", "script"]


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    running = DittoServer(binary, tmp_path_factory.mktemp("ditto"))
    yield running
    running.stop()


def environment(binary):
    return {**os.environ, "PYTHONPATH": str(PACKAGE), "RUSHES_BINARY": str(binary)}


def client(binary, kind, server, *arguments, cwd=None):
    command = {"program": [str(binary), "client", "ditto"], "module": [sys.executable, "-m", "rushes.ditto.streaming_client"],
               "script": [sys.executable, str(ROOT / "examples/ditto/streaming_client.py")]}[kind]
    return subprocess.run([*command, "--server", server.url.replace("http", "ws"), *arguments], capture_output=True, text=True, timeout=300,
                          env=environment(binary), cwd=cwd)


REPORT = r"""======================================================================
STREAMING CLIENT STATISTICS
======================================================================
Total Frames Received: 50
Total Duration: \d+\.\d\ds
Streaming Latency: \d+\.\d\ds \(time to first frame\)
Average FPS: \d+\.\d
Total Data: \d+\.\d MB
Average Frame Size: \d+\.\d KB
Bandwidth: \d+\.\d Mbps

FRAME INTERVALS:
  Count: 49
  Mean: \d+\.\dms
  Median: \d+\.\dms
  Std Dev: \d+\.\dms
  Min: \d+\.\dms
  Max: \d+\.\dms

REAL-TIME SUITABILITY:
(✅|⚠️ ) Frame rate .*
(✅|⚠️ ) Streaming latency .*
(✅|⚠️ ) Frame intervals .*
======================================================================
"""


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_tells_what_comes_and_how(binary, server, kind):
    (server.root / "two.wav").write_bytes(speech(2))
    run = client(binary, kind, server, "--client_id", kind, "--audio_path", "two.wav", "--timeout", "120")
    assert run.returncode == 0, run.stderr
    lines = run.stderr.splitlines()
    told = [re.sub(r"size: \d+\.\dKB", "size: KB", line) for line in lines if line.startswith("INFO:streaming_client:")]
    assert told == [f"INFO:streaming_client:{text}" for text in (
        f"Connected to server as client {kind}", "Sent start streaming command", "Streaming started: two.wav -> ./example/image.png",
        "Metadata: 2.00s, 50 frames", "Received frame 0, size: KB", "Received frame 25, size: KB", "Streaming completed",
        "Writer closed. Total frames: 50", "Disconnected from server")]
    assert re.fullmatch(REPORT, run.stdout), run.stdout


def test_the_numbers_of_a_report_fit_each_other(binary, server):
    run = client(binary, "program", server, "--client_id", "numbers", "--pacing", "realtime", "--decode_times")
    number = {name: float(value) for name, value in re.findall(r"^ *([A-Z][\w ]+): ([\d.]+)", run.stdout, re.MULTILINE)}
    assert number["Total Frames Received"] == 25 and number["Count"] == 24
    assert number["Average FPS"] == pytest.approx(25 / number["Total Duration"], rel=0.02)
    assert "DECODE TIMES:" in run.stdout
    assert re.search(r"^  Mean: (3[89]|4[0-2])\.\dms$", run.stdout, re.MULTILINE), run.stdout
    assert run.stdout.count("✅") == 3


@pytest.mark.parametrize("more", [[], ["--binary"]])
def test_frames_are_saved(binary, server, tmp_path, more):
    run = client(binary, "program", server, "--client_id", "saves", "--save_frames", *more, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    files = sorted((tmp_path / "received_frames").iterdir())
    assert [file.name for file in files] == [f"frame_{i:06d}.jpg" for i in range(25)]
    assert {Image.open(file).format for file in files} == {"JPEG"}


def test_what_goes_wrong_is_told_and_is_the_exit_code(binary, server):
    missing = client(binary, "program", server, "--audio_path", "none.wav")
    assert missing.returncode == 1 and missing.stdout == "❌ No frames received\n"
    assert "ERROR:streaming_client:Server error: Audio file not found: none.wav\n" in missing.stderr
    (server.root / "minute.wav").write_bytes(speech(60))
    late = client(binary, "program", server, "--client_id", "late", "--audio_path", "minute.wav", "--pacing", "realtime", "--timeout", "2")
    assert late.returncode == 1 and "INFO:streaming_client:Timeout reached, stopping...\n" in late.stderr
    assert "STREAMING CLIENT STATISTICS" in late.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = subprocess.run([str(binary), "client", "ditto", "--server", f"ws://127.0.0.1:{free.getsockname()[1]}"], capture_output=True, text=True,
                                timeout=60)
    assert nobody.returncode == 1 and nobody.stderr.startswith("ERROR:streaming_client:Failed to connect to server: ")
    wrong = subprocess.run([str(binary), "client", "ditto", "--server", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and "--server must be ws://HOST:PORT" in wrong.stderr


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def launch(binary, folder, *arguments):
    more = ["--server-arguments", "--model", "random:ditto", "--talk-model", "none", "--data-dir", str(folder / "data")]
    return subprocess.Popen([sys.executable, str(ROOT / "examples/ditto/run_streaming_test.py"), "--host", "127.0.0.1", *arguments, *more], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(binary), cwd=folder)


def test_the_launcher_runs_both_and_ends_the_server(binary, tmp_path):
    fill(tmp_path)
    port = str(free_port())
    both = launch(binary, tmp_path, "--port", port, "--wait", "5")
    told = both.communicate(timeout=300)[0]
    assert both.returncode == 0, told
    assert "Total Frames Received: 25" in told and told.index("Client completed") < told.index("Server terminated")


def test_the_launcher_runs_the_server_until_it_is_interrupted(binary, tmp_path):
    fill(tmp_path)
    port = str(free_port())
    server = launch(binary, tmp_path, "--port", port, "--mode", "server")
    assert server.stdout is not None
    assert "Server running... Press Ctrl+C to stop" in server.stdout.readline() + server.stdout.readline()
    deadline = time.monotonic() + 120
    while socket.socket().connect_ex(("127.0.0.1", int(port))) != 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.send_signal(signal.SIGINT)
    told = server.communicate(timeout=120)[0]
    assert "Interrupted by user" in told and server.returncode == 0
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", int(port))) != 0)


def test_the_seeds_server_command_is_taken_word_for_word(binary, tmp_path):
    """With a model of ours as its data root; the configuration's file is read over the model's own."""
    from importlib import import_module

    sys.path.insert(0, str(PACKAGE))
    module = import_module("rushes.ditto.streaming_server")
    (tmp_path / "cfg.json").write_text("{}")
    given, more = module.parser().parse_known_args(
        ["--host", "0.0.0.0", "--port", "8000", "--log-level", "info", "--data_root", str(tmp_path), "--cfg_pkl", str(tmp_path / "cfg.json"), "--file-root", "x"])
    assert module.arguments_of(given, more) == [
        "--log-level", "info", "serve", "--listen", "0.0.0.0:8000=ditto", "--no-auth", "--model", str(tmp_path), "--talk-model", "none",
        "--configuration", str(tmp_path / "cfg.json"), "--file-root", "x"]
    given, more = module.parser().parse_known_args(["--host", "127.0.0.1", "--data_root", "/nowhere"])
    assert module.arguments_of(given, more) == [
        "--log-level", "info", "serve", "--listen", "127.0.0.1:8000=ditto", "--model", "shipped-ditto", "--talk-model", "none"]
