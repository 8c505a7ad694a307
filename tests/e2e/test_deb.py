"""The Debian package, installed by dpkg over this machine's files, in a place that hides the sources and is thrown away."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import urllib.request

import pytest
from conftest import ROOT, Server, find_binary
from PIL import Image
from waiting import wait_for

BUILD = find_binary().parents[2]
#: What the package must not need: the sources, the build, and the libtorch that it was built with.
HIDDEN = {str(ROOT), str(ROOT.resolve()), str((ROOT / ".deps").resolve()), str(BUILD.resolve())}
# The file systems of this machine below, what is written above; it is gone with its last process.
ENTER = """
set -e
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
for folder in proc dev sys; do mount --rbind "/$folder" "$1/root/$folder"; done
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mkdir "$1/root/tmp/files"
mount --bind "$1/files" "$1/root/tmp/files"
for hidden in $HIDDEN; do [ ! -d "$1/root$hidden" ] || mount -t tmpfs tmpfs "$1/root$hidden"; done
exec chroot "$1/root" "${@:2}"
"""


#: A package that is tested as it is, by `tools/package check`. Without it one is made that differs in what takes time only:
#: it is not compressed, and the Debian packages of its libraries are not looked up.
GIVEN = os.environ.get("RUSHES_DEB")
QUICK = ("-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none", "-D", "CPACK_DEBIAN_PACKAGE_SHLIBDEPS=OFF")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """For gigabytes that are written once and thrown away: in memory, if there is room."""
    memory = pathlib.Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4e9
    with tempfile.TemporaryDirectory(dir=memory if roomy else tmp_path_factory.mktemp("deb")) as made:
        yield pathlib.Path(made)


@pytest.fixture(scope="module")
def package(folder):
    if GIVEN:
        return pathlib.Path(GIVEN).resolve()
    subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", *QUICK, "-B", folder / "cpack"], check=True, capture_output=True, timeout=300)
    shutil.rmtree(folder / "cpack/_CPack_Packages")
    (package,) = (folder / "cpack").glob("rushes_*_amd64.deb")
    return package


class Machine:
    """This machine's files under another root."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("upper", "work", "root", "files"):
            (folder / name).mkdir(parents=True)

    def command(self, *arguments):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUSHES", "LD_", "PYTHON"))}
        variables = {**kept, "HIDDEN": " ".join(HIDDEN), "OMP_NUM_THREADS": "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), "unshare", "--mount", "--propagation", "private",
                "bash", "-c", ENTER, "enter", self.folder, *arguments]

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=240)

    def told(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def machine(package, folder):
    made = Machine(folder / "machine")
    if os.geteuid() != 0 or made.run("true").returncode != 0:
        pytest.skip("only root can install a package, where overlay file systems can be mounted")
    shutil.copyfile(package, made.folder / "files/rushes.deb")
    made.told("dpkg", "--force-unsafe-io", "--install", "/tmp/files/rushes.deb")
    return made


@pytest.fixture(scope="module")
def server(machine):
    """The service's command as its user, with the package's settings; on a free port."""
    program = machine.folder / "rushes"
    as_service = machine.command("setpriv", "--reuid=rushes", "--regid=rushes", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "rushes")
    program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, as_service))} "$@"\n')
    program.chmod(0o755)
    running = Server(program, "/var/lib/rushes", "--config", "/etc/rushes/rushes.yaml")
    yield running
    assert running.stop() == 0


@pytest.mark.skipif(not GIVEN, reason="the packages of its libraries are looked up for RUSHES_DEB only")
def test_the_package_says_what_it_needs(package):
    fields = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True, timeout=60).stdout
    depends = re.search(r"^Depends: (.*)$", fields, re.MULTILINE)[1]
    for needed in ("adduser", "libc6", "libavcodec59", "libstdc++6", "libsqlite3-0", "libgstreamer1.0-0", "libopencv-objdetect406"):
        assert needed in depends, depends
    assert "gstreamer1.0-nice" in re.search(r"^Recommends: (.*)$", fields, re.MULTILINE)[1]
    assert re.search(r"^Maintainer: .+ <.+>$", fields, re.MULTILINE)


