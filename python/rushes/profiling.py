"""Measuring a generation, and benchmark results."""
from __future__ import annotations

import dataclasses
import json
import os

from . import _core


@dataclasses.dataclass
class Profiling:
    """Which measurements of a generation are made, and where the reports are written."""

    directory: str | os.PathLike = "profiling_results"  #: "" writes no files
    format: str = "both"  #: json, html or both
    raw_data: bool = False
    id: str = "t2v_generation"  #: part of the files' names
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    gpu_interval: float = 0.5  #: seconds between samples
    cpu_interval: float = 1.0
    monitor_gpu: bool = True
    monitor_cpu: bool = True
    real_time_display: bool = False  #: a line on standard error every display_interval seconds
    display_interval: float = 5.0
    max_samples: int = 10_000

    def options(self) -> _core.ProfilerOptions:
        """Raises InvalidArgument for a value out of range."""
        return _core.ProfilerOptions(
            gpu_interval=self.gpu_interval, cpu_interval=self.cpu_interval, monitor_gpu=self.monitor_gpu,
            monitor_cpu=self.monitor_cpu, real_time_display=self.real_time_display,
            display_interval=self.display_interval, max_samples=self.max_samples,
            tags={str(key): str(value) for key, value in self.tags.items()}, id=self.id)


def benchmark(directory: str | os.PathLike) -> dict:
    """The benchmark results of the newest profiling report in a folder, as `rushes report` writes them.

    Raises NotFound if the folder has no report.
    """
    return json.loads(_core.benchmark_json(os.fspath(directory)))
