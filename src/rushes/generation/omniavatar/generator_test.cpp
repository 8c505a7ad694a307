// Laws of avatars: what the speech's cutting may change (nothing), what frames and sound add up to, what a session
// holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/causal_generator.h"
#include "rushes/generation/omniavatar/model.h"
#include "rushes/generation/omniavatar/segment_generator.h"
#include "rushes/generation/omniavatar/tiny.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using omniavatar::Sampler;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kFrame = 1000;  // samples of a video frame at 16 fps

const OmniAvatarModel& model(Sampler sampler = Sampler::causal) {
  static const auto causal = random_omniavatar_model(0), whole = random_omniavatar_model(0, Sampler::bidirectional);
  return dynamic_cast<const OmniAvatarModel&>(sampler == Sampler::causal ? *causal : *whole);
}

Image picture(int64_t height = 40, int64_t width = 48) {
  auto pixels = std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(height * width * 3));
  for (std::size_t i = 0; i < pixels->size(); ++i) (*pixels)[i] = static_cast<uint8_t>(i * 7919 % 251);
  return {{pixels, pixels->data()}, height, width};
}

Request request_of() { return {.prompts = {"a person in a red coat speaks"}, .image = picture(), .seed = 42}; }

std::vector<float> speech(int64_t samples) {
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

void take(const StepResult& result, Video& video) {
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
Video talk(Generator& generator, const std::vector<float>& wave, const std::vector<int64_t>& pieces = {1'000'000},
           Video video = {}) {
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
Video talk(const Request& request, const std::vector<float>& wave, Sampler sampler = Sampler::causal,
           const std::vector<int64_t>& pieces = {1'000'000}) {
  return talk(*start(model(sampler), request), wave, pieces);
}

/// Steps until it waits.
void run(Generator& generator, Inbox inbox, Video& video) {
  for (;;) {
    const StepResult result = generator.step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome != StepOutcome::again) return;
  }
}

std::string message_of(const Request& request, Sampler sampler = Sampler::causal) {
  try {
    model(sampler).plan(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// ---- streaming ----

TEST(CausalAvatar, the_same_speech_gives_the_same_video_in_however_many_pieces_it_comes) {
  const std::vector<float> wave = speech(35 * kFrame + 417);
  for (const bool online : {true, false}) {
    SCOPED_TRACE(online);
    Request request = request_of();
    request.options.set("online_mode", online);
    const Video whole = talk(request, wave);
    EXPECT_THAT(whole.blocks, ElementsAre(9, 12, 12, 3));
    EXPECT_EQ(whole.sound, wave);
    for (const std::vector<int64_t>& pieces : std::vector<std::vector<int64_t>>{{3200}, {7001}, {1, 5000, 0, 37}}) {
      const Video video = talk(request, wave, Sampler::causal, pieces);
      EXPECT_EQ(video.blocks, whole.blocks);
      EXPECT_TRUE(video.pixels == whole.pixels) << pieces.front();
    }
  }
}

TEST(CausalAvatar, frames_and_sound_are_as_long_as_the_speech) {
  for (const int64_t samples : {1, 999, 1000, 1001, 9000, 9001, 21'000, 21'001, 30'000}) {
    SCOPED_TRACE(samples);
    for (const bool online : {true, false}) {
      Request request = request_of();
      request.options.set("online_mode", online);
      const Video video = talk(request, speech(samples));
      EXPECT_EQ(video.frames, (samples + kFrame - 1) / kFrame);
      EXPECT_EQ(static_cast<int64_t>(video.sound.size()), std::min(samples, video.frames * kFrame));
    }
  }
}

TEST(CausalAvatar, reference_lengths_are_whole_blocks_of_which_the_first_counts_like_the_others) {
  Request request = request_of();
  request.options.set("reference_lengths", true);
  EXPECT_THAT(talk(request, speech(30 * kFrame)).blocks, ElementsAre(9, 12, 12));  // ceil(30 / 12)
  EXPECT_THAT(talk(request, speech(12 * kFrame)).blocks, ElementsAre(9));
  EXPECT_THAT(talk(request, speech(13 * kFrame)).blocks, ElementsAre(9, 12));
}

TEST(CausalAvatar, a_block_leaves_as_soon_as_its_speech_and_one_frame_more_are_there) {
  const auto generator = start(model(), request_of());
  Video video;
  run(*generator, {.speech = speech(10 * kFrame - 1)}, video);
  EXPECT_EQ(video.frames, 0);
  run(*generator, {.speech = {0.25f}}, video);
  EXPECT_EQ(video.frames, 9);
  run(*generator, {.speech = speech(12 * kFrame)}, video);
  EXPECT_EQ(video.frames, 21);
}

TEST(CausalAvatar, as_many_frames_come_as_were_asked_for_cut_or_followed_by_silence) {
  Request request = request_of();
  request.video_frames = 14;
  EXPECT_THAT(talk(request, speech(30 * kFrame)).blocks, ElementsAre(9, 5));
  EXPECT_THAT(talk(request, speech(2 * kFrame)).blocks, ElementsAre(9, 5));
}

TEST(CausalAvatar, an_utterance_is_spoken_to_its_end_without_waiting_for_more) {
  const auto generator = start(model(), request_of());
  const std::vector<float> wave = speech(5 * kFrame + 5);
  Video video;
  run(*generator, {.speech = wave, .utterance_ends = {wave.size()}}, video);
  EXPECT_EQ(video.frames, 9);
  EXPECT_THAT(video.utterances, ElementsAre(9));
  run(*generator, {.speech = wave, .utterance_ends = {wave.size()}, .end_of_speech = true}, video);
  EXPECT_EQ(video.utterances.size(), 2u);
  EXPECT_EQ(video.frames, 21);  // silence fills the blocks

  const auto at_once = start(model(), request_of());
  std::vector<float> both = wave;
  both.insert(both.end(), wave.begin(), wave.end());
  Video same;
  run(*at_once, {.speech = both, .utterance_ends = {wave.size(), both.size()}, .end_of_speech = true}, same);
  EXPECT_TRUE(same.pixels == video.pixels);
  EXPECT_TRUE(same.sound == video.sound);
}

TEST(CausalAvatar, a_fork_goes_on_like_its_origin) {
  const std::vector<float> first = speech(22 * kFrame), rest = speech(15 * kFrame);
  const auto generator = start(model(), request_of());
  Video video;
  run(*generator, {.speech = first}, video);
  ASSERT_TRUE(generator->at_block_border());
  const auto fork = generator->fork();
  const Video own = talk(*generator, rest, {4000}, video), other = talk(*fork, rest, {4000}, video);
  EXPECT_EQ(own.frames, 37);
  EXPECT_TRUE(own.pixels == other.pixels);
}

TEST(CausalAvatar, another_prompt_takes_effect_at_the_next_block_and_another_seed_from_the_first) {
  const std::vector<float> first = speech(10 * kFrame), rest = speech(15 * kFrame);
  const auto generator = start(model(), request_of());
  Video video;
  run(*generator, {.speech = first}, video);
  const auto fork = generator->fork();
  const Video same = talk(*generator, rest, {100'000}, video);
  Video other = video;
  run(*fork, {.prompt = "a blue wall", .speech = rest, .end_of_speech = true}, other);
  EXPECT_THAT(other.prompts, ElementsAre(request_of().prompts.front(), "a blue wall"));
  EXPECT_EQ(same.frames, other.frames);
  EXPECT_FALSE(same.pixels == other.pixels);
  Request reseeded = request_of();
  reseeded.seed = 7;
  Video changed;
  run(*start(model(), reseeded), {.speech = first}, changed);
  EXPECT_FALSE(changed.pixels == video.pixels);
}

TEST(CausalAvatar, what_is_said_and_the_picture_change_the_video) {
  const std::vector<float> wave = speech(9 * kFrame);
  std::vector<float> louder = wave;
  for (std::size_t i = 0; i < louder.size(); ++i) louder[i] += 0.3f * std::sin(static_cast<float>(i) * 0.3f);
  const Video one = talk(request_of(), wave);
  EXPECT_FALSE(one.pixels == talk(request_of(), louder).pixels);
  Request without = request_of();
  without.image.reset();
  const Video free = talk(without, wave);
  EXPECT_EQ(free.frames, one.frames);
  EXPECT_FALSE(one.pixels == free.pixels);
}

TEST(CausalAvatar, without_speech_the_face_is_silent_for_as_long_as_was_asked_for) {
  Request request = request_of();
  request.video_frames = 20;
  const Video video = talk(request, {});
  EXPECT_THAT(video.blocks, ElementsAre(9, 11));
  EXPECT_TRUE(video.sound.empty());
  request.video_frames.reset();
  EXPECT_EQ(talk(request, {}).frames, kSilentVideoFrames);
}

TEST(CausalAvatar, a_video_that_is_to_be_silent_waits_for_no_speech) {
  for (const Sampler sampler : {Sampler::causal, Sampler::bidirectional}) {
    Request request = request_of();
    request.video_frames = 15;
    request.options.set("silent", true);
    EXPECT_EQ(model(sampler).plan(request)->format().speech_hz, 0);
    const auto generator = start(model(sampler), request);
    Video video;
    run(*generator, {}, video);
    EXPECT_EQ(video.frames, 15);
  }
}

TEST(CausalAvatar, without_anything_a_video_comes_nevertheless) {
  EXPECT_EQ(talk(Request{.video_frames = 9}, {}).frames, 9);
}

TEST(CausalAvatar, an_endless_video_holds_as_much_memory_after_300_blocks_as_after_10) {
  Request request = request_of();
  request.segments = 0;
  request.height = request.width = 16;
  request.options.set("steps", int64_t{1});
  const auto generator = start(model(), request);
  std::vector<int64_t> bytes;
  Inbox inbox{.end_of_speech = true};
  for (int64_t blocks = 0; blocks < 350;) {
    const StepResult result = generator->step(std::exchange(inbox, {}));
    ASSERT_NE(result.outcome, StepOutcome::finished);
    for (const Event& event : result.events) blocks += std::holds_alternative<FrameBlock>(event);
    if (generator->at_block_border()) bytes.push_back(generator->bytes());
  }
  // Beyond latent frame 1024, where the published table of positions ends.
  EXPECT_EQ(bytes.at(340), bytes.at(10));
}

TEST(CausalAvatar, a_stream_of_speech_holds_as_much_memory_after_300_blocks_as_after_10) {
  Request request = request_of();
  request.height = request.width = 16;
  request.options.set("steps", int64_t{1});
  const auto generator = start(model(), request);
  std::vector<int64_t> bytes;
  Video video;
  for (int64_t block = 0; block < 300; ++block) {
    run(*generator, {.speech = speech(12 * kFrame)}, video);
    video.pixels.clear();
    bytes.push_back(generator->bytes());
  }
  EXPECT_EQ(video.frames, 300 * 12 - 3);
  EXPECT_LT(bytes.back(), bytes.at(10) + 4 * 12 * kFrame * static_cast<int64_t>(sizeof(float)));
  EXPECT_EQ(static_cast<int64_t>(video.sound.size()), video.frames * kFrame);
}

TEST(CausalAvatar, blocks_are_the_same_whether_a_window_is_cut_between_latent_frames_or_holds_all) {
  Request all = request_of();
  all.options.set("window", int64_t{30});
  Request tight = request_of();
  tight.options.set("window", int64_t{3});
  tight.options.set("sink", int64_t{0});
  const std::vector<float> wave = speech(21 * kFrame);
  const Video one = talk(all, wave), other = talk(tight, wave);
  // The first block has no past; the second sees one only with a window.
  const auto first = static_cast<std::ptrdiff_t>(9 * 32 * 32 * 3);
  EXPECT_TRUE(std::equal(one.pixels.begin(), one.pixels.begin() + first, other.pixels.begin()));
  EXPECT_FALSE(one.pixels == other.pixels);
}

// ---- segments ----

TEST(SegmentAvatar, segments_follow_each_other_without_a_frame_twice_and_end_with_the_speech) {
  const struct {
    int64_t samples;
    std::vector<int64_t> blocks;  // of 13 frames that share 5: 13, 8, 8, ..
  } cases[] = {{640, {2}}, {640 * 12, {13}}, {640 * 12 + 1, {13, 1}}, {640 * 30, {13, 8, 8, 2}}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.samples);
    const Video video = talk(request_of(), speech(each.samples), Sampler::bidirectional);
    EXPECT_EQ(video.blocks, each.blocks);
    EXPECT_EQ(video.steps, static_cast<int64_t>(4 * each.blocks.size()));
    // The sound begins with the second frame, which is the first that speech belongs to.
    std::vector<float> sound(640, 0.0f);
    const std::vector<float> wave = speech(each.samples);
    sound.insert(sound.end(), wave.begin(), wave.end());
    EXPECT_TRUE(video.sound == sound);
  }
}

TEST(SegmentAvatar, reference_lengths_leave_the_last_segment_whole) {
  Request request = request_of();
  request.options.set("reference_lengths", true);
  EXPECT_THAT(talk(request, speech(640 * 30), Sampler::bidirectional).blocks, ElementsAre(13, 8, 8, 8));
}

TEST(SegmentAvatar, an_utterance_is_spoken_without_waiting_for_more_and_silence_fills_its_last_segment) {
  const auto generator = start(model(Sampler::bidirectional), request_of());
  const std::vector<float> wave = speech(640 * 5 + 3);
  Video video;
  run(*generator, {.speech = wave}, video);
  EXPECT_EQ(video.frames, 0);
  run(*generator, {.utterance_ends = {0}}, video);
  EXPECT_THAT(video.blocks, ElementsAre(13));
  EXPECT_THAT(video.utterances, ElementsAre(13));
  run(*generator, {.speech = wave, .utterance_ends = {wave.size()}}, video);
  EXPECT_THAT(video.blocks, ElementsAre(13, 8));
  std::vector<float> sound(640, 0.0f);
  for (const int64_t frames : {12, 8}) {
    sound.insert(sound.end(), wave.begin(), wave.end());
    sound.resize(sound.size() + static_cast<std::size_t>(640 * frames) - wave.size());
  }
  EXPECT_TRUE(video.sound == sound);
  // What follows without an end of its own is cut where the speech ends.
  run(*generator, {.speech = wave, .end_of_speech = true}, video);
  EXPECT_THAT(video.blocks, ElementsAre(13, 8, 6));
}

TEST(SegmentAvatar, as_many_frames_come_as_were_asked_for_cut_or_followed_by_silence) {
  Request request = request_of();
  for (const int64_t frames : {1, 14, 30}) {
    request.video_frames = frames;
    EXPECT_EQ(talk(request, speech(640 * 20), Sampler::bidirectional).frames, frames);
  }
}

TEST(SegmentAvatar, an_overlap_of_one_frame_gives_longer_segments_and_one_that_is_too_long_is_refused) {
  Request request = request_of();
  request.options.set("overlap_frame", int64_t{1});
  EXPECT_THAT(talk(request, speech(640 * 30), Sampler::bidirectional).blocks, ElementsAre(13, 12, 6));
  request.options.set("overlap_frame", int64_t{13});
  EXPECT_THAT(message_of(request, Sampler::bidirectional), HasSubstr("max_tokens 13 are segments of 13 video frames"));
  request.options.set("overlap_frame", int64_t{6});
  EXPECT_THAT(message_of(request, Sampler::bidirectional), HasSubstr("overlap_frame must be 1 plus a multiple of 4"));
}

TEST(SegmentAvatar, the_same_speech_gives_the_same_video_in_however_many_pieces_it_comes) {
  const std::vector<float> wave = speech(640 * 20 + 100);
  const Video whole = talk(request_of(), wave, Sampler::bidirectional);
  EXPECT_TRUE(talk(request_of(), wave, Sampler::bidirectional, {1, 5000, 0, 37}).pixels == whole.pixels);
}

TEST(SegmentAvatar, a_fork_between_segments_goes_on_like_its_origin) {
  const auto generator = start(model(Sampler::bidirectional), request_of());
  Video video;
  Inbox inbox{.speech = speech(640 * 25), .end_of_speech = true};
  while (video.blocks.empty() || !generator->at_block_border()) take(generator->step(std::exchange(inbox, {})), video);
  const auto fork = generator->fork();
  const Video own = talk(*generator, {}, {1}, video), other = talk(*fork, {}, {1}, video);
  EXPECT_EQ(own.frames, 26);
  EXPECT_TRUE(own.pixels == other.pixels);
}

TEST(SegmentAvatar, passes_of_guidance_as_one_batch_equal_each_alone) {
  const auto& parts = *model(Sampler::bidirectional).parts();
  const c10::InferenceMode inference;
  const omniavatar::SpeechConfig& sizes = parts.config().speech;
  tensor::RandomStream random(3);
  SegmentSampler::Segment segment{.noise = random.normal({1, 16, 4, 4, 4}),
                                  .known = random.normal({1, 16, 1, 4, 4}),
                                  .condition = omniavatar::condition_channels(random.normal({1, 16, 1, 4, 4}), 4, 1),
                                  .speech = parts.additions(random.normal({1, 16, sizes.feature_dim})),
                                  .silence = parts.additions(at::zeros({1, 16, sizes.feature_dim})),
                                  .prompts = {parts.context("a face"), parts.context("a blur")}};
  const auto& network = *parts.bidirectional;
  at::Tensor x = segment.noise.clone();
  x.narrow(2, 0, 1).copy_(segment.known);
  const auto pass = [&](const wan::TextContext& text, const wan::FrameAdditions& speech) {
    return network.forward(x, at::full({1}, 1000.0, at::kFloat), text, segment.condition, speech);
  };
  const at::Tensor neither = pass(*segment.prompts.negative, segment.silence),
                   prompt = pass(*segment.prompts.positive, segment.silence),
                   both = pass(*segment.prompts.positive, segment.speech);
  const at::Tensor wanted = x - (neither + 4 * (prompt - neither) + 2 * (both - prompt));  // one step: all of the way
  SegmentSampler sampler(parts.bidirectional, {.steps = 1, .guidance = {.text_scale = 4, .audio_scale = 2.0}}, segment);
  const at::Tensor got = sampler.step().value();
  EXPECT_LT((got - wanted).narrow(2, 1, 3).abs().max().item<double>(), 2e-4);
  EXPECT_TRUE(at::equal(got.narrow(2, 0, 1), segment.known));
}

TEST(SegmentAvatar, teacache_leaves_out_steps_and_progress_tells_them_nevertheless) {
  Request request = request_of();
  request.options.set("steps", int64_t{8});
  request.options.set("teacache", 10.0);  // all but the first and the last
  const auto generator = start(model(Sampler::bidirectional), request);
  Video video;
  run(*generator, {.speech = speech(640 * 12), .end_of_speech = true}, video);
  EXPECT_EQ(video.steps, 8);
  const auto& skipped = dynamic_cast<SegmentAvatarGenerator&>(*generator).newest().skipped;
  EXPECT_EQ(std::count(skipped.begin(), skipped.end(), true), 6);
}

TEST(SegmentAvatar, a_conversation_without_end_holds_as_much_memory_after_40_segments_as_after_4) {
  Request request = request_of();
  request.height = request.width = 16;
  request.options.set("steps", int64_t{1});
  request.options.set("max_tokens", int64_t{4});
  const auto generator = start(model(Sampler::bidirectional), request);
  const std::vector<float> wave = speech(640 * 8);
  std::vector<int64_t> bytes;
  Video video;
  for (int64_t i = 0; i < 40; ++i) {
    run(*generator, {.speech = wave, .utterance_ends = {wave.size()}}, video);
    bytes.push_back(generator->bytes());
  }
  EXPECT_EQ(video.utterances.size(), 40u);
  EXPECT_LT(bytes.back(), bytes.at(4) + 4 * static_cast<int64_t>(wave.size() * sizeof(float)));
}

TEST(SegmentAvatar, without_speech_and_without_a_picture_segments_come_as_long_as_was_asked_for) {
  const Request request{.prompts = {"a face"}, .video_frames = 20};
  const Video video = talk(request, {}, Sampler::bidirectional);
  EXPECT_THAT(video.blocks, ElementsAre(13, 7));
  EXPECT_TRUE(video.sound.empty());
}

// ---- requests ----

TEST(AvatarPlan, a_pictures_proportions_choose_the_size_unless_one_is_asked_for) {
  Request request = request_of();
  request.options.set("max_hw", int64_t{720});
  const auto size = [&] {
    const VideoFormat format = model().plan(request)->format();
    return std::pair(format.height, format.width);
  };
  request.image = picture(30, 52);
  EXPECT_EQ(size(), std::pair(int64_t{400}, int64_t{720}));
  request.image = picture(52, 30);
  EXPECT_EQ(size(), std::pair(int64_t{720}, int64_t{400}));
  request.options.set("max_hw", int64_t{1280});
  EXPECT_EQ(size(), std::pair(int64_t{1280}, int64_t{720}));
  request.height = 48;
  EXPECT_EQ(size(), std::pair(int64_t{48}, int64_t{32}));
}

TEST(AvatarPlan, a_bad_request_is_told_what_is_allowed) {
  const struct {
    const char* name;
    std::function<void(Request&)> change;
    const char* words;
  } cases[] = {
      {"a size that is no multiple", [](Request& r) { r.height = 40; }, "use 32 or 48"},
      {"two prompts",
       [](Request& r) {
         r.prompts = {"a", "b"};
       },
       "takes one prompt"},
      {"another rate", [](Request& r) { r.fps = 25; }, "fps cannot be changed"},
      {"segments", [](Request& r) { r.segments = 3; }, "segments cannot be set"},
      {"endless and a length",
       [](Request& r) {
         r.segments = 0;
         r.video_frames = 9;
       },
       "segments 0 means endless"},
      {"no steps", [](Request& r) { r.options.set("steps", int64_t{0}); }, "steps must be"},
      {"100,000 steps", [](Request& r) { r.options.set("steps", int64_t{100'000}); }, "steps must be"},
      {"another list of sizes", [](Request& r) { r.options.set("max_hw", int64_t{700}); }, "720, 1280 or 0"},
      {"a sink as large as the window", [](Request& r) { r.options.set("sink", int64_t{9}); }, "room for a block"},
      {"an empty image", [](Request& r) { r.image = Image{}; }, "image must not be empty"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    Request request = request_of();
    each.change(request);
    EXPECT_THAT(message_of(request), HasSubstr(each.words));
  }
}

TEST(AvatarPlan, options_of_the_other_sampler_are_taken_and_said_to_change_nothing) {
  Request request = request_of();
  request.options.set("guidance_scale", 3.0);
  request.options.set("tiled_vae", false);
  const auto ignored = [&](Sampler sampler) {
    const auto plan = model(sampler).plan(request);
    std::vector<std::string> fields;
    for (const Ignored& each : plan->ignored) fields.push_back(each.field);
    return fields;
  };
  EXPECT_THAT(ignored(Sampler::causal), ElementsAre("guidance_scale", "tiled_vae"));
  request.options.set("window", int64_t{9});
  EXPECT_THAT(ignored(Sampler::bidirectional), ElementsAre("window"));
}

}  // namespace
}  // namespace rushes::generation
