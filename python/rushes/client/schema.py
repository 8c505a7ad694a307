"""Types of the session API's JSON. Written by tools/make_session_types from a server's /openapi.json: change that."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import NotRequired


class SessionFields(TypedDict, total=False):
    """What a request may have beside its prompts and its image; GET /v1/models tells the options of each model."""

    #: Instead of width and height
    size: str
    pacing: Literal["asap", "realtime"]
    #: How an image of other proportions becomes the first frame: crop (its middle fills the frame), pad (all of it,
    #: between black bars) or stretch (its proportions change)
    fit: Literal["crop", "pad", "stretch"]
    model: str
    #: The same seed and request give the same video; 0 to 18446744073709551615; default 0
    seed: int
    #: Number of generation cycles; 0: endless, until it is stopped; default: one for each prompt; 0 to 1000000
    segments: int
    #: Length of the video in frames, instead of segments; 1 to 100000000
    frames: int
    #: Pixels; 1 to 16384
    width: int
    #: Pixels; 1 to 16384
    height: int
    #: Video frames per second; 1 to 240
    fps: float
    #: Seconds that may be generated ahead of a viewer who plays from the first block on; 0 to 3600
    max_lead: float
    #: Latent frames per segment (each except the first becomes 4 video frames); 1 to 252; default 21
    segment_length: int
    #: Latent frames that a segment shares with the previous one; 0 to 252; default 3
    overlap: int
    #: Method that turns noise into frames; default "few_step"
    solver: Literal["few_step", "unipc", "dpm++", "euler"]
    #: Number of denoising steps
    steps: int
    #: Decreasing list of timesteps, instead of steps; only for the solver few_step; default [1000.0, 750.0, 500.0,
    #: 250.0]
    denoising_steps: Sequence[float]
    #: How strongly the prompt guides the video; only for the many-step solvers
    guidance_scale: float
    #: Shift of the noise schedule
    timestep_shift: float
    #: Description of what to avoid; only for the many-step solvers
    negative_prompt: str
    #: Number of time points of the solver, one more than its steps; 2 to 1000; default 7
    nfe: int
    #: How strongly the mouth follows the speech; 0 to 20; default 1.0
    cfg_scale: float
    #: Seconds of speech that are converted to motion at once; 0.04 to 10; default 0.4
    chunk_duration: float
    #: Aligned: one frame for each 1/fps s of speech, with audio; reference: overlapping windows without audio, like
    #: the published server; default "aligned"
    mode: Literal["aligned", "reference"]
    #: Show only a square around the face; otherwise the whole image, in which the face moves; default true
    crop: bool
    #: Half the side of the square, relative to the longer side of the face box
    crop_scale: float
    #: Which face of the image: its index (0: the largest near the middle, which is the default), or its box in
    #: pixels: x1, y1, x2, y2
    face: Sequence[float]
    #: Fixed head pose: pitch, yaw, roll
    pose_style: Sequence[float]
    #: Fixed gaze direction: x, y
    gaze_style: Sequence[float]
    #: Frames follow while speech arrives; otherwise they come when it has ended; default true
    online_mode: bool
    #: Longer side of the video in pixels, at most; 64 to 4096; default 1920
    max_size: int
    #: Accepted for compatibility; has no effect, as in the reference; -1 to 1; default 0.0
    crop_vx_ratio: float
    #: Shift of the square down the face, in its sides; -1 to 1; default -0.125
    crop_vy_ratio: float
    #: Turn the square with the face; default true
    crop_flag_do_rot: bool
    #: Frames over which the motion of a source video is smoothed; 1 to 1000; default 13
    smo_k_s: int
    #: Emotion: a name, a label (0 angry, 1 disgust, 2 fear, 3 happy, 4 neutral, 5 sad, 6 surprise, 7 contempt), a
    #: list of labels, a list of such lists or rows of 8 weights
    emo: str
    #: Of a source video, the eyes of the first frame count; default false
    eye_f0_mode: bool
    #: Reference character: x_s_info, eye_open_lst, eye_ball_lst
    ch_info: str
    #: Frames that windows of motion have in common; 1 to 10000; default 70
    overlap_v2: int
    #: Windows after which the motion starts from the source again; 0: never; 0 to 1000000; default 1
    fix_kp_cond: int
    #: Numbers of the motion that go on nevertheless: first, last + 1
    fix_kp_cond_dim: Sequence[float]
    #: Steps in which a window of motion is sampled; 1 to 1000; default 10
    sampling_timesteps: int
    #: Lowest and highest values of the 265 motion numbers
    v_min_max_for_clip: str
    #: Frames over which the motion is smoothed; 0 to 1000; default 3
    smo_k_d: int
    #: Number of frames, which fades and blinks are laid out for; -1: that of the speech; -1 to 10000000; default -1
    N_d: int
    #: Parts of the motion that are driven: names, or names with weights
    use_d_keys: str
    #: Motion is measured from its first frame; default true
    relative_d: bool
    #: The eyes are driven too; default: of an image, not of a video
    drive_eye: bool
    #: A blink: rows of 63 offsets
    delta_eye_arr: str
    #: Frames between blinks: a number, a list, 0 (60 to 100 by chance) or -1 (no blinks)
    delta_eye_open_n: str
    #: What fades end in: the first frame (d0) or the source (s); default "none"
    fade_type: Literal["none", "d0", "s", ""]
    #: Parts of the motion that fade
    fade_out_keys: str
    #: Keep the shoulders in place; default true
    flag_stitching: bool
    #: Controls of all frames: vad_alpha, delta_pitch, delta_yaw, delta_roll, ...
    overall_ctrl_info: str
    #: Frames of speech that a piece is heard with: past, new, future; default [3.0, 5.0, 2.0]
    chunksize: Sequence[float]
    #: Frames over which the motion fades in; -1: none; -1 to 1000000; default -1
    fade_in: int
    #: Frames over which it fades out; -1: none; -1 to 1000000; default -1
    fade_out: int
    #: Controls by frame number
    ctrl_info: str
    #: Name of a registered source, instead of an image
    avatar: str
    #: Of the face in the source, in pixels: 5, 68, 101, 106 or 203 pairs
    points: str
    #: Give out the frames behind the end of the speech too, as the reference does; default false
    emit_tail: bool
    #: Head up or down, in degrees; -30 to 30; default 0.0
    delta_pitch: float
    #: Head to the side, in degrees; -30 to 30; default 0.0
    delta_yaw: float
    #: Head tilt, in degrees; -30 to 30; default 0.0
    delta_roll: float
    #: Eyes to the side, as far as they go at -1 and 1; -1 to 1; default 0.0
    gaze_x: float
    #: Eyes up or down, as far as they go at -1 and 1; -1 to 1; default 0.0
    gaze_y: float
    #: Blinks a minute; by default the model's own; 0 to 60
    blink_rate: float
    #: How strongly the speech guides the video; by default as strongly as the prompt; 0 to 100
    audio_scale: float
    #: Longer side of the sizes that an image's proportions choose from where no size is asked for: 720, 1280, or 0
    #: for the model's own size; 0 to 1280; default 0
    max_hw: int
    #: Video frames that a segment has in common with the one before: 1, 5, 9, 13, ...; only where a model makes
    #: segments; 1 to 401; default 13
    overlap_frame: int
    #: Length of a segment, in tokens of the transformer; only where a model makes segments; 1 to 10000000; default
    #: 30000
    max_tokens: int
    #: Threshold below which a denoising step repeats the change of the one before instead of computing its own; 0:
    #: never; only where a model makes segments; 0 to 10; default 0.0
    teacache: float
    #: Encode and decode pictures in tiles, as the reference does; only where a model makes segments; default true
    tiled_vae: bool
    #: Latent frames that a model looks back on that makes video block by block; by default its own; 3 to 1024
    window: int
    #: First latent frames that it never forgets; 0 to 1000; default 0
    sink: int
    #: Without an image the blocks after the first see the first frame of the video as if it were one; for models
    #: that were trained so; default true
    own_reference: bool
    #: No speech will come: the face is silent from the start; default false
    silent: bool
    #: As many frames as the published servers make, not those that the speech lasts; default false
    reference_lengths: bool
    #: What is made: text and video side by side, or one of both; default "both"
    tracks: Literal["both", "text", "video"]
    #: Size and length of the video: 256 (256x256, 15 frames), 512 (30 frames) or 768 (60 frames); width, height and
    #: frames go before it
    preset: Literal["256", "512", "768"]
    #: Share of the guided result that is scaled to the contrast of the unguided one; 0 to 1; default 0.0
    guidance_rescale: float
    #: What the video model reads: the prompt, or what an adapter makes of what the model sees in the picture;
    #: default "prompt"
    conditioning: Literal["prompt", "adapter"]
    #: Tell the model 25 frames a second as the published pipelines do, not those played; default false
    upstream_frame_rate: bool
    #: A provisional look at the video every so many denoising steps; 0: only at its first frame; 0 to 200; default 3
    previews: int
    #: Decode the video piece by piece, so that its beginning comes sooner; results differ a little from those of a
    #: whole decode; default false
    temporal_tiles: bool
    #: Decode large frames in parts, which needs less memory; default false
    spatial_tiles: bool
    #: Noise that is left for decoders that can remove some; 0 to 1; default 0.0
    decode_timestep: float
    #: How freely words are chosen; 0: always the most probable one; 0 to 100; default 0.0
    temperature: float
    #: Words are chosen of the most probable ones that together have this probability; 0.001 to 1; default 0.9
    top_p: float
    #: Words are chosen of so many most probable ones; 0: of all; 0 to 1000000; default 50
    top_k: int
    #: How much less probable words become that were there before; 0.01 to 100; default 1.0
    repetition_penalty: float
    #: The most tokens that the text may have; 1 to 32768; default 64
    max_new_tokens: int
    #: Size to which a larger picture is reduced before it is read; 784 to 12845056; default 401408
    picture_pixels: int
    #: How many of a conversation's pictures are read, the newest ones; 1 to 32; default 1
    pictures: int

State = Literal["queued", "running", "waiting", "paused", "finished", "stopped", "failed"]


class SessionQueue(TypedDict):
    """null: it does not wait for other sessions."""

    #: 1: next
    position: int
    #: Expected seconds until the session runs; null: not known
    wait_s: float | None


class Failure(TypedDict):
    code: str
    message: str


class IgnoredField(TypedDict):
    field: str
    reason: str

#: What of the request was taken and has no effect
Ignored = list[IgnoredField]


class SessionOrigin(TypedDict):
    kind: Literal["fork", "remix"]
    session: str


class ImageUse(TypedDict):
    """What of the request's image is used: the part of a first frame that is shown, the face of a portrait; boxes are x1, y1, x2, y2 in pixels."""

    width: int
    height: int
    fit: NotRequired[Literal["crop", "pad", "stretch"]]
    shown: NotRequired[list[float]]
    face: NotRequired[list[float] | None]
    faces: NotRequired[list[list[float]]]


