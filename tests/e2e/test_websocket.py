"""The cases of the Autobahn suite against the WebSocket of the server, by an echo route that only serve_echo.cpp has."""
import asyncio
import concurrent.futures
import os
import subprocess

import kosoku
import pytest
from conftest import ROOT

COMPRESSION = ["12.*", "13.*"]  # frames of video do not get smaller


@pytest.fixture(scope="module")
def echo():
    found = [ROOT / "build" / preset / "tests" / "serve_echo" for preset in ("release", "dev")]
    program = os.environ.get("SERVE_ECHO") or next((path for path in found if path.exists()), None)
    if program is None:
        pytest.skip("serve_echo is not built")
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().split()[-1].replace("http://", "ws://")
    process.stdin.close()
    assert process.wait(30) == 0


def test_all_cases_but_those_of_compression_pass(echo):
    async def run():
        return await kosoku.run_fuzzingclient(echo, exclude_cases=COMPRESSION)

    try:
        # In a thread of its own: this one may have the loop of a browser that other tests drive.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            results = thread.submit(asyncio.run, run()).result()
    except kosoku.FailureError as failure:
        results = failure.results
    failed = [f"{result.case_id}: {result.description}: {result.result}" for result in results if not result.passed]
    assert failed == []
    assert len(results) > 240
