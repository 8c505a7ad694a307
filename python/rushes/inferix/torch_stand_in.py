"""The part of torch that scripts for Inferix use around the pipeline, on NumPy: seeds, devices, clamp, write_video.

The pipeline itself needs none of it; importing the real torch would cost seconds and a gigabyte.
"""
from __future__ import annotations

import contextlib
import sys
import types

import numpy

from .frames import Frames

_seed = 0


def current_seed() -> int:
    """The last seed that was given to manual_seed()."""
    torch = sys.modules.get("torch")
    if torch is not None and not hasattr(torch, "__rushes_stand_in__"):
        return int(torch.initial_seed()) if _seed == 0 else _seed
    return _seed


def manual_seed(seed):
    global _seed
    _seed = int(seed)


class device:  # noqa: N801 - torch's name
    def __init__(self, name="cpu", index=None):
        text = str(name)
        self.type, _, number = text.partition(":")
        self.index = int(number) if number else index

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self):
        return f"device(type='{self.type}')"


def _module(name, **content):
    module = types.ModuleType(name, __doc__)
    module.__rushes_stand_in__ = True
    module.__dict__.update(content)

    def missing(attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise AttributeError(f"{name}.{attribute} is not part of rushes' replacement for torch; install torch and run with "
                             "python -m rushes.inferix --real-torch")

    module.__getattr__ = missing
    return module


def _array(value):
    return numpy.asarray(value).view(Frames)


def _write_video(filename, video_array, fps, **_options):
    from rushes import VideoWriter

    frames = numpy.ascontiguousarray(numpy.asarray(video_array), dtype=numpy.uint8)
    writer = VideoWriter(str(filename), width=frames.shape[2], height=frames.shape[1], fps=float(fps))
    writer.write(frames)
    writer.close()


def _no_devices(*_arguments, **_named):
    return None


def _single_process(*_arguments, **_named):
    raise RuntimeError("several processes are not supported here: start the script once, without LOCAL_RANK")


def install() -> None:
    """Puts `torch`, `torch.cuda`, `torch.distributed` and `torchvision.io` into sys.modules, unless torch is there."""
    if "torch" in sys.modules:
        return
    cuda = _module("torch.cuda", is_available=lambda: False, device_count=lambda: 0, current_device=lambda: 0,
                   set_device=_no_devices, empty_cache=_no_devices, synchronize=_no_devices, manual_seed_all=_no_devices,
                   manual_seed=_no_devices, memory_allocated=lambda *_: 0, max_memory_allocated=lambda *_: 0,
                   reset_peak_memory_stats=_no_devices, mem_get_info=lambda *_: (0, 0))
    distributed = _module("torch.distributed", is_available=lambda: False, is_initialized=lambda: False,
                          get_rank=lambda *_: 0, get_world_size=lambda *_: 1, barrier=_no_devices,
                          destroy_process_group=_no_devices, init_process_group=_single_process)
    torch = _module(
        "torch", cuda=cuda, distributed=distributed, device=device, manual_seed=manual_seed, initial_seed=current_seed,
        Tensor=Frames, uint8=numpy.uint8, float16=numpy.float16, float32=numpy.float32, bfloat16=numpy.float32,
        float64=numpy.float64, int64=numpy.int64, no_grad=contextlib.nullcontext, inference_mode=contextlib.nullcontext,
        set_grad_enabled=lambda *_: contextlib.nullcontext(), from_numpy=_array, tensor=_array, as_tensor=_array,
        clamp=lambda x, low=None, high=None, min=None, max=None: _array(  # noqa: A002
            numpy.clip(x, low if low is not None else min, high if high is not None else max)),
        cat=lambda arrays, dim=0: _array(numpy.concatenate(arrays, axis=dim)),
        stack=lambda arrays, dim=0: _array(numpy.stack(arrays, axis=dim)), __version__="0+rushes")
    torch.__path__ = []
    io = _module("torchvision.io", write_video=_write_video)
    vision = _module("torchvision", io=io)
    vision.__path__ = []
    sys.modules.update({"torch": torch, "torch.cuda": cuda, "torch.distributed": distributed, "torchvision": vision,
                        "torchvision.io": io})
