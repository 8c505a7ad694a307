"""The native interface: blocks, prompts, stop, fork, async, files, profiles."""
import asyncio
import json
import signal
import subprocess
import sys
import threading
import time

import numpy
import pytest
from conftest import PROMPT

import rushes


def test_blocks_are_arrays_of_the_video(model):
    blocks = list(model.generate(PROMPT, segment_length=6))
    assert [len(block) for block in blocks] == [9, 12]
    assert [block.first_frame for block in blocks] == [0, 9]
    for block in blocks:
        assert block.frames.dtype == numpy.uint8
        assert block.frames.shape == (len(block), 96, 96, 3)
    assert blocks[0].prompt == PROMPT and blocks[0].latent_frames == 3 and blocks[0].denoise_seconds > 0
    # A red circle on blue: there is more blue than red, and both.
    red, _, blue = blocks[1].frames.mean(axis=(0, 1, 2))
    assert blue > red > 10


def test_frames_are_the_models_memory_and_outlive_the_block(model):
    block = model.generate(PROMPT, segment_length=3).next()
    first, second = block.frames, block.frames
    assert first.ctypes.data == second.ctypes.data and not first.flags.owndata
    assert numpy.from_dlpack(block).ctypes.data == first.ctypes.data
    total = int(first.sum())
    del block, second
    assert int(first.sum()) == total


def test_the_same_seed_gives_the_same_video(model):
    def video(seed):
        return numpy.concatenate([block.frames for block in model.generate(PROMPT, segment_length=3, seed=seed)])

    assert numpy.array_equal(video(1), video(1))
    assert not numpy.array_equal(video(1), video(2))


def test_all_64_bits_of_a_seed_count_and_others_are_refused(model):
    def video(seed):
        return model.generate(PROMPT, segment_length=3, seed=seed).next().frames.tobytes()

    assert len({video(seed) for seed in (0, 2**32, 2**64 - 1)}) == 3
    for seed in (-1, 2**64, 10**23):
        with pytest.raises(rushes.InvalidArgument, match="an integer from 0 to 18446744073709551615"):
            model.generate(PROMPT, seed=seed)


def test_what_has_no_effect_is_a_warning_and_is_told(model):
    with pytest.warns(UserWarning, match="guidance_scale has no effect: the solver few_step works without guidance"):
        generation = model.generate(PROMPT, segment_length=3, guidance_scale=9.0)
    (ignored,) = generation.ignored
    assert ignored.field == "guidance_scale" and "few_step" in ignored.reason and "guidance_scale" in repr(ignored)
    with pytest.warns(UserWarning, match="prompt has no effect: the text encoder reads"):
        model.generate(" ".join(["a red circle"] * 100), segment_length=3)
    assert model.generate(PROMPT, segment_length=3).ignored == []


def test_words_that_the_model_was_not_trained_with_are_warnings_and_are_told(model):
    with pytest.warns(UserWarning, match="the model does not know the word 'cat'; Model.words lists"):
        generation = model.generate("A red CAT", segment_length=3)
    assert generation.unknown_words == ["cat"] and generation.warnings == [] and "to the left" in model.words
    generation.set_prompt("a red circle")
    assert generation.unknown_words == []
    with pytest.warns(UserWarning, match="the word 'dog'"):
        generation.set_prompt("a dog")
    assert generation.unknown_words == generation.fork().unknown_words == ["dog"]
    assert model.generate(PROMPT, segment_length=3).unknown_words == []


@pytest.mark.parametrize("prompts, taken", [
    ("a red circle; a green star", ["a red circle", "a green star"]),
    (r"a red circle\; a green star", ["a red circle; a green star"]),
    ("Tom &amp; Jerry", ["Tom &amp; Jerry"]),
    (["a; b"], ["a; b"]),
])
def test_a_string_is_a_line_of_prompts_and_a_list_is_taken_as_it_is(model, prompts, taken):
    generation = model.generate(prompts, segment_length=3, overlap=0)
    assert [block.prompt for block in generation] == taken


def test_prompts_take_turns_and_can_be_switched(model):
    generation = model.generate(["a red circle", "a green star"], segment_length=3, overlap=0, segments=3)
    assert generation.format.segments == 3
    prompts = [generation.next().prompt, generation.next().prompt]
    generation.set_prompt("a white ring")
    prompts.append(generation.next().prompt)
    assert prompts == ["a red circle", "a green star", "a white ring"]
    assert generation.next() is None


