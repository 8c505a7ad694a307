#include "rushes/server/openapi.h"

#include <map>
#include <set>

namespace rushes::server {
namespace {

// The routes in short, written out by openapi_document(). For each: `ok` gives the content of each success, the name of
// a schema or a media type (null: no body); `errors` the statuses beyond those that any request may get; `body` a
// schema of the JSON body; `form`: also as multipart/form-data. Parameters of the path follow from its names.
constexpr const char* kRoutes = R"json({
"GET /health": {"tag": "service", "summary": "The process lives", "ok": {"200": "Status"}},
"GET /ready": {"tag": "service", "summary": "New sessions are taken (503: shutting down)", "ok": {"200": "Status", "503": "Status"}},
"GET /props": {"tag": "service", "summary": "Version, model and limits", "ok": {"200": "Props"}},
"GET /metrics": {"tag": "service", "summary": "Figures in Prometheus' text format", "ok": {"200": "text/plain"}},
"GET /openapi.json": {"tag": "service", "summary": "This document", "ok": {"200": "Document"}},
"GET /v1/models": {"tag": "models", "summary": "The models of this server", "ok": {"200": "Models"}},
"GET /v1/models/{model}": {"tag": "models", "summary": "One model", "ok": {"200": "Model"}, "errors": [404]},
"POST /v1/models/{model}/load": {"tag": "models", "summary": "Load it; answered when that is done", "ok": {"200": "Model"}, "errors": [404, 422, 429, 500]},
"POST /v1/models/{model}/unload": {"tag": "models", "summary": "Unload it (409: sessions use it, or it is the default)", "ok": {"200": "Model"}, "errors": [404, 409]},

"POST /v1/sessions": {"tag": "sessions", "summary": "Start a generation", "body": "SessionRequest", "ok": {"201": "Session"}, "errors": [404, 415, 422, 429]},
"GET /v1/sessions": {"tag": "sessions", "summary": "All sessions, the oldest first", "query": ["state"], "ok": {"200": "Sessions"}},
"GET /v1/sessions/{id}": {"tag": "sessions", "summary": "One session", "ok": {"200": "Session"}, "errors": [404]},
"DELETE /v1/sessions/{id}": {"tag": "sessions", "summary": "Stop it, and remove it and its recording", "ok": {"204": null}, "errors": [404]},
"POST /v1/sessions/{id}/prompt": {"tag": "steering", "summary": "Another prompt from the next block on", "body": "Prompt", "ok": {"202": "Session"}, "errors": [404, 409]},
"POST /v1/sessions/{id}/fork": {"tag": "steering", "summary": "A new session that goes on from the next block border, or from an earlier one that is kept, its video beginning with what there is before it", "body": "Fork", "ok": {"201": "Session"}, "errors": [404, 409, 429]},
"POST /v1/sessions/{id}/pacing": {"tag": "steering", "summary": "As fast as it goes, or as fast as it is watched", "body": "Pacing", "ok": {"200": "Session"}, "errors": [404, 409]},
"POST /v1/sessions/{id}/pause": {"tag": "steering", "summary": "Pause between two steps", "ok": {"200": "Session"}, "errors": [404, 409]},
"POST /v1/sessions/{id}/resume": {"tag": "steering", "summary": "Go on", "ok": {"200": "Session"}, "errors": [404, 409]},
"POST /v1/sessions/{id}/stop": {"tag": "steering", "summary": "End it; what was made stays", "ok": {"200": "Session"}, "errors": [404]},

"GET /v1/sessions/{id}/video.mp4": {"tag": "watching", "summary": "The video so far, then live; the file once it is complete", "query": ["from_start"], "ok": {"200": "video/mp4", "206": "video/mp4"}, "errors": [404, 416]},
"GET /v1/sessions/{id}/recording.mp4": {"tag": "watching", "summary": "The recording as a download, with ranges also while it grows", "ok": {"200": "video/mp4", "206": "video/mp4"}, "errors": [404, 416]},
"GET /v1/sessions/{id}/hls/{file}": {"tag": "watching", "summary": "HLS: master.m3u8, video.m3u8, ts.m3u8, their segments", "query": ["from_start"], "ok": {"200": ["application/vnd.apple.mpegurl", "video/mp4", "video/iso.segment", "video/mp2t"]}, "errors": [404]},
"GET /v1/sessions/{id}/stream.sse": {"tag": "watching", "summary": "Events and video as server-sent events", "query": ["from_start", "video"], "ok": {"200": "text/event-stream", "204": null}, "errors": [404]},
"GET /v1/sessions/{id}/stream.ndjson": {"tag": "watching", "summary": "The same, one JSON object a line", "query": ["from_start", "video"], "ok": {"200": "application/x-ndjson"}, "errors": [404]},
"GET /v1/sessions/{id}/events": {"tag": "watching", "summary": "WebSocket: each event as a JSON message", "websocket": true, "query": ["from_start"], "errors": [404]},
"GET /v1/sessions/{id}/video": {"tag": "watching", "summary": "WebSocket: the video as binary messages", "websocket": true, "query": ["from_start"], "errors": [404]},
"GET /v1/sessions/{id}/frames": {"tag": "watching", "summary": "WebSocket: single pictures as JPEG", "websocket": true, "query": ["format", "from_oldest", "pacing"], "errors": [404]},
"POST /v1/sessions/{id}/rtmp": {"tag": "watching", "summary": "Push the video to an RTMP server", "body": "PushRequest", "ok": {"201": "Push"}, "errors": [404, 409, 429]},
"GET /v1/sessions/{id}/rtmp": {"tag": "watching", "summary": "All pushes of the session", "ok": {"200": "Pushes"}, "errors": [404]},
"GET /v1/sessions/{id}/rtmp/{push}": {"tag": "watching", "summary": "One push", "ok": {"200": "Push"}, "errors": [404]},
"POST /v1/sessions/{id}/whep": {"tag": "watching", "summary": "WebRTC: an offer in SDP, answered in SDP", "sdp": true, "ok": {"201": "application/sdp"}, "errors": [404, 409, 415, 422, 429]},
"DELETE /v1/sessions/{id}/whep/{viewer}": {"tag": "watching", "summary": "End a WebRTC connection", "ok": {"204": null, "200": null}, "errors": [404]},
"DELETE /v1/sessions/{id}/rtmp/{push}": {"tag": "watching", "summary": "End a push", "ok": {"200": "Push"}, "errors": [404]},

"GET /v1/recordings": {"tag": "recordings", "summary": "What is kept on disk, also of earlier processes, the oldest first", "ok": {"200": "Recordings"}},
"GET /v1/recordings/{id}": {"tag": "recordings", "summary": "One recording", "ok": {"200": "Recording"}, "errors": [404]},
"DELETE /v1/recordings/{id}": {"tag": "recordings", "summary": "Remove it and its session (409: that still runs)", "ok": {"204": null}, "errors": [404, 409]},

"POST /v1/videos": {"tag": "videos", "summary": "Start a video (OpenAI style)", "body": "VideoRequest", "form": true, "ok": {"200": "Video"}, "errors": [404, 415, 422, 429]},
"GET /v1/videos": {"tag": "videos", "summary": "A page of videos", "query": ["after", "limit", "order"], "ok": {"200": "Videos"}, "errors": [404]},
"GET /v1/videos/{video_id}": {"tag": "videos", "summary": "One video", "ok": {"200": "Video"}, "errors": [404]},
"DELETE /v1/videos/{video_id}": {"tag": "videos", "summary": "Stop and remove it", "ok": {"200": "VideoDeleted"}, "errors": [404]},
"GET /v1/videos/{video_id}/content": {"tag": "videos", "summary": "The MP4; one that is being made comes as it grows", "query": ["variant"], "ok": {"200": "video/mp4", "206": "video/mp4"}, "errors": [404, 409, 416]},
"POST /v1/videos/{video_id}/remix": {"tag": "videos", "summary": "The same with another prompt", "body": "Prompt", "form": true, "ok": {"200": "Video"}, "errors": [404, 409, 429]},
"GET /v1/talk": {"tag": "talking heads", "summary": "The model of talking heads, if there is one, and portraits and speech to try", "ok": {"200": "Talk"}},
"POST /v1/talk/sessions/{session_id}/whep": {"tag": "talking heads", "summary": "WebRTC: an offer in SDP, answered in SDP; pictures and sound", "sdp": true, "ok": {"201": "application/sdp"}, "errors": [404, 409, 415, 422, 429]},
"DELETE /v1/talk/sessions/{session_id}/whep/{viewer}": {"tag": "talking heads", "summary": "End a WebRTC connection", "ok": {"204": null, "200": null}, "errors": [404]},
"POST /v1/talk/sessions/{session_id}/whip": {"tag": "talking heads", "summary": "WebRTC: an offer in SDP that sends a microphone, which the portrait speaks from now on; answered in SDP", "sdp": true, "ok": {"201": "application/sdp"}, "errors": [404, 409, 415, 422, 429]},
"DELETE /v1/talk/sessions/{session_id}/whip/{viewer}": {"tag": "talking heads", "summary": "End it: the portrait falls silent", "ok": {"204": null, "200": null}, "errors": [404]},
"GET /v1/talk/examples/{example}": {"tag": "talking heads", "summary": "One of those portraits or sounds", "ok": {"200": ["image/png", "image/jpeg", "image/webp", "audio/wav", "audio/mpeg", "audio/flac", "audio/ogg"], "206": ["image/png", "audio/wav"]}, "errors": [404, 416]},
"POST /api/audio-driven/chunked/init": {"tag": "talking heads", "summary": "A portrait that waits for speech", "form_body": "TalkInit", "error_schema": "Detail", "ok": {"200": "TalkBegun"}, "errors": [415, 422, 429, 500]},
"POST /api/audio-driven/chunked/feed": {"tag": "talking heads", "summary": "The next piece of speech; answered before it is spoken", "form_body": "TalkPiece", "error_schema": "Detail", "ok": {"200": "TalkFed"}, "errors": [404, 422, 429, 500]},
"GET /api/audio-driven/chunked/status/{session_id}": {"tag": "talking heads", "summary": "How far it is", "error_schema": "Detail", "ok": {"200": "TalkStatus"}, "errors": [404]},
"DELETE /api/audio-driven/chunked/session/{session_id}": {"tag": "talking heads", "summary": "End it and remove its video", "error_schema": "Detail", "ok": {"200": "TalkDone"}, "errors": [404]},
"GET /hls/{session_id}/{hls_file}": {"tag": "talking heads", "summary": "HLS as it is: playlist.m3u8, segment000.ts", "error_schema": "Detail", "ok": {"200": ["application/vnd.apple.mpegurl", "video/mp2t"], "206": "video/mp2t"}, "errors": [404, 416]},
"GET /api/hls/{session_id}/{hls_file}": {"tag": "talking heads", "summary": "The same; the playlist waits for its first segment, download is all in one file", "error_schema": "Detail", "ok": {"200": ["application/vnd.apple.mpegurl", "video/mp2t", "video/mp4"], "202": "Detail", "206": "video/mp2t"}, "errors": [404, 416]},
"DELETE /api/hls/session/{session_id}": {"tag": "talking heads", "summary": "Remove it and its video", "error_schema": "Detail", "ok": {"200": "TalkDone"}, "errors": [404]},
"POST /api/audio-driven": {"tag": "talking heads", "summary": "A picture and a sound file to an MP4", "form_body": "TalkWhole", "error_schema": "Detail", "ok": {"200": "video/mp4"}, "errors": [415, 422, 429, 500]},
"POST /api/video-driven": {"tag": "talking heads", "summary": "A picture and a video whose face moves it to an MP4 with the video's length and sound", "form_body": "TalkDriven", "error_schema": "Detail", "ok": {"200": "video/mp4"}, "errors": [415, 422, 429, 500]},
"POST /api/v1/video-driven/stream": {"tag": "talking heads", "summary": "The same as single pictures in a multipart stream", "form_body": "TalkDriven", "error_schema": "Detail", "ok": {"200": "multipart/x-mixed-replace"}, "errors": [415, 422, 429, 500]},
"POST /api/audio-driven/stream": {"tag": "talking heads", "summary": "The same as HLS, answered at once", "form_body": "TalkWhole", "error_schema": "Detail", "ok": {"200": "TalkBegun"}, "errors": [415, 422, 429, 500]},
"POST /api/realtime-sse": {"tag": "talking heads", "summary": "Single pictures as server-sent events", "form_body": "TalkWhole", "error_schema": "Detail", "ok": {"200": "text/event-stream"}, "errors": [415, 422, 429, 500]},
"POST /api/realtime-mjpeg": {"tag": "talking heads", "summary": "Single pictures as a multipart stream", "form_body": "TalkWhole", "error_schema": "Detail", "ok": {"200": "multipart/x-mixed-replace"}, "errors": [415, 422, 429, 500]},
"POST /api/v1/audio-driven/stream": {"tag": "talking heads", "summary": "The same, where a published example client looks for it", "form_body": "TalkWhole", "error_schema": "Detail", "ok": {"200": "multipart/x-mixed-replace"}, "errors": [415, 422, 429, 500]},
"POST /api/realtime/init": {"tag": "talking heads", "summary": "A portrait for the realtime WebSocket", "form_body": "TalkRealtime", "error_schema": "Detail", "ok": {"200": "TalkRealtimeBegun"}, "errors": [415, 422, 429, 500]},
"POST /crop": {"tag": "talking heads", "summary": "The square of a picture that would talk", "form_body": "TalkCrop", "error_schema": "Detail", "ok": {"200": ["image/jpeg", "image/png", "image/webp"]}, "errors": [422, 500]},
"GET /api/outputs": {"tag": "talking heads", "summary": "Finished videos of /api/audio-driven and /api/video-driven", "error_schema": "Detail", "ok": {"200": "TalkOutputs"}},
"GET /api/outputs/{filename}": {"tag": "talking heads", "summary": "One of them", "error_schema": "Detail", "ok": {"200": "video/mp4", "206": "video/mp4"}, "errors": [404, 416]},
"DELETE /api/outputs/{filename}": {"tag": "talking heads", "summary": "Remove it", "error_schema": "Detail", "ok": {"200": "TalkDone"}, "errors": [404]},
"POST /api/trt-inference": {"tag": "talking heads", "summary": "Answered 503: there is no TensorRT here", "error_schema": "Detail", "ok": {}},
"POST /generate_stream": {"tag": "talking heads", "summary": "Speech and a portrait (or JSON: text and avatar) to lines of JSON: pictures, their sound, figures", "form_body": "TalkLines", "error_schema": "Detail", "ok": {"200": "application/x-ndjson"}, "errors": [404, 415, 422, 429, 500]},
"GET /api/avatars": {"tag": "talking heads", "summary": "The example portraits", "error_schema": "Detail", "ok": {"200": "TalkAvatars"}},
"GET /api/status/{session_id}": {"tag": "talking heads", "summary": "Whether a session is complete", "error_schema": "Detail", "ok": {"200": "TalkReady"}, "errors": [404]},
"GET /api/chunked/status/{session_id}": {"tag": "talking heads", "summary": "How far it is, in the combined server's words", "error_schema": "Detail", "ok": {"200": "TalkCombinedStatus"}, "errors": [404]},
"POST /api/session/cleanup": {"tag": "talking heads", "summary": "Remove a session, or all that are complete", "error_schema": "Detail", "ok": {"200": "TalkCleaned"}},
"GET /gpu_stats": {"tag": "talking heads", "summary": "Memory", "error_schema": "Detail", "ok": {"200": "TalkMemory"}},
"POST /warmup": {"tag": "talking heads", "summary": "Nothing to do: models are warmed up when they are loaded", "error_schema": "Detail", "ok": {"200": "TalkWarm"}},
"POST /generate": {"tag": "talking heads", "summary": "Text and an avatar to an MP4, which is then one of /api/outputs (503: no text to speech is installed)", "body": "TalkText", "error_schema": "Detail", "ok": {"200": "TalkMade"}, "errors": [404, 422, 429, 500]},
"GET /generate_stream_get": {"tag": "talking heads", "summary": "Text and an avatar to lines of JSON (503: no text to speech is installed)", "query": ["text", "avatar"], "error_schema": "Detail", "ok": {"200": "application/x-ndjson"}, "errors": [404, 422, 429, 500]},
"POST /api/tts/generate": {"tag": "talking heads", "summary": "Text to speech (503: none is installed)", "form_body": "TalkSpeech", "error_schema": "Detail", "ok": {"200": "audio/wav"}, "errors": [422, 500]},
"POST /api/avatar/voice": {"tag": "talking heads", "summary": "Answered 503: avatars have no voices of their own", "error_schema": "Detail", "ok": {}},
"DELETE /api/avatar/voice": {"tag": "talking heads", "summary": "Answered 503: avatars have no voices of their own", "error_schema": "Detail", "ok": {}},
"POST /offer": {"tag": "talking heads", "summary": "A call by WebRTC: an offer in JSON, or in a form with a picture; it is seen, heard and spoken to until it ends", "form_body": "TalkOffer", "error_schema": "Detail", "ok": {"200": "TalkAnswer"}, "errors": [404, 409, 415, 422, 429, 500]},
"POST /ice": {"tag": "talking heads", "summary": "One more candidate of the caller's", "error_schema": "Detail", "ok": {"200": "TalkCallStatus"}, "errors": [404]},
"POST /disconnect": {"tag": "talking heads", "summary": "End a call; without session_id the only one", "error_schema": "Detail", "ok": {"200": "TalkCallStatus"}},
"GET /session/status": {"tag": "talking heads", "summary": "Whether a call is connected", "error_schema": "Detail", "ok": {"200": "TalkCallStatus"}},
"GET /ws/realtime/{session_id}": {"tag": "talking heads", "summary": "WebSocket: speech in, pictures and speech out, every 40 ms", "websocket": true},

"GET /v1/realtime/video": {"tag": "videos", "summary": "WebSocket: one session in vLLM-Omni's live dialect", "websocket": true}
})json";

