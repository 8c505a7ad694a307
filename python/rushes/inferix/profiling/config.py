"""Settings of the measurement: what to measure, how often, and where to write the report."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional

from rushes.profiling import Profiling


@dataclass
class ProfilingConfig:
    enabled: bool = False
    gpu_monitor_interval: float = 0.5
    cpu_monitor_interval: float = 1.0
    monitor_gpu_memory: bool = True
    monitor_gpu_utilization: bool = True
    monitor_gpu_temperature: bool = True
    monitor_gpu_power: bool = True
    monitor_cpu_usage: bool = True
    monitor_system_memory: bool = True
    real_time_display: bool = True
    display_interval: float = 5.0
    generate_final_report: bool = True
    save_raw_data: bool = False
    output_dir: Optional[str] = None  # ./profiling_reports
    report_format: str = "both"
    max_data_points: int = 10000
    profile_inference_steps: bool = True
    profile_vae_decode: bool = True
    profile_text_encoding: bool = True
    profile_diffusion_steps: bool = True
    profile_block_computation: bool = True
    profile_model_parameters: bool = True
    session_tags: Dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        for name in ("gpu_monitor_interval", "cpu_monitor_interval", "display_interval", "max_data_points"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if self.report_format not in ("html", "json", "both"):
            raise ValueError("report_format must be 'html', 'json', or 'both'")

    def of_session(self, session: str, tags: Dict[str, Any]) -> Profiling:
        """The same in the words of rushes. Groups of values that are switched off are left out as a whole: the GPUs'
        when all of monitor_gpu_* are off, the processor's when monitor_cpu_usage and monitor_system_memory are."""
        gpu = (self.monitor_gpu_memory or self.monitor_gpu_utilization or self.monitor_gpu_temperature
               or self.monitor_gpu_power)
        return Profiling(
            directory=(self.output_dir or "./profiling_reports") if self.generate_final_report else "",
            format=self.report_format, raw_data=self.save_raw_data, id=session, tags={**self.session_tags, **tags},
            gpu_interval=self.gpu_monitor_interval, cpu_interval=self.cpu_monitor_interval, monitor_gpu=gpu,
            monitor_cpu=self.monitor_cpu_usage or self.monitor_system_memory, real_time_display=self.real_time_display,
            display_interval=self.display_interval, max_samples=max(2, self.max_data_points))
