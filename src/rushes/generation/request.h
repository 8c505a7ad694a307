// What a person asks of a model, in the words that all families share, and the options of one. No libtorch here.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/image.h"
#include "rushes/base/options.h"
#include "rushes/generation/driving_video.h"
#include "rushes/generation/faces.h"

namespace rushes::generation {

/// One a segment. The limit of each is text::kMaxPromptBytes.
inline constexpr std::size_t kMaxPrompts = 1000;

/// Something that a request says and that changes nothing, and why: for the answer, the log and the page.
struct Ignored {
  std::string field, reason;
  bool operator==(const Ignored&) const = default;
};

/// Model::plan() checks all of it.
struct Request {
  std::vector<std::string> prompts = {};  // one a segment, cycled
  std::optional<Image> image = {};        // first frame, portrait, or what the prompt speaks of
  std::vector<Image> earlier_images =
      {};  // of the conversation, oldest first: models that answer in words see them, too
  /// Found in the image, in the order of put_subject_first(); nothing: nobody has looked.
  std::optional<std::vector<FaceBox>> faces = {};
  std::shared_ptr<const DrivingVideo> video = {};  // whose face moves a portrait
  uint64_t seed = 0;                               // the same seed and request give the same frames
  std::optional<int64_t> segments = {};            // 0: endless until stopped; nothing: see segments_of()
  std::optional<int64_t> video_frames = {};        // wanted length instead of segments
  std::optional<int64_t> height = {}, width = {};  // pixels
  std::optional<double> fps = {};
  std::optional<double> max_lead_seconds =
      {};                // ahead of its viewers, then generation rests; nothing: as fast as it goes
  Options options = {};  // of the model: Model::options()
  /// Fields of the client's dialect that nothing here has a use for.
  std::vector<Ignored> ignored = {};
};

/// The numbers of a request that all families share, under the names that JSON has for them, and their limits: reading
/// them from JSON, flags and forms, OpenAPI and docs follow from this list. A model may allow less. The seed is not one
/// of them: no other number has 64 bits.
std::span<const OptionField> request_fields();
/// Throws Error(not_found).
const OptionField& request_field(std::string_view name);
/// All of these numbers. Throws Error(invalid_argument) naming the field and what is allowed.
void check_numbers(const Request& request);

/// Seeds are all numbers of 64 bits.
inline constexpr std::string_view kSeedRange = "an integer from 0 to 18446744073709551615";
/// Decimal digits. Throws Error(invalid_argument), for what has more than 64 bits too.
uint64_t parse_seed(std::string_view text, std::string_view field = "seed");
/// For who names none. Below 2^32: clients whose numbers are floating point tell it without a loss.
uint64_t random_seed();

/// One for each prompt, so that each is seen.
int64_t segments_of(const Request& request);
/// Each prompt begins a segment of its own. Throws Error(invalid_argument) if there are more of them than `segments`
/// (0: endless).
void check_prompts_shown(const Request& request, int64_t segments);

/// Memory of its picture and its video.
int64_t input_bytes(const Request& request);

/// The check of one prompt, also of a switch while the video is made. `field` stands in the message. Throws
/// Error(invalid_argument) for an empty one, for NUL characters and for what is not UTF-8, Error(too_large).
void check_prompt(std::string_view prompt, std::string_view field);
/// Of all of a request's: at least one, kMaxPrompts at most.
void check_prompts(const std::vector<std::string>& prompts);

}  // namespace rushes::generation
