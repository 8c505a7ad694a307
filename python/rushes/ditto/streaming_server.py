"""The published server's command line: `rushes serve` with Ditto's API at an address. More flags are those of `rushes serve`."""
from __future__ import annotations

import argparse
import ipaddress
import pathlib
import sys

from . import _program

LOG_LEVELS = {"critical": "error", "trace": "debug"}  # of uvicorn; the others have the same names


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="streaming_server", description=__doc__, allow_abbrev=False)
    options.add_argument("--data_root", default="../checkpoints/ditto_trt_Ampere_Plus/", help="model directory")
    options.add_argument("--cfg_pkl", default="../checkpoints/ditto_cfg/v0.4_hubert_cfg_trt_online.pkl", help="defaults of its sessions")
    options.add_argument("--host", default="0.0.0.0")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--log-level", default="info")
    return options


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def arguments_of(given: argparse.Namespace, more: list[str]) -> list[str]:
    """What `rushes` is called with. Without the published files the shipped model is served."""
    host = "127.0.0.1" if given.host == "localhost" else given.host
    address = f"[{host}]" if ":" in host else host
    arguments = ["--log-level", LOG_LEVELS.get(given.log_level, given.log_level), "serve", "--listen", f"{address}:{given.port}=ditto"]
    if not is_loopback(given.host):
        arguments += ["--no-auth"]  # as the published server
    if pathlib.Path(given.data_root).is_dir():
        arguments += ["--model", given.data_root, "--talk-model", "none"]
        if pathlib.Path(given.cfg_pkl).is_file():
            arguments += ["--configuration", given.cfg_pkl]
    elif "--model" not in more:
        print(f"streaming_server: there is no folder {given.data_root}: the shipped model is served", file=sys.stderr)
        arguments += ["--model", "shipped-ditto", "--talk-model", "none"]
    return [*arguments, *more]


def main(arguments: list[str] | None = None) -> int:
    given, more = parser().parse_known_args(arguments)
    return _program.become(arguments_of(given, more))


if __name__ == "__main__":
    sys.exit(main())