constexpr const char* kParameters = R"json({
"id": {"in": "path", "required": true, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "description": "of a session"},
"model": {"in": "path", "required": true, "schema": {"type": "string"}},
"video_id": {"in": "path", "required": true, "schema": {"type": "string", "pattern": "^video_[0-9a-f]{32}$"}},
"push": {"in": "path", "required": true, "schema": {"type": "integer", "minimum": 1}},
"viewer": {"in": "path", "required": true, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
"file": {"in": "path", "required": true, "schema": {"type": "string", "enum": ["master.m3u8", "master_ts.m3u8", "video.m3u8", "ts.m3u8", "init.mp4", "0.m4s", "0.ts"]}, "description": "segments are numbered from 0"},
"session_id": {"in": "path", "required": true, "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}},
"filename": {"in": "path", "required": true, "schema": {"type": "string"}},
"example": {"in": "path", "required": true, "schema": {"type": "string"}},
"hls_file": {"in": "path", "required": true, "schema": {"type": "string", "pattern": "^(playlist[.]m3u8|segment[0-9]{3,9}[.]ts|download)$"}},
"state": {"in": "query", "schema": {"type": "string", "pattern": "^(queued|running|waiting|paused|finished|stopped|failed)(,(queued|running|waiting|paused|finished|stopped|failed))*$"}, "description": "only sessions in one of these states"},
"from_start": {"name": "from", "in": "query", "schema": {"enum": ["start", "newest"], "default": "start"}},
"from_oldest": {"name": "from", "in": "query", "schema": {"enum": ["newest", "oldest"], "default": "newest"}},
"video": {"in": "query", "schema": {"enum": ["mp4", "none"], "default": "mp4"}},
"format": {"in": "query", "schema": {"enum": ["binary", "base64"], "default": "binary"}},
"pacing": {"in": "query", "schema": {"enum": ["asap", "realtime"], "default": "asap"}},
"after": {"in": "query", "schema": {"type": "string", "pattern": "^video_[0-9a-f]{32}$"}},
"limit": {"in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 100, "default": 20}},
"order": {"in": "query", "schema": {"enum": ["asc", "desc"], "default": "desc"}},
"text": {"in": "query", "required": true, "schema": {"type": "string", "maxLength": 4000}},
"avatar": {"in": "query", "schema": {"type": "string"}, "description": "a name of /api/avatars"},
"variant": {"in": "query", "schema": {"enum": ["video"], "default": "video"}}
})json";

constexpr const char* kSchemas = R"json({
"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["code", "message"], "properties": {
  "code": {"type": "string"}, "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]}}}}},
"Status": {"type": "object", "required": ["status"], "properties": {"status": {"enum": ["ok", "ready", "draining"]}}},
"Document": {"type": "object", "required": ["openapi", "paths"]},
"Props": {"type": "object", "required": ["version", "model", "limits"], "properties": {"version": {"type": "string"}, "limits": {"type": "object"},
  "model": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "description": {"type": "string"}}}}},
