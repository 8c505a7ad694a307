// Runners of the pipeline cases: sampling, segments, decoding and interaction together, with recorded noise.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/generation/interactive_session.h"
#include "rushes/generation/wan/generator.h"
#include "rushes/generation/wan/pipeline.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/pixels.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {
namespace {

using nlohmann::json;

/// Tensors of a case in place of random numbers.
class RecordedNoise final : public generation::NoiseSource {
 public:
  /// Named "noise" or "noise_seg{segment}", "renoise_b{block}" or "renoise_seg{segment}_b{block}".
  explicit RecordedNoise(const Case& c) : case_(&c) {}
  at::Tensor segment_noise(int64_t segment, at::IntArrayRef sizes) override {
    const std::string long_name = fmt::format("noise_seg{}", segment);
    const std::string name = case_->has_input(long_name) ? long_name : "noise";
    return checked(name, case_->input(name), sizes);
  }
  at::Tensor renoise(int64_t segment, int64_t block, int64_t step, at::IntArrayRef sizes) override {
    const std::string long_name = fmt::format("renoise_seg{}_b{}", segment, block);
    const std::string name = case_->has_input(long_name) ? long_name : fmt::format("renoise_b{}", block);
    // [steps, B * f, C, h, w] or, with a batch, [steps, B, f, C, h, w].
    return checked(name, case_->input(name)[step].reshape(sizes), sizes);
  }
  std::unique_ptr<NoiseSource> clone() const override { return std::make_unique<RecordedNoise>(*this); }

 private:
  at::Tensor checked(const std::string& name, const at::Tensor& value, at::IntArrayRef sizes) const {
    require(value.sizes() == sizes, ErrorCode::corrupt_data, "{}: '{}' does not have the shape that the pipeline draws",
            case_->name, name);
    return value.to(at::kFloat);
  }
  const Case* case_;
};

std::shared_ptr<const wan::CausalTransformer> transformer_of(const Case& c) {
  const std::string prefix = "generator.model.";
  const bool prefixed = std::any_of(c.weights.tensors().begin(), c.weights.tensors().end(),
                                    [&](const auto& entry) { return entry.first.starts_with(prefix); });
  const wan::TransformerConfig config = transformer_config(c.hyper.at("generator"));
  return std::make_shared<const wan::CausalTransformer>(
      config, c.completed(prefixed ? c.weights.under(prefix) : c.weights, wan::parameter_shapes(config)));
}

/// Frames of the right number and size, all grey: for cases of which no picture is recorded, so that they come without
/// the decoder's weights.
class Undecoded final : public wan::Autoencoder {
 public:
  explicit Undecoded(wan::VaeConfig config) : config_(std::move(config)) {}
  int64_t latent_channels() const override { return config_.z_dim; }
  int64_t spatial_stride() const override { return config_.spatial_stride(); }
  int64_t temporal_stride() const override { return config_.temporal_stride(); }
  int64_t decoding_bytes(int64_t, int64_t, int64_t) const override { return 0; }
  std::unique_ptr<wan::StreamDecoder> decoder() const override { return std::make_unique<Stream>(config_); }
  at::Tensor encode(const at::Tensor&) const override {
    fail(ErrorCode::unsupported, "a case without pictures encodes none");
  }

 private:
  class Stream final : public wan::StreamDecoder {
   public:
    explicit Stream(const wan::VaeConfig& config) : side_(config.spatial_stride()), per_(config.temporal_stride()) {}
    at::Tensor decode(const at::Tensor& latents) override {
      const int64_t T = latents.size(0) * per_ - (begun_ ? 0 : per_ - 1);
      begun_ = true;
      return at::zeros({T, 3, latents.size(2) * side_, latents.size(3) * side_}, latents.options().dtype(at::kFloat));
    }
    std::unique_ptr<wan::StreamDecoder> clone() const override { return std::make_unique<Stream>(*this); }
    int64_t bytes() const override { return 0; }

