"""Steering while a video is made."""
from .session import InteractiveSession

__all__ = ["InteractiveSession"]
