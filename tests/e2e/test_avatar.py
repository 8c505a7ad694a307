"""Avatars as a user meets them: `rushes avatar` from files and from a pipe; FFmpeg judges.

The model has random weights: its faces are noise, but frames, sound and times are as with a trained one."""
import subprocess

import pytest
from families import EXAMPLES
from test_talk import SECONDS_BEFORE_TONE, portrait, speech, streams, tone_begins, wav

FPS = 16


def avatar(binary, *arguments, **how):
    return subprocess.run([binary, "avatar", "--model", "random", "--quiet", *map(str, arguments)], capture_output=True, timeout=120, **how)


@pytest.fixture
def face(tmp_path):
    (tmp_path / "face.png").write_bytes(portrait())
    return tmp_path / "face.png"


def test_a_prompt_a_portrait_and_a_file_become_a_video_as_long_as_the_speech_with_its_sound_in_time(binary, tmp_path, face):
    (tmp_path / "speech.wav").write_bytes(wav(speech(3.0)))
    video = tmp_path / "avatar.mp4"
    made = avatar(binary, "--prompt", "a woman in red", "--image", face, "--audio", tmp_path / "speech.wav", "-o", video)
    assert made.returncode == 0, made.stderr.decode()
    told = streams(video)
    assert int(told["video"]["nb_read_packets"]) == 3 * FPS
    assert tone_begins(video) == pytest.approx(SECONDS_BEFORE_TONE, abs=0.04)


def test_speech_from_a_pipe_gives_the_same_video_as_from_a_file(binary, tmp_path, face):
    samples = speech(2.0)
    (tmp_path / "speech.wav").write_bytes(wav(samples))
    from_file, live = tmp_path / "file.rgb", tmp_path / "live.rgb"
    assert avatar(binary, "--prompt", "a man", "--image", face, "--audio", tmp_path / "speech.wav", "-o", from_file).returncode == 0
    pcm = (samples * 32767).astype("<i2").tobytes()
    made = avatar(binary, "--prompt", "a man", "--image", face, "--live", "-o", live, input=pcm)
    assert made.returncode == 0, made.stderr.decode()
    assert len(from_file.read_bytes()) == 2 * FPS * 32 * 32 * 3
    assert live.read_bytes() == from_file.read_bytes()


def test_words_alone_make_a_silent_video_of_the_wanted_length(binary, tmp_path):
    video = tmp_path / "avatar.mp4"
    made = avatar(binary, "--prompt", "a woman in red", "--frames", 20, "-o", video)
    assert made.returncode == 0, made.stderr.decode()
    assert int(streams(video)["video"]["nb_read_packets"]) == 20
    generated = subprocess.run([binary, "generate", "a woman in red", "--model", "random:omniavatar", "--frames", "20", "--quiet", "-o", tmp_path / "generated.mp4"],
                               capture_output=True, timeout=120)
    assert generated.returncode == 0, generated.stderr.decode()
    assert int(streams(tmp_path / "generated.mp4")["video"]["nb_read_packets"]) == 20


def test_a_side_is_rounded_and_a_size_that_the_model_was_not_trained_for_is_told(binary, tmp_path):
    made = avatar(binary, "--prompt", "a woman", "--frames", 9, "--height", 40, "-o", tmp_path / "a.rgb")
    assert made.returncode == 0 and len((tmp_path / "a.rgb").read_bytes()) == 9 * 48 * 32 * 3
    assert made.stderr.decode().splitlines() == [
        "warning: height has no effect: 40 is not a multiple of 16; 48 is taken",
        "warning: the model was trained for 32x32, not for 32x48: the picture may be poor"]


@pytest.mark.parametrize(("command", "flag"), [("avatar", "--audio"), ("avatar", "--image"), ("talk", "--audio"), ("talk", "--video")])
def test_a_file_that_is_not_there_is_told_before_a_model_is_loaded(binary, tmp_path, face, command, flag):
    image = [] if flag == "--image" else ["--image", face]
    made = subprocess.run([binary, command, *image, flag, tmp_path / "none", "-o", tmp_path / "none.mp4"], capture_output=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    assert made.returncode != 0
    (told,) = made.stderr.decode().splitlines()
    assert "none: no such file" in told


def test_help_tells_where_defaults_come_from(binary):
    told = avatar(binary, "--help").stdout.decode()
    assert "in its model.yaml" in " ".join(told.split()) and "the model's own" in " ".join(told.split())


@pytest.mark.parametrize(("arguments", "words"), [
    (("--prompt", ""), 'prompt is empty; describe the video, e.g. "a red circle'),
    (("--prompt", "a", "--audio", "a.wav", "--live"), "not both"),
    (("--prompt", "a", "--height", "4000"), "height must be from 16 to 2048"),
    (("--prompt", "a", "--prompt", "b"), "takes one prompt"),
    (("--prompt", "a", "--steps", "100000"), "steps must be"),
    (("--prompt", "a", "--silent", "--audio", str(EXAMPLES / "speech.wav")), "leave out --silent"),
])
def test_what_cannot_be_done_is_said(binary, tmp_path, arguments, words):
    made = avatar(binary, *arguments, "-o", tmp_path / "none.mp4", stdin=subprocess.DEVNULL)
    assert made.returncode != 0
    assert words in made.stderr.decode()
    assert not (tmp_path / "none.mp4").exists()
