"""Pictures from files: every command, and Python, takes the same ones as the server and says why it does not take another."""
import subprocess

import pytest
from conftest import ROOT
from PIL import Image
from python_package import environment

PICTURE = "PICTURE"
SPEECH = ROOT / "models/shipped-talk/examples/speech.wav"
COMMANDS = {
    "foresee": ["foresee", PICTURE, "what?"],
    "foresee, an earlier one": ["foresee", ROOT / "models/shipped-foresight/examples/arrow.png", "what?", "--image", PICTURE],
    "describe": ["describe", PICTURE, "what?"],
    "talk": ["talk", "--image", PICTURE, "--audio", SPEECH],
    "talk with ditto": ["talk", "--model", "shipped-ditto", "--image", PICTURE, "--audio", SPEECH],
    "avatar": ["avatar", "a woman", "--image", PICTURE],
    "generate": ["generate", "a circle", "--model", "random:wan", "--image", PICTURE],
    "portrait": ["portrait", "register", PICTURE, "--model", "shipped-ditto"],
}
PYTHON = "import rushes, sys; rushes.Model('random:wan').generate('a circle', image=sys.argv[1]).next()"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """That no model takes, by the words that say why."""
    folder = tmp_path_factory.mktemp("pictures")
    still, other = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    Image.new("1", (9000, 6000)).save(folder / "large.png")
    still.save(folder / "moves.png", save_all=True, append_images=[other])
    still.save(folder / "moves.webp", save_all=True, append_images=[other])
    return {"is 9000x6000; at most": folder / "large.png", "PNG image is animated": folder / "moves.png",
            "WebP image is animated": folder / "moves.webp"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_that_is_too_large_or_moves_is_refused_by_every_command(binary, pictures, tmp_path, name):
    for words, file in pictures.items():
        command = [str(binary), *(str(file if each == PICTURE else each) for each in COMMANDS[name])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode != 0 and f"{file}: the " in done.stderr and words in done.stderr, done.stderr
        assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_a_picture_that_is_too_large_or_moves_is_refused_in_python(pictures):
    for words, file in pictures.items():
        done = subprocess.run([str(ROOT / ".deps/venv/bin/python"), "-c", PYTHON, str(file)], env=environment(), capture_output=True,
                              text=True, timeout=120)
        assert words in done.stderr, done.stderr
