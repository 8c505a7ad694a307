// For tests of what talks, whatever its family: speech, a picture, and the video that comes of them.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rushes/base/image.h"
#include "rushes/generation/generator.h"
#include "rushes/generation/heap_in_use.h"

namespace rushes::generation {

inline Image test_picture(int64_t height, int64_t width) {
  auto pixels = std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(height * width * 3));
  for (std::size_t i = 0; i < pixels->size(); ++i) (*pixels)[i] = static_cast<uint8_t>(i * 7919 % 251);
  return {{pixels, pixels->data()}, height, width};
}

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

/// Frames and sound follow each other without a gap.
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
    EXPECT_EQ(block->audio.hz, 16'000);
    video.sound.insert(video.sound.end(), block->audio.samples->begin(), block->audio.samples->end());
  }
}

enum class End { with_the_last_piece, apart };

/// All of `wave` in pieces of so many samples, and its end. `video` is what there is already.
inline Video talk(Generator& generator, const std::vector<float>& wave,
                  const std::vector<int64_t>& pieces = {1'000'000}, Video video = {},
                  End end = End::with_the_last_piece) {
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
    ended = inbox.end_of_speech = at == wave.size() && (end == End::with_the_last_piece || count == 0);
  }
}

/// Steps until it waits.
inline void run(Generator& generator, Inbox inbox, Video& video) {
  for (;;) {
    const StepResult result = generator.step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome != StepOutcome::again) return;
  }
}

/// A copy is kept at each block border: it must not cost what waits to be spoken.
inline void expect_forks_to_copy_no_speech(Generator& generator) {
  constexpr int64_t kTenMinutes = 16'000 * 600;
  Inbox inbox{.prompt = {}, .speech = speech(kTenMinutes)};
  Video video;
  while (video.frames == 0 || !generator.at_block_border()) {
    const StepResult result = generator.step(std::exchange(inbox, {}));
    take(result, video);
    ASSERT_EQ(result.outcome, StepOutcome::again);
  }
  const int64_t before = heap_in_use();
  const std::unique_ptr<Generator> fork = generator.fork();
  EXPECT_LT(heap_in_use() - before, kTenMinutes);  // a quarter of its bytes
}

}  // namespace rushes::generation
