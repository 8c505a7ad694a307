"""A real nginx for tests, on free ports of 127.0.0.1."""
import contextlib
import socket
import subprocess
import time

import pytest


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def http_block(directory, servers):
    """`servers` as they lie in a file of /etc/nginx/conf.d, with their files in `directory`."""
    places = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"events {{ worker_connections 64; }}\nhttp {{ access_log off; {places} types {{ text/html html; }}\n{servers} }}"


def start_nginx(directory, configuration, port):
    """A process that serves at `port` what `configuration` says; its files are in `directory`."""
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log info;\n"
        f"{configuration}")
    try:
        process = subprocess.Popen(["nginx", "-c", directory / "nginx.conf", "-p", directory, "-e", directory / "error.log"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.skip("nginx is not installed")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process
        time.sleep(0.02)
    process.kill()
    raise RuntimeError("nginx did not start:\n" + (directory / "error.log").read_text())
