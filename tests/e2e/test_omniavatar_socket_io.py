"""OmniAvatar's Socket.IO API with the official client in Node and in Chromium, by polling alone and with a change to a
WebSocket, and with python-socketio."""
import base64
import io
import json
import subprocess
import threading

import pytest
from conftest import ROOT
from omniavatar_server import PATIENCE_S, AvatarServer, files
from PIL import Image

LIBRARY = ROOT / "web" / "node_modules" / "socket.io-client"
SECONDS = 1.5
TRANSPORTS = {"polling": "polling", "polling,websocket": "websocket", "websocket": "websocket"}


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    running = AvatarServer(binary, tmp_path_factory.mktemp("avatar"), "--allow-origin", "*")
    yield running
    running.stop()


def request(**more):
    return {**files(SECONDS, 24_000), "audio_mime_type": "audio/wav", "use_conversation": False, **more}


def assert_is_a_generation(said):
    """`said`: names and fields of all events from generation_started to generation_complete."""
    names = [name for name, _ in said]
    started = said[0][1]
    assert names[0] == "generation_started" and names[-1] == "generation_complete", names
    assert all(fields["session_id"] == started["session_id"] for _, fields in said)
    frames = [fields for name, fields in said if name == "video_frame"]
    chunks = [fields for name, fields in said if name == "chunk_complete"]
    assert [frame["frame_number"] for frame in frames] == list(range(1, len(frames) + 1))
    assert {frame["total_frames"] for frame in frames} == {len(frames)}
    assert frames[-1]["progress"] == 100 and chunks[-1]["progress"] == 100
    assert [chunk["chunk_number"] for chunk in chunks] == list(range(len(chunks)))
    assert {chunk["total_chunks"] for chunk in chunks} == {len(chunks)}
    assert sum(chunk["frames_in_chunk"] for chunk in chunks) == len(frames)
    position = 0
    for chunk in chunks:  # a block's frames come before it is told as complete
        count = chunk["frames_in_chunk"]
        assert names[1 + position : 2 + position + count] == ["video_frame"] * count + ["chunk_complete"]
        position += count + 1
    picture = Image.open(io.BytesIO(base64.b64decode(frames[0]["frame_data"], validate=True)))
    assert picture.format == "JPEG" and picture.size[0] % 16 == 0
    fps = round(1 / frames[0]["audio_duration"])
    samples = 0
    for number, frame in enumerate(frames):
        assert frame["audio_start_time"] == pytest.approx(number / fps)
        sound = base64.b64decode(frame["audio_segment"], validate=True)
        assert sound[:4] == b"RIFF" and int.from_bytes(sound[24:28], "little") == 24_000
        samples += (len(sound) - 44) // 2
    assert samples == int(len(frames) / fps * 24_000)
    assert len(frames) == pytest.approx(SECONDS * fps, abs=1)


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_the_official_client_in_node(server, transports):
    run = subprocess.run(
        ["node", str(ROOT / "tests/e2e/socket_io_client.mjs"), (LIBRARY / "build/esm/index.js").as_uri(), server.url, transports,
         "generate_streaming_base64", "-", "generation_complete,generation_error,error"],
        input=json.dumps(request()), capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr
    said = [json.loads(line) for line in run.stdout.splitlines()]
    assert said[0][0] == "connect"
    names = [each[0] for each in said]
    assert said[names.index("connected")][1] == {"message": "Connected to pipelined streaming server"}
    assert ["acknowledged", True] in said
    assert ["transport", TRANSPORTS[transports]] in said
    of_session = [each for each in said if isinstance(each[-1], dict) and "session_id" in each[-1]]
    assert_is_a_generation(of_session)


PAGE = """([library, url, transports, fields]) => new Promise((resolve, reject) => {
  const script = document.createElement('script');
  script.src = library;
  script.onerror = () => reject(new Error('the library could not be loaded'));
  script.onload = () => {
    const polls = transports === 'polling';
    const socket = io(url, {transports: transports.split(','), upgrade: !polls, reconnection: false});
    const said = [];
    socket.on('connect_error', (error) => reject(error));
    socket.onAny((name, argument) => {
      if (argument.session_id) said.push([name, argument]);
      if (name === 'error' || name === 'generation_error') reject(new Error(JSON.stringify(argument)));
      if (name !== 'generation_complete') return;
      const transport = socket.io.engine.transport.name;
      socket.close();
      resolve({transport, said});
    });
    socket.on('connect', () => {
      const send = () => socket.emit('generate_streaming_base64', fields);
      if (polls || socket.io.engine.transport.name === 'websocket') send(); else socket.io.engine.once('upgrade', send);
    });
  };
  document.head.append(script);
})"""


@pytest.mark.parametrize("transports", ["polling", "polling,websocket"])
def test_the_official_client_in_a_page_of_another_origin(server, browser, tmp_path, transports):
    """As the published page is served: by a server of its own."""
    (tmp_path / "index.html").write_text("<!doctype html><title>page</title>")
    (tmp_path / "socket.io.js").write_bytes((LIBRARY / "dist/socket.io.min.js").read_bytes())
    import functools
    import http.server

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    tab = browser.new_page()
    try:
        address = f"http://127.0.0.1:{pages.server_address[1]}"
        tab.goto(address + "/index.html")
        result = tab.evaluate(PAGE, [address + "/socket.io.js", server.url, transports, request()])
    finally:
        tab.close()
        pages.shutdown()
    assert result["transport"] == TRANSPORTS[transports]
    assert_is_a_generation([tuple(each) for each in result["said"]])


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_python_socketio(server, transports):
    import socketio

    client = socketio.Client(reconnection=False, handle_sigint=False)
    said, over = [], threading.Event()
    hello = threading.Event()

    @client.on("connected")
    def connected(_):
        hello.set()

    @client.on("*")
    def anything(event, fields):
        said.append((event, fields))
        if event in ("generation_complete", "generation_error", "error"):
            over.set()

    client.connect(server.url, transports=transports.split(","), wait_timeout=30)
    try:
        assert client.transport() == TRANSPORTS[transports]
        assert hello.wait(30)
        client.call("generate_streaming_base64", request(), timeout=60)
        assert over.wait(PATIENCE_S)
    finally:
        client.disconnect()
    assert_is_a_generation(said)


def test_a_room_its_members_and_a_cancel(server):
    import socketio

    clients = [socketio.SimpleClient(reconnection=False) for _ in range(2)]
    try:
        for client in clients:
            client.connect(server.url, transports=["polling"])
            assert client.receive(timeout=30)[0] == "connected"
        caller, other = clients
        caller.emit("generate_streaming_base64", request(**files(60)))
        event, started = caller.receive(timeout=PATIENCE_S)
        assert event == "generation_started"
        session = {"session_id": started["session_id"]}
        assert other.call("join_session", session, timeout=30) in (None, [], ())
        assert other.receive(timeout=30) == ["session_joined", session]
        assert other.receive(timeout=PATIENCE_S)[1]["session_id"] == session["session_id"]
        other.emit("cancel_generation", session)

        def wait_for_the_cancel(client):
            while True:
                event, fields = client.receive(timeout=PATIENCE_S)
                assert event in ("video_frame", "chunk_complete", "generation_cancelled"), fields
                if event == "generation_cancelled":
                    return fields

        for client in clients:
            cancelled = wait_for_the_cancel(client)
            assert cancelled["message"] == "Generation cancelled by user"
        other.emit("cancel_generation", session)
        assert other.receive(timeout=30) == ["error", {"message": "Generation is not active"}]
    finally:
        for client in clients:
            client.disconnect()
    assert server.request("GET", "/api/health")["active_sessions"] >= 1
