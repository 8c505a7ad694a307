"""A question about a picture, answered word by word: question.py picture.png "What will happen?"."""
import base64
import pathlib
import sys

from sessions import call, events, model_that

picture, question = pathlib.Path(sys.argv[1]).read_bytes(), sys.argv[2]
answer = call("POST", "/v1/sessions", {"model": model_that("text", feeds=None), "image": base64.b64encode(picture).decode(),
                                       "prompt": question, "tracks": "text"})  # without "tracks" it makes a video, too
for event in events(answer["id"]):
    if event["type"] == "text_chunk":
        print(event["text"], end="", flush=True)
print()