"Models": {"type": "object", "required": ["object", "data", "models"], "properties": {"object": {"const": "list"}, "models": {"type": "array"},
  "data": {"type": "array", "items": {"type": "object", "required": ["id", "object", "owned_by"], "properties": {"id": {"type": "string"}}}}}},
"Model": {"type": "object", "required": ["id", "object", "name", "state", "default", "sessions", "error"], "properties": {"id": {"type": "string"}, "object": {"const": "model"},
  "name": {"type": "string"}, "description": {"type": "string"}, "state": {"enum": ["unloaded", "loading", "loaded", "failed"]}, "default": {"type": "boolean"},
  "sessions": {"type": "integer"}, "error": {"type": ["string", "null"]}}},
"SessionRequest": {"type": "object", "additionalProperties": false, "oneOf": [{"required": ["prompt"]}, {"required": ["prompts"]}], "properties": {
  "prompt": {"type": "string", "minLength": 1, "maxLength": 2048, "description": "';' separates the prompts of successive segments"},
  "prompts": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "string", "minLength": 1, "maxLength": 2048}},
  "seed": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807, "default": 0},
  "segments": {"type": "integer", "minimum": 0, "description": "0: endless"},
  "segment_length": {"type": "integer", "minimum": 1}, "overlap": {"type": "integer", "minimum": 0},
  "frames": {"type": "integer", "minimum": 1}, "size": {"type": "string", "pattern": "^[1-9][0-9]{0,4}[x*X][1-9][0-9]{0,4}$"},
  "width": {"type": "integer", "minimum": 1}, "height": {"type": "integer", "minimum": 1}, "fps": {"type": "number", "minimum": 1, "maximum": 240},
  "pacing": {"enum": ["asap", "realtime"]}, "max_lead": {"type": "number", "minimum": 0, "maximum": 3600},
  "steps": {"type": "integer", "minimum": 1}, "denoising_steps": {"type": "array", "items": {"type": "number"}, "maxItems": 1000},
  "solver": {"type": "string"}, "guidance_scale": {"type": "number", "minimum": 0, "maximum": 100}, "timestep_shift": {"type": "number", "minimum": 0, "maximum": 1000},
  "negative_prompt": {"type": "string"}, "image": {"type": "string", "description": "JPEG, PNG or WebP in base64"}, "model": {"type": "string"}}},