   private:
    int64_t side_, per_;
    bool begun_ = false;
  };
  wan::VaeConfig config_;
};

constexpr const char* kVae = "vae.model.";

/// `decodes`: pictures are wanted.
std::shared_ptr<const wan::Autoencoder> vae_of(const Case& c, bool decodes) {
  const wan::VaeConfig config = vae_config(c.hyper.at("vae"));
  if (!decodes) return std::make_shared<const Undecoded>(config);
  return std::make_shared<const wan::Vae>(config, c.weights.under(kVae));
}

/// The latent of the case's picture, [1, F, C, h, w].
at::Tensor image_latent(const Case& c) {
  const wan::VaeEncoder encoder(vae_config(c.hyper.at("vae")), c.weights.under(kVae));
  wan::VaeState state;
  return encoder.forward(c.input("image").to(at::kFloat), state).transpose(1, 2);
}

std::shared_ptr<const wan::TextContext> context_of(const wan::CausalTransformer& model, const at::Tensor& embeds) {
  return std::make_shared<const wan::TextContext>(model.context(embeds));
}

generation::BlockLayout layout_of(const json& pipeline) {
  return {pipeline.value("num_frame_per_block", int64_t{3}), pipeline.value("independent_first_frame", false)};
}

std::vector<double> few_steps_of(const json& pipeline) {
  const auto list = pipeline.at("denoising_step_list").get<std::vector<double>>();
  if (!pipeline.value("warp_denoising_step", true)) return list;
  return nn::FlowMatchSchedule({.shift = pipeline.value("timestep_shift", 5.0)}).warp(list);
}

/// Runs one segment to its end, the last clean re-run included, as the reference does.
void run_segment(generation::SegmentPipeline& pipeline, const generation::PromptContext& prompt,
                 generation::NoiseSource& noise) {
  while (pipeline.next() != generation::Work::done) pipeline.step(prompt, noise);
}

at::Tensor scalar(int64_t value) { return at::tensor({value}, at::kLong); }

Produced few_step(const Case& c) {
  const json& settings = c.hyper.at("pipeline");
  const auto model = transformer_of(c);
  const at::Tensor& drawn = c.input("noise");
  at::Tensor given;
  if (c.has_input("initial_latent")) given = c.input("initial_latent");
  if (c.has_input("image")) given = image_latent(c).expand({drawn.size(0), -1, -1, -1, -1});
  const int64_t total = drawn.size(1) + (given.defined() ? given.size(1) : 0);

  const generation::SamplingOptions sampling{.denoising_steps = few_steps_of(settings),
                                             .context_noise = settings.value("context_noise", 0.0),
                                             .timestep_shift = settings.value("timestep_shift", 5.0)};
  generation::SegmentPipeline pipeline(model, sampling, layout_of(settings),
                                       {.batch = drawn.size(0),
                                        .channels = drawn.size(2),
                                        .height = drawn.size(3),
                                        .width = drawn.size(4),
                                        .capacity_latent_frames = total});
  RecordedNoise noise(c);
  const generation::PromptContext prompt{context_of(*model, c.input("prompt_embeds")), nullptr};
  pipeline.begin(0, given, total, noise);
  run_segment(pipeline, prompt, noise);

  Produced out;
  const at::Tensor latents = pipeline.latents();
  out.tensors["latents"] = latents;
  out.tensors["num_model_calls"] = scalar(pipeline.model_calls());
  const at::Tensor* head = c.wanted("frames_float_head");
  if (!c.wants("frames_u8") && head == nullptr) return out;
  const auto vae = vae_of(c, true);
  std::vector<at::Tensor> videos;
  for (int64_t sample = 0; sample < latents.size(0); ++sample)
    videos.push_back(vae->decoder()->decode(latents[sample]));
  const at::Tensor unit = (at::stack(videos) * 0.5 + 0.5).clamp(0, 1);  // [B, T, 3, H, W]
  out.tensors["frames_u8"] = wan::frames_to_uint8(videos[0]);
  if (head != nullptr) out.tensors["frames_float_head"] = unit.narrow(1, 0, head->size(1));
  return out;
}

Produced multi_step(const Case& c) {
  const json& settings = c.hyper.at("pipeline");
  require(
      settings.value("start_frame_index", int64_t{0}) == 0, ErrorCode::unsupported,
      "{}: start_frame_index other than 0 is not supported: attention would include zero keys before the first frame",
      c.name);
  const auto model = transformer_of(c);
  const at::Tensor& drawn = c.input("noise");
  const generation::SamplingOptions sampling{.denoising_steps = {},
                                             .timestep_shift = settings.value("timestep_shift", 5.0),
                                             .solver = settings.at("solver"),
                                             .solver_steps = settings.at("sampling_steps"),
                                             .guidance_scale = settings.at("guidance_scale")};
  const at::Tensor given = c.has_input("initial_latent") ? c.input("initial_latent") : at::Tensor();
  const int64_t total = drawn.size(1) + (given.defined() ? given.size(1) : 0);
  generation::SegmentPipeline pipeline(model, sampling, layout_of(settings),
                                       {.batch = drawn.size(0),
                                        .channels = drawn.size(2),
                                        .height = drawn.size(3),
                                        .width = drawn.size(4),
                                        .capacity_latent_frames = total});
  RecordedNoise noise(c);
  const generation::PromptContext prompt{context_of(*model, c.input("prompt_embeds")),
                                         context_of(*model, c.input("negative_embeds"))};
  pipeline.begin(0, given, total, noise);
  run_segment(pipeline, prompt, noise);
  return {{{"latents", pipeline.latents()}, {"num_model_calls", scalar(pipeline.model_calls())}}, {}};
}

/// What both Inferix kinds produce, gathered block by block.
class CallbackFrames {
 public:
  void add(const generation::WanGenerator& generator) {
    const at::Tensor& frames = generator.newest().frames;
    bytes_.push_back(wan::frames_to_uint8(frames));
    unit_.push_back((frames * 0.5 + 0.5).clamp(0, 1).permute({0, 2, 3, 1}));
    counts_.push_back(frames.size(0));
  }
  int64_t size() const { return static_cast<int64_t>(counts_.size()); }
  void put(const Case& c, Produced& out) const {
    const at::Tensor video = at::cat(unit_);
    out.tensors["frames_u8"] = at::cat(bytes_);
    out.tensors["frames_per_callback"] = at::tensor(counts_, at::kLong);
    out.tensors["video_total_frames"] = scalar(video.size(0));
    if (const at::Tensor* tail = c.wanted("video_float_tail")) {
      const int64_t kept = tail->size(1);
      out.tensors["video_float_tail"] = video.narrow(0, video.size(0) - kept, kept).unsqueeze(0);
    }
  }

