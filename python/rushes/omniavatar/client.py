"""Makes an avatar's video and saves it when it is complete.

Usage: ``python -m rushes.omniavatar.client --prompt TEXT [--image FILE] [--audio FILE] [--output FILE]``.
Exit code 0: the server has made it; 1: anything else.
"""
import argparse
import base64
import json
import pathlib
import sys
from typing import Any, Optional

from rushes.omniavatar._request import open_url, parser, run

TIMEOUT_S = 300


def flags() -> argparse.ArgumentParser:
    """The published flags."""
    all_flags = parser("Makes an avatar's video")
    all_flags.add_argument("--output", default="output_video.mp4", help="the video's file")
    return all_flags


def main(arguments: Optional[list[str]] = None) -> int:
    """Runs the client; its exit code."""
    wanted = flags().parse_args(arguments)

    def make(server: str, body: dict[str, Any]) -> bool:
        with open_url(server + "/generate", body, TIMEOUT_S) as answer:
            made = json.load(answer)
        if not made.get("success"):
            print(f"Error: {made.get('error', 'the server has not made a video')}")
            return False
        if made.get("video_base64"):
            pathlib.Path(wanted.output).write_bytes(base64.b64decode(made["video_base64"]))
            print(f"Video saved: {wanted.output}")
        if made.get("output_path"):
            print(f"Path on the server: {made['output_path']}")
        return True

    return run(wanted, make)


if __name__ == "__main__":
    sys.exit(main())
