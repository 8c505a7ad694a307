"""Modes, and the inputs and states of an interactive session."""
from .inference import DecodeMode, MemoryMode, StreamingMode
from .interactive import (
    CheckpointResult,
    ControlCommand,
    GenerationStatus,
    InputApplyPolicy,
    InputState,
    QueuedInput,
    SegmentBoundary,
    SessionState,
    calculate_total_frames,
    validate_overlap_config,
)

__all__ = [
    "DecodeMode", "StreamingMode", "MemoryMode", "InputApplyPolicy", "InputState", "SessionState", "ControlCommand",
    "QueuedInput", "GenerationStatus", "CheckpointResult", "SegmentBoundary", "calculate_total_frames",
    "validate_overlap_config",
]
