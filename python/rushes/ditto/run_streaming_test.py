"""The published launcher: the server, the client, or both, with the example files."""
from __future__ import annotations

import argparse
import subprocess
import sys
import time


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="run_streaming_test", description=__doc__, allow_abbrev=False)
    options.add_argument("--mode", choices=["server", "client", "both"], default="both")
    options.add_argument("--wait", type=float, default=3, help="seconds between the start of the server and that of the client")
    options.add_argument("--host", default="0.0.0.0", help="where the server listens")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--server-arguments", nargs=argparse.REMAINDER, default=[], help="more arguments of the server")
    return options


def main(arguments: list[str] | None = None) -> int:
    """The client's exit code; 0 of a server that was interrupted."""
    given = parser().parse_args(arguments)
    serve = [sys.executable, "-m", "rushes.ditto.streaming_server", "--host", given.host, "--port", str(given.port)]
    watch = [sys.executable, "-m", "rushes.ditto.streaming_client", "--server", f"ws://localhost:{given.port}", "--client_id", "test_client",
             "--audio_path", "./example/audio.wav", "--source_path", "./example/image.png", "--timeout", "30"]
    running: list[subprocess.Popen[bytes]] = []
    server = None
    try:
        if given.mode in ("server", "both"):
            server = subprocess.Popen([*serve, *given.server_arguments])
            running.append(server)
        if given.mode == "server":
            print("Server running... Press Ctrl+C to stop", flush=True)
            assert server is not None
            return server.wait()
        if server is not None:
            time.sleep(given.wait)
        client = subprocess.Popen(watch)
        running.append(client)
        code = client.wait()
        print("Client completed", flush=True)
        return code
    except KeyboardInterrupt:
        print("Interrupted by user", flush=True)
        return 0 if given.mode == "server" else 1
    finally:
        for process in running:
            process.terminate()
            process.wait()
            if process is server:
                print("Server terminated", flush=True)


if __name__ == "__main__":
    sys.exit(main())