"Detail": {"type": "object", "properties": {"detail": {"type": ["string", "array"]}, "error": {"type": ["object", "string"], "description": "text in answers of the WebRTC bridge"}}},
"Talk": {"type": "object", "required": ["model", "portraits", "speech"], "properties": {
  "model": {"type": ["object", "null"], "properties": {"name": {"type": "string"}, "description": {"type": "string"}}},
  "portraits": {"type": "array", "items": {"$ref": "#/components/schemas/TalkExample"}}, "speech": {"type": "array", "items": {"$ref": "#/components/schemas/TalkExample"}}}},
"TalkExample": {"type": "object", "required": ["name", "url"], "properties": {"name": {"type": "string"}, "url": {"type": "string"}}},
"TalkCrop": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}, "crop_scale": {"type": "number", "minimum": 0.3, "maximum": 2.0, "default": 0.8},
  "output_size": {"type": "integer", "minimum": 64, "maximum": 2048, "default": 512}, "format": {"enum": ["jpeg", "jpg", "png", "webp"], "default": "jpeg"}}},
"TalkOutputs": {"type": "object", "required": ["count", "files"], "properties": {"count": {"type": "integer"}, "files": {"type": "array", "items": {"type": "object", "required": ["filename", "size", "created", "modified"]}}}},
"TalkLines": {"type": "object", "required": ["audio"], "properties": {"audio": {"type": "string", "format": "binary"}, "image": {"type": "string", "format": "binary"}, "avatar": {"type": "string", "description": "a name of /api/avatars instead of an image"},
  "seed": {"type": "integer", "default": 42}, "crop": {"type": "boolean", "default": true}}},
