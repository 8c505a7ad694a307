"""A portrait says what a sound file has, while it is still being sent: talk.py face.png speech.wav, gives talk.mp4."""
import base64
import pathlib
import sys

from sessions import call, download, events, model_that

face, speech = (pathlib.Path(file).read_bytes() for file in sys.argv[1:3])
talker = call("POST", "/v1/sessions", {"model": model_that("video", feeds="audio"), "image": base64.b64encode(face).decode()})["id"]

PIECE = 16_384  # bytes: half a second of 16 kHz
pieces = [speech[begin : begin + PIECE] for begin in range(0, len(speech), PIECE)]
for piece in pieces[:-1]:
    call("POST", f"/v1/sessions/{talker}/audio", piece)
call("POST", f"/v1/sessions/{talker}/audio?end=true", pieces[-1])  # the end of what is said

for event in events(talker):
    if event["type"] == "frame_block":
        print(f"{event['video_frames']} frames at {event['at_s']:.1f} s")
    if event["type"] == "utterance_ended":
        break
call("POST", f"/v1/sessions/{talker}/stop")  # else it waits for more to say
download(talker, "talk.mp4")
