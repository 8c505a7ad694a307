"""Speaking to a portrait from a real browser: its microphone goes in (WHIP, and the signalling of IMTalker's combined server
and of its bridge), pictures and the same sound come out."""
import base64
import json
import pathlib
import urllib.request

import pytest
from test_talk import portrait, talk_server, talking_head  # noqa: F401 (a fixture)
from waiting import wait_for

# A microphone that hums, and a player that is not muted: what is not heard has no energy.
PREPARE = """async () => {
  const context = new AudioContext();
  window.volume = new GainNode(context, {gain: 0.5});
  const out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, {frequency: 180});
  tone.connect(window.volume).connect(out);
  tone.start();
  await context.resume();
  window.microphone = out.stream.getAudioTracks()[0];
  const player = document.createElement('video');
  const stream = player.srcObject = new MediaStream();
  player.autoplay = true;
  document.body.append(player);
  window.connection = async (transceivers) => {
    const pc = window.peer = new RTCPeerConnection();
    pc.ontrack = ({track}) => stream.addTrack(track);
    for (const [kind, direction] of transceivers) pc.addTransceiver(kind === 'microphone' ? window.microphone : kind, {direction});
    await pc.setLocalDescription(await pc.createOffer());
    return pc;
  };
}"""
WHIP = """async ([url, transceivers]) => {
  const watching = window.peer, pc = await connection(transceivers);
  if (watching) { window.speaking = pc; window.peer = watching; }
  const answer = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  const sdp = await answer.text();
  if (answer.status === 201) await pc.setRemoteDescription({type: 'answer', sdp});
  return [answer.status, answer.headers.get('Location')];
}"""
OFFER = """async ([fields, transceivers]) => {
  const pc = await connection(transceivers);
  const body = JSON.stringify({sdp: pc.localDescription.sdp, type: 'offer', ...fields});
  const answer = await fetch('/offer', {method: 'POST', headers: {'Content-Type': 'application/json'}, body});
  const told = await answer.json();
  if (answer.status === 200) await pc.setRemoteDescription(told);
  return [answer.status, told];
}"""
BRIDGE = """async ([image, transceivers]) => {
  const pc = await connection(transceivers);
  const body = new FormData();
  body.append('sdp', pc.localDescription.sdp);
  body.append('type', 'offer');
  body.append('colour', 'red');
  if (image) body.append('image', new Blob([Uint8Array.from(atob(image), c => c.charCodeAt(0))], {type: 'image/png'}), 'face.png');
  const answer = await fetch('/offer', {method: 'POST', body});
  const told = await answer.json();
  if (answer.status === 200) await pc.setRemoteDescription(told);
  return [answer.status, told];
}"""
RECEIVED = """async () => {
  const received = {pictures: 0, energy: 0};
  for (const entry of (await window.peer.getStats()).values()) {
    if (entry.type !== 'inbound-rtp') continue;
    if (entry.kind === 'video') received.pictures = entry.framesDecoded;
    else received.energy = entry.totalAudioEnergy;
  }
  return received;
}"""
PICTURE = "data:image/png;base64," + base64.b64encode(portrait()).decode()
BOTH_WAYS = [["microphone", "sendrecv"], ["video", "recvonly"]]


@pytest.fixture
def tab(browser, talk_server):  # noqa: F811
    page = browser.new_page()
    page.goto(talk_server.url)
    page.evaluate(PREPARE)
    yield page
    page.close()


def wait_until_heard(tab):
    """The hum, out of the portrait's mouth."""
    return wait_for(lambda: (now := tab.evaluate(RECEIVED))["pictures"] > 50 and now["energy"] > 0.5 and now, 180)


def wait_until_silent(tab):
    def rest():
        before = tab.evaluate(RECEIVED)
        tab.wait_for_timeout(1000)
        after = tab.evaluate(RECEIVED)
        return after["pictures"] > before["pictures"] and after["energy"] - before["energy"] < 0.001
    wait_for(rest, 60)


def hang_up(server, tab, call):
    """The connection is closed without a word; the server finds out."""
    tab.evaluate("peer.close()")
    wait_for(lambda: server.answer("GET", f"/session/status?session_id={call['session_id']}")[1]["status"] == "no_session", 60)


