// For tests of avatars: tiny models, requests, speech, and the video that comes of them.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/model.h"
#include "rushes/generation/omniavatar/tiny.h"

namespace rushes::generation {

using omniavatar::Sampler;

constexpr int64_t kFrame = 1000;  // samples of a video frame at 16 fps

inline const OmniAvatarModel& model(Sampler sampler = Sampler::causal) {
  static const auto causal = random_omniavatar_model(0), whole = random_omniavatar_model(0, Sampler::bidirectional);
  return dynamic_cast<const OmniAvatarModel&>(sampler == Sampler::causal ? *causal : *whole);
}

inline Image picture(int64_t height = 40, int64_t width = 48) {
  auto pixels = std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(height * width * 3));
  for (std::size_t i = 0; i < pixels->size(); ++i) (*pixels)[i] = static_cast<uint8_t>(i * 7919 % 251);
  return {{pixels, pixels->data()}, height, width};
}

inline Request request_of() { return {.prompts = {"a person in a red coat speaks"}, .image = picture(), .seed = 42}; }

inline std::vector<float> speech(int64_t samples) {
  std::vector<float> wave(static_cast<std::size_t>(samples));
  for (std::size_t i = 0; i < wave.size(); ++i)
    wave[i] = 0.5f * std::sin(static_cast<float>(i) * 0.05f) * std::sin(static_cast<float>(i) * 0.0007f);
  return wave;
}

struct Video {
  std::vector<uint8_t> pixels;
  std::vector<float> sound;
  std::vector<int64_t> blocks;      // their frames
  std::vector<int64_t> utterances;  // frames that had been shown when one ended
  std::vector<std::string> prompts;
  int64_t frames = 0, steps = 0;
};

inline void take(const StepResult& result, Video& video) {
  for (const Event& event : result.events) {
    if (std::holds_alternative<UtteranceEnded>(event)) video.utterances.push_back(video.frames);
    if (const auto* applied = std::get_if<PromptApplied>(&event)) video.prompts.push_back(applied->prompt);
    if (std::holds_alternative<BlockProgress>(event)) ++video.steps;
    const auto* block = std::get_if<FrameBlock>(&event);
    if (!block) continue;
    EXPECT_EQ(block->first_video_frame, video.frames);
    video.frames += block->video_frames;
    video.blocks.push_back(block->video_frames);
    video.pixels.insert(video.pixels.end(), block->frame(0), block->frame(block->video_frames));
    if (!block->audio.samples) continue;
    EXPECT_EQ(block->audio.first_sample, static_cast<int64_t>(video.sound.size()));
    video.sound.insert(video.sound.end(), block->audio.samples->begin(), block->audio.samples->end());
  }
}

/// All of `wave` in pieces of so many samples, then the end. `video` is what there is already.
inline Video talk(Generator& generator, const std::vector<float>& wave,
                  const std::vector<int64_t>& pieces = {1'000'000}, Video video = {}) {
  std::size_t at = 0, piece = 0;
  bool ended = false;
  Inbox inbox;
  for (;;) {
    const StepResult result = generator.step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome == StepOutcome::finished) return video;
    if (result.outcome == StepOutcome::again) continue;
    EXPECT_FALSE(ended) << "waits for input after the end";
    if (ended) return video;
    const std::size_t count = std::min(wave.size() - at, static_cast<std::size_t>(pieces[piece++ % pieces.size()]));
    inbox.speech.assign(wave.begin() + static_cast<std::ptrdiff_t>(at),
                        wave.begin() + static_cast<std::ptrdiff_t>(at + count));
    at += count;
    ended = inbox.end_of_speech = at == wave.size();
  }
}
inline Video talk(const Request& request, const std::vector<float>& wave, Sampler sampler = Sampler::causal,
                  const std::vector<int64_t>& pieces = {1'000'000}) {
  return talk(*start(model(sampler), request), wave, pieces);
}

/// Steps until it waits.
inline void run(Generator& generator, Inbox inbox, Video& video) {
  for (;;) {
    const StepResult result = generator.step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome != StepOutcome::again) return;
  }
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
