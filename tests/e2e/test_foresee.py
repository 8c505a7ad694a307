"""rushes foresee and rushes describe with the model that ships."""
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


def test_frames_on_standard_output_leave_standard_error_to_the_words(binary):
    made = run(binary, "foresee", EXAMPLES / "arrow.png", "What will happen?", "-o", "-")
    assert made.returncode == 0 and ARROW in made.stderr.decode()
    header, frames = made.stdout.split(b"\n", 1)
    assert header.startswith(b"YUV4MPEG2 W128 H128")
    assert len(frames) == 33 * (len(b"FRAME\n") + 3 * 128 * 128)
