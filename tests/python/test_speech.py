"""Models that talk, in Python: speech at once and while the video is made, its sound, options that change."""
import threading
import time

import numpy
import pytest

import rushes

HZ, FRAME = 16_000, 1000  # samples of a video frame at 16 frames a second


def wave(frames, hz=HZ):
    time = numpy.arange(frames * FRAME * hz // HZ) / hz
    return (0.4 * numpy.sin(2 * numpy.pi * 220 * time) * numpy.sin(2 * numpy.pi * 1.5 * time)).astype(numpy.float32)


def picture(height=48, width=48):
    return (numpy.arange(height * width * 3) * 7919 % 251).astype(numpy.uint8).reshape(height, width, 3)


@pytest.fixture(scope="module")
def avatar():
    return rushes.Model("random:omniavatar")


def pixels(generation):
    return numpy.concatenate([block.frames for block in generation])


def test_all_speech_at_once_is_the_sound_of_as_many_frames(avatar):
    generation = avatar.generate("a woman speaks", image=picture(), speech=wave(30), steps=1)
    assert generation.format.speech_hz == generation.format.audio_hz == HZ
    blocks = list(generation)
    assert [len(block) for block in blocks] == [9, 12, 9]
    assert all(block.audio.dtype == numpy.float32 and block.audio.shape == (len(block) * FRAME,) for block in blocks)
    assert (numpy.concatenate([block.audio for block in blocks]) == wave(30)).all()


def test_speech_that_comes_in_pieces_gives_the_same_frames(avatar):
    arguments = {"prompts": "a woman speaks", "image": picture(), "steps": 1, "seed": 3}
    whole = pixels(avatar.generate(speech=wave(20), **arguments))
    live, made, said = avatar.generate(live=True, **arguments), [], wave(20)
    for at in range(0, len(said), 3000):
        while (block := live.next(wait=False)) is not None:
            made.append(block.frames)
        assert live.waits_for_speech
        live.feed_speech(said[at : at + 3000])
    assert sum(map(len, made)) == 9, "frames come before the speech has ended"
    live.end_speech()
    made += [block.frames for block in live]
    assert not live.waits_for_speech
    assert (numpy.concatenate(made) == whole).all()


def test_who_waits_goes_on_when_another_thread_speaks_or_stops(avatar):
    live = avatar.generate("a woman speaks", live=True, steps=1)
    threading.Timer(0.3, lambda: live.feed_speech(wave(4), ends=True)).start()
    begin = time.monotonic()
    assert len(live.next()) == 9, "an utterance is shown without waiting for more"
    assert time.monotonic() - begin > 0.2
    threading.Timer(0.3, live.stop).start()
    assert live.next() is None


def test_speech_of_another_rate_is_resampled_as_one_stream(avatar):
    live, said = avatar.generate("a woman speaks", live=True, steps=1), wave(20, 24_000)
    for at in range(0, len(said), 4001):
        live.feed_speech(said[at : at + 4001], 24_000)
    live.end_speech()
    sound = numpy.concatenate([block.audio for block in live])
    assert len(sound) == 20 * FRAME
    assert numpy.abs(sound - wave(20))[200:-200].max() < 0.02


def test_who_says_nothing_gets_a_silent_face_where_the_model_makes_one_and_is_refused_elsewhere(avatar, tmp_path):
    silent = list(avatar.generate("a woman looks", video_frames=20, steps=1))
    assert sum(map(len, silent)) == 20 and all(block.audio is None for block in silent)
    assert avatar.generate("a woman looks", video_frames=9, steps=1).save(tmp_path / "silent.mp4") == 9
    for family in ("random:ditto", "random:imtalker"):
        with pytest.raises(rushes.InvalidArgument, match="live=True"):
            rushes.Model(family).generate(image=picture(96, 80))


def test_speech_may_go_on_behind_what_was_given_at_first(avatar):
    live = avatar.generate("a woman speaks", speech=wave(20)[: 12 * FRAME], live=True, steps=1, seed=3)
    live.feed_speech(wave(20)[12 * FRAME :])
    live.end_speech()
    assert (pixels(live) == pixels(avatar.generate("a woman speaks", speech=wave(20), steps=1, seed=3))).all()


@pytest.mark.parametrize("wrong", [numpy.nan, numpy.inf, -numpy.inf, 20_000])
def test_samples_that_are_no_sound_are_refused_and_nothing_is_heard(avatar, wrong):
    samples = wave(2)
    samples[7] = wrong
    live = avatar.generate("a woman", live=True, steps=1)
    with pytest.raises(rushes.InvalidArgument, match=r"speech\[7\] is "):
        live.feed_speech(samples)
    live.feed_speech(wave(2))
    live.end_speech()
    assert (numpy.concatenate([block.audio for block in live]) == wave(2)).all()


def test_a_size_that_is_rounded_or_that_the_model_was_not_trained_for_is_a_warning(avatar):
    with pytest.warns(UserWarning) as told:
        generation = avatar.generate("a woman", speech=wave(1), width=40, height=32)
    assert (generation.format.width, generation.format.height) == (48, 32)
    assert [str(warning.message) for warning in told] == [
        "width has no effect: 40 is not a multiple of 16; 48 is taken", *generation.warnings]
    assert generation.warnings == ["the model was trained for 32x32, not for 48x32: the picture may be poor"]


def test_what_cannot_be_said_or_changed_is_refused(avatar, model):
    talking, text = avatar.generate("a woman", speech=wave(1)), model.generate("a red circle", segment_length=3)
    with pytest.raises(rushes.Conflict, match="has ended"):
        talking.feed_speech(wave(1))
    with pytest.raises(rushes.Unsupported, match="does not accept speech"):
        text.feed_speech(wave(1))
    with pytest.raises(rushes.InvalidArgument, match="steps"):
        talking.set_options(steps=3)
    with pytest.raises(rushes.InvalidArgument, match="nothing cannot be changed while a session runs"):
        talking.set_options(nothing=3)
    assert text.next().audio is None and text.format.audio_hz == 0


def test_options_that_are_live_change_from_the_next_frame_on():
    arguments = {"image": picture(96, 80), "speech": wave(8), "seed": 1}  # as long as 12 frames and a half of this model's
    ditto = rushes.Model("random:ditto")
    plain, turned = pixels(ditto.generate(**arguments)), []
    generation = ditto.generate(**arguments)
    for block in generation:
        turned.append(block.frames)
        if len(turned) == 5:
            generation.set_options(delta_yaw=25.0)
    turned = numpy.concatenate(turned)
    assert len(turned) == len(plain) == 13
    assert (turned[:5] == plain[:5]).all() and (turned[5:] != plain[5:]).any()


def test_a_fork_says_what_was_fed(avatar):
    generation = avatar.generate("a woman speaks", speech=wave(20), steps=1)
    branch = generation.fork()
    assert (pixels(branch) == pixels(generation)).all()


def test_a_saved_video_has_its_sound(avatar, tmp_path):
    file = tmp_path / "avatar.mp4"
    assert avatar.generate("a woman speaks", speech=wave(30), steps=1).save(file) == 30
    samples, hz = rushes._core.read_audio(str(file))
    assert hz == HZ and abs(len(samples) - 30 * FRAME) < 2048
    again = avatar.generate("a woman speaks", speech=file, steps=1)
    assert sum(map(len, again)) == -(-len(samples) // FRAME)
