"""tools/setup and tools/build, and tools/apt-get beside a process that has apt's locks."""
import fcntl
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this is not Debian")


@pytest.fixture
def apt(tmp_path):
    """An apt of its own: no sources, no packages, locks in a folder of the test's."""
    for folder in ("lists/partial", "cache/archives/partial", "dpkg", "log"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dpkg/status").touch()
    config = tmp_path / "apt.conf"
    config.write_text(f"""
Dir::State "{tmp_path}"; Dir::State::Lists "{tmp_path}/lists"; Dir::State::status "{tmp_path}/dpkg/status";
Dir::Cache "{tmp_path}/cache"; Dir::Log "{tmp_path}/log"; Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "/dev/null";
Debug::NoLocking "false"; APT::Sandbox::User "";
""")

    def start(*arguments, wait=60):
        return subprocess.Popen([ROOT / "tools/apt-get", *arguments], stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "APT_CONFIG": str(config), "RUSHES_APT_WAIT": str(wait)})

    start.folder = tmp_path
    return start


LOCKS = [("lists/lock", ("update", "-qq")), ("dpkg/lock-frontend", ("install", "-qq"))]


@pytest.mark.parametrize("lock, arguments", LOCKS)
def test_waits_for_a_lock_and_says_so(apt, lock, arguments):
    with (apt.folder / lock).open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        waiting = apt(*arguments)
        said = waiting.stderr.readline()
        assert "waiting for another apt" in said and lock in said
    assert waiting.wait(timeout=30) == 0, waiting.stderr.read()


@pytest.mark.parametrize("lock, arguments", LOCKS)
def test_gives_up_with_the_reason_when_the_time_is_over(apt, lock, arguments):
    with (apt.folder / lock).open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        waiting = apt(*arguments, wait=1)
        said = waiting.communicate(timeout=30)[1]
    assert waiting.returncode == 100 and "Could not get lock" in said.splitlines()[-2] + said.splitlines()[-1]


def test_does_not_wait_when_something_else_is_wrong(apt):
    wrong = apt("install", "-qq", "no-such-package-anywhere")
    said = wrong.communicate(timeout=30)[1]
    assert wrong.returncode == 100 and "Unable to locate" in said and "waiting" not in said


@pytest.fixture
def machine(tmp_path):
    """A checkout with tools/ alone, on a machine where programs are what a test says."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "bin").mkdir()

    def add(name, script):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(*command):
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "NINJA_STATUS": "", "JOBS": "2"})

    run.add, run.folder = add, tmp_path
    return run


def test_setup_for_running_installs_what_text_to_speech_needs_and_says_how_far_it_is(machine):
    machine.add("id", "echo 0")
    machine.add("dpkg-query", "exit 1")  # nothing is installed
    machine.add("apt-get", f"""echo "$@" >> {machine.folder}/asked
case "$*" in *install*)
  printf 'dlstatus:1:15.0:a\\ndlstatus:1:18.0:b\\ndlstatus:2:55.5:c\\npmstatus:p:30.2:d\\n' >&3
  exit 1;;
esac""")
    done = machine("tools/setup", "run")
    assert done.returncode == 1  # as its apt-get installs nothing
    wanted = (machine.folder / "asked").read_text().split()
    assert {"libespeak-ng1", "espeak-ng-data"} <= set(wanted)
    assert [line for line in done.stderr.splitlines() if "%" in line] == [
        "setup: 10 % downloaded", "setup: 50 % downloaded", "setup: 30 % installed"]


@pytest.mark.parametrize("steps, said", [(120, "build: 120 steps, 2 at a time: about 5 min\n"), (20, "")])
def test_a_build_with_much_to_do_says_how_much_and_how_long_it_takes(machine, steps, said):
    (machine.folder / "build/release").mkdir(parents=True)
    (machine.folder / "build/release/build.ninja").touch()
    machine.add("ninja", f'case "$*" in *-n*) for i in $(seq {steps}); do echo "[$i/{steps}] a"; done;; esac')
    done = machine("tools/build", "release", "rushes")
    assert (done.returncode, done.stderr) == (0, said)


def test_a_build_goes_by_what_steps_took_on_this_machine(machine):
    folder = machine.folder / "build/release"
    folder.mkdir(parents=True)
    (folder / "build.ninja").touch()
    (folder / ".ninja_log").write_text("# ninja log v5\n" + "".join(f"{i}\t{i + 1000}\t0\ta{i}\t0\n" for i in range(100)))
    machine.add("ninja", 'case "$*" in *-n*) for i in $(seq 600); do echo "[$i/600] a"; done;; esac')
    assert "about 5 min" in machine("tools/build", "release", "rushes").stderr