"TalkAvatars": {"type": "object", "required": ["avatars", "default_voice", "default_voice_type"]},
"TalkReady": {"type": "object", "required": ["session_id", "is_complete", "playlist_ready", "playlist_url"]},
"TalkCombinedStatus": {"type": "object", "required": ["session_id", "status", "error_message", "total_frames", "created_at"]},
"TalkCleaned": {"type": "object", "required": ["status", "cleaned_sessions"]},
"TalkMemory": {"type": "object", "required": ["resident_memory_mb"]},
"TalkWarm": {"type": "object", "required": ["status", "timings", "message"]},
"TalkInit": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string", "format": "binary"},
  "session_id": {"type": "string"}, "crop": {"type": "boolean", "default": true}, "seed": {"type": "integer", "default": 42},
  "nfe": {"type": "integer", "minimum": 5, "maximum": 50, "default": 10}, "cfg_scale": {"type": "number", "minimum": 1, "maximum": 5, "default": 2},
  "chunk_duration": {"type": "number", "minimum": 0.1, "maximum": 10, "default": 1}, "audio_sample_rate": {"type": "integer", "default": 24000},
  "pose_style": {"type": "string", "description": "[pitch, yaw, roll] in JSON"}, "gaze_style": {"type": "string", "description": "[x, y] in JSON"},
  "mode": {"enum": ["aligned", "reference"]}}},
