// Golden cases of OmniAvatar's whole pipelines: picture, speech, text embeddings and recorded noise to frames.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/causal_generator.h"
#include "rushes/generation/omniavatar/segment_generator.h"
#include "rushes/generation/omniavatar/speech_features.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/omniavatar/picture.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/omniavatar/configs.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {
namespace {

using generation::FrameBlock;
using generation::Inbox;
using generation::OmniAvatarParts;
using generation::OmniAvatarPlan;

/// Tensors of a case in place of random numbers.
class RecordedNoise final : public generation::NoiseSource {
 public:
  /// Named "noise_seg{segment}", or "noise" of all blocks and "renoise_{of all blocks}" of `steps` steps each.
  RecordedNoise(const Case& c, int64_t steps) : case_(&c), steps_(steps) {}
  at::Tensor segment_noise(int64_t segment, at::IntArrayRef sizes) override {
    const std::string name = fmt::format("noise_seg{}", segment);
    if (case_->has_input(name)) return checked(name, case_->exact_input(name), sizes);
    return checked("noise", case_->exact_input("noise").narrow(1, segment * sizes[1], sizes[1]), sizes);
  }
  at::Tensor renoise(int64_t, int64_t block, int64_t step, at::IntArrayRef sizes) override {
    const std::string name = fmt::format("renoise_{}", block * (steps_ - 1) + step);
    return checked(name, case_->exact_input(name), sizes);
  }
  std::unique_ptr<NoiseSource> clone() const override { return std::make_unique<RecordedNoise>(*this); }

