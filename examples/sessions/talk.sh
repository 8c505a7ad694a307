#!/bin/sh
# A portrait says what a sound file has: talk.sh face.png speech.wav, gives talk.mp4.
set -eu
sessions=${SERVER:-http://127.0.0.1:8000}/v1/sessions

talker=$(printf '{"model": "shipped-talk", "image": "%s"}' "$(base64 -w0 "$1")" | curl -sSf "$sessions" -d @- | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
curl -sSf "$sessions/$talker/audio?end=true" --data-binary "@$2" -o /dev/null # without "end" more pieces of the file may follow
until curl -sSf "$sessions/$talker" | grep -q '"at_rest":true'; do sleep 1; done # or follow /stream.ndjson
curl -sSf -X POST "$sessions/$talker/stop" -o /dev/null # else it waits for more to say
curl -sSf "$sessions/$talker/video.mp4" -o talk.mp4