class SessionFormat(TypedDict):
    #: Pixels
    width: int
    #: Pixels
    height: int
    fps: float
    #: null: endless
    video_frames: int | None
    #: 0: endless
    segments: int
    #: Of the first segment
    blocks_per_segment: int
    blocks_per_later_segment: int
    #: Samples per second of the video's sound; 0: none
    audio_hz: int
    #: Of the speech that the model hears; 0: none
    speech_hz: int
    mime_type: str


class SessionSpeech(TypedDict):
    """null: the model hears none."""

    #: Seconds of speech
    received_s: float
    #: That were completed
    utterances: int
    #: All received speech is spoken
    at_rest: bool
    #: A microphone is connected
    listens: bool


class SessionDone(TypedDict):
    blocks: int
    video_frames: int
    #: Of the video, encoded
    fragments: int
    bytes: int


class SessionForks(TypedDict):
    """Block borders at which a fork may begin, by the number of blocks before them; null: there are none."""

    least_blocks: int | None
    most_blocks: int | None
    #: Forks from here to most_kept make nothing again; others make all blocks before their border again
    least_kept: int | None
    most_kept: int | None
    #: Why blocks cannot be made again, so that only borders that are kept can be had
    no_replay: str | None


class SessionTimesS(TypedDict):
    """Seconds since the creation, but for device and encode; null: not yet."""

    age: float
    first_step: float | None
    first_block: float | None
    newest_block: float | None
    end: float | None
    #: Of its steps on the device
    device: float
    encode: float