 private:
  at::Tensor checked(const std::string& name, const at::Tensor& value, at::IntArrayRef sizes) const {
    require(value.sizes() == sizes, ErrorCode::corrupt_data, "{}: '{}' does not have the shape that the pipeline draws",
            case_->name, name);
    return value;
  }
  const Case* case_;
  int64_t steps_;
};

/// The case's networks. Its texts are their embeddings, under their own names as prompts. The speech encoder computes
/// in float32 whatever the others do.
std::shared_ptr<OmniAvatarParts> parts_of(const Case& c, const char* text, omniavatar::Sampler sampler) {
  auto parts = std::make_shared<OmniAvatarParts>();
  const tensor::WeightMap own = c.weights.under("dit.");
  const auto config = avatar_config(c.hyper.at("dit"), own, c.input(text).size(1));
  const tensor::WeightMap dit = c.completed(own, omniavatar::parameter_shapes(config));
  if (sampler == omniavatar::Sampler::causal)
    parts->causal = std::make_shared<const omniavatar::CausalAvatarTransformer>(config, dit);
  else
    parts->bidirectional = std::make_shared<const omniavatar::AvatarTransformer>(config, dit);
  const wan::VaeConfig vae = vae_config(c.hyper.at("vae"));
  parts->autoencoder =
      std::make_shared<const wan::Vae>(vae, c.completed(c.weights.under("vae."), wan::parameter_shapes(vae)));
  parts->speech = std::make_shared<const wav2vec::Encoder>(avatar_speech_config(c.hyper.at("wav2vec2")),
                                                           c.exact_weights.under("wav2vec2.").to(c.target.device));
  parts->context = [&c, causal = parts->causal, whole = parts->bidirectional](const std::string& name) {
    const at::Tensor& rows = c.input(name);
    return std::make_shared<const wan::TextContext>(causal ? causal->context(rows) : whole->context(rows));
  };
  return parts;
}

/// The case's picture and its size, which the plan gets.
at::Tensor picture_of(const Case& c, OmniAvatarPlan& plan) {
  const at::Tensor& image = c.exact_input("image");
  const omniavatar::Size own{image.size(0), image.size(1)},
      size = omniavatar::nearest_size(own, avatar_sizes(c.hyper.at("image_sizes")));
  plan.height = size.height;
  plan.width = size.width;
  return omniavatar::picture_pixels(image.cpu(), omniavatar::covering(own, size), size).to(c.target.device);
}

Inbox whole_speech(const Case& c) {
  const at::Tensor wave = c.exact_input("waveform").cpu().contiguous();
  const float* samples = wave.const_data_ptr<float>();
  return {.prompt = {}, .speech = {samples, samples + wave.numel()}, .end_of_speech = true};
}

/// Calls on_block(block) after each step that brought one.
template <typename OnBlock>
void run(generation::Generator& generator, Inbox inbox, OnBlock on_block) {
  for (;;) {
    const generation::StepResult result = generator.step(std::exchange(inbox, {}));
    for (const generation::Event& event : result.events)
      if (const auto* block = std::get_if<FrameBlock>(&event)) on_block(*block);
    if (result.outcome == generation::StepOutcome::finished) return;
    require(result.outcome == generation::StepOutcome::again, ErrorCode::internal, "the pipeline waits for speech");
  }
}

/// [-1, 1] to [0, 1], as frames are recorded: [1, T, 3, H, W].
at::Tensor recorded_video(const std::vector<at::Tensor>& frames) { return ((at::cat(frames) + 1) / 2).unsqueeze(0); }

Produced pipeline_causal(const Case& c) {
  const auto parts = parts_of(c, "context", omniavatar::Sampler::causal);
  const int64_t blocks = c.hyper.at("blocks"), steps = c.hyper.at("denoising_steps").size();
  auto plan = std::make_shared<OmniAvatarPlan>();
  at::Tensor picture = picture_of(c, *plan);
  plan->prompts = {"context"};
  plan->video_frames = 12 * blocks - 3;
  plan->settings = {.sampler = omniavatar::Sampler::causal,
                    .steps = steps,
                    .reference_lengths = true,
                    .online_mode = false,
                    .cache_tokens = c.hyper.at("cache_tokens"),
                    .sink = std::max<int64_t>(0, c.hyper.at("dit").value("sink_size", int64_t{0}))};
  generation::CausalAvatarGenerator generator(parts, plan, std::make_unique<RecordedNoise>(c, steps),
                                              std::move(picture));
  Produced produced;
  std::vector<int64_t> counts;
  std::vector<at::Tensor> frames;
  run(generator, whole_speech(c), [&](const FrameBlock& block) {
    produced.tensors[fmt::format("block{}_latents", block.block)] = generator.newest().latents;
    frames.push_back(generator.newest().frames);
    counts.push_back(frames.back().size(0));
  });
  produced.tensors["frames_per_block"] = at::tensor(counts, at::kLong);
  produced.tensors["video"] = recorded_video(frames);
  return produced;
}

Produced pipeline_segments(const Case& c) {
  const auto parts = parts_of(c, "context_pos", omniavatar::Sampler::bidirectional);
  const int64_t steps = c.hyper.at("num_steps");
  auto plan = std::make_shared<OmniAvatarPlan>();
  at::Tensor picture = picture_of(c, *plan);
  plan->prompts = {"context_pos"};
  plan->settings = {.sampler = omniavatar::Sampler::bidirectional,
                    .steps = steps,
                    .timestep_shift = c.hyper.value("shift", 5.0),
                    .fps = c.hyper.at("fps"),
                    .guidance_scale = c.hyper.at("guidance_scale"),
                    .audio_scale = {},
                    .negative_prompt = "context_neg",
                    .overlap_video_frames = c.hyper.at("overlap_frame"),
                    .max_tokens = c.hyper.at("max_tokens"),
                    .teacache = c.hyper.value("tea_cache_l1_thresh", 0.0)};
  if (const auto scale = c.hyper.find("audio_scale"); scale != c.hyper.end() && !scale->is_null())
    plan->settings.audio_scale = scale->get<double>();
  const int64_t passes = omniavatar::Guidance{plan->settings.guidance_scale, plan->settings.audio_scale}.passes();
  generation::SegmentAvatarGenerator generator(parts, plan, std::make_unique<RecordedNoise>(c, steps),
                                               std::move(picture));
  Produced produced;
  std::vector<int64_t> skipped;
  std::vector<at::Tensor> frames;
  run(generator, whole_speech(c), [&](const FrameBlock& block) {
    const auto& newest = generator.newest();
    produced.tensors[fmt::format("seg{}_latents", block.segment)] = newest.latents;
    const int64_t repeated = block.segment == 0 ? 0 : plan->settings.overlap_video_frames;
    frames.push_back(newest.frames.narrow(0, repeated, block.video_frames));
    // Of each step: with the prompt and the speech, with the prompt alone, with neither.
    for (const bool skips : newest.skipped)
      for (int64_t pass = 0; pass < passes; ++pass) skipped.push_back(skips && !(passes == 3 && pass == 1));
  });
  if (!skipped.empty()) produced.tensors["teacache_skip"] = at::tensor(skipped, at::kLong);
  produced.tensors["video"] = recorded_video(frames);
  return produced;
}

Produced audio_window(const Case& c) {
  const tensor::WeightMap dit = c.weights.under("dit.");
  const auto config = avatar_config(c.hyper.at("dit"), dit, /*text_rows=*/1);
  const omniavatar::SpeechConditioner conditioner(config, dit);
  const wav2vec::Encoder encoder(avatar_speech_config(c.hyper.at("wav2vec2")),
                                 c.exact_weights.under("wav2vec2.").to(c.target.device));
  const Inbox all = whole_speech(c);
  const std::span<const float> speech = all.speech;
  const auto part = [&](omniavatar::Span samples, int64_t of) {
    const auto within = [&](int64_t at) { return static_cast<std::size_t>(std::min(at, of)); };
    return speech.subspan(within(samples.first), within(samples.end) - within(samples.first));
  };
  const int64_t blocks = c.hyper.at("blocks"), received = c.hyper.at("sample_rate").get<int64_t>() *
                                                          c.hyper.at("frames_per_block").get<int64_t>() /
                                                          c.hyper.at("fps").get<int64_t>();
  omniavatar::SpeechWindows windows{.fps = c.hyper.at("fps"),
                                    .hz = c.hyper.at("sample_rate"),
                                    .block_frames = c.hyper.at("frames_per_block"),
                                    .context_frames = c.hyper.at("context_frames_block_mode")};
  /// [1, 12, C] of what is heard of `samples` for a block.
  const auto features = [&](std::span<const float> samples, int64_t block) {
    const at::Tensor own = generation::window_features(encoder, samples, windows.heard(block, block + 1 == blocks),
                                                       windows.frames(block), windows.least_samples);
    return block == 0 ? omniavatar::with_first_group_filled(own, config.speech.group) : own;
  };
  const auto additions = [&](std::span<const float> samples, int64_t block) {
    return conditioner.forward(features(samples, block)).values.transpose(1, 2).unsqueeze(2);  // [P, F, 1, 1, C]
  };
  Produced produced;
  const auto total = static_cast<int64_t>(speech.size());
  for (int64_t block = 0; block < blocks; ++block) {
    const omniavatar::Span heard = windows.samples(windows.heard(block, block + 1 == blocks));
    const int64_t arrived = std::min(total, (block + 1) * received);
    produced.tensors[fmt::format("accumulated_block{}", block)] = additions(part(heard, arrived), block);
    // As published: the newest piece alone, although places in it count from the beginning of the speech.
    const std::span<const float> newest = part({block * received, arrived}, total);
    const auto in_piece = [&](int64_t sample) { return std::min(static_cast<std::size_t>(sample), newest.size()); };
    produced.tensors[fmt::format("nonaccumulated_block{}", block)] =
        additions(newest.subspan(in_piece(heard.first), in_piece(heard.end) - in_piece(heard.first)), block);
  }
  windows.context_frames = c.hyper.at("context_frames_sliding_mode");
  std::vector<at::Tensor> pieces;
  for (int64_t block = 0; block < blocks; ++block)
    pieces.push_back(features(part(windows.samples(windows.heard(block, block + 1 == blocks)), total), block));
  produced.tensors["sliding_embeddings"] = at::cat(pieces, 1);
  return produced;
}

}  // namespace

void add_omniavatar_pipelines(Registry& registry) {
  registry[{"omniavatar", "audio_window"}] = audio_window;
  registry[{"omniavatar", "pipeline_causal"}] = pipeline_causal;
  registry[{"omniavatar", "pipeline_segments"}] = pipeline_segments;
}

}  // namespace rushes::verify
