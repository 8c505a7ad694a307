"""The session that a user steers: prompts and controls wait in it until the pipeline passes a checkpoint. The engine
(generation/interactive_session.h) decides which of them apply where; this module has threads, waiting and callbacks."""
from __future__ import annotations

import threading
import time
import uuid
from typing import Callable, List, Optional

from ...._core import InteractiveSession as _Core
from ..types import CheckpointResult, ControlCommand, GenerationStatus, InputApplyPolicy, InputState, QueuedInput, SessionState

_CONTROLS = (ControlCommand.PAUSE, ControlCommand.RESUME, ControlCommand.STOP)  # other controls have no effect of their own


class InteractiveSession:
    """Any thread can submit. Only the newest waiting input is kept; a control also discards a waiting prompt."""

    def __init__(self, apply_policy: InputApplyPolicy = InputApplyPolicy.NEXT_SEGMENT, parallel_config=None):
        self.session_id = uuid.uuid4().hex[:8]
        self._apply_policy = apply_policy
        self._core = _Core(apply_policy=apply_policy.value)
        self._changed = threading.Condition()  # guards all below, and the core
        self._inputs: List[QueuedInput] = []
        self._state = SessionState.IDLE
        self._segments, self._blocks_per_segment = 1, 7
        self._initial_prompt = ""
        self._status_callback: Optional[Callable[[GenerationStatus], None]] = None
        self._block_started: Optional[float] = None

    @classmethod
    def from_prompts(cls, prompts: List[str], apply_policy: InputApplyPolicy = InputApplyPolicy.NEXT_SEGMENT,
                     parallel_config=None) -> "InteractiveSession":
        """The first prompt starts, the others are submitted one after the other, so that only the last of them is kept."""
        session = cls(apply_policy=apply_policy, parallel_config=parallel_config)
        if prompts:
            session.set_initial_prompt(prompts[0])
            for prompt in prompts[1:]:
                session.submit_input(prompt=prompt)
        return session

    def set_initial_prompt(self, prompt: str, guidance: float = 7.5):
        with self._changed:
            self._initial_prompt = prompt
            self._core.set_initial(prompt, guidance)

    def set_status_callback(self, callback: Callable[[GenerationStatus], None]):
        self._status_callback = callback

    def set_device(self, device):
        """Accepted for compatibility; the device is chosen when the model is loaded."""

    def set_generation_params(self, total_segments: int, blocks_per_segment: int):
        with self._changed:
            self._segments, self._blocks_per_segment = total_segments, blocks_per_segment
            self._core.set_length(total_segments, blocks_per_segment)

    def submit_input(self, prompt: Optional[str] = None, guidance_scale: Optional[float] = None,
                     control: ControlCommand = ControlCommand.CONTINUE) -> QueuedInput:
        """Queues a change; returns where and approximately when it will apply."""
        with self._changed:
            where, seconds = self._core.submit(prompt or None, guidance_scale or None,
                                               control.value if control in _CONTROLS else "continue")
            queued = QueuedInput(
                input_id=uuid.uuid4().hex[:8], prompt=prompt, guidance_scale=guidance_scale, control=control,
                apply_policy=self._apply_policy, queued_at=time.time(), estimated_wait_seconds=seconds, will_apply_at=where)
            self._inputs.append(queued)
            self._take_over_states()
            return queued

    def evaluate_checkpoint(self, checkpoint_type: str, checkpoint_index: int, current_prompt: str,
                            current_guidance: float = 7.5) -> CheckpointResult:
        """Called by the pipeline before a segment or block: waits while paused, and applies the input that waits for this point."""
        with self._changed:
            self._changed.wait_for(lambda: not self._core.should_pause)
            waiting = next((entry for entry in self._inputs if entry.state == InputState.QUEUED), None)
            if not self._core.evaluate_checkpoint(checkpoint_type, checkpoint_index):
                return CheckpointResult(should_continue=False, command=ControlCommand.STOP)
            self._take_over_states()
            if waiting is None or waiting.state != InputState.APPLIED:
                return CheckpointResult()
            return CheckpointResult(pending_input=waiting, command=waiting.control, new_prompt=waiting.prompt or None,
                                    new_guidance=waiting.guidance_scale or None)

    def _take_over_states(self):
        for entry, state in zip(self._inputs, self._core.input_states):
            entry.state = InputState(state)
        self._changed.notify_all()

    def update_progress(self, segment_idx: int, block_idx: int, frames_generated: int, gpu_memory_gb: float = 0.0):
        now = time.monotonic()
        with self._changed:
            if self._block_started is not None:
                self._core.set_seconds_per_block(now - self._block_started)
            self._block_started = now
            self._core.update_progress(segment_idx, block_idx, frames_generated, gpu_memory_gb)
            self._state = SessionState.GENERATING
            status = GenerationStatus(
                session_id=self.session_id, state=self._state, current_segment=segment_idx, total_segments=self._segments,
                current_block=block_idx, total_blocks=self._blocks_per_segment, frames_generated=frames_generated,
                gpu_memory_gb=gpu_memory_gb, estimated_remaining_seconds=self._core.remaining_seconds,
                current_prompt=self._core.prompt, current_guidance=self._core.guidance_scale,
                queued_inputs=[entry for entry in self._inputs if entry.state == InputState.QUEUED],
                message=f"Generating Segment {segment_idx + 1}/{self._segments}")
        if self._status_callback is not None:
            self._status_callback(status)

    def start_session(self):
        with self._changed:
            self._state = SessionState.GENERATING

    def end_session(self, error: bool = False):
        with self._changed:
            self._state = SessionState.ERROR if error else SessionState.COMPLETED
            self._core.end()

    def should_pause(self) -> bool:
        return self._core.should_pause

    def wait_for_resume(self, timeout: Optional[float] = None):
        with self._changed:
            self._changed.wait_for(lambda: not self._core.should_pause, timeout)

    def should_stop(self) -> bool:
        return self._core.should_stop

    def pause(self):
        with self._changed:
            self._core.pause()

    def resume(self):
        with self._changed:
            self._core.resume()
            self._changed.notify_all()

    def stop(self):
        with self._changed:
            self._core.stop()
            self._changed.notify_all()

    @property
    def state(self) -> SessionState:
        if self._state == SessionState.GENERATING and self.should_pause():
            return SessionState.PAUSED
        return self._state

    @property
    def current_prompt(self) -> str:
        return self._core.prompt

    @property
    def current_guidance(self) -> float:
        return self._core.guidance_scale

    @property
    def initial_prompt(self) -> str:
        return self._initial_prompt

    @property
    def apply_policy(self) -> InputApplyPolicy:
        return self._apply_policy

    @property
    def is_distributed(self) -> bool:
        return False
