"""Watch generated video while it is still being generated.

>>> import rushes
>>> for block in rushes.Model("models/shipped-t2v").generate("a red circle moves right on a blue background"):
...     print(block, block.frames.shape)          # uint8 [frames, height, width, 3]

The engine is loaded when one of its names is first used; `rushes.talk`, the clients of a server, works without it.
"""
from __future__ import annotations

import importlib as _importlib
import os as _os
from typing import TYPE_CHECKING

# libgomp's threads spin for milliseconds after each parallel loop unless told otherwise before it is loaded.
if "OMP_WAIT_POLICY" not in _os.environ:
    _os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from ._core import (
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
    from .model import Generation, Model, shipped_model
    from .profiling import Profiling, benchmark

__all__ = [
    "Block", "Cancelled", "Conflict", "CorruptData", "Error", "Exhausted", "Format", "Generation",
    "InvalidArgument", "Model", "Network", "NotFound", "Profiling", "TooLarge", "Unavailable", "Unsupported",
    "VideoWriter", "__version__", "benchmark", "read_image", "set_log_level", "shipped_model",
]

_MODULES = ("_core", "client", "model", "profiling", "talk")
#: Names that are not from _core.
_HOMES = {"Generation": "model", "Model": "model", "shipped_model": "model", "Profiling": "profiling", "benchmark": "profiling"}


def __getattr__(name: str) -> object:
    if name == "_core":  # all that needs the engine comes by here first, `from . import _core` too
        _importlib.import_module("._libtorch", __name__).load()
    if name in _MODULES:
        return _importlib.import_module("." + name, __name__)
    if name not in __all__:
        raise AttributeError(f"module 'rushes' has no attribute '{name}'")
    globals()[name] = value = getattr(__getattr__(_HOMES.get(name, "_core")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
