"""The measurements of a pipeline, for scripts that print a summary."""
from __future__ import annotations

from typing import Any, Dict, Optional


class DiffusionAnalyzer:
    def __init__(self, profiler: "InferixProfiler"):
        self._profiler = profiler

    def _part(self, name: str) -> Optional[Dict[str, Any]]:
        return (self._profiler.report or {}).get(name)

    def get_diffusion_analysis(self) -> Optional[Dict[str, Any]]:
        """Of the newest generation; fps counts video frames per second of wall time. None before the first."""
        return self._part("diffusion_analysis")

    def get_block_analysis(self) -> Optional[Dict[str, Any]]:
        return self._part("block_analysis")

    def get_model_analysis(self) -> Optional[Dict[str, Any]]:
        return self._part("model_analysis")


class InferixProfiler:
    """Filled by the pipeline when a generation is complete."""

    def __init__(self, config=None):
        self.config = config
        self.report: Optional[Dict[str, Any]] = None
        self.files: list = []
        self.diffusion_analyzer = DiffusionAnalyzer(self)