class SessionRecording(TypedDict):
    bytes: int
    complete: bool
    error: str | None


class SessionUrls(TypedDict):
    self: str
    #: A WebSocket
    events: str
    #: A WebSocket
    video: str
    mp4: str


class Session(TypedDict):
    id: str
    state: State
    #: null: it does not wait for other sessions
    queue: SessionQueue | None
    error: Failure | None
    created: str
    model: str
    #: Of the newest block
    prompt: str
    prompts: list[str]
    #: That the model has given so far, at most 64 KiB; null: none
    text: str | None
    #: Of 64 bits
    seed: int
    #: Of the request, with those that were set since; texts of more than 256 bytes are left out
    options: dict[str, Any]
    ignored: Ignored
    warnings: list[str]
    #: Words of the newest prompts that the model was not trained with, in lower case; empty where its words are not
    #: known
    unknown_words: list[str]
    #: Seconds ahead of a viewer, at most; null: as fast as it can
    max_lead_s: float | None
    origin: SessionOrigin | None
    image: ImageUse | None
    format: SessionFormat
    #: null: the model hears none
    speech: SessionSpeech | None
    done: SessionDone
    #: Block borders at which a fork may begin, by the number of blocks before them; null: there are none
    forks: SessionForks
    #: Blocks of its origin that a fork makes again before its own
    replay_blocks: int
    #: Of these, how many are done
    replayed_blocks: int
    #: Seconds since the creation, but for device and encode; null: not yet
    times_s: SessionTimesS
    #: Frames per second between the first and the newest block
    fps: float
    viewers: int
    recording: SessionRecording
    urls: SessionUrls