 private:
  std::vector<at::Tensor> bytes_, unit_;
  std::vector<int64_t> counts_;
};

/// A generator over the parts of a case, with prompts by their letters and the decoder of Inferix's callback.
std::unique_ptr<generation::WanGenerator> inferix_generator(const Case& c, std::vector<std::string> prompts) {
  const json& settings = c.hyper.at("pipeline");
  const auto transformer = transformer_of(c);
  const auto text = std::make_shared<const wan::Umt5Encoder>(text_config(c.hyper.at("text_encoder")),
                                                             c.weights.under("text_encoder.text_encoder."));
  const std::shared_ptr<const wan::Autoencoder> vae = vae_of(c, c.wants("frames_u8") || c.wants("video_float_tail"));
  auto parts = std::make_shared<generation::WanParts>();
  parts->transformer = transformer;
  parts->decoder = parts->encoder = vae;
  parts->context = [&c, transformer, text](const std::string& prompt) {
    return context_of(*transformer, text->encode(c.input("ids_" + prompt), c.input("mask_" + prompt)));
  };
  const auto latent_hw = settings.at("latent_hw").get<std::vector<int64_t>>();
  generation::WanPlan plan;
  plan.prompts = std::move(prompts);
  plan.segments = settings.at("num_segments");
  plan.segment_latent_frames = settings.at("segment_length");
  plan.overlap_latent_frames = settings.at("overlap_frames");
  plan.height = latent_hw[0] * vae->spatial_stride();
  plan.width = latent_hw[1] * vae->spatial_stride();
  plan.layout = layout_of(settings);
  plan.denoising_steps = few_steps_of(settings);
  plan.timestep_shift = settings.value("timestep_shift", 5.0);
  plan.context_noise = settings.value("context_noise", 0.0);
  using Options = generation::WanGenerator::Options;
  return std::make_unique<generation::WanGenerator>(
      parts, plan, std::make_unique<RecordedNoise>(c), at::Tensor(),
      Options{.decode = generation::DecodeMode::restart_every_block, .rerun_last_block = true});
}

Produced inferix_segments(const Case& c) {
  const auto generator = inferix_generator(c, c.hyper.at("pipeline").at("prompts"));
  Produced out;
  CallbackFrames callbacks;
  for (bool finished = false; !finished;) {
    const int64_t segment = generator->segment();
    const generation::StepResult result = generator->step({});
    finished = result.outcome == generation::StepOutcome::finished;
    for (const generation::Event& event : result.events)
      if (std::holds_alternative<generation::FrameBlock>(event)) callbacks.add(*generator);
    if (finished || generator->segment() != segment)
      out.tensors[fmt::format("latents_seg{}", segment)] = generator->segment_latents();
  }
  callbacks.put(c, out);
  return out;
}

/// The same under an interactive session whose inputs arrive during the callbacks that `events` names.
Produced inferix_interactive(const Case& c) {
  const json& settings = c.hyper.at("pipeline");
  const std::string first = settings.at("prompts").at(0);
  const auto generator = inferix_generator(c, {first});
  generation::InteractiveSession session(
      {.id = c.name,
       .prompt = first,
       .policy = generation::parse_apply_policy(settings.value("apply_policy", "next_segment")),
       .segments = settings.at("num_segments")});
  const auto submit = [&](int64_t segment, int64_t callback) {
    for (const json& event : c.hyper.at("events")) {
      if (event.at("segment") != segment || event.at("callback") != callback) continue;
      generation::InteractiveSession::Input input;
      if (event.contains("submit_prompt")) input.prompt = event["submit_prompt"].get<std::string>();
      if (event.contains("submit_control"))
        input.control = generation::parse_control(event["submit_control"].get<std::string>());
      session.submit(std::move(input));
    }
  };
  Produced out;
  CallbackFrames callbacks;
  for (bool finished = false; !finished;) {
    generation::Inbox inbox;
    if (generator->at_segment_border()) {
      const auto checkpoint =
          session.evaluate_checkpoint(generation::InteractiveSession::Place::segment, generator->segment());
      if (!checkpoint.should_continue) break;
      inbox.prompt = checkpoint.new_prompt;
    }
    const int64_t segment = generator->segment();
    const generation::StepResult result = generator->step(inbox);
    finished = result.outcome == generation::StepOutcome::finished;
    for (const generation::Event& event : result.events) {
      const auto* block = std::get_if<generation::FrameBlock>(&event);
      if (block == nullptr) continue;
      callbacks.add(*generator);
      submit(block->segment, block->block);
    }
    if (finished || generator->segment() != segment)
      out.tensors[fmt::format("latents_seg{}", segment)] = generator->segment_latents();
  }
  session.end();
  callbacks.put(c, out);
  return out;
}

json optional_json(const auto& value) { return value ? json(*value) : json(nullptr); }

/// Does one operation of the log and returns what it answered.
json operate(generation::InteractiveSession& session, const json& operation) {
  const std::string what = operation.at(0);
  if (what == "submit") {
    const json& given = operation.at(1);
    generation::InteractiveSession::Input input;
    if (given.contains("prompt") && !given["prompt"].is_null()) input.prompt = given["prompt"].get<std::string>();
    if (given.contains("guidance_scale") && !given["guidance_scale"].is_null())
      input.guidance_scale = given["guidance_scale"].get<double>();
    if (given.contains("control") && !given["control"].is_null())
      input.control = generation::parse_control(given["control"].get<std::string>());
    const auto receipt = session.submit(std::move(input));
    return {{"will_apply_at", receipt.will_apply_at}, {"estimated_wait_seconds", receipt.estimated_wait_seconds}};
  }
  if (what == "checkpoint") {
    using Place = generation::InteractiveSession::Place;
    const auto place = operation.at(1) == "block" ? Place::block : Place::segment;
    const auto result = session.evaluate_checkpoint(place, operation.at(2));
    return {{"should_continue", result.should_continue},
            {"command", generation::name(result.command)},
            {"new_prompt", optional_json(result.new_prompt)},
            {"new_guidance", optional_json(result.new_guidance)}};
  }
  if (what == "progress") {
    session.update_progress(operation.at(1), operation.at(2), operation.at(3), operation.at(4));
    return {{"status", session.status()}};
  }
  require(what == "end", ErrorCode::unsupported, "operation '{}' of an interactive session is unknown", what);
  session.end();
  return json::object();
}

Produced interactive_session(const Case& c) {
  Produced out;
  size_t number = 0;
  for (const json& entry : c.io) {
    generation::InteractiveSession session(
        {.id = entry.value("session_id", "SID"),
         .prompt = entry.value("prompt", "A"),
         .guidance_scale = c.hyper.value("guidance", 7.5),
         .policy = generation::parse_apply_policy(entry.value("policy", "next_segment")),
         .segments = entry.value("num_segments", int64_t{3}),
         .blocks_per_segment = entry.value("blocks_per_segment", int64_t{7}),
         .seconds_per_block = c.hyper.value("avg_time_per_block", 0.5)});
    size_t index = 0;
    for (const json& step : entry.at("steps")) {
      json got{{"op", step.at("op")}};
      got["result"] = operate(session, step.at("op"));
      // Recorded statuses list only the fields that matter; ours has more (queued_inputs).
      if (got["result"].contains("status") && step.at("result").contains("status")) {
        const json status = got["result"]["status"];  // a copy: the loop erases from the original
        for (const auto& [key, value] : status.items())
          if (!step["result"]["status"].contains(key)) got["result"]["status"].erase(key);
      }
      got["queue_states"] = json::array();
      for (const auto& input : session.inputs()) got["queue_states"].push_back(generation::name(input.state));
      got["session_state"] = generation::name(session.state());
      got["should_pause"] = session.should_pause();
      got["should_stop"] = session.should_stop();
      got["current_prompt"] = session.prompt();
      got["current_guidance"] = session.guidance_scale();
      out.checks.push_back({fmt::format("session {} step {} {}", number, index++, step.at("op").dump()), got == step,
                            got == step ? "" : fmt::format("got {}, expected {}", got.dump(), step.dump())});
    }
    ++number;
  }
  return out;
}

}  // namespace

void add_wan_pipelines(Registry& registry) {
  registry[{"wan", "pipeline_few_step"}] = few_step;
  registry[{"wan", "pipeline_multi_step"}] = multi_step;
  registry[{"wan", "inferix_segments"}] = inferix_segments;
  registry[{"wan", "inferix_interactive"}] = inferix_interactive;
  registry[{"wan", "interactive_session"}] = interactive_session;
}

}  // namespace rushes::verify
