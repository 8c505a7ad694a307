"""The command `rushes` of an installed package: runs the program that came with it."""
from __future__ import annotations

import os
import pathlib
import sys

from . import _libtorch


def main() -> int:
    """Replaces this process with the program. Returns only if it cannot start, after printing the reason to standard error."""
    program = pathlib.Path(__file__).with_name("bin") / "rushes"
    try:
        libraries = dict.fromkeys(map(str, _libtorch.folders()))
    except ImportError as error:
        print(f"rushes: {error}", file=sys.stderr)
        return 1
    if before := os.environ.get("LD_LIBRARY_PATH"):
        libraries[before] = None
    os.execve(program, [str(program), *sys.argv[1:]], {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)})


if __name__ == "__main__":
    sys.exit(main())
