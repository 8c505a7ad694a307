"""Waiting for what another process does."""
import time


def wait_for(condition, seconds=60):
    """Returns what the condition gave. Playwright's wait_for_function() takes the promise of an async one for its truth."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)
    return value