"TalkPiece": {"type": "object", "required": ["session_id", "audio_chunk"], "properties": {"session_id": {"type": "string"},
  "audio_chunk": {"type": "string", "format": "binary"}, "is_final_chunk": {"type": "boolean", "default": false}}},
"TalkDriven": {"type": "object", "required": ["image", "video"], "properties": {"image": {"type": "string", "format": "binary"}, "video": {"type": "string", "format": "binary"},
  "crop": {"type": "boolean", "default": false}, "crop_scale": {"type": "number", "default": 0.8}}},
"TalkWhole": {"type": "object", "required": ["image", "audio"], "properties": {"image": {"type": "string", "format": "binary"}, "audio": {"type": "string", "format": "binary"},
  "unique_id": {"type": "string"}, "crop": {"type": "boolean", "default": true}, "crop_scale": {"type": "number", "default": 0.8}, "seed": {"type": "integer", "default": 42},
  "nfe": {"type": "integer", "minimum": 5, "maximum": 50, "default": 10}, "cfg_scale": {"type": "number", "minimum": 1, "maximum": 5, "default": 2},
  "pose_style": {"type": "string"}, "gaze_style": {"type": "string"}, "is_final_chunk": {"type": "boolean", "default": false}, "mode": {"enum": ["aligned", "reference"]}}},
"TalkRealtime": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string", "format": "binary"}, "crop": {"type": "boolean", "default": true}}},
"TalkText": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "maxLength": 4000}, "avatar": {"type": "string", "description": "a name of /api/avatars"}, "voice_gender": {"enum": ["male", "female"]}}},
"TalkMade": {"type": "object", "required": ["status", "output_path", "frames"]},
"TalkSpeech": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "maxLength": 4000}, "voice_gender": {"enum": ["male", "female"], "default": "male"}}},
"TalkOffer": {"type": "object", "required": ["sdp"], "properties": {"sdp": {"type": "string"}, "type": {"const": "offer"}, "image": {"type": "string", "format": "binary"}}},
"TalkAnswer": {"type": "object", "required": ["sdp", "type", "session_id"]},
"TalkCallStatus": {"type": "object", "required": ["status"]},
"TalkRealtimeBegun": {"type": "object", "required": ["session_id", "websocket_url"]},
"TalkBegun": {"type": "object", "required": ["status", "session_id", "hls_url", "message"]},
"TalkFed": {"type": "object", "required": ["status", "session_id", "buffer_samples", "frames_generated", "session_status", "message"]},
"TalkStatus": {"type": "object", "required": ["session_id", "status", "total_frames_generated", "buffer_samples", "error", "created_at", "uptime_seconds"],
  "properties": {"status": {"enum": ["waiting_for_audio", "processing", "complete", "error"]}}},
"TalkDone": {"type": "object", "required": ["status", "message"]},
"Prompt": {"type": "object", "required": ["prompt"], "additionalProperties": false, "properties": {"prompt": {"type": "string", "minLength": 1, "maxLength": 2048}}},
"Fork": {"type": "object", "additionalProperties": false, "properties": {"prompt": {"type": "string", "minLength": 1, "maxLength": 2048},
  "blocks": {"type": "integer", "minimum": 0, "description": "that it begins with: from forks.least_blocks to forks.most_blocks of the session; all without"}}},
