"""Several servers behind one nginx, as docs/nginx-processes.conf has it."""
import http.client
import json

import pytest
from conftest import ROOT, Server
from nginx import free_port, http_block, start_nginx
from websockets.sync.client import connect

PROMPT = "a red circle moves right on a blue background"
#: Clients of this machine that nginx tells apart: all of 127.0.0.0/8 is this machine.
CLIENTS = [f"127.0.1.{n}" for n in range(1, 17)]


@pytest.fixture(scope="module")
def servers(binary, tmp_path_factory):
    running = {name: Server(binary, tmp_path_factory.mktemp(name)) for name in ("a", "b")}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(scope="module")
def ask(servers, tmp_path_factory):
    """A request to nginx from one of CLIENTS: status, headers, body."""
    port = free_port()
    configuration = (ROOT / "docs/nginx-processes.conf").read_text().replace("listen 8080", f"listen 127.0.0.1:{port}")
    for name, placeholder in (("a", "127.0.0.1:8000"), ("b", "127.0.0.1:8001")):
        assert f"  {name} {placeholder};\n" in configuration
        configuration = configuration.replace(placeholder, servers[name].url.removeprefix("http://"))
    directory = tmp_path_factory.mktemp("nginx")
    process = start_nginx(directory, http_block(directory, configuration), port)

    def ask(method, path, body=None, client=CLIENTS[0]):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120, source_address=(client, 0))
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    ask.port = port
    yield ask
    process.kill()
    process.wait()


def create(ask, path="/v1/sessions", client=CLIENTS[0]):
    status, _, body = ask("POST", path, {"prompt": PROMPT, "frames": 9}, client)
    assert status == 201, body
    return json.loads(body)


def test_clients_are_spread_over_the_processes_and_each_stays_with_one(ask):
    chosen = {client: ask("GET", "/", client=client)[1]["Location"] for client in CLIENTS}
    assert set(chosen.values()) == {"/a/", "/b/"}
    for client in CLIENTS[:4]:
        session = create(ask, client=client)
        assert session["urls"]["self"].startswith(f"{chosen[client]}v1/sessions/")
        # An address that the client made of the id itself.
        assert ask("GET", f"/v1/sessions/{session['id']}", client=client)[0] == 200


@pytest.mark.parametrize("process", ["a", "b"])
def test_the_addresses_of_an_answer_lead_every_client_to_its_process(ask, process):
    session = create(ask, f"/{process}/v1/sessions")
    for client in CLIENTS[:6]:
        status, _, body = ask("GET", session["urls"]["self"], client=client)
        assert status == 200 and json.loads(body)["id"] == session["id"]
    status, _, video = ask("GET", session["urls"]["mp4"], client=CLIENTS[1])
    assert status == 200 and video[4:8] == b"ftyp"
    master = session["urls"]["self"] + "/hls/master.m3u8"
    status, _, playlist = ask("GET", master, client=CLIENTS[2])
    assert status == 200
    variant = next(line for line in playlist.decode().splitlines() if not line.startswith("#"))
    assert ask("GET", master.rpartition("/")[0] + "/" + variant, client=CLIENTS[3])[0] == 200


@pytest.mark.parametrize("process", ["a", "b"])
def test_a_websocket_reaches_the_process_of_its_path(ask, process):
    session = create(ask, f"/{process}/v1/sessions")
    with connect(f"ws://127.0.0.1:{ask.port}{session['urls']['video']}", proxy=None) as socket:
        assert any(isinstance(message, bytes) and b"moof" in message for message in socket)


def test_processes_do_not_know_each_others_sessions(ask):
    session = create(ask, "/a/v1/sessions")
    assert ask("GET", f"/a/v1/sessions/{session['id']}")[0] == 200
    assert ask("GET", f"/b/v1/sessions/{session['id']}")[0] == 404


def test_the_page_stays_with_its_process(ask):
    for path in ("/a/", "/b/"):
        status, _, page = ask("GET", path)
        assert status == 200 and b'src="./' in page, page[:500]
