"""The first five minutes with the program: typing errors, words without quotes, and what is wrong with a command line,
which is told before a model is loaded."""
import json
import os
import pathlib
import socket
import subprocess

import pytest
from conftest import Server
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
FACE = ROOT / "models/shipped-talk/examples/ada.png"
SPEECH = ROOT / "models/shipped-talk/examples/speech.wav"
SCENE = next((ROOT / "models/shipped-foresight/examples").glob("*.png"))


@pytest.fixture
def rushes(binary, tmp_path):
    """The program in an empty folder, with one file that is no folder, and not what it is asked for either."""
    (tmp_path / "file").write_text("not what was asked for")

    def run(*arguments, **environment):
        return subprocess.run([binary, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, env={**os.environ, **environment})

    return run


@pytest.mark.parametrize("arguments, said", [
    (["genrate", "a circle"], "there is no command 'genrate' of rushes; did you mean 'generate'?"),
    (["generate", "a", "--sed", "5"], "there is no option '--sed' of rushes generate; did you mean '--seed'?"),
    (["serve", "--lisen", "5"], "there is no option '--lisen' of rushes serve; did you mean '--listen'?"),
    (["serve", "--max-session", "5"], "there is no option '--max-session' of rushes serve; did you mean '--max-sessions'?"),
    (["talk", "--adio", "x"], "there is no option '--adio' of rushes talk; did you mean '--audio'?"),
    (["inspect", "--strct"], "there is no option '--strct' of rushes inspect"),
    (["train", "evalute"], "there is no command 'evalute' of rushes train; did you mean 'evaluate'?"),
    (["client", "dito"], "there is no command 'dito' of rushes client; did you mean 'ditto'?"),
    (["--log-levl", "debug", "serve"], "there is no option '--log-levl' of rushes serve; did you mean '--log-level'?"),
    (["paint"], "there is no command 'paint' of rushes; rushes --help lists them")])
def test_a_typing_error_is_told_with_what_was_meant(rushes, arguments, said):
    done = rushes(*arguments)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_words_without_quotes_are_one_prompt_and_it_says_so(rushes):
    done = rushes("generate", "a", "red", "circle", "--frames", 1)
    assert done.returncode == 0, done.stderr
    assert 'prompt: "a red circle" (words without quotes are one prompt' in done.stderr


def test_several_prompts_in_the_documented_ways_stay_several_and_it_says_so(rushes):
    for arguments in (["a red circle", "a blue star"], ["a red circle; a blue star"], ["--prompt", "a red circle", "--prompt", "a blue star"],
                      ["--prompt", "a", "red", "circle", "--prompt", "a", "blue", "star"]):
        done = rushes("generate", *arguments, "--frames", 1)
        assert done.returncode == 2 and "'a blue star' would never be shown" in done.stderr, done.stderr
        assert 'prompts: "a red circle", then "a blue star" (one for each segment)' in done.stderr


def test_a_question_without_quotes_is_one_question(rushes):
    done = rushes("describe", SCENE, "what", "will", "happen", "next", "-q")
    assert done.returncode == 0 and done.stdout.strip() and done.stderr == ""


@pytest.mark.parametrize("arguments", [
    ["generate", "a", "red", "circle", "--frames", "1"],
    ["talk", "-i", FACE, "-a", SPEECH],
    ["describe", SCENE, "what is this"],
    ["foresee", SCENE, "what is next", "-o", "out.mp4", "--frames", "1"],
    ["avatar", "a woman", "--frames", "9"]])
def test_quiet_is_quiet(rushes, arguments):
    done = rushes(*arguments, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    loud = rushes(*arguments, "--quiet", "--log-level", "info")
    assert " loaded in " in loud.stderr, "what is asked for by name is told"


def test_frames_and_segments_that_contradict_are_told(rushes):
    done = rushes("generate", "a red circle", "--frames", 200, "--segments", 1)
    assert done.returncode == 2 and "200 frames are 3 segments of 21 latent frames, but segments is 1; give one of the two" in done.stderr


@pytest.mark.parametrize("arguments, told", [
    (["generate", "a", "red", "circle", "--frames", "1", "--quality", "5", "-o", "a.rgb"], ["--quality"]),
    (["generate", "a red circle", "--frames", "1", "--negative-prompt", "blur"], ["negative_prompt"]),
    (["talk", "-i", FACE, "-a", SPEECH, "--quality", "5", "-o", "a.rgb", "--rate", "8000", "--channels", "2"], ["--rate", "--channels", "--quality"]),
    (["foresee", SCENE, "what is next", "--frames", "1", "--quality", "5", "-o", "a.rgb"], ["--quality"])])
def test_what_has_no_effect_is_told(rushes, arguments, told):
    done = rushes(*arguments, "-q")
    assert done.returncode == 0, done.stderr
    for option in told:
        assert f"warning: {option} has no effect: " in done.stderr


TALK = ["talk", "-i", FACE, "-a", SPEECH]
WRONG = {
    "generate: folder of the output is a file": (["generate", "a", "-o", "file/x.mp4"], "cannot write file/x.mp4: Not a directory"),
    "generate: folder that cannot be made": (["generate", "a", "-o", "file/x/"], "cannot write file/x/: Not a directory"),
    "generate: pictures in a folder that cannot be made": (["generate", "a", "-o", "/proc/none/f_%d.png"], "cannot write /proc/none/f_%d.png"),
    "generate: file system that only pretends": (["generate", "a", "-o", "/proc/x.mp4"], "cannot write /proc/x.mp4"),
    "generate: image that is missing": (["generate", "a", "--image", "none.png"], "none.png: no such file"),
    "generate: model that is missing": (["generate", "a", "--model", "none"], "there is no model folder 'none'"),
    "generate: checkpoint that is missing": (["generate", "a", "--checkpoint", "none.pt"], "the checkpoint 'none.pt' does not exist"),
    "generate: device that is none": (["generate", "a", "--device", "gpu"], "device must be cpu, cuda or cuda:N (got 'gpu')"),
    "generate: option out of its range": (["generate", "a", "--steps", "0"], "steps must be an integer from 1 to 200 (got 0)"),
    "generate: rate out of its range": (["generate", "a", "--fps", "0"], "fps must be a number from 1 to 240"),
    "generate: reports that cannot be written": (
        ["generate", "a", "--enable-profiling", "--profile-output-dir", "/proc/none/p"], "cannot write /proc/none/p"),
    "talk: no speech": (["talk", "-i", FACE], "give speech"),
    "talk: no portrait": (["talk", "-a", SPEECH], "image is missing; give a portrait"),
    "talk: portrait that is missing": (["talk", "-i", "none.png", "-a", SPEECH], "none.png: no such file"),
    "talk: speech that is missing": (["talk", "-i", FACE, "-a", "none.wav"], "none.wav: no such file"),
    "talk: speech that is none": (["talk", "-i", FACE, "-a", "file"], "file"),
    "talk: video that is missing": (["talk", "-i", FACE, "-v", "none.mp4"], "none.mp4"),
    "talk: output that is a folder": ([*TALK, "-o", "."], "the output '.' is a folder"),
    "talk: output that cannot be written": ([*TALK, "-o", "/proc/x.mp4"], "cannot write /proc/x.mp4"),
    "talk: model that is missing": ([*TALK, "--model", "none"], "there is no model folder 'none'"),
    "talk: device that is none": ([*TALK, "--device", "gpu"], "device must be cpu"),
    "avatar: portrait that is missing": (["avatar", "a woman", "-i", "none.png"], "none.png: no such file"),
    "avatar: speech that is missing": (["avatar", "a woman", "-a", "none.wav"], "none.wav: no such file"),
    "avatar: output that cannot be written": (["avatar", "a woman", "-o", "/proc/x.mp4"], "cannot write /proc/x.mp4"),
    "avatar: output that is a folder": (["avatar", "a woman", "-o", "."], "the output '.' is a folder"),
    "foresee: picture that is missing": (["foresee", "none.png", "what"], "none.png: no such file"),
    "foresee: output that cannot be written": (["foresee", SCENE, "what", "-o", "/proc/x.mp4"], "cannot write /proc/x.mp4"),
    "foresee: output that is a folder": (["foresee", SCENE, "what", "-o", "."], "the output '.' is a folder"),
    "foresee: output of no known kind": (["foresee", SCENE, "what", "-o", "x.avi"], "x.avi"),
    "describe: picture that is missing": (["describe", "none.png", "what"], "none.png: no such file"),
    "describe: earlier picture that is missing": (["describe", SCENE, "--image", "none.png"], "none.png: no such file"),
    "describe: model that is missing": (["describe", SCENE, "what", "--model", "none"], "there is no model folder 'none'"),
    "stream: configuration that is missing": (
        ["stream", "--config_path", "none.yaml", "--checkpoint_path", "none.pt", "--prompt", "a"], "config file not found: none.yaml"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_before_a_model_is_loaded(rushes, name):
    arguments, said = WRONG[name]
    done = rushes(*arguments)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "load" not in done.stderr.replace(said, ""), "a model was loaded first"


SERVE = {
    "folder of recordings": (["--data-dir", "file"], "the data directory file cannot be created"),
    "folder of recordings on a file system that only pretends": (["--data-dir", "/proc/none"], "the data directory /proc/none cannot be"),
    "folder of the page": (["--web-root", "none"], "--web-root: there is no folder none"),
    "folder of static files": (["--static-dir", "none"], "--static-dir: there is no folder none"),
    "folder of files": (["--file-root", "none"], "--file-root"),
    "file of tokens": (["--token-file", "none"], "the file of tokens none cannot be read"),
    "file of settings": (["--config", "none"], "none cannot be read"),
    "path below a proxy": (["--base-path", "rushes"], "--base-path 'rushes'"),
    "proxy": (["--trusted-proxy", "x"], "--trusted-proxy 'x'"),
    "origin": (["--allow-origin", "example.org"], "--allow-origin 'example.org' must be an origin"),
    "host of pushes": (["--allow-push", "rtmp://a"], "--allow-push 'rtmp://a'"),
    "address for WebRTC": (["--webrtc-address", "x"], "--webrtc-address 'x'"),
    "address to listen at": (["--listen", "x"], "--listen 'x'"),
    "API": (["--listen", "127.0.0.1:0=soap"], "there is no API 'soap'"),
    "assistant": (["--assistant", "ftp://x", "--assistant-model", "m"], "--assistant 'ftp://x'"),
    "option of answers": (["--answer", "foo=1"], "--answer foo=1: answers have no option 'foo'"),
    "value of an option of answers": (["--answer", "frames=many"], "frames must be"),
    "alias": (["--alias", "sora-2=none"], "--alias sora-2=none: there is no model 'none'"),
    "model": (["--model", "none"], "there is no model folder 'none'"),
    "second model": (["--model", ROOT / "models/shipped-t2v", "--model", "none"], "there is no model folder 'none'"),
    "model of talking heads": (["--talk-model", "nowhere"], "there is no model folder 'nowhere'"),
    "checkpoint": (["--checkpoint", "none"], "the checkpoint 'none' does not exist"),
    "device": (["--device", "gpu"], "device must be cpu"),
    "time that is not a number": (["--keep-alive-seconds", "nan"], "--keep-alive-seconds: 'nan' must be a finite number"),
    "time with a name of its own that is not a number": (["--drain-timeout", "NaN"], "--drain-timeout: 'NaN' must be a finite number"),
    "length without end": (["--max-video-seconds", "-inf"], "--max-video-seconds: "),
    "option of its first session": (["--prompt", "a circle", "--steps", "99999"], "steps must be an integer from 1 to 200"),
    "folder of reports": (["--prompt", "a circle", "--enable-profiling", "--profile-output-dir", "/proc/none/p"], "cannot write /proc/none/p"),
}


@pytest.mark.parametrize("name", SERVE)
def test_a_wrong_setting_of_a_server_is_told_before_its_models_are_loaded(rushes, name, tmp_path):
    arguments, said = SERVE[name]
    place = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    done = rushes("serve", *place, *([] if "--data-dir" in arguments else ["--data-dir", tmp_path / "data"]), *arguments)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "load" not in done.stderr.replace(said, ""), "a model was loaded first"


def test_a_busy_port_is_told_before_models_are_loaded(rushes, tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        done = rushes("serve", "--listen", address, "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"rushes: cannot listen at {address}: Address already in use; choose another address with --listen"
    assert "load" not in done.stderr


@pytest.mark.parametrize("place", ["before", "after"])
def test_every_command_takes_the_log_level_before_and_after_its_name(rushes, place):
    for command in (["generate", "a circle", "--frames", 1], ["inspect", ROOT / "models/shipped-t2v"], ["describe", SCENE, "what is this"]):
        level = ["--log-level", "off"]
        done = rushes(*(level + command if place == "before" else command + level))
        assert done.returncode == 0 and " info " not in done.stderr
    wrong = rushes("generate", "a", "--log-level", "loud")
    assert wrong.returncode == 2 and "log level 'loud' is not one of debug, info, warning, error, off" in wrong.stderr


def test_every_help_names_the_options_of_all_commands(rushes):
    for command in ("generate", "serve", "talk", "inspect"):
        assert "--log-level" in rushes(command, "--help").stdout


def test_the_log_of_a_session_is_a_line_for_each_of_its_stages_with_its_values_in_json(binary, tmp_path):
    server = Server(binary, tmp_path / "data", "--log-format", "json")
    try:
        done, stopped = (server.request("POST", "/v1/sessions", {"prompt": "a red circle", **more})["id"] for more in ({"frames": 9}, {"segments": 0}))
        wait_for(lambda: server.request("GET", f"/v1/sessions/{done}")["state"] == "finished")
        wait_for(lambda: server.request("GET", f"/v1/sessions/{stopped}")["done"]["blocks"] > 0)
        server.request("POST", f"/v1/sessions/{stopped}/stop")
        text = "rushes_sessions_ended_total{reason=\"requested\"} 1\n"
        wait_for(lambda: text in metrics(server))
    finally:
        assert server.stop() == 0
    lines = [json.loads(line) for line in server.log if line.startswith("{")]
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    assert {line["event"] for line in lines if line.get("session") == done} == {"created", "first_frame", "ended"}
    ends = {line["session"]: line for line in lines if line.get("event") == "ended"}
    assert [ends[done]["reason"], ends[done]["video_frames"]] == ["finished", 9]
    assert ends[done]["seconds"] > 0 and ends[done]["fps"] > 0
    assert [ends[stopped]["reason"], ends[stopped]["detail"]] == ["requested", "stopped by request"]
    assert len(ends) == len([line for line in lines if line.get("event") == "ended"]) == 2


def metrics(server):
    import urllib.request

    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
        return answer.read().decode()