def test_a_portrait_speaks_what_comes_by_whip_and_is_seen_by_whep(talk_server, tab):  # noqa: F811
    base = talking_head(talk_server, chunk_duration=0.2)
    status, _ = tab.evaluate(WHIP, [base + "/whep", [["audio", "recvonly"], ["video", "recvonly"]]])
    if status == 503:
        pytest.skip("built without WebRTC")
    assert status == 201
    status, location = tab.evaluate(WHIP, [base + "/whip", [["microphone", "sendonly"]]])
    assert status == 201 and location.startswith(base + "/whip/")
    wait_until_heard(tab)
    assert tab.evaluate(WHIP, [base + "/whip", [["microphone", "sendonly"]]])[0] == 409  # one at a time
    assert tab.evaluate(WHIP, [base + "/whip", [["audio", "recvonly"], ["video", "recvonly"]]])[0] == 400
    assert talk_server.answer("DELETE", location)[0] == 204
    assert talk_server.answer("DELETE", location)[0] == 404
    assert tab.evaluate(WHIP, [f"/v1/sessions/{'0' * 32}/whip", [["microphone", "sendonly"]]])[0] == 404
    assert talk_server.answer("DELETE", base)[0] == 204


def test_a_speaker_who_left_gives_the_threads_of_the_connection_back(talk_server, tab):  # noqa: F811
    def threads():
        return len(list(pathlib.Path(f"/proc/{talk_server.process.pid}/task").iterdir()))

    base = talking_head(talk_server, chunk_duration=0.2)
    left = []
    for _ in range(2):  # the first one starts threads that stay, for whoever comes next
        status, _ = tab.evaluate(WHIP, [base + "/whip", [["microphone", "sendonly"]]])
        if status == 503:
            pytest.skip("built without WebRTC")
        assert status == 201
        wait_for(lambda: tab.evaluate("peer.connectionState") == "connected", 60)
        speaking = threads()
        tab.evaluate("() => { peer.close(); delete window.peer; }")
        wait_for(lambda most=speaking - 5: threads() <= most, 60)
        left.append(threads())
    wait_for(lambda: threads() <= left[0] + 1, 60)  # they end one after the other
    assert talk_server.answer("GET", base)[1]["state"] in ("running", "waiting")
    assert talk_server.answer("DELETE", base)[0] == 204


def test_a_call_as_the_combined_server_signals_it(talk_server, tab):  # noqa: F811
    status, call = tab.evaluate(OFFER, [{"avatar": PICTURE, "conv_mode": True, "crop": False, "face": [4, 4, 60, 60], "colour": "red"}, BOTH_WAYS])
    if status == 503:
        pytest.skip("built without WebRTC")
    assert status == 200, call
    assert call["type"] == "answer" and call["status"] == "connecting" and call["conv_mode"] is True
    assert call["face"] == [4, 4, 60, 60] and [each["field"] for each in call["ignored"]] == ["colour"]
    wait_until_heard(tab)
    told = talk_server.answer("GET", f"/session/status?session_id={call['session_id']}")[1]
    assert told["status"] == "ready" and told["greeting_done"] is True and told["uptime_s"] > 0
    tab.evaluate("volume.gain.value = 0")
    wait_until_silent(tab)  # it goes on, without a word
    ice = {"session_id": call["session_id"], "candidate": {"candidate": "candidate:1 1 UDP 2122252543 127.0.0.1 50000 typ host", "sdpMid": "0", "sdpMLineIndex": 0}}
    json_type = {"Content-Type": "application/json"}
    assert talk_server.answer("POST", "/ice", json.dumps(ice).encode(), json_type) == (200, {"status": "ok"})
    ice["candidate"]["candidate"] = "candidate:1\r\nx"
    assert talk_server.answer("POST", "/ice", json.dumps(ice).encode(), json_type)[1]["status"] == "error"
    assert talk_server.answer("POST", "/disconnect", json.dumps({"session_id": call["session_id"]}).encode(), json_type)[1]["status"] == "ok"
    assert talk_server.answer("GET", f"/session/status?session_id={call['session_id']}")[1]["status"] == "no_session"
    assert talk_server.answer("GET", f"/api/audio-driven/chunked/status/{call['session_id']}")[0] == 404


