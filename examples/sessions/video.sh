#!/bin/sh
# A video that is steered while it is made, and forked: video.mp4 and fork.mp4.
set -eu
sessions=${SERVER:-http://127.0.0.1:8000}/v1/sessions
id_of() { sed 's/.*"id":"\([0-9a-f]*\)".*/\1/'; }
wait_for() { curl -sSN "$sessions/$1/stream.ndjson?video=none" 2> /dev/null | grep -m1 "\"type\":\"frame_block\".*\"prompt\":\"$2"; }

# Endless, at most two seconds ahead of whoever watches: it can be steered at any time.
video=$(curl -sSf "$sessions" -d '{"prompt": "a red circle moves right on a blue background", "segments": 0, "max_lead": 2}' | id_of)
wait_for "$video" "a red circle"

curl -sSf "$sessions/$video/prompt" -d '{"prompt": "a green star spins on a blue background"}' -o /dev/null # from the next block on
wait_for "$video" "a green star"

fork=$(curl -sSf "$sessions/$video/fork" -d '{"prompt": "a yellow square grows on a black background"}' | id_of) # begins with the same frames
wait_for "$fork" "a yellow square"

curl -sSf -X POST "$sessions/$video/stop" -o /dev/null
curl -sSf -X POST "$sessions/$fork/stop" -o /dev/null
curl -sSf "$sessions/$video/video.mp4" -o video.mp4 # to watch it meanwhile: curl -sN .../video.mp4 | ffplay -
curl -sSf "$sessions/$fork/video.mp4" -o fork.mp4
