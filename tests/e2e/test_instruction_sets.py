"""RUSHES_ISA limits our kernels and those of the libraries, for the whole process."""

import os
import pathlib
import subprocess

import pytest

SETS = ["avx2", "avx512", "avx512_bf16"]
CASE = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/imtalker/wav2vec2_encoder"


@pytest.fixture
def verify(binary):
    def run(limit, *arguments):
        environment = {**os.environ, "RUSHES_ISA": limit, "ONEDNN_VERBOSE": "2"}
        command = [binary, "verify", *arguments, CASE]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)

    return run


def sets_of_processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line for line in lines if line.startswith("flags")).split()
    wide = all(f"avx512{part}" in flags for part in ["f", "bw", "dq", "vl"])
    return SETS[: 1 + wide + (wide and "avx512_bf16" in flags)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("limit", SETS)
def test_a_limit_holds_for_the_libraries_too(verify, limit, dtype):
    if limit not in sets_of_processor():
        pytest.skip(f"this processor has {sets_of_processor()}")
    done = verify(limit, "--dtype", dtype)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"({dtype}, cpu, {limit})" in done.stdout
    assert f"computing with {limit} at most" in done.stderr
    kernels = [line for line in done.stdout.splitlines() if ",primitive,exec," in line]
    assert not any("avx512" in line for line in kernels) or limit != "avx2"
    assert not any("avx512_core_bf16" in line for line in kernels) or limit == "avx512_bf16"


def test_a_limit_above_the_processor_is_told_and_changes_nothing(verify):
    best = sets_of_processor()[-1]
    done = verify(SETS[-1])
    assert done.returncode == 0
    assert f"(float32, cpu, {best})" in done.stdout
    assert ("has only" in done.stderr) == (best != SETS[-1])


@pytest.mark.parametrize("word", ["sse4", "AVX2", "avx512_fp16", "auto"])
def test_another_word_ends_the_program_with_the_possible_ones(verify, word):
    done = verify(word)
    assert done.returncode == 2
    assert f"RUSHES_ISA is '{word}'; it must be one of avx2, avx512, avx512_bf16" in done.stderr
