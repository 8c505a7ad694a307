"""The page with controls: a viewer's prompts, pauses, resumes and stops steer an interactive session."""
from __future__ import annotations

import queue
import threading
import urllib.error

from ..types import ControlCommand
from .streaming_backend import ServerBackend


class InteractiveGradioBackend(ServerBackend):
    """A stream whose page steers `session`: its prompt field and its buttons Pause, Resume and Stop."""

    def __init__(self, session):
        super().__init__()
        self.session = session
        self.status_queue = queue.Queue(10)
        self._ended = threading.Event()
        self._watcher = None
        session.set_status_callback(self.broadcast_status)

    def connect(self, width: int, height: int, fps: int = 16, host: str = "0.0.0.0", port: int = 8000,
                frame_timeout: float = 10.0) -> bool:
        if not super().connect(width, height, fps, host=host, port=port, input_callback=self._typed):
            return False
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return True

    def _typed(self, prompt: str):
        self.session.submit_input(prompt=prompt)

    def _watch(self):
        """Passes the viewer's pause, resume and stop on."""
        commands = {("running", "paused"): ControlCommand.PAUSE, ("paused", "running"): ControlCommand.RESUME}
        before = "running"
        while not self._ended.wait(0.2):
            if self.session_id is None:
                continue
            try:
                state = self.status()["state"]
            except (urllib.error.URLError, OSError, ValueError):
                continue
            if self._server is not None and (prompt := self._server.take_prompt()) is not None:
                self._typed(prompt)
            if state == "stopped" and before != "stopped":
                self.session.submit_input(control=ControlCommand.STOP)
            elif (before, state) in commands:
                self.session.submit_input(control=commands[before, state])
            before = state

    def broadcast_status(self, status):
        """Keeps the newest ten for later calls."""
        while True:
            try:
                self.status_queue.put_nowait(status.to_dict())
                return
            except queue.Full:
                try:
                    self.status_queue.get_nowait()
                except queue.Empty:
                    pass

    def wait_for_user(self):
        """Returns when the stream is disconnected."""
        self._ended.wait()

    def disconnect(self):
        self._ended.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
            self._watcher = None
        super().disconnect()

    def _title(self) -> str:
        return self.session.current_prompt or "an interactive stream"