"Pacing": {"type": "object", "required": ["pacing"], "additionalProperties": false, "properties": {"pacing": {"enum": ["asap", "realtime"]}, "max_lead": {"type": "number", "minimum": 0, "maximum": 3600}}},
"Sessions": {"type": "object", "required": ["sessions"], "properties": {"sessions": {"type": "array", "items": {"$ref": "#/components/schemas/Session"}}}},
"Session": {"type": "object", "required": ["id", "state", "error", "created", "prompt", "prompts", "seed", "format", "done", "times_s", "fps", "viewers", "recording", "urls"], "properties": {
  "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
  "state": {"enum": ["queued", "running", "waiting", "paused", "finished", "stopped", "failed"]},
  "error": {"type": ["object", "null"]}, "created": {"type": "string", "format": "date-time"}, "prompt": {"type": "string"},
  "prompts": {"type": "array", "items": {"type": "string"}}, "seed": {"type": "integer"}, "max_lead_s": {"type": ["number", "null"]},
  "origin": {"type": ["object", "null"], "required": ["kind", "session"], "properties": {"kind": {"enum": ["fork", "remix"]}, "session": {"type": "string"}}},
  "format": {"type": "object", "required": ["width", "height", "fps", "video_frames", "mime_type"], "properties": {"width": {"type": "integer"}, "height": {"type": "integer"},
    "fps": {"type": "number"}, "video_frames": {"type": ["integer", "null"]}, "mime_type": {"type": "string"}}},
  "done": {"type": "object", "required": ["blocks", "video_frames", "fragments", "bytes"]},
  "forks": {"type": "object", "required": ["least_blocks", "most_blocks"]}, "times_s": {"type": "object"}, "fps": {"type": "number"},
  "viewers": {"type": "integer"}, "recording": {"type": "object"}, "urls": {"type": "object"}}},
"Recordings": {"type": "object", "required": ["recordings", "bytes", "max_bytes"], "properties": {"recordings": {"type": "array", "items": {"$ref": "#/components/schemas/Recording"}},
  "bytes": {"type": "integer"}, "max_bytes": {"type": "integer"}}},
"Recording": {"type": "object", "required": ["id", "state", "created", "prompts", "format", "video_frames", "seconds", "bytes", "complete", "urls"], "properties": {
  "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "state": {"type": "string"}, "created": {"type": "string", "format": "date-time"},
  "prompts": {"type": "array", "items": {"type": "string"}}, "format": {"type": "object"}, "video_frames": {"type": "integer"}, "seconds": {"type": "number"},
  "bytes": {"type": "integer"}, "complete": {"type": "boolean"}, "urls": {"type": "object"}}},
"PushRequest": {"type": "object", "required": ["url"], "additionalProperties": false, "properties": {"url": {"type": "string", "pattern": "^rtmps?://"},
  "pacing": {"enum": ["realtime", "asap"]}, "from": {"enum": ["newest", "start"]}}},
"Push": {"type": "object", "required": ["push", "url", "state"], "properties": {"push": {"type": "integer"}, "url": {"type": "string"}, "state": {"type": "string"}, "error": {"type": ["string", "null"]}}},
"Pushes": {"type": "object", "required": ["pushes"], "properties": {"pushes": {"type": "array", "items": {"$ref": "#/components/schemas/Push"}}}},
"VideoRequest": {"type": "object", "required": ["prompt"], "additionalProperties": false, "properties": {
  "prompt": {"type": "string", "minLength": 1, "maxLength": 2048}, "model": {"type": "string"},
  "seconds": {"type": ["string", "number"], "description": "above 0, up to 3600", "default": "4"}, "size": {"type": "string", "pattern": "^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"},
  "input_reference": {"description": "the first frame: a file of a form, or in JSON {\"image_url\": \"data:image/png;base64,...\"}"},
  "seed": {"type": "integer", "minimum": 0}, "fps": {"type": "number", "minimum": 1, "maximum": 240}, "steps": {"type": "integer", "minimum": 1},
  "guidance_scale": {"type": "number", "minimum": 0, "maximum": 100}, "timestep_shift": {"type": "number", "minimum": 0, "maximum": 1000}, "negative_prompt": {"type": "string"}}},
"Video": {"type": "object", "required": ["id", "object", "model", "status", "progress", "created_at", "seconds", "size"], "properties": {
  "id": {"type": "string", "pattern": "^video_[0-9a-f]{32}$"}, "object": {"const": "video"}, "model": {"type": "string"},
  "status": {"enum": ["queued", "in_progress", "completed", "failed"]}, "progress": {"type": "integer", "minimum": 0, "maximum": 100},
  "created_at": {"type": "integer"}, "completed_at": {"type": ["integer", "null"]}, "expires_at": {"type": ["integer", "null"]}, "prompt": {"type": "string"},
  "seconds": {"type": "string"}, "size": {"type": "string"}, "remixed_from_video_id": {"type": ["string", "null"]}, "error": {"type": ["object", "null"]}}},
"Videos": {"type": "object", "required": ["object", "data", "has_more"], "properties": {"object": {"const": "list"}, "has_more": {"type": "boolean"},
  "data": {"type": "array", "items": {"$ref": "#/components/schemas/Video"}}, "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]}}},
"VideoDeleted": {"type": "object", "required": ["id", "object", "deleted"], "properties": {"id": {"type": "string"}, "object": {"const": "video.deleted"}, "deleted": {"const": true}}}
})json";

