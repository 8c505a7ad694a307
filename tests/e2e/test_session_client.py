"""The Python client of the session API against the server."""
import importlib.machinery
import importlib.util
import sys

import pytest
from conftest import ROOT
from python_package import PACKAGE
from test_talk import streams

sys.path.insert(0, str(PACKAGE))  # with its native modules, which tests of the same process want
from rushes.client import Client, RequestError

FIRST, THEN, INSTEAD = ("a red circle moves right on a blue background", "a green star spins on a blue background",
                        "a yellow square grows on a black background")
EXAMPLES = ROOT / "models/shipped-talk/examples"


@pytest.fixture
def client(server):
    with Client(server.url, patience=0) as client:
        yield client
        for session in client.sessions():
            session.delete()


def wait_for(session, prompt):
    assert any(event["type"] == "frame_block" and event["prompt"] == prompt for event in session.events())


def test_the_types_are_those_of_the_servers_document(server):
    loader = importlib.machinery.SourceFileLoader("make_session_types", str(ROOT / "tools/make_session_types"))
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(tool)
    assert tool.FILE.read_text() == tool.types_of(server.request("GET", "/openapi.json")), "run tools/make_session_types"


def test_a_video_is_steered_forked_from_an_earlier_block_and_kept(client, tmp_path):
    video = client.create(FIRST, segments=0, max_lead=2)
    wait_for(video, FIRST)
    video.set_prompt(THEN)
    wait_for(video, THEN)
    video.stop()
    assert video.replay_cost(1) == 1, "a session that has ended keeps no border"
    fork = video.fork(INSTEAD, blocks=1)
    assert fork.info["replay_blocks"] == 1 and fork.info["origin"] == {"kind": "fork", "session": video.id}
    wait_for(fork, INSTEAD)
    assert fork.stop()["state"] == "stopped"
    for each in (video, fork):
        made = streams(each.download(tmp_path / f"{each.id}.mp4"))
        assert int(made["video"]["nb_read_packets"]) == each.refresh()["done"]["video_frames"] > 9


def test_a_complete_video_is_extended(client):
    video = client.create(FIRST, segments=1)
    frames = video.wait()["done"]["video_frames"]
    assert video.extend(segments=1).wait()["done"]["video_frames"] > frames


def test_a_portrait_says_a_file(client):
    portrait = client.create(model=client.find_model("video", feeds="audio"), image=EXAMPLES / "ada.png")
    portrait.say(EXAMPLES / "speech.wav")
    info = portrait.wait_until_spoken()
    assert info["speech"]["utterances"] == 1 and info["done"]["video_frames"] > 25


def test_what_is_refused_has_status_code_message_and_advice(client):
    with pytest.raises(RequestError, match="there is no session") as caught:
        client.session("0" * 32)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (404, "not_found", None)
    assert "Client.sessions()" in caught.value.advice


def test_frames_come_one_by_one(client):
    video = client.create(FIRST, segments=0, max_lead=2)
    frame = next(video.frames(from_oldest=True))
    assert frame.jpeg[:2] == b"\xff\xd8" and frame.time_s == frame.number / 16
