"""The session that a person steers: prompts and controls wait in it until the pipeline passes a checkpoint."""
from __future__ import annotations

import threading
import time
import uuid
from typing import Callable, List, Optional

from ..types import CheckpointResult, ControlCommand, GenerationStatus, InputApplyPolicy, InputState, QueuedInput, SessionState


class InteractiveSession:
    """Any thread may submit; of what waits only the newest survives, a control discards a prompt too."""

    def __init__(self, apply_policy: InputApplyPolicy = InputApplyPolicy.NEXT_SEGMENT, parallel_config=None):
        self.session_id = uuid.uuid4().hex[:8]
        self._apply_policy = apply_policy
        self._lock = threading.Lock()
        self._inputs: List[QueuedInput] = []
        self._running = threading.Event()
        self._running.set()
        self._stopped = False
        self._state = SessionState.IDLE
        self._segment = self._block = 0
        self._segments, self._blocks_per_segment = 1, 7
        self._prompt = self._initial_prompt = ""
        self._guidance = 7.5
        self._status_callback: Optional[Callable[[GenerationStatus], None]] = None
        self._block_seconds = 0.5  # a guess until a block was timed
        self._block_started: Optional[float] = None

    @classmethod
    def from_prompts(cls, prompts: List[str], apply_policy: InputApplyPolicy = InputApplyPolicy.NEXT_SEGMENT,
                     parallel_config=None) -> "InteractiveSession":
        """The first prompt starts, the others are submitted one after the other, so that the last of them survives."""
        session = cls(apply_policy=apply_policy, parallel_config=parallel_config)
        if prompts:
            session.set_initial_prompt(prompts[0])
            for prompt in prompts[1:]:
                session.submit_input(prompt=prompt)
        return session

    def set_initial_prompt(self, prompt: str, guidance: float = 7.5):
        with self._lock:
            self._initial_prompt = self._prompt = prompt
            self._guidance = guidance

    def set_status_callback(self, callback: Callable[[GenerationStatus], None]):
        self._status_callback = callback

    def set_device(self, device):
        """Accepted for compatibility; where the model runs is said when it is loaded."""

    def set_generation_params(self, total_segments: int, blocks_per_segment: int):
        with self._lock:
            self._segments, self._blocks_per_segment = total_segments, blocks_per_segment

    def submit_input(self, prompt: Optional[str] = None, guidance_scale: Optional[float] = None,
                     control: ControlCommand = ControlCommand.CONTINUE) -> QueuedInput:
        """Queues a change; what is returned says where it will apply and when that will about be."""
        with self._lock:
            for waiting in self._inputs:
                if waiting.state == InputState.QUEUED:
                    waiting.state = InputState.DISCARDED
            by_segment = self._apply_policy == InputApplyPolicy.NEXT_SEGMENT
            blocks = self._blocks_per_segment - self._block if by_segment else 1
            queued = QueuedInput(
                input_id=uuid.uuid4().hex[:8], prompt=prompt, guidance_scale=guidance_scale, control=control,
                apply_policy=self._apply_policy, queued_at=time.time(),
                estimated_wait_seconds=blocks * self._block_seconds,
                will_apply_at=f"Segment {self._segment + 1}" if by_segment else f"Block {self._block + 1}")
            self._inputs.append(queued)
            if control == ControlCommand.PAUSE:
                self._running.clear()
            elif control == ControlCommand.RESUME:
                self._running.set()
            elif control == ControlCommand.STOP:
                self._stopped = True
            return queued

    def evaluate_checkpoint(self, checkpoint_type: str, checkpoint_index: int, current_prompt: str,
                            current_guidance: float = 7.5) -> CheckpointResult:
        """The pipeline stands before a segment or block: waits while paused, takes over what waits for this place."""
        with self._lock:
            if checkpoint_type == "segment":
                self._segment, self._block = checkpoint_index, 0
            else:
                self._block = checkpoint_index
        while not self._stopped and not self._running.wait(timeout=0.1):
            pass
        with self._lock:
            if self._stopped:
                return CheckpointResult(should_continue=False, command=ControlCommand.STOP)
            place = InputApplyPolicy.NEXT_SEGMENT if checkpoint_type == "segment" else InputApplyPolicy.NEXT_BLOCK
            waiting = next((entry for entry in reversed(self._inputs) if entry.state == InputState.QUEUED), None)
            if place != self._apply_policy or waiting is None:
                return CheckpointResult()
            waiting.state = InputState.APPLIED
            if waiting.prompt:
                self._prompt = waiting.prompt
            if waiting.guidance_scale:
                self._guidance = waiting.guidance_scale
            return CheckpointResult(pending_input=waiting, command=waiting.control, new_prompt=waiting.prompt or None,
                                    new_guidance=waiting.guidance_scale or None)

    def update_progress(self, segment_idx: int, block_idx: int, frames_generated: int, gpu_memory_gb: float = 0.0):
        now = time.monotonic()
        with self._lock:
            if self._block_started is not None:
                self._block_seconds = now - self._block_started
            self._block_started = now
            self._segment, self._block = segment_idx, block_idx
            self._state = SessionState.GENERATING
            left = (self._segments - segment_idx) * self._blocks_per_segment - block_idx - 1
            status = GenerationStatus(
                session_id=self.session_id, state=self._state, current_segment=segment_idx, total_segments=self._segments,
                current_block=block_idx, total_blocks=self._blocks_per_segment, frames_generated=frames_generated,
                gpu_memory_gb=gpu_memory_gb, estimated_remaining_seconds=max(0, left) * self._block_seconds,
                current_prompt=self._prompt, current_guidance=self._guidance,
                queued_inputs=[entry for entry in self._inputs if entry.state == InputState.QUEUED],
                message=f"Generating Segment {segment_idx + 1}/{self._segments}")
        if self._status_callback is not None:
            self._status_callback(status)

    def start_session(self):
        with self._lock:
            self._state = SessionState.GENERATING

    def end_session(self, error: bool = False):
        with self._lock:
            self._state = SessionState.ERROR if error else SessionState.COMPLETED

    def should_pause(self) -> bool:
        return not self._running.is_set()

    def wait_for_resume(self, timeout: Optional[float] = None):
        self._running.wait(timeout)

    def should_stop(self) -> bool:
        return self._stopped

    def pause(self):
        self._running.clear()

    def resume(self):
        self._running.set()

    def stop(self):
        self._stopped = True

    @property
    def state(self) -> SessionState:
        if self._state == SessionState.GENERATING and self.should_pause():
            return SessionState.PAUSED
        return self._state

    @property
    def current_prompt(self) -> str:
        return self._prompt

    @property
    def current_guidance(self) -> float:
        return self._guidance

    @property
    def initial_prompt(self) -> str:
        return self._initial_prompt

    @property
    def apply_policy(self) -> InputApplyPolicy:
        return self._apply_policy

    @property
    def is_distributed(self) -> bool:
        return False
