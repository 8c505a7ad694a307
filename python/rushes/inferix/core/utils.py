"""Seeds and small checks."""
from __future__ import annotations

import logging
import os
import random

import numpy

from .. import torch_stand_in


def env_is_true(env_name: str) -> bool:
    return os.environ.get(env_name, "0").lower() in {"1", "true", "yes", "y", "on", "enabled"}


def divide(numerator, denominator):
    assert numerator % denominator == 0, f"{numerator} is not divisible by {denominator}"
    return numerator // denominator


def set_random_seed(seed):
    """Sets the seed of later generations."""
    if seed is None or seed <= 0 and seed != 0:
        return
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch_stand_in.manual_seed(seed)


def get_logger():
    return logging.getLogger("rushes.inferix")
