"""Scripts and callbacks as Inferix's documents show them."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import numpy
import pytest

from conftest import PROMPT, ROOT
from rushes.inferix.core.interactive import InteractiveSession
from rushes.inferix.core.media import InteractiveGradioBackend, create_streaming_backend
from rushes.inferix.core.types import ControlCommand, InputApplyPolicy, InputState, SessionState, StreamingMode
from rushes.inferix.core.utils import set_random_seed
from rushes.inferix.pipeline.self_forcing.pipeline import SelfForcingPipeline, file_stem
from rushes.inferix.profiling import ProfilingConfig

GOLDEN = ROOT / "tests" / "golden" / "wan"


@pytest.fixture
def pipeline(config, shipped):
    made = SelfForcingPipeline(config_path=str(config))
    made.load_checkpoint("weights/self_forcing_dmd.pt")
    made.setup_devices()
    return made


def test_streaming_calls_back_with_each_block(pipeline):
    batches = []
    set_random_seed(3)
    video = pipeline.run_streaming_generation(prompts=[PROMPT], stream_callback=batches.append, num_segments=2,
                                              segment_length=6, overlap_frames=3, num_samples=1, low_memory=True,
                                              streaming_mode=StreamingMode.AUTO)
    assert [batch.shape for batch in batches] == [(9, 96, 96, 3), (12, 96, 96, 3), (12, 96, 96, 3)]
    assert all(batch.cpu().numpy().dtype == numpy.uint8 for batch in batches)
    assert video.shape == (1, 33, 96, 96, 3) and video.dtype == numpy.float32 and 0 <= video.min() <= video.max() <= 1
    assert numpy.array_equal((video[0] * 255).round().astype(numpy.uint8), numpy.concatenate(batches))


def test_samples_have_seeds_of_their_own(pipeline):
    batches = []
    video = pipeline.run_streaming_generation([PROMPT], batches.append, segment_length=3, overlap_frames=0, num_samples=2,
                                              streaming_mode=StreamingMode.DEFERRED_DECODE)
    assert len(batches) == 2 and video.shape[0] == 2
    assert not numpy.array_equal(video[0], video[1])


@pytest.mark.parametrize("values, words", [
    ({"segment_length": 20}, r"segment_length must be a multiple of 3\. Got 20\. Valid values: \[3, "),
    ({"overlap_frames": 2}, "overlap_frames"),
    ({"segment_length": 6, "overlap_frames": 6}, "less than segment_length"),
    ({"num_segments": 0}, "num_segments"),
    ({"num_samples": 0}, "num_samples"),
])
def test_lengths_are_checked(pipeline, values, words):
    with pytest.raises(ValueError, match=words):
        pipeline.run_streaming_generation([PROMPT], **values)


def test_text_to_video_saves_under_the_reference_names(pipeline, tmp_path):
    video = pipeline.run_text_to_video(["a red circle; bright!"], num_output_frames=3, output_folder=str(tmp_path))
    assert video.shape == (1, 9, 3, 96, 96)
    assert (tmp_path / "a red circle_ bright-0_regular.mp4").stat().st_size > 1000
    pipeline(prompt="a star", num_output_frames=3, output_folder=str(tmp_path), save_with_index=True, use_ema=True)
    assert (tmp_path / "0-0_ema.mp4").exists()


def test_a_missing_checkpoint_is_an_error_unless_a_flag_allows_the_shipped_model(config, monkeypatch):
    monkeypatch.delenv("RUSHES_INFERIX_SHIPPED", raising=False)
    pipeline = SelfForcingPipeline(str(config))
    with pytest.raises(FileNotFoundError, match="--shipped-model"):
        pipeline.load_checkpoint("weights/none.pt")
    with pytest.raises(FileNotFoundError, match="model_path"):
        pipeline.setup_devices()


@pytest.mark.parametrize("line, words", [
    ("num_frame_per_block: 4", "num_frame_per_block"), ("denoising_step_list: fast", "denoising_step_list"),
    ("warp_denoising_step: false", "warp"), ("- a list", "keys and values"), ("a: [", "no YAML"),
])
def test_configurations_that_cannot_be_followed_are_refused(config, line, words):
    text = config.read_text()
    key = line.split(":")[0]
    kept = [row for row in text.splitlines() if not row.startswith(key)]
    config.write_text("\n".join([line] if words in ("keys and values", "no YAML") else [*kept, line]))
    with pytest.raises(ValueError, match=words):
        SelfForcingPipeline(str(config))


def test_an_input_applies_at_the_next_segment(pipeline):
    session = InteractiveSession()
    prompts = []
    statuses = []
    session.set_status_callback(statuses.append)

    def watch(frames):
        prompts.append(session.current_prompt)
        if len(prompts) == 1:
            queued = session.submit_input(prompt="a green star")
            assert queued.will_apply_at == "Segment 1" and queued.state == InputState.QUEUED

    video = pipeline.run_interactive_generation(session, PROMPT, num_segments=2, segment_length=6, overlap_frames=3,
                                                stream_callback=watch)
    assert prompts == [PROMPT, PROMPT, "a green star"]
    assert session.state == SessionState.COMPLETED and video.shape[1] == 33
    assert statuses[-1].to_dict()["progress"] == {"segment": "2/2", "block": "1/2", "frames": 33}


def test_the_policy_next_block_applies_at_the_next_block(pipeline):
    session = InteractiveSession(apply_policy=InputApplyPolicy.NEXT_BLOCK)
    prompts = []

    def watch(frames):
        prompts.append(session.current_prompt)
        session.submit_input(prompt=f"a green star {len(prompts)}")

    pipeline.run_interactive_generation(session, PROMPT, segment_length=9, overlap_frames=3, stream_callback=watch)
    assert prompts == [PROMPT, "a green star 1", "a green star 2"]


def test_stop_ends_an_interactive_generation(pipeline):
    session = InteractiveSession()
    video = pipeline.run_interactive_generation(
        session, PROMPT, num_segments=5, segment_length=3, overlap_frames=0,
        stream_callback=lambda frames: session.submit_input(control=ControlCommand.STOP))
    assert video.shape[1] == 9 and session.should_stop()


def test_profiling_fills_what_scripts_print(config, shipped, tmp_path):
    profiling = ProfilingConfig(enabled=True, real_time_display=False, output_dir=str(tmp_path / "profile"))
    pipeline = SelfForcingPipeline(str(config), profiling_config=profiling)
    pipeline.run_streaming_generation([PROMPT], lambda frames: None, segment_length=6)
    diffusion = pipeline._profiler.diffusion_analyzer.get_diffusion_analysis()
    block = pipeline._profiler.diffusion_analyzer.get_block_analysis()
    assert diffusion["total_steps"] == 8 and diffusion["avg_block_size"] == 3 and diffusion["fps"] > 0
    assert block["total_blocks"] == 2 and block["peak_memory_usage_mb"] > 0
    assert len(list((tmp_path / "profile").glob("profiling_report_t2v_generation_*"))) == 2
    with pytest.raises(ValueError, match="report_format"):
        ProfilingConfig(report_format="pdf")


def test_names_as_the_reference_gives_them():
    for case in json.loads((GOLDEN / "output_names" / "io.json").read_text()):
        stem = str(case["prompt_idx"]) if case["save_with_index"] else file_stem(case["prompt"])
        assert f"{stem}-{case['sample_idx']}_{'ema' if case['use_ema'] else 'regular'}.mp4" == case["file"]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def test_the_gradio_backend_serves_the_page_and_the_video():
    backend = create_streaming_backend("gradio")
    assert backend.connect(width=832, height=480, fps=16, host="127.0.0.1", port=0)
    frames = numpy.full((12, 96, 96, 3), (200, 30, 40), numpy.uint8)
    assert backend.stream_batch(frames) and backend.stream_batch(frames)
    backend.finish()
    video = get(f"{backend.url}/v1/sessions/{backend.session_id}/video.mp4")  # ends with the stream
    assert video[4:8] == b"ftyp" and video.count(b"moof") == 2
    assert backend.status()["state"] == "finished"
    backend.disconnect()
    assert backend.stream_batch(frames) is False


def test_viewers_steer_an_interactive_session():
    session = InteractiveSession()
    backend = InteractiveGradioBackend(session)
    assert backend.connect(96, 96, host="127.0.0.1", port=0)
    backend.stream_batch(numpy.zeros((3, 96, 96, 3), numpy.uint8))

    def post(action, body=b"{}"):
        request = urllib.request.Request(f"{backend.url}/v1/sessions/{backend.session_id}/{action}", data=body,
                                         headers={"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def wait_for(condition):
        for _ in range(600):
            if condition():
                return True
            backend._ended.wait(0.05)
        return False

    post("prompt", json.dumps({"prompt": "a green star"}).encode())
    assert wait_for(lambda: any(entry.prompt == "a green star" for entry in session._inputs))
    post("pause")
    assert wait_for(session.should_pause)
    post("resume")
    assert wait_for(lambda: not session.should_pause())
    post("stop")
    assert wait_for(session.should_stop)
    backend.disconnect()


def test_unknown_backends_and_bad_frames_are_refused():
    with pytest.raises(ValueError, match="gradio, webrtc, rtmp"):
        create_streaming_backend("carrier pigeon")
    with pytest.raises(ValueError, match="rtmp_url"):
        create_streaming_backend("rtmp").connect(64, 64)
    assert create_streaming_backend("rtmp").connect(64, 64, rtmp_url="rtmp://127.0.0.1:1/live/x") is False
    backend = create_streaming_backend("webrtc")
    assert backend.connect(64, 64, host="127.0.0.1", port=0)
    with pytest.raises(ValueError, match="uint8"):
        backend.stream_batch(numpy.zeros((1, 64, 64, 3)))
    backend.disconnect()


SCRIPT = '''
import argparse, os, sys
import torch
import torch.distributed as dist
from inferix.pipeline.self_forcing.pipeline import SelfForcingPipeline
from inferix.models.wan_base.utils.parallel_config import ParallelConfig
from inferix.core.utils import set_random_seed
from inferix.core.memory.utils import gpu as get_gpu, get_cuda_free_memory_gb
from inferix.core.media import create_streaming_backend
from inferix.core.types import StreamingMode

parser = argparse.ArgumentParser()
parser.add_argument("--config_path", required=True)
parser.add_argument("--output_folder", required=True)
args = parser.parse_args()
torch.manual_seed(5)
torch.cuda.set_device(0)
assert not dist.is_initialized() and get_cuda_free_memory_gb(get_gpu()) > 0
pipeline = SelfForcingPipeline(config_path=args.config_path, parallel_config=ParallelConfig())
pipeline.load_checkpoint("weights/self_forcing_dmd.pt", use_ema=True)
pipeline.setup_devices(low_memory=False)
streamer = create_streaming_backend("gradio")
assert streamer.connect(width=832, height=480, fps=16, port=0, host="127.0.0.1")
video = pipeline.run_streaming_generation(prompts=["a red circle"], stream_callback=streamer.stream_batch, num_segments=1,
                                          segment_length=3, overlap_frames=0, streaming_mode=StreamingMode.AUTO)
os.makedirs(args.output_folder, exist_ok=True)
from torchvision.io import write_video
video_255 = torch.clamp(video[0] * 255.0, 0, 255).to(torch.uint8)
write_video(os.path.join(args.output_folder, "progressive_streaming.mp4"), video_255, fps=16)
streamer.disconnect()
print("shape", tuple(video.shape))
'''


def run_script(tmp_path, config, *flags):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "RUSHES_MODEL": str(ROOT / "models" / "shipped-t2v"), "RUSHES_INFERIX_SHIPPED": "0"}
    return subprocess.run([sys.executable, "-m", "rushes.inferix", *flags, script, "--config_path", config, "--output_folder",
                           tmp_path / "out"], capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)


def test_a_script_written_for_inferix_runs_unchanged(tmp_path, config):
    done = run_script(tmp_path, config, "--shipped-model")
    assert done.returncode == 0, done.stderr
    assert "shape (1, 9, 96, 96, 3)" in done.stdout
    assert (pathlib.Path(tmp_path) / "out" / "progressive_streaming.mp4").stat().st_size > 1000


def test_without_the_flag_the_missing_model_is_named(tmp_path, config):
    done = run_script(tmp_path, config)
    assert done.returncode != 0 and "self_forcing_dmd.pt" in done.stderr and "--shipped-model" in done.stderr
