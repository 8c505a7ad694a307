"""As in Inferix; see docs/python.md."""
from .streaming_backend import RTMPStreamingBackend

__all__ = ["RTMPStreamingBackend"]
