// Laws of avatars that stream: what the speech's cutting may change (nothing), what frames and sound add up to, what a
// session holds.
#include "rushes/generation/omniavatar/causal_generator.h"

#include <gmock/gmock.h>

#include <map>

#include "rushes/generation/omniavatar/avatar_test_video.h"
#include "rushes/tensor/peak_memory.h"

namespace rushes::generation {
namespace {

using testing::ElementsAre;

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

TEST(CausalAvatar, without_a_picture_the_first_latent_frame_is_the_reference_of_later_blocks_where_a_model_wants_that) {
  const auto& parts = *model().parts();
  const c10::InferenceMode inference;
  const omniavatar::CausalAvatarTransformer& network = *parts.causal;
  const int64_t C = network.config().wan.out_dim, capacity = 100;
  const omniavatar::SpeechConfig& sizes = network.config().speech;
  const auto text = parts.context("a face");
  tensor::RandomStream random(5);
  std::vector<wan::FrameAdditions> said;
  for (int block = 0; block < 3; ++block)
    said.push_back(parts.additions(random.normal({1, 3 * sizes.group, sizes.feature_dim})));

  // By hand: one step is all of the way from noise, x - 1 * flow; then the clean pass.
  SeededNoise noise(8);
  nn::KvCache past = network.make_cache({.height = 4, .width = 4, .capacity_tokens = capacity});
  at::Tensor reference = at::zeros({1, C, 1, 4, 4});
  std::vector<at::Tensor> wanted;
  for (int64_t block = 0; block < 3; ++block) {
    const at::Tensor y = at::cat({reference.expand({1, C, 3, 4, 4}), at::ones({1, 1, 3, 4, 4})}, 1),
                     x = noise.segment_noise(block, {1, 3, C, 4, 4}).transpose(1, 2);
    const auto flow = [&](const at::Tensor& latents, double time) {
      return network.forward(latents, at::full({1, 3}, time, at::kFloat), *text, y,
                             said[static_cast<std::size_t>(block)], past);
    };
    wanted.push_back(x - flow(x, 1000));
    flow(wanted.back(), 0);
    past.commit();
    if (block == 0) reference = wanted.back().narrow(2, 0, 1);
  }

  for (const bool own_reference : {true, false}) {
    SCOPED_TRACE(own_reference);
    CausalPipeline pipeline(
        parts.causal,
        {.height = 4, .width = 4, .steps = 1, .capacity_tokens = capacity, .own_reference = own_reference});
    SeededNoise same(8);
    for (std::size_t block = 0; block < 3; ++block) {
      pipeline.begin(said[block], same);
      const at::Tensor got = pipeline.step(*text, same).value().transpose(1, 2);
      pipeline.step(*text, same);
      const auto distance = (got - wanted[block]).abs().max().item<double>();
      if (own_reference || block == 0)
        EXPECT_LT(distance, 1e-5);
      else
        EXPECT_GT(distance, 1e-3);
    }
  }

  Request request = request_of();
  const std::vector<float> wave = speech(21 * kFrame);
  for (const bool has_picture : {true, false}) {
    if (!has_picture) request.image.reset();
    request.options.set("own_reference", false);
    const Video blind = talk(request, wave);
    request.options.set("own_reference", true);
    EXPECT_EQ(blind.pixels == talk(request, wave).pixels, has_picture);
  }
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

TEST(CausalAvatar, blocks_that_were_computed_together_are_those_that_each_would_have_made_alone) {
  // Other prompts, pictures, windows and seeds, and the first one is two blocks ahead.
  std::vector<Request> requests(3, request_of());
  requests[1].image.reset();
  requests[1].prompts = {"a blue wall"};
  requests[1].seed = 8;
  requests[2].options.set("window", int64_t{3});
  const std::vector<float> wave = speech(47 * kFrame + 11);
  std::vector<Video> alone, together(requests.size());
  std::vector<std::unique_ptr<Generator>> generators;
  for (const Request& request : requests) {
    alone.push_back(talk(request, wave, Sampler::causal, {5000}));
    generators.push_back(start(model(), request));
  }
  std::vector<std::size_t> at(requests.size());
  run(*generators[0], {.speech = std::vector<float>(wave.begin(), wave.begin() + 22 * kFrame)}, together[0]);
  at[0] = 22 * kFrame;
  EXPECT_EQ(together[0].frames, 21);
  int64_t shared = 0;
  std::vector<bool> finished(requests.size());
  while (std::find(finished.begin(), finished.end(), false) != finished.end()) {
    std::vector<Inbox> inboxes(requests.size());
    std::map<std::string, std::vector<Waiting>> shapes;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (finished[i]) continue;
      const std::size_t end = std::min(wave.size(), at[i] + 5000);
      inboxes[i].speech.assign(wave.begin() + static_cast<std::ptrdiff_t>(at[i]),
                               wave.begin() + static_cast<std::ptrdiff_t>(end));
      inboxes[i].end_of_speech = at[i] == wave.size();
      at[i] = end;
      const std::string shape = generators[i]->shape_of_step(inboxes[i]);
      if (!shape.empty()) shapes[shape].push_back({generators[i].get(), &inboxes[i]});
    }
    for (const auto& [shape, waiting] : shapes) {
      model().prepare(waiting);
      shared += static_cast<int64_t>(waiting.size());
      EXPECT_EQ(waiting.front().generator->shape_of_step(*waiting.front().inbox), "") << "it is prepared already";
      EXPECT_EQ(waiting.front().generator->fork()->shape_of_step(*waiting.front().inbox), shape);
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
      while (!finished[i]) {
        const StepResult result = generators[i]->step(std::exchange(inboxes[i], {}));
        take(result, together[i]);
        finished[i] = result.outcome == StepOutcome::finished;
        if (result.outcome != StepOutcome::again || generators[i]->at_block_border()) break;
      }
    }
  }
  EXPECT_GE(shared, 6);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(together[i].blocks, alone[i].blocks);
    EXPECT_EQ(together[i].steps, alone[i].steps);
    EXPECT_TRUE(together[i].pixels == alone[i].pixels);
    EXPECT_TRUE(together[i].sound == alone[i].sound);
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

TEST(CausalAvatar, takes_about_the_memory_that_its_plan_tells) {
  for (const Sampler sampler : {Sampler::causal, Sampler::bidirectional})
    for (const int64_t side : {128, 256}) {
      SCOPED_TRACE(testing::Message() << (sampler == Sampler::causal ? "causal " : "segments ") << side);
      Request request = request_of();
      request.height = request.width = side;
      request.video_frames = 17;
      request.options.set("steps", int64_t{1});
      request.options.set("max_tokens", 5 * (side / 16) * (side / 16));  // of a segment: five latent frames
      const int64_t told = model(sampler).plan(request)->working_bytes;
      const int64_t taken = tensor::peak_memory([&] { talk(request, speech(17 * kFrame), sampler); });
      EXPECT_GT(told, taken * 4 / 5);
      EXPECT_LT(told, taken * 4);
    }
}

TEST(CausalAvatar, a_fork_does_not_copy_the_minutes_of_speech_that_wait) {
  expect_forks_to_copy_no_speech(*start(model(), request_of()));
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

}  // namespace
}  // namespace rushes::generation
