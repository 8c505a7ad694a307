"""Measuring, as in Inferix."""
from .config import ProfilingConfig
from .profiler import InferixProfiler

__all__ = ["ProfilingConfig", "InferixProfiler"]