const std::map<int, const char*> kStatuses{{101, "the connection is a WebSocket now"},
                                           {200, "done"},
                                           {201, "made"},
                                           {202, "accepted, takes effect at the next block"},
                                           {204, "done, nothing to say"},
                                           {206, "the range that was asked for"},
                                           {400, "the request is wrong; the message says how"},
                                           {401, "a token is missing"},
                                           {403, "a foreign page or name"},
                                           {404, "there is no such thing"},
                                           {405, "the path does not take this method; Allow lists those that it takes"},
                                           {409, "not in this state"},
                                           {413, "too large"},
                                           {415, "no picture that can be read"},
                                           {416, "beyond what there is"},
                                           {422, "a broken picture"},
                                           {426, "connect with Upgrade: websocket"},
                                           {429, "as many as there may be; try later"},
                                           {431, "the header is too large"},
                                           {500, "the model, picture or sound cannot be read"},
                                           {503, "shutting down, or too many connections"}};

Json reference(const std::string& kind, const std::string& name) {
  return {{"$ref", "#/components/" + kind + "/" + name}};
}

/// A media type, several, or the name of a schema of JSON.
Json content_of(const Json& what) {
  Json content = Json::object();
  if (what.is_array()) {
    for (const Json& each : what) content.update(content_of(each));
  } else if (const std::string name = what.get<std::string>(); name.find('/') != std::string::npos) {
    content[name] = Json::object();
  } else {
    content["application/json"] = {{"schema", reference("schemas", name)}};
  }
  return content;
}

Json responses_of(const Json& route) {
  std::map<int, Json> responses;
  const auto add_error = [&](int status) {
    responses[status] = {{"description", kStatuses.at(status)},
                         {"content", content_of(route.value("error_schema", std::string("Error")))}};
  };
  for (const int status : {400, 401, 403, 405, 413, 431, 503}) add_error(status);
  for (const Json& status : route.value("errors", Json::array())) add_error(status.get<int>());
  if (route.contains("websocket")) {
    add_error(426);
    responses[101] = {{"description", kStatuses.at(101)}};
  }
  const Json successes = route.value("ok", Json::object());
  for (const auto& [text, content] : successes.items()) {
    const int status = std::stoi(text);
    responses[status] = {{"description", kStatuses.at(status)}};
    if (!content.is_null()) responses[status]["content"] = content_of(content);
  }
  Json json = Json::object();
  for (auto& [status, response] : responses) json[std::to_string(status)] = std::move(response);
  return json;
}

/// The names in braces.
Json path_parameters(std::string_view pattern) {
  Json parameters = Json::array();
  for (std::size_t open = pattern.find('{'); open != std::string_view::npos; open = pattern.find('{', open + 1))
    parameters.push_back(
        reference("parameters", std::string(pattern.substr(open + 1, pattern.find('}', open) - open - 1))));
  return parameters;
}

std::string operation_id(std::string_view method, std::string_view pattern) {
  std::string id(method);
  for (const char c : pattern)
    id += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                                                      : '_';
  return id;
}

Json operation_of(std::string_view method, std::string_view pattern, const Json& route) {
  Json operation{{"operationId", operation_id(method, pattern)},
                 {"tags", Json::array({route["tag"]})},
                 {"summary", route["summary"]}};
  Json parameters = path_parameters(pattern);
  for (const Json& name : route.value("query", Json::array()))
    parameters.push_back(reference("parameters", name.get<std::string>()));
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.contains("body")) {
    const std::string name = route["body"];
    Json content = content_of(name);
    if (route.contains("form")) content["multipart/form-data"] = {{"schema", reference("schemas", name)}};
    operation["requestBody"] = {{"required", name != "Fork"}, {"content", std::move(content)}};
  }
  if (route.contains("form_body"))
    operation["requestBody"] = {
        {"required", true},
        {"content", {{"multipart/form-data", {{"schema", reference("schemas", route["form_body"])}}}}}};
  if (route.contains("sdp"))
    operation["requestBody"] = {{"required", true}, {"content", content_of("application/sdp")}};
  operation["responses"] = responses_of(route);
  return operation;
}

}  // namespace

Json openapi_document(std::string_view version, const Router& router) {
  std::set<std::string, std::less<>> existing;
  for (const Route& route : router.routes()) existing.insert(route.method + " " + route.pattern);
  Json paths = Json::object();
  const Json routes = Json::parse(kRoutes);
  for (const auto& [key, route] : routes.items()) {
    if (!existing.contains(key)) continue;
    const std::size_t space = key.find(' ');
    std::string method = key.substr(0, space);
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string pattern = key.substr(space + 1);
    paths[pattern][method] = operation_of(method, pattern, route);
  }
  Json parameters = Json::parse(kParameters);
  for (auto& [name, parameter] : parameters.items())
    if (!parameter.contains("name")) parameter["name"] = name;
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "rushes"},
            {"version", version},
            {"description", "Video that is watched while it is generated."},
            {"license", {{"name", "Apache-2.0"}}}}},
          {"paths", std::move(paths)},
          {"components",
           {{"parameters", std::move(parameters)},
            {"schemas", Json::parse(kSchemas)},
            {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}},
          {"security", Json::array({Json::object(), Json{{"token", Json::array()}}})}};
}

}  // namespace rushes::server
