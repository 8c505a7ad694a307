"""Outputs for frames while they are generated."""
from .interactive_gradio import InteractiveGradioBackend
from .streaming_backend import (
    GradioStreamingBackend,
    RTMPStreamingBackend,
    StreamingBackend,
    WebRTCStreamingBackend,
    create_streaming_backend,
)

__all__ = [
    "StreamingBackend", "create_streaming_backend", "GradioStreamingBackend", "WebRTCStreamingBackend",
    "RTMPStreamingBackend", "InteractiveGradioBackend",
]
