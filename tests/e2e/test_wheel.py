"""What `pip install ./python` installs: built, put into an empty environment outside the checkout, and used there."""
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile

import numpy
import pytest
from conftest import ROOT, Server, find_binary
from python_package import PROMPT, assert_shows_the_prompt, decoded

PYTHON = pathlib.Path(sys.executable)
#: What the package depends on, with libtorch; too large to be loaded anew for a test.
NEEDED = ("torch", "nvidia", "nvidia_*.dist-info", "numpy", "numpy.libs", "numpy-*.dist-info", "yaml", "_yaml", "[Pp]y[Yy][Aa][Mm][Ll]-*.dist-info")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    # In the tree that the tests have built, as it was configured: what is compiled there already is not compiled again.
    settings = {"build-dir": find_binary().parents[2], "cmake.define.RUSHES_TESTS": "ON", "cmake.define.RUSHES_BENCHES": "ON"}
    built = subprocess.run([PYTHON, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "-w", target,
                            *(f"--config-settings={name}={value}" for name, value in settings.items()), ROOT / "python"],
                           capture_output=True, text=True, timeout=1800, env={**os.environ, "CXX": "c++"})
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    (file,) = target.glob("rushes-*.whl")
    return file


class Environment:
    """A virtual environment with nothing but what the package needs."""

    def __init__(self, folder, needed):
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder / "env"], check=True, timeout=120)
        self.folder = folder
        self.bin = folder / "env/bin"
        self.site = next((folder / "env/lib").glob("python3*/site-packages"))
        # Another folder of the path than the package's, as where a system's torch is used.
        libraries = folder / "libraries"
        libraries.mkdir()
        for pattern in needed:
            for entry in pathlib.Path(sysconfig.get_path("purelib")).glob(pattern):
                (libraries / entry.name).symlink_to(entry)
        (self.site / "libraries.pth").write_text(f"{libraries}\n")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RUSHES", "LD_"))}

    def pip(self, *arguments):
        subprocess.run([PYTHON, "-m", "pip", "--python", self.bin / "python", *arguments, "--disable-pip-version-check", "-q"],
                       check=True, timeout=120, env=self.variables)

    def run(self, *command):
        return subprocess.run([self.bin / command[0], *command[1:]], capture_output=True, text=True, timeout=240, cwd=self.folder,
                              env={**self.variables, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    environment = Environment(tmp_path_factory.mktemp("installed"), NEEDED)
    # Without an index: what is not in NEEDED would fail here.
    environment.pip("install", "--no-index", wheel)
    return environment


def test_the_wheel_has_modules_program_page_and_models_and_asks_for_no_cuda(wheel):
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (metadata,) = [content.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    for pattern in (r"rushes/_core\..*so", r"rushes/_server\..*so", "rushes/bin/rushes", "rushes/share/rushes/web/index.html",
                    "rushes/share/rushes/models/shipped-t2v/model.yaml", "rushes/share/rushes/models/shipped-talk/model.yaml",
                    r"rushes/_core\.pyi", r"rushes/py\.typed", "rushes/inferix/__main__.py"):
        assert any(re.fullmatch(pattern, name) for name in names), f"no {pattern} in {sorted(names)[:40]}"
    required = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra)", metadata, re.MULTILINE)
    assert sorted(required) == ["numpy", "nvidia-cuda-cupti", "nvidia-cuda-runtime", "pyyaml"]


def test_an_installed_package_generates(installed):
    code = f"""
import sys, numpy, rushes
model = rushes.Model()
assert model.path.startswith({str(installed.folder)!r}), model.path
numpy.save("pictures.npy", numpy.concatenate([block.frames for block in model.generate({PROMPT!r}, segment_length=6)]))
assert "torch" not in sys.modules
"""
    done = installed.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    pictures = numpy.load(installed.folder / "pictures.npy")
    assert pictures.shape == (21, 96, 96, 3)
    assert_shows_the_prompt(pictures)


def test_its_command_generates_and_serves_the_page(installed, tmp_path):
    done = installed.run("rushes", "generate", PROMPT, "--segment-length", "6", "-o", "out.mp4")
    assert done.returncode == 0, done.stderr
    assert decoded(installed.folder / "out.mp4").shape == (21, 96, 96, 3)
    server = Server(installed.bin / "rushes", tmp_path / "data")
    try:
        with urllib.request.urlopen(server.url + "/", timeout=60) as page:
            (script,) = re.findall(r'<script[^>]* src="([^"]+)"', page.read().decode())
        with urllib.request.urlopen(server.url + "/" + script.lstrip("./"), timeout=60) as answer:
            assert len(answer.read()) > 50_000
        assert str(installed.site / "rushes/share/rushes/models/shipped-t2v") in "".join(server.log)
        assert any("audio" in model["capabilities"]["feeds"] for model in server.request("GET", "/v1/models")["models"])
    finally:
        server.stop()


def test_a_program_serves_the_page_to_viewers_of_its_frames(installed):
    code = """
import urllib.request, numpy
from rushes.inferix.core.media import create_streaming_backend
streamer = create_streaming_backend("gradio")
assert streamer.connect(width=64, height=48, fps=16, host="127.0.0.1", port=0)
assert streamer.stream_batch(numpy.full((16, 48, 64, 3), 99, numpy.uint8))
print(urllib.request.urlopen(streamer.url + "/", timeout=60).read().decode())
streamer.disconnect()
"""
    done = installed.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "<script" in done.stdout and 'id="root"' in done.stdout


@pytest.mark.parametrize("needed, words", [
    ((), "rushes needs the libraries of torch 2.11.0, which is not installed. pip install --no-deps torch==2.11.0"),
    (("old",), "rushes was built with torch 2.11.0, but"),
])
def test_without_its_libtorch_the_package_says_what_to_install(wheel, tmp_path, needed, words):
    environment = Environment(tmp_path, [name for name in NEEDED if name != "torch"])
    environment.pip("install", "--no-index", wheel)
    if needed:
        (environment.site / "torch/lib").mkdir(parents=True)
        (environment.site / "torch/lib/libtorch_cpu.so").touch()
        (environment.site / "torch/version.py").write_text("__version__ = '2.9.1+cpu'\n")
    for command in (["python", "-c", "import rushes; rushes.Model()"], ["rushes", "--version"]):
        done = environment.run(*command)
        assert done.returncode != 0 and words in done.stderr, done.stderr
    assert environment.run("python", "-c", "import rushes.talk").returncode == 0, "clients of a server need no engine"
