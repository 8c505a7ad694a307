"""Streams an avatar's video, saves each segment as it comes, and joins them if it is asked to.

Usage: ``python -m rushes.omniavatar.streaming_client --prompt TEXT [--image FILE] [--audio FILE] [--concatenate]``.
Exit code 0: all that came was saved, also if joining failed; 1: anything else.
"""
import argparse
import base64
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from rushes.omniavatar._request import open_url, parser, run


def flags() -> argparse.ArgumentParser:
    """The published flags."""
    all_flags = parser("Streams an avatar's video in segments")
    all_flags.add_argument("--output-dir", default="streaming_output", help="folder of the segments")
    all_flags.add_argument("--concatenate", action="store_true", help="join the segments with ffmpeg in the end")
    all_flags.add_argument("--final-output", default="final_video.mp4", help="name of the joined video, in the same folder")
    return all_flags


def events_of(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """Names and data of server-sent events. Other lines, such as comments in between, are passed over."""
    name = None
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line.startswith("event: "):
            name = line[len("event: ") :]
        elif line.startswith("data: ") and name is not None:
            yield name, json.loads(line[len("data: ") :])


def save_segments(lines: Iterable[bytes], folder: pathlib.Path) -> bool:
    """Saves what comes until the end. False: the server has told of an error."""
    saved = 0
    for name, data in events_of(lines):
        if name == "start":
            print(data.get("message", ""))
        elif name == "segment":
            index, total = data["segment_index"], data["total_segments"]
            if data.get("segment_base64"):
                path = folder / f"segment_{index:03d}.mp4"
                path.write_bytes(base64.b64decode(data["segment_base64"]))
                saved += 1
                print(f"Segment {index + 1}/{total} saved: {path}" + (" (last)" if data.get("is_final") else ""))
            else:
                print(f"Segment {index + 1}/{total} has no video")
        elif name == "complete":
            print(f"{data.get('message', '')}: {data.get('total_segments', saved)} segments")
            return True
        elif name == "error":
            print(f"Error: {data.get('error', '')}")
            return False
    print(f"The connection was closed; {saved} segments were saved")
    return True


def join(folder: pathlib.Path, name: str) -> Optional[pathlib.Path]:
    """All segments of the folder as one video, without encoding them anew. None: that failed."""
    segments = sorted(folder.glob("segment_*.mp4"))
    if not segments:
        print("There are no segments to join")
        return None
    names = folder / "segments.txt"
    names.write_text("".join(f"file '{segment.name}'\n" for segment in segments))
    target = folder / name
    command = ["ffmpeg", "-f", "concat", "-safe", "0", "-i", str(names), "-c", "copy", str(target), "-y"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        print("Joining failed: ffmpeg is not installed")
        return None
    except subprocess.CalledProcessError as error:
        print(f"Joining failed: {error.stderr.strip().splitlines()[-1] if error.stderr.strip() else error}")
        return None
    names.unlink()
    print(f"Joined {len(segments)} segments: {target}")
    return target


def main(arguments: Optional[list[str]] = None) -> int:
    """Runs the client; its exit code."""
    wanted = flags().parse_args(arguments)

    def make(server: str, body: dict[str, Any]) -> bool:
        folder = pathlib.Path(wanted.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with open_url(server + "/generate-stream", body) as answer:
            if not save_segments(answer, folder):
                return False
        if wanted.concatenate:
            join(folder, wanted.final_output)
        return True

    return run(wanted, make)


if __name__ == "__main__":
    sys.exit(main())