def test_ctrl_c_ends_a_step_of_minutes(model):
    generation = model.generate(PROMPT, width=1280, height=720)
    timer = threading.Timer(1, signal.raise_signal, [signal.SIGINT])
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        generation.next()
    assert time.monotonic() - begin < 30
    timer.join()


def test_stop_ends_an_endless_video(model):
    generation = model.generate(PROMPT, segments=0, segment_length=6)
    assert generation.format.video_frames is None
    seen = 0
    for _ in generation:
        seen += 1
        if seen == 2:
            generation.stop()
    assert seen == 2


def test_other_threads_run_while_a_block_is_made(model):
    ticks, done = [0], threading.Event()

    def count():
        while not done.is_set():
            ticks[0] += 1
            done.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    generation = model.generate(PROMPT, segment_length=9)
    before = ticks[0]
    generation.next()
    during = ticks[0] - before
    done.set()
    thread.join()
    assert during > 0


def test_async_iteration(model):
    async def both():
        async def collect(prompt):
            return [len(block) async for block in model.generate(prompt, segment_length=6)]

        return await asyncio.gather(collect("a red circle"), collect("a green star"))

    assert asyncio.run(both()) == [[9, 12], [9, 12]]


def test_a_fork_shares_what_was_made(model):
    original = model.generate(PROMPT, segment_length=9)
    original.next()
    branch = original.fork()
    assert numpy.array_equal(original.next().frames, branch.next().frames)
    branch.set_prompt("a green star on a brown background")
    assert not numpy.array_equal(original.next().frames, branch.next().frames)


def test_an_image_is_the_first_frame(model):
    image = numpy.zeros((96, 96, 3), numpy.uint8)
    image[:, :, 2] = 255
    block = model.generate(PROMPT, image=image, segment_length=6, overlap=3).next()
    assert block.frames[0, :, :, 2].mean() > 150


@pytest.mark.parametrize("arguments, words", [
    ({"prompts": ""}, "prompt"),
    ({"prompts": PROMPT, "segment_length": 4}, "segment_length"),
    ({"prompts": PROMPT, "width": 100}, "width"),
    ({"prompts": PROMPT, "solver": "magic"}, "few_step"),
    ({"prompts": ["a", "b"], "segments": 1}, "'b' would never be shown"),
])
def test_bad_requests_say_what_is_allowed(model, arguments, words):
    with pytest.raises(rushes.InvalidArgument, match=words) as caught:
        model.generate(**arguments)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, rushes.Error)


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(rushes.Error, match=str(tmp_path)):
        rushes.Model(tmp_path / "none")


def test_save_writes_a_file_that_plays(model, tmp_path):
    target = tmp_path / "video.mp4"
    assert model.generate(PROMPT, segment_length=6).save(target) == 21
    probe = json.loads(subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", target], capture_output=True, check=True).stdout)
    assert probe["streams"][0]["nb_read_frames"] == "21"


def test_a_profile_is_written_and_read_as_a_benchmark(model, tmp_path):
    generation = model.generate(PROMPT, segment_length=6, profiling=rushes.Profiling(directory=tmp_path / "profile"))
    assert generation.profile is None
    generation.save(tmp_path / "video.mp4")
    assert generation.profile["summary"]["video_frames"] == 21
    assert {"encode", "deliver", "denoise", "decode"} <= set(generation.profile["stage_analysis"]["stages"])
    assert len(generation.profile_files) == 3
    results = rushes.benchmark(tmp_path / "profile")
    assert results["block_level"]["total_steps"] == 8 and results["overall"]["throughput_fps"] > 0


def test_importing_needs_no_torch():
    code = "import sys, rushes, rushes.inferix.core.media; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_stub_is_what_the_module_has():
    """python -m nanobind.stubgen -m rushes._core -o python/rushes/_core.pyi writes it anew."""
    import pathlib

    from nanobind.stubgen import StubGen

    generator = StubGen(rushes._core)
    generator.put(rushes._core)
    stub = pathlib.Path(rushes.__file__).with_name("_core.pyi").read_text()
    assert generator.get().strip() == stub.strip()
