// The contract between a model pipeline and whoever steps it: a resumable state machine. One step is one unit of work
// that is short enough to interleave sessions (a denoising step, a decode). It never blocks on a network, never
// sleeps, never knows who watches. All state between steps lives in it. No libtorch here.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/base/options.h"
#include "rushes/generation/event.h"

namespace rushes::generation {

/// Changes that arrived since the last step. Each is taken over at the next place where the model allows it.
struct Inbox {
  std::optional<std::string> prompt;  // from the next block on
  std::vector<float> speech = {};     // one channel at VideoFormat::speech_hz, follows what came before
  /// After so many samples of `speech` an utterance is complete: it is spoken without waiting for more, and told by an
  /// UtteranceEnded; what follows is another one. They rise.
  std::vector<std::size_t> utterance_ends = {};
  bool end_of_speech = false;  // nothing follows
  Options options = {};        // OptionField::live ones that were set, checked: from the next frame that allows it

  bool empty() const {
    return !prompt && speech.empty() && utterance_ends.empty() && !end_of_speech && options.empty();
  }

  /// What came later.
  void append(Inbox more) {
    if (more.prompt) prompt = std::move(more.prompt);
    for (const std::size_t end : more.utterance_ends) utterance_ends.push_back(speech.size() + end);
    if (speech.empty())
      speech = std::move(more.speech);
    else
      speech.insert(speech.end(), more.speech.begin(), more.speech.end());
    end_of_speech = end_of_speech || more.end_of_speech;
    options.set_all(more.options);
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

/// What of the speech is heard before the first of its frames comes.
enum class Hearing {
  as_it_comes,  // little of it
  utterances,   // each is heard as a whole
  whole,        // all of it; another value of the option online_mode says otherwise
};

/// What a session's video will be, known before the first step.
struct VideoFormat {
  int64_t height = 0, width = 0;
  double fps = 16;
  std::optional<int64_t> video_frames;           // total; nothing: endless
  int64_t segments = 0, blocks_per_segment = 0;  // segments 0: endless
  int64_t blocks_per_later_segment = 0;          // after the first: what overlaps is not made again
  int64_t audio_hz = 0;                          // of the sound that comes with the frames; 0: a silent video
  int64_t speech_hz = 0;                         // of the speech that the generator takes; 0: it takes none
  Hearing hearing = Hearing::as_it_comes;
  double most_clip_seconds = std::numeric_limits<double>::infinity();  // of speech that is heard as a whole
};

class Generator {
 public:
  virtual ~Generator() = default;
  virtual VideoFormat format() const = 0;
  /// Does the next unit of work. One thread at a time. Throws Error; after a throw the generator may only be destroyed.
  virtual StepResult step(const Inbox& inbox) = 0;
  /// True when the next step would begin a new block: where fairness lets another session go first.
  virtual bool at_block_border() const = 0;
  /// Copy that continues from here (caches copy-on-write), at a block border. Error(unsupported): there can be none.
  virtual std::unique_ptr<Generator> fork() const = 0;
  /// Memory held for this session (caches, latents), in bytes.
  virtual int64_t bytes() const = 0;
  /// The shape of what step(inbox) would compute, if Model::prepare() can compute it for several generators in one
  /// forward: those with equal shapes. Empty: it cannot.
  virtual std::string shape_of_step(const Inbox&) const { return {}; }
};

}  // namespace rushes::generation
