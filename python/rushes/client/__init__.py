"""A client of the session API: videos that are watched and steered while they are made, portraits that speak.

>>> from rushes.client import Client
>>> with Client("http://127.0.0.1:8000") as server:
...     video = server.create("a red circle moves right on a blue background")
...     for event in video.events():
...         print(event["type"])
...     video.download("circle.mp4")

It needs neither the engine nor any package outside of Python's standard library; only `frames()` and `speaker()` need `websockets`.
"""
from .connection import RequestError
from .sessions import Client, Frame, Session

__all__ = ["Client", "Frame", "RequestError", "Session"]
