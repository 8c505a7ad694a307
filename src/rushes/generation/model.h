// A loaded model: what it is, what it takes and yields, which options it has, and how a request becomes a generator.
// No libtorch here.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/image_limits.h"
#include "rushes/base/known_words.h"
#include "rushes/base/trained_for.h"
#include "rushes/generation/generator.h"
#include "rushes/generation/request.h"

namespace rushes::generation {

enum class Modality : uint8_t { text = 1, image = 2, audio = 4, video = 8 };
inline constexpr Modality kModalities[] = {Modality::text, Modality::image, Modality::audio, Modality::video};

/// The enumerator's own spelling.
constexpr std::string_view name(Modality modality) {
  switch (modality) {
    case Modality::text: return "text";
    case Modality::image: return "image";
    case Modality::audio: return "audio";
    case Modality::video: return "video";
  }
  return "?";
}

class Modalities {
 public:
  constexpr Modalities() = default;
  constexpr Modalities(Modality one) : bits_(static_cast<uint8_t>(one)) {}
  constexpr Modalities operator|(Modalities other) const {
    return Modalities(static_cast<uint8_t>(bits_ | other.bits_));
  }
  constexpr bool has(Modality one) const { return (bits_ & static_cast<uint8_t>(one)) != 0; }
  constexpr bool operator==(const Modalities&) const = default;

 private:
  constexpr explicit Modalities(uint8_t bits) : bits_(bits) {}
  uint8_t bits_ = 0;
};
constexpr Modalities operator|(Modality a, Modality b) { return Modalities(a) | Modalities(b); }

struct Capabilities {
  Modalities takes;   // with the request
  Modalities needs;   // of these it cannot do without
  Modalities feeds;   // while it runs: audio of talking heads, text to switch prompts
  Modalities yields;  // what comes out
  bool forks = false, endless = false;
  ImageLimits pictures = {};  // of each file that comes with a request, however it comes
};

/// One of the networks that a model consists of.
struct ModelPart {
  std::string role;  // transformer, text_encoder, decoder
  std::string type;  // in the words of its family
  int64_t parameters = 0;
};

struct ModelCard {
  std::string name, family;
  std::string description;  // one line for people: sizes, dtype
  std::vector<ModelPart> networks = {};
  std::vector<std::string> assumptions = {};  // what its files do not tell: what was taken, and how to say otherwise
  TrainedFor trained_for = {};                // as its files tell it; a request beyond gets Plan::warnings
  KnownWords words = {};                      // likewise; the others of a prompt are told to whoever gave it
  bool is_small = false;  // its operators gain nothing from several cores: sessions may run side by side instead
};

/// Of all its networks.
inline int64_t parameter_count(const ModelCard& card) {
  int64_t sum = 0;
  for (const ModelPart& part : card.networks) sum += part.parameters;
  return sum;
}
/// Below this a model is small. Loops of small models are so short that meeting at their ends costs more than a second
/// core brings: the shipped model makes 39 frames a second on one core of a busy machine and 27 on both.
inline constexpr int64_t kSmallParameters = 16'000'000;

/// What of a request's image is used, for whoever asked.
struct ImageUse {
  int64_t height = 0, width = 0;      // as it is to be seen
  std::string fit = {};               // how a first frame is made of it: the option `fit`
  std::optional<FaceBox> shown = {};  // the part of it that the video shows; nothing: not known yet
  std::vector<FaceBox> faces = {};    // found in it, or given
  std::optional<FaceBox> face = {};   // of these the one that moves
};

/// A request that a model has checked: start() takes it as it is.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual VideoFormat format() const = 0;

  /// What of the request was taken and changes nothing.
  std::vector<Ignored> ignored = {};
  /// What is done as it was asked for, and may disappoint: sentences for people.
  std::vector<std::string> warnings = {};
  /// Memory of this computer that its session takes at its most, beside its inputs, about: caches, activations, frames.
  /// 0: too little to matter, or on a device of its own.
  int64_t working_bytes = 0;
  std::optional<ImageUse> image_use = {};
};

/// A generator before its step.
struct Waiting {
  Generator* generator;
  const Inbox* inbox;  // that its step will get, with more behind it
};

/// Immutable, shared by all its sessions; any thread.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelCard& card() const = 0;
  virtual Capabilities capabilities() const = 0;
  /// With the defaults of this model.
  virtual std::span<const OptionField> options() const = 0;
  /// Every check of a request, once; allocates nothing for the device. Throws Error(invalid_argument) naming the field
  /// and what is allowed.
  virtual std::unique_ptr<Plan> plan(const Request& request) const = 0;
  /// Options that are to change while a session runs, checked: names, types and ranges, and whatever else a model asks
  /// of their values. Throws Error(invalid_argument) naming the field and what is allowed.
  virtual Options live_options(const Options& given) const { return checked_live(given, options()); }
  /// What of a prompt has no effect, also of one that is set while the video is made: text beyond what the model reads.
  /// `field` is the prompt's.
  virtual std::vector<Ignored> ignored_in(std::string_view /*prompt*/, std::string_view /*field*/) const { return {}; }
  /// Prepares a generator (allocates its caches) for a plan of this very model.
  virtual std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const = 0;

  /// Computes what the next steps of these generators have in common in one forward, and leaves it with them; each is
  /// then stepped as usual, when its turn comes. Their shape_of_step() is equal and not empty. What they make does not
  /// depend on it. After a throw nothing has changed: each computes for itself.
  virtual void prepare(std::span<const Waiting>) const {}

  /// A session that held much memory has ended: what is kept for its like goes back to the system. Any thread.
  virtual void give_back_memory() const {}
};

/// A generator for a request, checked on the way.
inline std::unique_ptr<Generator> start(const Model& model, const Request& request) {
  return model.start(model.plan(request));
}

/// Beside Model, by those that cut a face out of a picture: whoever wants it asks with dynamic_cast.
class FaceCrop {
 public:
  virtual ~FaceCrop() = default;
  /// The model looks for faces itself; else whoever makes the request does, and says where with Request::faces and
  /// with DrivingVideo::faces().
  virtual bool finds_faces() const = 0;
  /// Those that it finds, in the order of put_subject_first(). May take a second.
  virtual std::vector<FaceBox> faces(const Image& image) const = 0;
  /// Side of the square in pixels that the networks see.
  virtual int64_t side() const = 0;
  /// Nothing but the square around the face is shown, so that one must be seen.
  virtual bool crops(const Request& request) const = 0;
  /// What of the request's picture would move, [side, side, 3].
  virtual Image crop(const Request& request, int64_t side) const = 0;
};

}  // namespace rushes::generation
