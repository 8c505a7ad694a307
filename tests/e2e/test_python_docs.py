"""The commands and programs of docs/python.md, as they stand there but for ports and paths."""
import re
import shutil
import subprocess
import textwrap

import pytest
from conftest import ROOT
from python_package import decoded, environment
from test_rtmp import free_port
from test_stream import CONFIG

TEXT = (ROOT / "docs/python.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def program(words):
    (found,) = [text for text in PROGRAMS if words in text]
    return found


@pytest.fixture
def folder(tmp_path):
    """A place where the paths of the document exist."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "self_forcing_dmd.yaml").write_text(CONFIG)
    shutil.copy(ROOT / "models/shipped-talk/examples/ada.png", tmp_path / "face.png")
    shutil.copy(ROOT / "models/shipped-talk/examples/speech.wav", tmp_path / "speech.wav")
    return tmp_path


def result(folder, text):
    done = subprocess.run(python_command(folder, text), cwd=folder, env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_command(folder, text):
    (folder / "program.py").write_text(text)
    return [str(ROOT / ".deps/venv/bin/python"), "program.py"]


def test_the_programs_that_generate_do_what_they_show(folder):
    others = ("rushes.inferix", "rushes.talk", "rushes.client", "foresight")
    watched = [text for text in PROGRAMS if not any(words in text for words in others)]
    assert len(watched) == 5
    lines = result(folder, "\n".join(watched)).splitlines()
    assert "(9, 96, 96, 3)" in lines[0] and "(12, 96, 96, 3)" in lines[1]
    assert "96 16.0" in lines
    assert "(9, 96, 96, 3) (9000,)" in lines
    assert {line.rpartition(" ")[0] for line in lines if line.startswith("a ")} == {"a red circle", "a green star"}
    assert decoded(folder / "out.mp4").shape == (81, 96, 96, 3)


def test_the_program_of_a_servers_sessions_steers_forks_and_downloads(folder, server):
    text = program("rushes.client").replace("http://127.0.0.1:8000", server.url)
    cost, *files = result(folder, text).splitlines()
    assert cost == "0 blocks to make again"  # the borders of the newest blocks are kept
    assert len(files) == 2 and all(len(decoded(folder / file)) >= 9 for file in files)


def test_the_program_that_feeds_frames_of_its_own_is_watched(folder):
    port = free_port()
    text = program("stream_batch").replace("port=8000", f"port={port}")
    assert "input(" in text
    viewer = textwrap.dedent(f"""
        import json, pathlib, urllib.request
        from python_package import watched

        def input(_prompt):
            url = "http://127.0.0.1:{port}"
            with urllib.request.urlopen(url + "/", timeout=60) as page:
                assert b"<script" in page.read()
            with urllib.request.urlopen(url + "/v1/sessions", timeout=60) as answer:
                (session,) = json.load(answer)["sessions"]
            pictures = watched(url, session["id"], pathlib.Path("watched.mp4"))
            while len(pictures) < 256:
                pictures = watched(url, session["id"], pathlib.Path("watched.mp4"))
            assert pictures.shape == (256, 240, 320, 3), pictures.shape
            for number, level in enumerate(range(0, 256, 16)):
                assert abs(pictures[number * 16 + 8].mean() - level) < 6, (number, level)
            print("seen")
        """)
    environment_of_viewer = environment(PYTHONPATH=environment()["PYTHONPATH"] + ":" + str(ROOT / "tests/e2e"))
    done = subprocess.run(python_command(folder, viewer + text), cwd=folder, env=environment_of_viewer, capture_output=True,
                          text=True, timeout=240)
    assert done.returncode == 0 and done.stdout == "seen\n", done.stdout + done.stderr


def test_the_program_for_talking_heads_downloads_a_video(folder, server):
    said = result(folder, program("rushes.talk").replace("http://127.0.0.1:8000", server.url))
    frames, file = said.split()
    assert int(frames) > 50 and (folder / file).stat().st_size > 10_000


def test_the_program_for_predictions_writes_words_and_a_video(folder, server):
    shutil.copy(ROOT / "models/shipped-foresight/examples/arrow.png", folder / "ball.png")
    said = result(folder, program("foresight.predict").replace("http://127.0.0.1:8000", server.url))
    assert said == "There is a green triangle on a blue ground. It will slide to the left."
    assert decoded(folder / "ball.mp4").shape == (33, 128, 128, 3)


def test_the_program_for_the_pipeline_of_inferix_gets_each_block(folder):
    shapes = result(folder, program("SelfForcingPipeline")).splitlines()
    assert shapes == ["(9, 96, 96, 3)"] + 6 * ["(12, 96, 96, 3)"]
