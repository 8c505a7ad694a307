"""How a generation runs."""
from enum import Enum


class DecodeMode(Enum):
    AFTER_ALL = "after_all"
    PER_BLOCK = "per_block"
    NO_DECODE = "no_decode"


class StreamingMode(Enum):
    """AUTO and TRUE_STREAMING deliver each block as soon as it is generated, DEFERRED_DECODE all of them at the end."""

    TRUE_STREAMING = "true_streaming"
    DEFERRED_DECODE = "deferred_decode"
    AUTO = "auto"


class MemoryMode(Enum):
    """Accepted for compatibility: memory is flat however long the video."""

    AGGRESSIVE = "aggressive"
    BALANCED = "balanced"
    RELAXED = "relaxed"
