"""`rushes generate` as a user meets it: files that play, pipes, Ctrl-C, and what it says to bad input.

Runs on a model that draws (the program generate_drawing), so that a test decides how fast a step is; FFmpeg judges."""
import json
import os
import pathlib
import pty
import signal
import subprocess
import time

import numpy
import pytest
from PIL import Image
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]


def find_program():
    if "GENERATE_DRAWING" in os.environ:
        return pathlib.Path(os.environ["GENERATE_DRAWING"]).resolve()
    found = [ROOT / "build" / preset / "apps/rushes/generate_drawing" for preset in ("release", "dev")]
    found = sorted((p for p in found if p.exists()), key=lambda p: p.stat().st_mtime)
    if not found:
        pytest.skip("generate_drawing is not built")
    return found[-1]


PROGRAM = find_program()
FRAME_BYTES = 64 * 64 * 3
BLOCK = 12  # video frames of a block of the drawing model
SEGMENT = 7 * BLOCK


def command(*arguments):
    return [PROGRAM, "generate", "--model", "drawing", *map(str, arguments)]


def generate(*arguments, **environment):
    return subprocess.run(command(*arguments), capture_output=True, timeout=180, env={**os.environ, **environment})


def probe(path):
    """Frames, their times and the stream, as ffprobe decodes them."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height,color_space:frame=pts_time,key_frame", "-of", "json", path],
        capture_output=True, check=True)
    found = json.loads(out.stdout)
    return found["streams"][0], found["frames"]


def test_a_prompt_becomes_an_mp4_with_every_frame_in_its_place(tmp_path):
    target = tmp_path / "out.mp4"
    result = generate("a red circle", "-o", target)
    assert result.returncode == 0, result.stderr
    stream, frames = probe(target)
    assert (stream["codec_name"], stream["width"], stream["height"], stream["color_space"]) == ("h264", 64, 64, "bt709")
    assert len(frames) == SEGMENT
    for i, frame in enumerate(frames):
        assert abs(float(frame["pts_time"]) - i / 16) < 1e-3
        assert frame["key_frame"] == (i % BLOCK == 0)
    assert b"first frame after" in result.stderr


def test_the_file_plays_while_it_grows(tmp_path):
    target = tmp_path / "out.mp4"
    process = subprocess.Popen(command("a", "--segments", 40, "-o", target), stderr=subprocess.DEVNULL, env={**os.environ, "DRAWING_STEP_MS": "20"})
    try:
        wait_for(lambda: target.exists() and target.stat().st_size > 3000)
        _, first = probe(target)
        wait_for(lambda: len(probe(target)[1]) > len(first))
        assert process.poll() is None and len(first) % BLOCK == 0
    finally:
        process.kill()
        process.wait()
    _, frames = probe(target)  # after a kill as after a power cut
    assert len(frames) >= len(first)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_leaves_a_file_that_plays(tmp_path, stop):
    target = tmp_path / "out.mp4"
    process = subprocess.Popen(command("a", "--segments", 0, "-o", target), stderr=subprocess.PIPE, env={**os.environ, "DRAWING_STEP_MS": "10"})
    wait_for(lambda: target.exists() and target.stat().st_size > 3000)
    process.send_signal(stop)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 128 + stop
    assert b"complete frames" in message
    _, frames = probe(target)
    assert len(frames) > 0 and len(frames) % BLOCK == 0
    assert f"stopped after {len(frames)} complete frames".encode() in message


def test_a_terminal_that_is_closed_leaves_a_complete_file(tmp_path):
    target = tmp_path / "out.mp4"
    child, terminal = pty.fork()
    if child == 0:
        os.execve(PROGRAM, command("a", "--segments", 0, "-o", target), {**os.environ, "DRAWING_STEP_MS": "10"})
    wait_for(lambda: target.exists() and target.stat().st_size > 3000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
    assert b"moof" not in target.read_bytes() and len(probe(target)[1]) > 0


def test_nohup_goes_on_without_its_terminal(tmp_path):
    target = tmp_path / "out.rgb"
    process = subprocess.Popen(["nohup", *command("a; b", "-o", target)], stderr=subprocess.PIPE, env={**os.environ, "DRAWING_STEP_MS": "10"})
    wait_for(lambda: target.exists() and target.stat().st_size > 0)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_second_ctrl_c_exits_at_once(tmp_path):
    target = tmp_path / "out.mp4"
    process = subprocess.Popen(command("a", "-o", target), stderr=subprocess.PIPE, env={**os.environ, "DRAWING_STEP_MS": "30000"})
    wait_for(target.exists)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    os.read(process.stderr.fileno(), 1000)  # it says that it waits for the step
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_step_that_takes_long_does_not_hold_ctrl_c_up(tmp_path, stop):
    target = tmp_path / "out.mp4"
    process = subprocess.Popen(command("a", "-o", target), stderr=subprocess.PIPE, env={**os.environ, "DRAWING_STEP_MS": "300000"})
    wait_for(target.exists)
    process.send_signal(stop)
    assert process.wait(timeout=60) == 128 + stop


def test_frames_cuts_to_the_wanted_length(tmp_path):
    target = tmp_path / "out.mp4"
    assert generate("a", "--frames", 29, "-o", target).returncode == 0
    assert len(probe(target)[1]) == 29


def test_several_prompts_take_a_segment_each(tmp_path):
    target = tmp_path / "out.rgb"
    assert generate("a; b", "--prompt", "c", "-o", target).returncode == 0
    frames = numpy.fromfile(target, numpy.uint8).reshape(-1, 64, 64, 3)
    assert len(frames) == 3 * SEGMENT


@pytest.mark.parametrize("line, segments", [
    ("a", 1), ("a; b", 2), (r"a\; b", 1), ("Tom &amp; Jerry", 1), ('a sign says "open; come in"; a dog', 2)])
def test_semicolons_that_belong_to_a_prompt_do_not_end_it(line, segments):
    made = generate(line, "-o", "-", "--format", "rgb24", "-q")
    assert made.returncode == 0 and len(made.stdout) == segments * SEGMENT * FRAME_BYTES


def test_what_has_no_effect_is_a_warning_also_of_a_quiet_command(tmp_path):
    made = generate("a", "--negative_prompt", "blur", "--quality", 5, "-q", "-o", tmp_path / "a.rgb")
    assert made.returncode == 0
    assert made.stderr.decode().splitlines() == [
        "warning: negative_prompt has no effect: a drawing has no guidance",
        "warning: --quality has no effect: frames are not compressed by H.264 in this format"]
    assert generate("a", "-q", "-o", tmp_path / "b.rgb").stderr == b""


def test_a_video_goes_to_each_of_several_outputs(tmp_path):
    assert generate("a", "--frames", 15, "-o", tmp_path / "a.mp4", "-o", tmp_path / "b.rgb").returncode == 0
    assert len(probe(tmp_path / "a.mp4")[1]) == 15
    assert (tmp_path / "b.rgb").stat().st_size == 15 * FRAME_BYTES


def test_seeds_of_64_bits_are_taken(tmp_path):
    for seed in (0, 2**32 + 1, 2**64 - 1):
        assert generate("a", "--frames", 1, "--seed", seed, "-o", tmp_path / f"{seed}.rgb").returncode == 0
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3


def test_y4m_in_a_pipe_is_what_ffmpeg_reads():
    generating = subprocess.Popen(command("a", "--fps", 24, "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    reading = subprocess.run(["ffmpeg", "-v", "error", "-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                             stdin=generating.stdout, capture_output=True, check=True)
    assert generating.wait() == 0
    raw = generate("a", "--fps", 24, "-o", "-", "--format", "rgb24", "-q")
    assert raw.returncode == 0 and raw.stderr == b""
    wanted = numpy.frombuffer(raw.stdout, numpy.uint8).astype(int)
    got = numpy.frombuffer(reading.stdout, numpy.uint8).astype(int)
    assert len(wanted) == SEGMENT * FRAME_BYTES == len(got)
    assert abs(wanted - got).max() <= 4


def test_a_reader_that_leaves_ends_generation_quietly():
    generating = subprocess.Popen(command("a", "--segments", 0, "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    generating.stdout.read(100_000)
    generating.stdout.close()
    assert generating.wait(timeout=60) == 0
    assert b"error" not in generating.stderr.read().lower()


def test_pictures_are_the_frames(tmp_path):
    assert generate("a", "--frames", 15, "-o", tmp_path / "f_%03d.png").returncode == 0
    assert generate("a", "--frames", 15, "-o", tmp_path / "all.rgb").returncode == 0
    frames = numpy.fromfile(tmp_path / "all.rgb", numpy.uint8).reshape(-1, 64, 64, 3)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [f"f_{i:03d}.png" for i in range(15)]
    for i in (0, 14):
        assert (numpy.asarray(Image.open(tmp_path / f"f_{i:03d}.png")) == frames[i]).all()


def test_a_folder_gets_the_file_under_the_references_name(tmp_path):
    assert generate("a red, round thing!", "--output_folder", f"{tmp_path}/new/", "--use_ema").returncode == 0
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a red_ round thing-0_ema.mp4"]


def test_both_spellings_and_the_references_names_are_accepted(tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "first.jpg")
    result = generate("--prompt", "a", "--num_segments", 1, "--segment_length", 21, "--overlap_frames", 3,
                      "--guidance_scale", 3, "--timestep_shift", 5, "--denoising_step_list", "1000,750,500,250", "--negative_prompt", "blur",
                      "--seed", 7, "--size", "64*64", "--num_output_frames", 21, "-o", tmp_path / "a.mp4")
    assert result.returncode == 0, result.stderr
    assert generate("a", "--segments", 1, "--segment-length", 21, "--overlap", 3, "--size", "64x64", "-o", tmp_path / "b.mp4").returncode == 0
    for flag in ("--image", "--image_path"):  # this model takes none, and says so when it has been read
        result = generate("a", flag, tmp_path / "first.jpg", "-o", tmp_path / "c.mp4")
        assert (result.returncode, b"does not accept images" in result.stderr) == (2, True), result.stderr


BAD = {
    "no prompt": ([], "prompt"),
    "empty prompt": ([""], "prompt is empty"),
    "blank prompts": ([" ; ;"], "prompt is empty"),
    "100 kB prompt": (["x" * 100_000], "prompt has 100000 bytes"),
    "unknown flag": (["a", "--colour", "red"], "--colour"),
    "word for a number": (["a", "--seed", "soon"], "seed"),
    "seed beyond 64 bits": (["a", "--seed", "99999999999999999999999"], "from 0 to 18446744073709551615 (got '99999999999999999999999')"),
    "seed of 65 bits": (["a", "--seed", str(2**64)], "from 0 to 18446744073709551615"),
    "negative seed": (["a", "--seed", "-1"], "from 0 to 18446744073709551615"),
    "prompt behind the last frame": (["a; b", "--frames", "21"], "'b' would never be shown"),
    "prompt behind the last segment": (["a; b; c", "--segments", "2"], "'c' would never be shown"),
    "rate beyond all": (["a", "--fps", "241"], "fps must be a number from 1 to 240"),
    "profile without profiling": (["a", "--profile-format", "json"], "--enable-profiling"),
    "size without a cross": (["a", "--size", "large"], "WIDTHxHEIGHT"),
    "size of the wrong step": (["a", "--size", "65x64"], "width must be a multiple of 16"),
    "size of nothing": (["a", "--size", "x"], "WIDTHxHEIGHT"),
    "no frames": (["a", "--frames", "0"], "frames"),
    "two lengths of a segment": (["a", "--segment_length", "21", "--num_output_frames", "18"], "give one"),
    "steps that are no numbers": (["a", "--denoising_step_list", "1000,x"], "denoising_steps"),
    "unknown format": (["a", "--format", "avi"], "format must be"),
    "unknown ending": (["a", "-o", "out.avi"], "--format"),
    "folder that is not there": (["a", "-o", "/nonexistent/out.mp4"], "cannot write /nonexistent/out.mp4"),
    "pattern without a number": (["a", "-o", "frames.png"], "number field"),
    "pattern that would read memory": (["a", "-o", "%s%n.png"], "number field"),
    "image that is missing": (["a", "--image", "/nonexistent.png"], "no such file"),
    "image that is none": (["a", "--image", "/bin/sh"], "JPEG, PNG or WebP"),
    "unknown dtype": (["a", "--dtype", "int3"], "dtype"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_clear_line_and_exit_code_2(name, tmp_path):
    arguments, words = BAD[name]
    result = subprocess.run(command(*arguments), capture_output=True, timeout=60, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_bad_value_does_not_empty_an_existing_file(tmp_path):
    target = tmp_path / "precious.mp4"
    target.write_bytes(b"kept")
    assert generate("a", "--size", "65x64", "-o", target).returncode == 2
    assert target.read_bytes() == b"kept"


def test_a_full_disk_is_an_error_with_its_name():
    result = generate("a", "-o", "/dev/full", "--format", "rgb24")
    assert result.returncode == 1 and b"/dev/full" in result.stderr


def test_a_failing_device_leaves_what_was_made(tmp_path):
    target = tmp_path / "out.mp4"
    result = generate("a", "-o", target, DRAWING_FAILS_AT="9")
    assert result.returncode == 1 and b"out of memory" in result.stderr
    assert len(probe(target)[1]) == 2 * BLOCK
