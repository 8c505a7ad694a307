"""Devices and their free memory, as scripts print them."""
from __future__ import annotations

import sys

from ... import torch_stand_in


def _device(name):
    torch = sys.modules.get("torch")
    return (torch or torch_stand_in).device(name)


cpu = torch_stand_in.device("cpu")


def gpu():
    """The first GPU; the CPU if there is none."""
    torch = sys.modules.get("torch")
    return _device("cuda:0" if torch is not None and torch.cuda.is_available() else "cpu")


def get_cuda_free_memory_gb(device=None) -> float:
    """Free memory of the GPU; of the machine if there is no GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.mem_get_info(device)[0] / 2**30
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 2**20
    return 0.0
