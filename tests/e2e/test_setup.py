"""tools/apt-get beside a process that has apt's locks."""
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
