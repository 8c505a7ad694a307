"""rushes foresee and rushes describe with the model that ships."""
import signal
import subprocess

from conftest import ROOT

EXAMPLES = ROOT / "models/shipped-foresight/examples"
ARROW = "There is a green triangle on a blue ground. It will slide to the left."


def run(binary, *arguments):
    return subprocess.run([str(binary), *map(str, arguments)], capture_output=True, timeout=300)


def test_a_picture_is_described_and_an_earlier_one_does_not_take_its_place(binary, tmp_path):
    alone = run(binary, "describe", EXAMPLES / "arrow.png", "What will happen?")
    assert (alone.returncode, alone.stdout.decode().strip()) == (0, ARROW)
    after = run(binary, "describe", EXAMPLES / "arrow.png", "What will happen?", "--image", EXAMPLES / "curve.png")
    assert after.stdout.decode().strip() == ARROW, "the newest one is asked about"
    assert "earlier_images has no effect" in after.stderr.decode()
    missing = run(binary, "describe", tmp_path / "none.png", "What will happen?", "--image", EXAMPLES / "curve.png")
    assert missing.returncode != 0 and "none.png" in missing.stderr.decode()


def test_a_blank_question_is_none_and_a_video_is_not_described(binary, tmp_path):
    default = run(binary, "describe", EXAMPLES / "arrow.png")
    for blank in ("", "  "):
        described = run(binary, "describe", EXAMPLES / "arrow.png", blank)
        assert (described.returncode, described.stdout) == (0, default.stdout)
    for tracks in ("video", "both"):
        refused = run(binary, "describe", EXAMPLES / "arrow.png", "--tracks", tracks)
        assert refused.returncode != 0
        assert "rushes describe writes words alone; rushes foresee is the command for a video" in refused.stderr.decode()
    assert run(binary, "describe", EXAMPLES / "arrow.png", "--tracks", "text").stdout == default.stdout


def test_frames_on_standard_output_leave_standard_error_to_the_words(binary):
    made = run(binary, "foresee", EXAMPLES / "arrow.png", "What will happen?", "-o", "-")
    assert made.returncode == 0 and ARROW in made.stderr.decode()
    header, frames = made.stdout.split(b"\n", 1)
    assert header.startswith(b"YUV4MPEG2 W128 H128")
    assert len(frames) == 33 * (len(b"FRAME\n") + 3 * 128 * 128)


def test_mistakes_are_told_with_the_way_out_before_anything_is_made(binary, tmp_path):
    picture = EXAMPLES / "arrow.png"

    def mistake(*arguments):
        done = run(binary, *arguments)
        assert done.returncode not in (0, 130), arguments
        return done.stderr.decode()

    ending = mistake("foresee", picture, "-o", tmp_path / "out.xyz")
    assert "give --format mp4, y4m, rgb24 or png" in ending
    assert run(binary, "foresee", picture, "-o", tmp_path / "out.xyz", "--format", "y4m", "--frames", "9").returncode == 0
    assert (tmp_path / "out.xyz").read_bytes().startswith(b"YUV4MPEG2")
    silent = mistake("foresee", picture, "--tracks", "text", "--frames", "9", "-o", tmp_path / "none.mp4")
    assert "frames has no effect: tracks text makes no video; tracks both or video makes one" in silent
    assert "rushes describe is the command for words alone" in silent
    other = mistake("generate", "a circle", "--model", "random:wan", "--tracks", "text")
    assert "tracks is an option of foresight models; random:wan is one of wan, which do not have it" in other
    long = mistake("foresee", picture, "\u00e9\u4e2d" * 1600, "-o", tmp_path / "none.mp4")
    assert "the language model reads at most 4095" in long
    assert not (tmp_path / "none.mp4").exists()


def test_what_is_stopped_says_so_and_not_that_it_is_complete(binary, tmp_path):
    process = subprocess.Popen([str(binary), "foresee", str(EXAMPLES / "arrow.png"), "What will happen?", "-o", str(tmp_path / "out.mp4"),
                                "--steps", "200"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1), "the first word has come"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped after 0 of 33 frames" in said.decode() and "complete" not in said.decode()


def test_a_size_that_a_shipped_model_was_not_trained_for_is_made_with_a_warning(binary, tmp_path):
    target = tmp_path / "out.mp4"
    quick = ["--max_new_tokens", 2, "--steps", 2, "-o", target]
    made = run(binary, "foresee", EXAMPLES / "arrow.png", "--preset", "256", *quick)
    assert made.returncode == 0
    assert "warning: the model was trained for 128x128, not for 256x256: the picture may be poor" in made.stderr.decode()
    made = run(binary, "foresee", EXAMPLES / "arrow.png", "--frames", 41, *quick)
    assert "warning: the model was trained for at most 33 frames at once, not for 41" in made.stderr.decode()
    assert "warning" not in run(binary, "foresee", EXAMPLES / "arrow.png", *quick).stderr.decode()
    made = run(binary, "generate", "a red circle", "--size", "96x64", "--frames", 9, "-q", "-o", target)
    assert "warning: the model was trained for 96x96, not for 96x64: the picture may be poor" in made.stderr.decode()
