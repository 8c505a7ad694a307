"""Scripts and callbacks as Inferix's documents show them."""
import json

import numpy
import pytest
from conftest import PROMPT, ROOT

from rushes.inferix.core.interactive import InteractiveSession
from rushes.inferix.core.media import create_streaming_backend
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


def test_prompts_beyond_the_segments_are_a_warning(pipeline):
    with pytest.warns(UserWarning, match="the last 1 are never shown"):
        video = pipeline.run_streaming_generation([PROMPT, "a green star"], segment_length=3, overlap_frames=0)
    assert video.shape[1] == 9


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
    ("warp_denoising_step: false", "warp"), ("- a list", "keys to values"), ("a: [", "not valid YAML"),
])
def test_configurations_that_cannot_be_followed_are_refused(config, line, words):
    text = config.read_text()
    key = line.split(":")[0]
    kept = [row for row in text.splitlines() if not row.startswith(key)]
    config.write_text("\n".join([line] if words in ("keys to values", "not valid YAML") else [*kept, line]))
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


def test_unknown_backends_are_refused():
    with pytest.raises(ValueError, match="gradio, webrtc, rtmp"):
        create_streaming_backend("carrier pigeon")
    with pytest.raises(ValueError, match="rtmp_url"):
        create_streaming_backend("rtmp").connect(64, 64)
