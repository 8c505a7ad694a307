"""The programs of examples/sessions, against a server: what each says and leaves, in curl, Python and TypeScript."""
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from test_talk import streams

SESSIONS = ROOT / "examples/sessions"
ESBUILD = ROOT / "web/node_modules/.bin/esbuild"
FACE, SPEECH = (ROOT / "models/shipped-talk/examples" / name for name in ("ada.png", "speech.wav"))
ARROW = ROOT / "models/shipped-foresight/examples/arrow.png"


def command(kind, name, folder):
    if kind == "curl":
        return [SESSIONS / f"{name}.sh"]
    if kind == "python":
        return [sys.executable, SESSIONS / f"{name}.py"]
    subprocess.run([ESBUILD, "--bundle", "--platform=node", "--log-level=warning", SESSIONS / f"{name}.ts", f"--outfile={folder}/{name}.cjs"], check=True)
    return ["node", folder / f"{name}.cjs"]


@pytest.fixture(params=["curl", "python", "typescript"])
def run(request, server, tmp_path):
    def run(name, *arguments):
        done = subprocess.run([*map(str, command(request.param, name, tmp_path)), *map(str, arguments)], cwd=tmp_path, capture_output=True,
                              text=True, timeout=240, env={**os.environ, "SERVER": server.url})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield run
    for session in server.request("GET", "/v1/sessions")["sessions"]:
        server.request("DELETE", "/v1/sessions/" + session["id"])


def frames(file):
    return int(streams(file)["video"]["nb_read_packets"])


def test_a_video_is_created_watched_steered_forked_and_downloaded(run, server, tmp_path):
    told = run("video")
    places = [told.index(prompt) for prompt in ("a red circle", "a green star", "a yellow square")]
    assert places == sorted(places)
    video, fork = server.request("GET", "/v1/sessions")["sessions"]
    assert fork["origin"] == {"kind": "fork", "session": video["id"]}
    assert video["prompt"].startswith("a green star") and fork["prompt"].startswith("a yellow square")
    assert [video["unknown_words"], fork["unknown_words"]] == [[], []], "an example is made of words that the model knows"
    for session, file in ((video, "video.mp4"), (fork, "fork.mp4")):
        assert session["state"] == "stopped"
        assert frames(tmp_path / file) == session["done"]["video_frames"] > 0


def test_a_portrait_says_what_is_sent_and_is_downloaded(run, server, tmp_path):
    run("talk", FACE, SPEECH)
    (session,) = server.request("GET", "/v1/sessions")["sessions"]
    assert session["speech"]["utterances"] == 1 and session["speech"]["received_s"] > 4
    made = streams(tmp_path / "talk.mp4")
    assert int(made["video"]["nb_read_packets"]) == session["done"]["video_frames"] >= 25 * session["speech"]["received_s"] - 5
    assert made["audio"]["codec_name"] == "aac"


def test_a_question_is_answered_in_words(run, server):
    said = run("question", ARROW, "What will happen?")
    (session,) = server.request("GET", "/v1/sessions")["sessions"]
    assert session["text"].strip() and said.strip() == session["text"].strip()
    assert session["done"]["video_frames"] == 0


def test_the_typescript_programs_have_types_that_fit():
    checked = subprocess.run([ROOT / "web/node_modules/.bin/tsc", "-p", SESSIONS], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
