"""Inputs and states of an interactive session. Frames are latent frames here, as in Inferix's documents."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import List, Optional


class InputApplyPolicy(Enum):
    NEXT_SEGMENT = "next_segment"
    NEXT_BLOCK = "next_block"


class InputState(Enum):
    QUEUED = "queued"
    PENDING = "pending"
    APPLIED = "applied"
    DISCARDED = "discarded"  # a newer one came


class SessionState(Enum):
    IDLE = "idle"
    GENERATING = "generating"
    PAUSED = "paused"
    COMPLETED = "completed"
    ERROR = "error"


class ControlCommand(Enum):
    CONTINUE = "continue"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    MODIFY_PARAMS = "modify"


@dataclass
class QueuedInput:
    input_id: str
    prompt: Optional[str] = None
    guidance_scale: Optional[float] = None
    control: ControlCommand = ControlCommand.CONTINUE
    state: InputState = InputState.QUEUED
    apply_policy: InputApplyPolicy = InputApplyPolicy.NEXT_SEGMENT
    estimated_wait_seconds: float = 0.0
    will_apply_at: str = ""
    queued_at: float = 0.0

    def to_dict(self) -> dict:
        return {
            "input_id": self.input_id, "prompt": self.prompt, "guidance_scale": self.guidance_scale,
            "control": self.control.value if self.control else None, "state": self.state.value,
            "apply_policy": self.apply_policy.value, "estimated_wait_seconds": self.estimated_wait_seconds,
            "will_apply_at": self.will_apply_at,
        }


@dataclass
class GenerationStatus:
    session_id: str
    state: SessionState
    current_segment: int = 0
    total_segments: int = 1
    current_block: int = 0
    total_blocks: int = 7
    frames_generated: int = 0
    gpu_memory_gb: float = 0.0
    estimated_remaining_seconds: float = 0.0
    current_prompt: str = ""
    current_guidance: float = 7.5
    queued_inputs: List[QueuedInput] = field(default_factory=list)
    message: str = ""

    def to_dict(self) -> dict:
        prompt = self.current_prompt
        return {
            "session_id": self.session_id,
            "state": self.state.value,
            "progress": {"segment": f"{self.current_segment + 1}/{self.total_segments}",
                         "block": f"{self.current_block + 1}/{self.total_blocks}", "frames": self.frames_generated},
            "memory": {"gpu_gb": round(self.gpu_memory_gb, 2)},
            "timing": {"eta_seconds": round(self.estimated_remaining_seconds, 1)},
            "current_params": {"prompt": prompt if len(prompt) <= 100 else prompt[:100] + "...",
                               "guidance": self.current_guidance},
            "queued_inputs": [waiting.to_dict() for waiting in self.queued_inputs],
            "message": self.message,
        }

    @property
    def progress_percent(self) -> float:
        if self.total_segments == 0:
            return 0.0
        return 100 * (self.current_segment + self.current_block / self.total_blocks) / self.total_segments


@dataclass
class CheckpointResult:
    should_continue: bool = True
    pending_input: Optional[QueuedInput] = None
    new_prompt: Optional[str] = None
    new_guidance: Optional[float] = None
    command: ControlCommand = ControlCommand.CONTINUE


@dataclass
class SegmentBoundary:
    segment_idx: int
    start_frame: int
    end_frame: int
    unique_frames: int
    overlap_with_previous: int
    is_first: bool
    is_last: bool

    def validate_initial_latent(self, initial_latent_frames: int, expected_overlap: int) -> bool:
        return initial_latent_frames == (0 if self.is_first else expected_overlap)


def calculate_total_frames(num_segments: int, segment_length: int, overlap_frames: int) -> int:
    """num_segments * segment_length - (num_segments - 1) * overlap_frames."""
    if num_segments <= 0:
        return 0
    return num_segments * segment_length - (num_segments - 1) * overlap_frames


def validate_overlap_config(overlap_frames: int, block_size: int) -> bool:
    """Returns True, or raises ValueError with the allowed values."""
    if overlap_frames < 0:
        raise ValueError(f"overlap_frames must be non-negative, got {overlap_frames}")
    if overlap_frames % block_size != 0:
        raise ValueError(f"overlap_frames ({overlap_frames}) must be divisible by block_size ({block_size})")
    return True
