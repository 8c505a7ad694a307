"""Models of words and video, in Python: both halves of an answer."""
import numpy
import pytest

import rushes


def picture(height=64, width=64):
    return (numpy.arange(height * width * 3) * 7919 % 251).astype(numpy.uint8).reshape(height, width, 3)


@pytest.fixture(scope="module")
def model():
    return rushes.Model("random:foresight")


def answer(model, question):
    """What it says, how many frames it shows, and what failed."""
    generation = model.generate(question, image=picture(), video_frames=9, steps=2, max_new_tokens=8)
    frames = sum(len(block) for block in generation)
    return generation.text, frames, generation.failed_tracks


def test_an_answer_has_words_and_frames(model):
    words, frames, failed = answer(model, "What happens?")
    assert words and frames == 9 and failed == {}


def test_a_question_beyond_what_the_model_reads_is_refused_before_anything_is_made(model):
    with pytest.raises(rushes.TooLarge, match="8060 tokens, 4 of them of pictures"):
        answer(model, "z" * 8000)  # each letter is a token; this model reads 4096
