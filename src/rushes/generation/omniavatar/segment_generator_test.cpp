// Laws of avatars that come in segments.
#include "rushes/generation/omniavatar/segment_generator.h"

#include <gmock/gmock.h>

#include "rushes/generation/omniavatar/avatar_test_video.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

}  // namespace
}  // namespace rushes::generation
