"""The served OpenAPI document, judged by a validator, and the server, judged by requests that are made from it; and the
metrics, read by Prometheus' own parser."""
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import Server
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

SECONDS = 30


@pytest.fixture(scope="module")
def small_server(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("data"), "--max-sessions", "1")
    yield running
    running.stop()


def test_the_document_is_openapi_3_1(small_server):
    document = small_server.request("GET", "/openapi.json")
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_requests_made_from_the_document_meet_no_failure_and_no_undocumented_answer(small_server, tmp_path):
    # One session holds the only place: what is created meanwhile is refused, so that the run costs the model little. Its
    # id is there to be found, so it may be ended by a request.
    held = small_server.request("POST", "/v1/sessions", {"prompt": "a red circle", "segments": 0})["id"]
    small_server.request("POST", f"/v1/sessions/{held}/pause")
    command = [str(pathlib.Path(sys.executable).parent / "schemathesis"), "run", small_server.url + "/openapi.json", "--no-color",
               "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--max-time", str(SECONDS), "--generation-deterministic",
               "--request-timeout", "60",
               # The content of a video comes as it grows: that of the held session would not end. IMTalker's protocol
               # answers 500 for pictures and sound that cannot be read, and 503 without a model.
               "--exclude-path", "/v1/videos/{video_id}/content", "--exclude-path-regex", "^/(api/|hls/|ws/|crop|generate|warmup)",
               "--suppress-health-check", "all", "--no-shrink",
               "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=SECONDS * 20,
                         env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(pathlib.Path(__file__).parent)})
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert small_server.request("GET", "/ready")["status"] == "ready"
    for session in small_server.request("GET", "/v1/sessions")["sessions"]:
        small_server.request("DELETE", "/v1/sessions/" + session["id"])


def test_the_metrics_are_read_by_prometheus(small_server):
    import urllib.request

    with urllib.request.urlopen(small_server.url + "/metrics", timeout=60) as answer:
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    assert families["rushes_first_block_seconds"].type == "histogram"
    assert {sample.labels["stage"] for sample in families["rushes_stage_seconds"].samples} == {"text", "denoise", "decode", "encode"}
    assert families["process_resident_memory_bytes"].samples[0].value > 1 << 20
