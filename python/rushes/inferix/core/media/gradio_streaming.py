"""As in Inferix; see docs/python.md."""
from .streaming_backend import GradioStreamingBackend

__all__ = ["GradioStreamingBackend"]
