"""As in Inferix; see docs/python.md."""
from .streaming_backend import WebRTCStreamingBackend

__all__ = ["WebRTCStreamingBackend"]
