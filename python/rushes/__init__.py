"""Watch generated video while it is still being generated.

>>> import rushes
>>> for block in rushes.Model("models/shipped-t2v").generate("a red circle moves right on a blue background"):
...     print(block, block.frames.shape)          # uint8 [frames, height, width, 3]
"""
from __future__ import annotations

import os as _os

# libgomp's threads spin for milliseconds after each parallel loop unless told otherwise before it is loaded.
if "OMP_WAIT_POLICY" not in _os.environ:
    _os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from ._core import (  # noqa: E402
    Block,
    Cancelled,
    Conflict,
    CorruptData,
    Error,
    Exhausted,
    Format,
    InvalidArgument,
    Network,
    NotFound,
    TooLarge,
    Unavailable,
    Unsupported,
    VideoWriter,
    __version__,
    read_image,
    set_log_level,
)
from .model import Generation, Model, shipped_model  # noqa: E402
from .profiling import Profiling, benchmark  # noqa: E402

__all__ = [
    "Block", "Cancelled", "Conflict", "CorruptData", "Error", "Exhausted", "Format", "Generation",
    "InvalidArgument", "Model", "Network", "NotFound", "Profiling", "TooLarge", "Unavailable", "Unsupported",
    "VideoWriter", "__version__", "benchmark", "read_image", "set_log_level", "shipped_model",
]