def test_a_call_as_the_bridge_signals_it_ends_with_its_connection(talk_server, tab):  # noqa: F811
    image = base64.b64encode(portrait()).decode()
    status, call = tab.evaluate(BRIDGE, [image, BOTH_WAYS])
    if status == 503:
        pytest.skip("built without WebRTC")
    assert status == 200, call
    assert call["hls_url"] == f"{talk_server.url}/hls/{call['session_id']}/playlist.m3u8"
    assert [each["field"] for each in call["ignored"]] == ["colour"]
    wait_until_heard(tab)
    hang_up(talk_server, tab, call)
    # Its page sends a microphone only, and watches by HLS.
    status, call = tab.evaluate(BRIDGE, [image, [["microphone", "sendonly"]]])
    assert status == 200, call
    with urllib.request.urlopen(f"{talk_server.url}/api/hls/{call['session_id']}/playlist.m3u8", timeout=180) as playlist:
        assert b"#EXTINF" in playlist.read()
    hang_up(talk_server, tab, call)
    for image, wrong in ((None, "image file required"), (base64.b64encode(b"no picture").decode(), None)):
        status, told = tab.evaluate(BRIDGE, [image, BOTH_WAYS])
        assert status == 400 and (told["error"] == wrong or not wrong), told


def test_calls_are_limited_and_the_oldest_makes_way(talk_server, tab):  # noqa: F811
    fields = {"avatar": PICTURE, "crop": False}
    calls = []
    for _ in range(3):
        status, call = tab.evaluate(OFFER, [fields, BOTH_WAYS])
        if status == 503:
            pytest.skip("built without WebRTC")
        assert status == 200, call
        calls.append(call["session_id"])
    status, told = tab.evaluate(OFFER, [fields, BOTH_WAYS])
    assert status == 409 and "force=true" in told["detail"]
    status, call = tab.evaluate(OFFER, [{**fields, "force": True}, BOTH_WAYS])
    assert status == 200
    json_type = {"Content-Type": "application/json"}
    assert talk_server.answer("GET", f"/session/status?session_id={calls[0]}")[1]["status"] == "no_session"
    for session in (*calls[1:], call["session_id"]):
        assert talk_server.answer("POST", "/disconnect", json.dumps({"session_id": session}).encode(), json_type)[1]["disconnected"] == [session]


@pytest.mark.parametrize("fields, status, words", [
    ({}, 400, "SDP is required"), ({"sdp": "v=0", "avatar": PICTURE}, 400, "SDP"), ({"sdp": 5}, 400, "sdp must be a string"),
    ({"sdp": "v=0", "avatar": "http://127.0.0.1/face.png"}, 400, "does not fetch"), ({"sdp": "v=0", "avatar": "assets/../x"}, 404, "Avatar not found"),
    ({"sdp": "v=0", "avatar": "data:image/png;base64,!"}, 400, "base64")])
def test_a_wrong_offer_is_told_what_is_wrong(talk_server, fields, status, words):  # noqa: F811
    got, told = talk_server.answer("POST", "/offer", json.dumps(fields).encode(), {"Content-Type": "application/json"})
    assert got == status and words in told["detail"], (got, told)


def test_a_call_begins_with_its_greeting_and_hears_its_caller_afterwards(talk_server, tab):  # noqa: F811
    tab.evaluate("volume.gain.value = 0")  # the caller says nothing: what is heard is the greeting
    text = "Good morning. This is a portrait that talks to you, and it is glad that you have called."
    status, call = tab.evaluate(OFFER, [{"avatar": PICTURE, "crop": False, "text": text}, BOTH_WAYS])
    if status == 503:
        pytest.skip("built without WebRTC")
    assert status == 200, call
    assert call["greeting"] == text
    about = f"/session/status?session_id={call['session_id']}"
    seen = []

    def greeted():
        now = talk_server.answer("GET", about)[1]
        if not seen or seen[-1] != now["status"]:
            seen.append(now["status"])
        assert now["greeting_done"] is (now["status"] == "ready")
        return now["greeting_done"]
    wait_for(greeted, 120)
    assert seen[-2:] == ["greeting", "ready"], seen
    heard = wait_for(lambda: (now := tab.evaluate(RECEIVED))["energy"] > 0.01 and now, 60)
    assert heard["pictures"] > 20
    wait_until_silent(tab)
    tab.evaluate("volume.gain.value = 0.5")
    wait_until_heard(tab)
    hang_up(talk_server, tab, call)
