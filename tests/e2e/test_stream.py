"""`rushes stream`: the command lines of Inferix's scripts."""
import subprocess

import pytest
from waiting import wait_for

CONFIG = """
denoising_step_list: [1000, 750, 500, 250]
warp_denoising_step: true
timestep_shift: 5.0
num_frame_per_block: 3
lr: 2.0e-06
model_kwargs: {timestep_shift: 5.0}
"""


@pytest.fixture
def stream(binary, tmp_path):
    config = tmp_path / "self_forcing_dmd.yaml"
    config.write_text(CONFIG)

    def command(*arguments):
        return [binary, "stream", "--config_path", config, "--checkpoint_path", tmp_path / "self_forcing_dmd.pt", *arguments]

    return command


def test_each_prompt_becomes_a_file_under_the_reference_name(stream, tmp_path):
    subprocess.run(stream("--prompt", "a red circle; a green star", "--output_folder", tmp_path / "out", "--use_ema",
                          "--num_output_frames", "3", "--low_memory", "--shipped-model"), check=True, timeout=300)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a green star-0_ema.mp4", "a red circle-0_ema.mp4"]


def test_the_page_can_be_measured_as_in_the_benchmark(stream, tmp_path):
    process = subprocess.Popen(stream("--prompt", "a red circle; a green star", "--streaming_backend", "gradio", "--port", "0",
                                      "--segment_length", "3", "--overlap_frames", "0", "--output_folder", tmp_path / "out",
                                      "--enable_profiling", "--profile_output_dir", tmp_path / "profile", "--shipped-model"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: list((tmp_path / "profile").glob("*.json")), seconds=120)
        (report,) = (tmp_path / "profile").glob("*.json")
        wait_for(lambda: report.stat().st_size > 0)
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert '"segment": 1,' in report.read_text()  # a segment for each prompt
    assert list((tmp_path / "out").glob("*.mp4"))


@pytest.mark.parametrize("arguments, words", [
    ([], "--shipped-model"),
    (["--streaming_backend", "rtmp"], "rtmp_url"),
    (["--ring_size", "2"], "ring_size"),
    (["--quant_type", "fp8"], "quantise"),
    (["--i2v"], "image_path"),
])
def test_what_cannot_be_done_is_said(stream, tmp_path, arguments, words):
    answer = subprocess.run(stream("--prompt", "a red circle", "--output_folder", tmp_path / "out", *arguments),
                            capture_output=True, text=True, timeout=60)
    assert answer.returncode != 0 and words in answer.stderr
