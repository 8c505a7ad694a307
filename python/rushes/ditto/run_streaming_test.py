"""The published launcher: the server, the client, or both, with the example files."""
from __future__ import annotations

import argparse
import subprocess
import sys
import time

SERVER = ["-m", "rushes.ditto.streaming_server", "--host", "0.0.0.0", "--port", "8000"]
CLIENT = ["-m", "rushes.ditto.streaming_client", "--server", "ws://localhost:8000", "--client_id", "test_client", "--timeout", "30"]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="run_streaming_test", description=__doc__, allow_abbrev=False)
    options.add_argument("--mode", choices=["server", "client", "both"], default="both")
    options.add_argument("--wait", type=float, default=3, help="seconds between the start of the server and that of the client")
    options.add_argument("--server-arguments", nargs=argparse.REMAINDER, default=[], help="more arguments of the server")
    return options


def main(arguments: list[str] | None = None) -> int:
    """The client's exit code; 0 of a server that was interrupted."""
    given = parser().parse_args(arguments)
    running: list[subprocess.Popen[bytes]] = []
    server = None
    try:
        if given.mode in ("server", "both"):
            server = subprocess.Popen([sys.executable, *SERVER, *given.server_arguments])
            running.append(server)
        if given.mode == "server":
            print("Server running... Press Ctrl+C to stop", flush=True)
            assert server is not None
            return server.wait()
        if server is not None:
            time.sleep(given.wait)
        client = subprocess.Popen([sys.executable, *CLIENT])
        running.append(client)
        code = client.wait()
        print("Client completed", flush=True)
        return code
    except KeyboardInterrupt:
        print("Interrupted by user", flush=True)
        return 0 if given.mode == "server" else 1
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.wait()
                if process is server:
                    print("Server terminated", flush=True)


if __name__ == "__main__":
    sys.exit(main())
