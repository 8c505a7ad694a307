"""A video that is steered while it is made, and forked: video.mp4 and fork.mp4."""
from sessions import call, download, events, model_that

FIRST, THEN, INSTEAD = ("a red circle moves right on a blue background", "a green star spins on a blue background",
                        "a yellow square grows on a black background")


def wait_for(session, prompt):
    for event in events(session):
        if event["type"] == "frame_block":
            print(f"{session[:6]}: {event['video_frames']} frames at {event['at_s']:.1f} s: {event['prompt']}")
            if event["prompt"] == prompt:
                return


# Endless, at most two seconds ahead of whoever watches: it can be steered at any time.
session = call("POST", "/v1/sessions", {"model": model_that("video", feeds="text"), "prompt": FIRST, "segments": 0, "max_lead": 2})
if session["unknown_words"]:
    print("The model was not trained with", session["unknown_words"])
video = session["id"]
wait_for(video, FIRST)

call("POST", f"/v1/sessions/{video}/prompt", {"prompt": THEN})  # from the next block on
wait_for(video, THEN)

fork = call("POST", f"/v1/sessions/{video}/fork", {"prompt": INSTEAD})["id"]  # begins with the same frames
wait_for(fork, INSTEAD)

for each, file in ((video, "video.mp4"), (fork, "fork.mp4")):
    call("POST", f"/v1/sessions/{each}/stop")
    download(each, file)
    print(file)
