"""The program `rushes` as a command: that of this package, else of $RUSHES_BINARY, of the build tree, or of the path."""
from __future__ import annotations

import os
import pathlib
import shutil
import sys

from .. import _libtorch


def command() -> tuple[list[str], dict[str, str]]:
    """The command without arguments, and its environment. Raises FileNotFoundError, ImportError with what to do."""
    package = pathlib.Path(__file__).resolve().parents[1]
    environment = dict(os.environ)
    if (installed := package / "bin" / "rushes").is_file():
        libraries = [*map(str, _libtorch.folders()), environment.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
        return [str(installed)], environment
    built = package.parents[1] / "apps" / "rushes" / "rushes"
    found = environment.get("RUSHES_BINARY") or (str(built) if built.is_file() else shutil.which("rushes"))
    if not found:
        raise FileNotFoundError("there is no program rushes: install the package with it, or name it with RUSHES_BINARY")
    return [found], environment


def become(arguments: list[str]) -> int:
    """Replaces this process with the program. Returns only if it cannot start, after printing the reason."""
    try:
        program, environment = command()
    except (ImportError, FileNotFoundError) as error:
        print(f"rushes: {error}", file=sys.stderr)
        return 1
    sys.stdout.flush()
    os.execve(program[0], [*program, *arguments], environment)