class StateEvent(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["state"]
    state: State
    #: Why it was stopped
    reason: NotRequired[str]
    error: NotRequired[Failure]


class QueueEvent(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["queue"]
    #: 1: next
    position: int
    #: null: not known
    wait_s: float | None


class PromptApplied(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["prompt_applied"]
    segment: int
    #: The first one under this prompt
    block: int
    prompt: str
    #: Where frames follow more than the prompt
    conditioning: NotRequired[str]


class BlockProgress(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["block_progress"]
    segment: int
    block: int
    #: Denoising steps that are done
    step: int
    steps: int


class FrameBlockTimesMs(TypedDict):
    """Milliseconds of work."""

    text: float
    denoise: float
    decode: float


class FrameBlock(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["frame_block"]
    segment: int
    block: int
    first_video_frame: int
    video_frames: int
    latent_frames: int
    #: Pixels
    width: int
    #: Pixels
    height: int
    fps: float
    prompt: str
    #: Milliseconds of work
    times_ms: FrameBlockTimesMs


class PreviewFrames(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["preview_frames"]
    first_video_frame: int
    video_frames: int
    width: int
    height: int
    step: int
    steps: int


class TextChunk(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["text_chunk"]
    #: Follows the piece before without a space
    text: str
    last: bool


class UtteranceEnded(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["utterance_ended"]


class TrackFailed(TypedDict):
    #: Grows by one; a gap means events that are no longer kept
    sequence: int
    #: Seconds since the creation of the session
    at_s: float
    type: Literal["track_failed"]
    track: Literal["text", "video"]
    error: Failure

#: What happens in a session: a line of stream.ndjson, a message of the WebSocket events
Event = Union[
    StateEvent, QueueEvent, PromptApplied, BlockProgress, FrameBlock, PreviewFrames, TextChunk, UtteranceEnded,
    TrackFailed,
]


class ModelTrainedForSize(TypedDict):
    width: int
    height: int


class ModelTrainedFor(TypedDict):
    """What the model was trained for; a request beyond is made as it was asked for, with an entry in warnings. null: not known."""

    #: In pixels; empty: not known
    sizes: list[ModelTrainedForSize]
    #: The most that are made at once, a clip or a segment; null: not known
    frames: int | None

Modalities = list[Literal["text", "image", "audio", "video"]]


class ModelCapabilities(TypedDict):
    #: What a request may have
    takes: Modalities
    #: What a request must have
    needs: Modalities
    #: Inputs of a session while it runs
    feeds: Modalities
    #: Outputs
    yields: Modalities
    forks: bool
    endless: bool


class ModelOption(TypedDict):
    name: str
    type: Literal["boolean", "integer", "number", "text", "choice", "numbers"]
    doc: str
    #: It may be set while a session runs
    live: bool
    #: A text that holds JSON: any JSON value stands for its text
    json: NotRequired[bool]
    #: The range or the choices, in words
    allowed: str
    #: null: follows from something else
    default: bool | float | str | list[float] | None
    least: NotRequired[float]
    most: NotRequired[float]
    #: Of numbers
    least_count: NotRequired[int]
    most_count: NotRequired[int]
    choices: NotRequired[list[str]]
    aliases: NotRequired[list[str]]


class Example(TypedDict):
    name: str
    url: str


class ModelExamples(TypedDict):
    """Files to try the model with."""

    images: list[Example]
    audio: list[Example]


class Model(TypedDict):
    name: str
    #: Other names that requests may use
    aliases: list[str]
    family: str
    description: str
    #: What the model's files do not tell: what was assumed, and how to say otherwise
    assumptions: list[str]
    #: What the model was trained for; a request beyond is made as it was asked for, with an entry in warnings. null:
    #: not known
    trained_for: ModelTrainedFor | None
    #: Words and phrases of the captions that the model was trained with, in the order of a sentence; others of a
    #: prompt are told in unknown_words. Empty: not known
    words: list[str]
    state: Literal["unloaded", "loading", "loaded", "failed"]
    #: Of requests that name no model
    default: bool
    #: That use it now
    sessions: int
    #: Why it could not be loaded
    error: str | None
    capabilities: ModelCapabilities
    options: list[ModelOption]
    #: Files to try the model with
    examples: ModelExamples
    #: Its name again, for clients of OpenAI's API; only of one model by itself
    id: NotRequired[str]
    object: NotRequired[Literal["model"]]


class PropsModel(TypedDict):
    name: str
    description: NotRequired[str]


class Props(TypedDict):
    version: str
    #: Of sessions, pixels, seconds and bytes
    limits: dict[str, float]
    model: PropsModel


class LogLine(TypedDict):
    #: Counted from the start of the process
    number: int
    time: str
    level: Literal["debug", "info", "warning", "error"]
    message: str


class Log(TypedDict):
    lines: list[LogLine]