def test_programs_take_libtorch_from_the_package_and_all_else_from_debian(machine):
    for program in ("rushes", "rushes-find-face", "rushes-run-onnx"):
        dynamic = machine.told("objdump", "-p", f"/usr/bin/{program}")
        assert set(re.findall(r"R(?:UN)?PATH\s+(.*)", dynamic)) <= {"$ORIGIN/../lib/rushes"}
        libraries = machine.told("ldd", f"/usr/bin/{program}")
        assert "not found" not in libraries
        for path in re.findall(r"=> (\S+)", libraries):
            assert path.startswith(("/lib/", "/usr/lib/", "/usr/bin/../lib/rushes/")), path
    assert "/usr/bin/../lib/rushes/libtorch_cpu.so" in machine.told("ldd", "/usr/bin/rushes")


def test_installing_makes_the_user_its_folder_and_an_enabled_service(machine):
    assert machine.told("stat", "-c", "%U:%G %a", "/var/lib/rushes") == "rushes:rushes 750\n"
    assert re.search(r"^rushes:.*:/var/lib/rushes:/usr/sbin/nologin$", machine.told("getent", "passwd", "rushes"))
    assert machine.told("systemctl", "is-enabled", "rushes.service") == "enabled\n"
    assert machine.told("systemd-analyze", "verify", "--man=no", "rushes.service") == ""


def test_the_service_generates_and_shows_the_page_as_a_user_without_rights(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    assert not re.search(r"^Uid:\s+0\b", status, re.MULTILINE)
    session = server.request("POST", "/v1/sessions", {"prompt": "a red circle", "frames": 9})
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session['id']}/video.mp4", timeout=120) as answer:
        assert answer.read()[4:8] == b"ftyp"
    wait_for(lambda: server.request("GET", f"/v1/sessions/{session['id']}")["recording"]["complete"])
    with urllib.request.urlopen(server.url, timeout=60) as answer:
        assert b"<title>" in answer.read()
    models = {model["name"] for model in server.request("GET", "/v1/models")["models"]}
    assert {"rushes-shapes", "shipped-talk", "shipped-avatar", "shipped-foresight", "shipped-ditto"} <= models


def test_a_face_is_found_by_the_program_beside_it(machine):
    with Image.open(ROOT / "tests/pictures/astronaut.jpg") as picture:
        grey = picture.convert("L")
    sent = f"{grey.width} {grey.height}\n".encode() + grey.tobytes()
    found = subprocess.run(machine.command("rushes-find-face"), input=sent, capture_output=True, timeout=120)
    assert re.fullmatch(rb"\d+ \d+ \d+ \d+\n", found.stdout), found.stderr


def test_changed_settings_survive_removal_and_recordings_a_purge(machine, server):
    recordings = machine.told("find", "/var/lib/rushes", "-name", "*.mp4")
    assert recordings
    machine.told("sh", "-c", "echo 'max-kept: 7' >>/etc/rushes/rushes.yaml")
    machine.told("/var/lib/dpkg/info/rushes.postinst", "configure", "0.0.9")  # as an upgrade from this version
    assert "max-kept: 7" in machine.told("cat", "/etc/rushes/rushes.yaml")
    machine.told("dpkg", "--remove", "rushes")
    assert "max-kept: 7" in machine.told("cat", "/etc/rushes/rushes.yaml")
    assert "recordings stay in /var/lib/rushes" in machine.told("dpkg", "--purge", "rushes")
    assert machine.run("test", "-e", "/etc/rushes/rushes.yaml").returncode != 0
    assert machine.run("test", "-e", "/usr/lib/rushes").returncode != 0
    assert machine.told("find", "/var/lib/rushes", "-name", "*.mp4") == recordings
    assert machine.told("stat", "-c", "%U", "/var/lib/rushes") == "rushes\n"
