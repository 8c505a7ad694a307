// The world of drawn speakers, the rules that measure an avatar, and the stages at a tiny size.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/registry.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/imtalker/talk_evaluation.h"
#include "rushes/training/omniavatar/avatar_evaluation.h"
#include "rushes/training/omniavatar/avatar_model.h"
#include "rushes/training/omniavatar/avatar_pool.h"
#include "rushes/training/omniavatar/avatar_training.h"
#include "rushes/training/omniavatar/shipped_avatar.h"

namespace rushes::training {
namespace {

const std::filesystem::path kSpeechEncoder = RUSHES_SOURCE_DIR "/models/shipped-talk/audio_encoder.safetensors";

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().mean().item<double>(); }

TEST(AvatarWorld, draws_the_same_speaker_for_the_same_number_and_another_for_another) {
  const Speaker one = make_speaker(1, 4, Split::train), again = make_speaker(1, 4, Split::train),
                other = make_speaker(1, 5, Split::train);
  EXPECT_EQ(one.caption, again.caption);
  EXPECT_TRUE(draw_speaker(one, {}).equal(draw_speaker(again, {})));
  EXPECT_GT(difference(draw_speaker(one, {}), draw_speaker(other, {})), 0.02);
}

TEST(AvatarWorld, keeps_combinations_of_words_for_measurements) {
  using Combination = std::tuple<Hair, Cloth, Wall, Mood>;
  const auto combinations = [](Split split) {
    std::set<Combination> all;
    for (uint64_t i = 0; i < 500; ++i) {
      const SpeakerLabels l = make_speaker(3, i, split).labels;
      all.emplace(l.hair, l.cloth, l.wall, l.mood);
    }
    return all;
  };
  const std::set<Combination> trained = combinations(Split::train);
  for (const Combination& kept : combinations(Split::held_out)) EXPECT_FALSE(trained.contains(kept));
}

TEST(AvatarWorld, its_words_are_those_of_all_captions_and_no_others) {
  std::vector<std::string> captions;
  for (uint64_t i = 0; i < 10'000; ++i) {
    captions.push_back(speaker_caption(make_speaker(3, i % 500, Split::train).labels, i % 2 == 0, i));
    captions.push_back(speaker_caption(make_speaker(3, i % 500, Split::held_out).labels, false, i));
  }
  EXPECT_EQ(speaker_words().unknown_in(captions), std::vector<std::string>{});
  EXPECT_EQ(KnownWords{captions}.unknown_in(speaker_words().phrases), std::vector<std::string>{});
}

TEST(AvatarWorld, whatever_a_caption_says_changes_the_picture) {
  const Speaker speaker = make_speaker(1, 0, Split::train);
  const auto picture_as = [&](auto change) {
    SpeakerLabels labels = speaker.labels;
    labels.cut = Cut::close, labels.beard = false, labels.glasses = false;
    change(labels);
    return draw_speaker(dressed_as(speaker, labels), in_mood({}, labels.mood));
  };
  std::vector<at::Tensor> pictures;
  const auto add = [&](auto change) { pictures.push_back(picture_as(change)); };
  for (int i = 0; i < kSkins; ++i) add([i](SpeakerLabels& l) { l.skin = static_cast<Skin>(i), l.hair = Hair::red; });
  for (int i = 0; i < kHairs; ++i) add([i](SpeakerLabels& l) { l.hair = static_cast<Hair>(i), l.cut = Cut::curly; });
  for (int i = 0; i < kGarments; ++i)
    add([i](SpeakerLabels& l) { l.garment = static_cast<Garment>(i), l.cut = Cut::bald; });
  for (int i = 0; i < kMoods; ++i) add([i](SpeakerLabels& l) { l.mood = static_cast<Mood>(i), l.glasses = true; });
  for (int i = 0; i < kFramings; ++i)
    add([i](SpeakerLabels& l) { l.framing = static_cast<Framing>(i), l.beard = true; });
  for (std::size_t a = 0; a < pictures.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) EXPECT_GT(difference(pictures[a], pictures[b]), 3e-4) << a << ' ' << b;
}

TEST(AvatarWorld, begins_with_the_portrait_and_comes_to_the_mood_and_the_gesture_of_the_caption) {
  Speaker speaker = make_speaker(1, 1, Split::train);
  speaker.has_portrait = true;
  speaker.portrait = {.roll = 0.2f};
  speaker.labels.mood = Mood::happy;
  speaker.labels.gesture = Gesture::looking_left;
  Random random(1, 1);
  const std::vector<FaceControls> motion = motion_of(speaker, at::zeros({20, 3}, at::kFloat), random);
  EXPECT_EQ(motion[0].smile_left, 0);
  EXPECT_EQ(motion[0].yaw, 0);
  EXPECT_EQ(motion[8].smile_left, 1);
  EXPECT_LT(motion[8].yaw, -0.5);
}

TEST(AvatarWorld, a_mouth_at_another_frame_rate_opens_at_the_same_moments) {
  // A mouth that opens at one second: frame 25 of the one, frame 16 of the other.
  at::Tensor mouth = at::zeros({50, 3}, at::kFloat);
  mouth.narrow(0, 25, 25).fill_(1);
  const at::Tensor jaw = at_avatar_rate(mouth, 32).select(1, 0);
  EXPECT_LT(jaw.narrow(0, 0, 16).max().item<double>(), 0.3);
  EXPECT_GT(jaw.narrow(0, 16, 16).min().item<double>(), 0.7);
}

TEST(AvatarEvaluation, the_rules_name_what_drawings_show) {
  const Speaker speaker = make_speaker(2, 3, Split::held_out);
  const Performance spoken = perform(speaker, 2, 3, Split::held_out, 40);
  const at::Tensor frames = draw_frames(speaker, spoken, 0, 40);
  EXPECT_GT(correlation(seen_opening(speaker, spoken.controls, frames), spoken.mouth.select(1, 0)), 0.8);
  std::vector<Speaker> candidates;
  for (int value = 0; value < kWalls; ++value) {
    SpeakerLabels labels = speaker.labels;
    labels.wall = static_cast<Wall>(value);
    candidates.push_back(dressed_as(speaker, labels));
  }
  const std::vector<std::vector<FaceControls>> controls(candidates.size(), spoken.controls);
  EXPECT_EQ(nearest_drawing(frames.slice(0, 10, 12), candidates, controls, {10, 11}),
            static_cast<int64_t>(speaker.labels.wall));
}

TEST(AvatarPool, a_block_that_hears_live_does_not_hear_what_comes_later) {
  const wav2vec::Encoder encoder(avatar_speech_encoder(), tensor::load_safetensors(kSpeechEncoder).to(at::kFloat));
  at::manual_seed(3);
  const int64_t frames = 33;
  const at::Tensor wave = at::randn({frames * kSamplesPerVideoFrame}, at::kFloat);
  at::Tensor other = wave.clone();
  other.narrow(0, 23 * kSamplesPerVideoFrame, 10 * kSamplesPerVideoFrame).zero_();  // block 2 is frames 21 to 32
  const auto heard = [&](const at::Tensor& sound, bool live) {
    return heard_by_blocks(encoder, sound, frames, 0, 3, live);
  };
  const at::Tensor live = heard(wave, true), changed = heard(other, true), whole = heard(wave, false);
  EXPECT_EQ(live.sizes(), whole.sizes());
  EXPECT_EQ(live.size(0), 36);
  EXPECT_TRUE(live.narrow(0, 0, 24).equal(changed.narrow(0, 0, 24)));
  EXPECT_FALSE(live.narrow(0, 24, 12).equal(changed.narrow(0, 24, 12)));
}

// A block with its clean past in a cache, as it is served, against all blocks at once, as it is trained.
TEST(AvatarModel, flows_of_training_are_those_of_the_streaming_transformer) {
  at::manual_seed(4);
  const AvatarModel model{tensor::WeightMap(fresh_avatar())};
  const at::NoGradGuard no_grad;
  const int64_t C = avatar_autoencoder().latent_channels, side = 4, F = 6;
  const at::Tensor latents = at::randn({1, C, F, side, side}, at::kFloat), noisy = at::randn_like(latents);
  const AvatarBatch batch{latents,
                          omniavatar::condition_channels(latents.narrow(2, 0, 1), F, 1),
                          at::randn({1, 4 * F, avatar_transformer().speech.feature_dim}, at::kFloat),
                          {at::full({1, 48}, 5, at::kLong), at::ones({1, 48}, at::kLong)},
                          {}};
  const at::Tensor whole = model.flow(batch, latents, noisy, at::full({1, F}, 500.0, at::kFloat));
  const auto& transformer = model.transformer();
  nn::KvCache past = transformer.make_cache({.height = side, .width = side, .capacity_tokens = kAvatarWindow * 4});
  const wan::TextContext text = model.context(batch.prompts);
  const wan::FrameAdditions speech = transformer.speech(batch.features);
  std::vector<at::Tensor> blocks;
  for (int64_t begin = 0; begin < F; begin += kAvatarBlock) {
    const auto flow = [&](const at::Tensor& x, double time) {
      return transformer.forward(x.narrow(2, begin, kAvatarBlock), at::full({1, kAvatarBlock}, time, at::kFloat), text,
                                 batch.condition.narrow(2, begin, kAvatarBlock),
                                 omniavatar::frames_of(speech, begin, kAvatarBlock), past);
    };
    blocks.push_back(flow(noisy, 500));
    flow(latents, 0);
    past.commit();
  }
  const at::Tensor streamed = at::cat(blocks, 2);
  EXPECT_LT((whole - streamed).norm().item<double>(), 0.02 * streamed.norm().item<double>());  // bfloat16 products
}

TEST(AvatarTraining, every_stage_leaves_weights_that_the_product_opens_and_continues_from_its_state) {
  const ScratchFolder folder;
  const auto run = [&](int64_t batch) {
    return RunOptions{.directory = folder.path / "run",
                      .time_limit = std::chrono::seconds(1),
                      .learning_rate = 1e-4,
                      .batch = batch,
                      .threads = 1};
  };
  const RunOptions crops = run(1);
  const PictureWorld world = drawn_speakers({.run = crops, .crop = 16});
  const AvatarTrainingOptions options{.run = run(2),
                                      .speech_encoder = kSpeechEncoder,
                                      .latent_frames = 6,
                                      .fresh_per_step = 1,
                                      .text_seconds = 1,
                                      .sheet_rows = 1,
                                      .teacher_steps = 4};
  train_autoencoder(crops, world);
  for (int call = 0; call < 2; ++call) {
    train_avatar(options);
    distill_avatar(options);
  }
  export_avatar(folder.path / "run", "student.safetensors", kSpeechEncoder, folder.path / "model");
  const auto model = generation::load_model({.path = (folder.path / "model").string()});
  EXPECT_EQ(model->card().words, speaker_words());
  const Speaker speaker = make_speaker(1, 0, Split::held_out);
  const at::Tensor wave = at::zeros({9 * kSamplesPerVideoFrame}, at::kFloat);
  for (const at::Tensor& portrait : {draw_speaker(speaker, {}), at::Tensor()}) {
    const at::Tensor frames = avatar_film(*model, speaker.caption, portrait, wave, 1);
    EXPECT_EQ(frames.sizes(), at::IntArrayRef({9, 3, kAvatarSide, kAvatarSide}));
  }
}

// The bounds stand below what the weights reach; docs/models/shipped-avatar.md has the figures of more people.
TEST(ShippedAvatar, speaks_with_the_sound_and_stays_who_it_is) {
  const auto model = generation::load_model({.path = RUSHES_SOURCE_DIR "/models/shipped-avatar"});
  const AvatarQuality quality = measure_avatar(*model, 2, 6, {});
  SCOPED_TRACE(describe(quality));
  EXPECT_GE(quality.mouth, 0.45);
  EXPECT_GE(quality.free_mouth, 0.5);
  EXPECT_EQ(quality.person.percent(), 100);
  EXPECT_LE(quality.colour_drift, 20);
  EXPECT_LE(quality.free_colour_drift, 20);
}

}  // namespace
}  // namespace rushes::training
