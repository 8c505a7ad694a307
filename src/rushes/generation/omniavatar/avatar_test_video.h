// For tests of avatars: tiny models, and requests to them.
#pragma once
#include <string>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/model.h"
#include "rushes/generation/omniavatar/tiny.h"
#include "rushes/generation/spoken_test_video.h"

namespace rushes::generation {

using omniavatar::Sampler;

constexpr int64_t kFrame = 1000;  // samples of a video frame at 16 fps

inline const OmniAvatarModel& model(Sampler sampler = Sampler::causal) {
  static const auto causal = random_omniavatar_model(0), whole = random_omniavatar_model(0, Sampler::bidirectional);
  return dynamic_cast<const OmniAvatarModel&>(sampler == Sampler::causal ? *causal : *whole);
}

inline Image picture(int64_t height = 40, int64_t width = 48) { return test_picture(height, width); }

inline Request request_of() { return {.prompts = {"a person in a red coat speaks"}, .image = picture(), .seed = 42}; }

inline Video talk(const Request& request, const std::vector<float>& wave, Sampler sampler = Sampler::causal,
                  const std::vector<int64_t>& pieces = {1'000'000}) {
  return talk(*start(model(sampler), request), wave, pieces);
}

inline std::string message_of(const Request& request, Sampler sampler = Sampler::causal) {
  try {
    model(sampler).plan(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace rushes::generation
