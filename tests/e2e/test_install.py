"""`cmake --install` gives a program that needs nothing of the checkout but libtorch."""
import pathlib
import re
import subprocess
import urllib.request

import pytest
from conftest import Server, find_binary

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = find_binary().parents[2]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True, timeout=120)
    return prefix


def run(prefix, *arguments, cwd):
    return subprocess.run([prefix / "bin" / "rushes", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_installed_program_generates_with_the_model_beside_it(prefix, tmp_path):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run(prefix, "--version", cwd=tmp_path).stdout)
    made = run(prefix, "generate", "a red circle", "--frames", "9", "-o", "frames.y4m", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "frames.y4m").read_bytes().count(b"FRAME\n") == 9


def test_the_installed_program_takes_its_models_and_its_page_from_the_prefix(prefix, tmp_path):
    page = prefix / "share" / "rushes" / "web" / "index.html"
    page.write_text(page.read_text() + "<!-- of the prefix -->")
    server = Server(prefix / "bin" / "rushes", tmp_path / "data")
    try:
        assert "<!-- of the prefix -->" in urllib.request.urlopen(server.url).read().decode()
    finally:
        server.stop()
    manifest = prefix / "share" / "rushes" / "models" / "shipped-t2v" / "model.yaml"
    manifest.write_text("family: of-the-prefix\n")
    refused = run(prefix, "generate", "a red circle", "-o", "out.mp4", cwd=tmp_path)
    assert refused.returncode != 0 and "of-the-prefix" in refused.stderr


def test_licences_and_documents_are_installed(prefix):
    share = prefix / "share" / "rushes"
    for name in ("licences/LICENSE", "licences/THIRD_PARTY.md", "doc/README.md", "doc/docs/operating.md"):
        assert (share / name).stat().st_size > 0, name
