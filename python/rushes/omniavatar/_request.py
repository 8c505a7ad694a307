"""What both clients say and ask."""
import argparse
import base64
import http.client
import json
import pathlib
import urllib.error
import urllib.request
from typing import Any, Callable, Optional

HEALTH_TIMEOUT_S = 10


class Refused(Exception):
    """The server cannot be reached, or refuses; the message is for people."""


def parser(description: str) -> argparse.ArgumentParser:
    """The flags that both clients have."""
    flags = argparse.ArgumentParser(description=description)
    flags.add_argument("--server-url", default="http://localhost:8080", help="address of the server")
    flags.add_argument("--prompt", required=True, help="what is to be seen")
    flags.add_argument("--audio", help="audio file that is said")
    flags.add_argument("--image", help="picture of who says it")
    flags.add_argument("--height", type=int, default=720, help="height of the video; used without a picture")
    flags.add_argument("--width", type=int, default=720, help="width of the video; used without a picture")
    flags.add_argument("--steps", type=int, default=4, help="denoising steps")
    flags.add_argument("--guidance-scale", type=float, default=4.5, help="how strongly the prompt guides the video")
    flags.add_argument("--audio-scale", type=float, help="how strongly the speech guides the video")
    flags.add_argument("--negative-prompt", help="what is to be avoided")
    flags.add_argument("--check-health", action="store_true", help="ask how the server is, and nothing else")
    return flags


def body_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The request's fields. Raises `Refused` for a file that is not there."""
    body: dict[str, Any] = {
        "prompt": arguments.prompt,
        "height": arguments.height,
        "width": arguments.width,
        "num_steps": arguments.steps,
        "guidance_scale": arguments.guidance_scale,
    }
    if arguments.audio_scale is not None:
        body["audio_scale"] = arguments.audio_scale
    if arguments.negative_prompt:
        body["negative_prompt"] = arguments.negative_prompt
    for field, kind, name in (("audio_base64", "Audio", arguments.audio), ("image_base64", "Image", arguments.image)):
        if not name:
            continue
        path = pathlib.Path(name)
        if not path.is_file():
            raise Refused(f"{kind} file not found: {name}")
        body[field] = base64.b64encode(path.read_bytes()).decode()
    return body


def open_url(url: str, body: Optional[dict[str, Any]] = None, timeout: Optional[float] = None) -> Any:
    """The answer, open. Raises `Refused` with its status and text unless that is 200."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        raise Refused(f"status {error.code}: {error.read().decode(errors='replace').strip()}") from error
    except (OSError, ValueError) as error:
        raise Refused(f"cannot reach {url}: {getattr(error, 'reason', error)}") from error


def is_healthy(server_url: str) -> bool:
    """Asks the server how it is, and prints it."""
    try:
        with open_url(server_url + "/health", timeout=HEALTH_TIMEOUT_S) as answer:
            health = json.load(answer)
    except (Refused, ValueError) as error:
        print(f"Health check failed: {error}")
        return False
    loaded = isinstance(health, dict) and bool(health.get("model_loaded"))
    streams = isinstance(health, dict) and health.get("streaming_supported", False)
    print(f"Server is {health.get('status', 'unknown') if isinstance(health, dict) else 'unknown'}")
    print(f"Model loaded: {loaded}")
    print(f"Streaming supported: {streams}")
    return loaded


def run(wanted: argparse.Namespace, make: Callable[[str, dict[str, Any]], bool]) -> int:
    """Asks the server how it is, and, where more is wanted of one that is ready, calls `make` with its address and the
    request. The exit code; `make` gives False where it has said what went wrong."""
    server = wanted.server_url.rstrip("/")
    if wanted.check_health:
        is_healthy(server)
        return 0
    try:
        body = body_of(wanted)
        if not is_healthy(server):
            print("The server is not ready")
            return 1
        return 0 if make(server, body) else 1
    except (Refused, OSError, http.client.HTTPException, ValueError, AttributeError, KeyError) as error:
        print(f"Error: {error}")
        return 1
