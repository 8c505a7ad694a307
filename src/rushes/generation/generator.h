// The contract between a model pipeline and whoever steps it: a resumable state machine. One step is one unit of work
// that is short enough to interleave sessions (a denoising step, a decode). It never blocks on a network, never
// sleeps, never knows who watches. All state between steps lives in it. No libtorch here.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/generation/driving_video.h"
#include "rushes/generation/event.h"

namespace rushes::generation {

/// Changes that arrived since the last step. Each is taken over at the next place where the model allows it.
struct Inbox {
  std::optional<std::string> prompt;  // from the next block on
  std::vector<float> speech = {};     // one channel at VideoFormat::speech_hz, follows what came before
  bool end_of_speech = false;         // nothing follows

  /// What came later.
  void append(Inbox more) {
    if (more.prompt) prompt = std::move(more.prompt);
    if (speech.empty())
      speech = std::move(more.speech);
    else
      speech.insert(speech.end(), more.speech.begin(), more.speech.end());
    end_of_speech = end_of_speech || more.end_of_speech;
  }
};

enum class StepOutcome {
  again,        // more work can be done at once
  needs_input,  // nothing to do before the inbox brings something
  finished,     // the video is complete; step() must not be called again
};

struct StepResult {
  StepOutcome outcome = StepOutcome::again;
  std::vector<Event> events;
};

/// What a session's video will be, known before the first step.
struct VideoFormat {
  int64_t height = 0, width = 0;
  double fps = 16;
  std::optional<int64_t> video_frames;           // total; nothing: endless
  int64_t segments = 0, blocks_per_segment = 0;  // segments 0: endless
  int64_t blocks_per_later_segment = 0;          // after the first: what overlaps is not made again
  int64_t sound_hz = 0;                          // of the sound that comes with the frames; 0: a silent video
  int64_t speech_hz = 0;                         // of the speech that the generator takes; 0: it takes none
};

/// How speech makes a portrait talk.
struct TalkOptions {
  enum class Mode {
    aligned,    // one video frame for each 1/fps s of speech, motion continuous, the speech in the video
    reference,  // as the published chunked server: windows that overlap and know nothing of each other, no sound
  };
  Mode mode = Mode::aligned;
  std::optional<double> chunk_seconds = {};        // speech that becomes motion at once (chunk_duration)
  bool crop = true;                                // show the face's square; else the whole picture, the face pasted in
  double crop_scale = 0.8;                         // half the square's side, in longer sides of the face's box
  std::optional<std::array<double, 4>> face = {};  // its box in the picture, x1, y1, x2, y2, where that was looked for
  std::optional<std::array<double, 3>> pose = {};  // pose_style: pitch, yaw, roll, held throughout
  std::optional<std::array<double, 2>> gaze = {};  // gaze_style: x, y, held throughout
  /// Its face moves the portrait instead of speech: the video has its frame rate, length and sound.
  std::shared_ptr<const DrivingVideo> driving = {};
  std::vector<std::array<double, 4>> driving_faces = {};  // as `face`, in some of its frames, with crop only
};

class Generator {
 public:
  virtual ~Generator() = default;
  virtual VideoFormat format() const = 0;
  /// Does the next unit of work. One thread at a time. Throws Error; after a throw the generator may only be destroyed.
  virtual StepResult step(const Inbox& inbox) = 0;
  /// True when the next step would begin a new block: where fairness lets another session go first.
  virtual bool at_block_border() const = 0;
  /// Copy that continues from here independently (caches copy-on-write). Only at a block border.
  virtual std::unique_ptr<Generator> fork() const = 0;
  /// Memory held for this session (caches, latents), in bytes.
  virtual int64_t bytes() const = 0;
  /// The shape of what step(inbox) would compute, if Model::prepare() can compute it for several generators in one
  /// forward: those with equal shapes. Empty: it cannot.
  virtual std::string shape_of_step(const Inbox&) const { return {}; }
};

/// A generator before its step.
struct Waiting {
  Generator* generator;
  const Inbox* inbox;  // that its step will get, with more behind it
};

/// A request for text-to-video or image-to-video, parsed and in its own units; validate() with the model's limits is
/// the model's. Latent counts carry their name; reference names in comments.
struct VideoRequest {
  std::vector<std::string> prompts;  // one per segment, cycled
  int64_t seed = 0;
  int64_t segments = 1;                          // num_segments; 0: endless until stopped
  std::optional<int64_t> segment_latent_frames;  // segment_length
  std::optional<int64_t> overlap_latent_frames;  // overlap_frames
  std::optional<int64_t>
      video_frames;  // wanted length instead of segments: generation ends at the block that reaches it
  std::optional<int64_t> height, width;
  std::optional<double> fps;
  std::optional<std::vector<double>> denoising_steps;  // denoising_step_list; or:
  std::optional<int64_t> steps;                        // evenly spaced few-step list, or many-step count with a solver
  std::optional<std::string> solver;                   // few_step, unipc, dpm++, euler
  std::optional<double> guidance_scale, timestep_shift;
  std::optional<std::string> negative_prompt;
  std::optional<double> max_lead_seconds;  // ahead of its viewers, then generation rests; nothing: as fast as it goes
  using Image = Picture;
  std::optional<Image> image;  // first frame
  std::optional<TalkOptions>
      talk;  // for talking heads: `image` is the portrait, `steps` the solver's time points (nfe)
};

/// A loaded model: immutable, shared by all its sessions.
class Model {
 public:
  virtual ~Model() = default;
  virtual std::string name() const = 0;
  virtual std::string description() const = 0;  // one line for people: sizes, dtype
  /// Checks the request against the model and prepares a generator (allocates its caches).
  /// Throws Error(invalid_argument) naming the field and the allowed range.
  virtual std::unique_ptr<Generator> start(const VideoRequest& request) const = 0;
  /// The format that the request would give, with the same checks, without allocating anything.
  virtual VideoFormat plan(const VideoRequest& request) const = 0;

  /// Computes what the next steps of these generators have in common in one forward, and leaves it with them; each is
  /// then stepped as usual, when its turn comes. Their shape_of_step() is equal and not empty. What they make does not
  /// depend on it. After a throw nothing has changed: each computes for itself.
  virtual void prepare(std::span<const Waiting>) const {}

  // ---- talking heads only ----
  /// The portrait's face is found by the model itself; else by who makes the request (TalkOptions::face).
  virtual bool finds_faces() const { return true; }
  /// What of the request's picture would talk, 8-bit RGB [side, side, 3]. Throws Error(unsupported) by other models.
  virtual VideoRequest::Image portrait(const VideoRequest&, int64_t /*side*/) const {
    fail(ErrorCode::unsupported, "{} makes no talking heads", name());
  }
};

struct ModelOptions {
  std::string path;        // model directory or official layout
  std::string checkpoint;  // optional: weights that replace the transformer's (self_forcing_dmd.pt)
  bool use_ema = false;
  std::string dtype = "auto";  // float32, bfloat16, auto
  std::string device = "cpu";
  std::string decoder = "auto";  // vae, tiny, auto: which autoencoder decodes
};

/// Loads a model. Shows progress through the log. Throws Error.
std::shared_ptr<const Model> load_model(const ModelOptions& options);

}  // namespace rushes::generation
