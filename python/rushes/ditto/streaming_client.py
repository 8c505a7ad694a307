"""The published client: starts a stream, takes its frames, and prints how they came. `--help` lists the flags."""
from __future__ import annotations

import sys

from . import _program


def main(arguments: list[str] | None = None) -> int:
    return _program.become(["client", "ditto", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
