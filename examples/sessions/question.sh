#!/bin/sh
# A question about a picture, answered word by word: question.sh picture.png "What will happen?".
set -eu
sessions=${SERVER:-http://127.0.0.1:8000}/v1/sessions

# Without "tracks" it makes a video, too.
answer=$(printf '{"model": "shipped-foresight", "prompt": "%s", "tracks": "text", "image": "%s"}' "$2" "$(base64 -w0 "$1")" |
  curl -sSf "$sessions" -d @- | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
curl -sSfN "$sessions/$answer/stream.ndjson?video=none" | sed -un 's/.*"type":"text_chunk","text":"\(.*\)","last".*/\1/p' | tr -d '\n'
echo
