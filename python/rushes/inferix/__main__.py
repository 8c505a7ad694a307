"""python -m rushes.inferix [--shipped-model] [--real-torch] script.py ARGS: runs a script written for Inferix."""
from __future__ import annotations

import argparse
import os
import runpy
import sys

from rushes import Error, inferix
from rushes.inferix import torch_stand_in


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m rushes.inferix", description="Runs a script written for Inferix.")
    parser.add_argument("--shipped-model", action="store_true",
                        help="use the model shipped with rushes if the given files do not exist")
    parser.add_argument("--real-torch", action="store_true",
                        help="give the script the installed torch, not rushes' replacement for the few functions that Inferix's scripts use")
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not os.path.isfile(options.script):
        parser.error(f"{options.script} is no file")
    if options.shipped_model:
        inferix.use_shipped_model()
    inferix.install()
    if not options.real_torch:
        torch_stand_in.install()
    sys.argv = [options.script, *options.arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(options.script))
    try:
        runpy.run_path(options.script, run_name="__main__")
    except Error as error:
        print(f"rushes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
