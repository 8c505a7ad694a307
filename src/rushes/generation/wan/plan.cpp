#include "rushes/generation/wan/plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/generation/fit_effect.h"
#include "rushes/models/wan/segments.h"
#include "rushes/nn/flow_match.h"
#include "rushes/nn/solver.h"
#include "rushes/text/prompt.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;

void check_range(std::string_view field, int64_t value, int64_t least, int64_t most) {
  require(value >= least && value <= most, kBad, "{} must be from {} to {} (got {})", field, least, most, value);
}

std::string use(const std::vector<int64_t>& values) { return fmt::format("use {}", fmt::join(values, " or ")); }

void check_side(std::string_view field, int64_t value, const WanLimits& limits) {
  check_range(field, value, limits.pixel_multiple, limits.max_side);
  if (value % limits.pixel_multiple == 0) return;
  const int64_t below = value - value % limits.pixel_multiple;
  fail(kBad, "{} must be a multiple of {} (got {}; {})", field, limits.pixel_multiple, value,
       use({below, below + limits.pixel_multiple}));
}

/// "a multiple of 3" or "1 plus a multiple of 3".
std::string borders(const BlockLayout& layout) {
  return fmt::format("{}a multiple of {}", layout.independent_first_frame ? "1 plus " : "", layout.block_latent_frames);
}

/// Of the options that were given: those that this plan does not read.
void note_unused(WanPlan& plan, const Request& request, const Options& options) {
  const auto note = [&](const char* name, const std::string& reason) {
    const auto text = options.get<std::string>(name);
    if (options.has(name) && (!text || !text->empty())) plan.ignored.push_back({name, reason});
  };
  if (!plan.denoising_steps.empty()) {
    const std::string reason =
        fmt::format("the solver few_step works without guidance; {} have it", fmt::join(nn::solver_names(), ", "));
    note("guidance_scale", reason);
    note("negative_prompt", reason);
  } else if (plan.guidance_scale == 1) {
    note("negative_prompt", "guidance_scale 1 means without guidance");
  } else if (plan.guidance_scale == 0) {
    plan.ignored.push_back({"prompt", "guidance_scale 0 follows the negative prompt alone"});
  }
  if (plan.segments == 1) note("overlap", "the video has only one segment");
  if (!request.image)
    note("fit", "there is no image to fit");
  else if (!fit_has_effect(*request.image, plan.height, plan.width))
    note("fit", kNothingToFit);
}

void plan_segments(WanPlan& plan, const Request& request, const Options& options, const wan::Defaults& defaults) {
  const BlockLayout& layout = plan.layout;
  plan.segment_latent_frames = options.get<int64_t>("segment_length").value_or(defaults.segment_latent_frames);
  const int64_t length = plan.segment_latent_frames;
  require(layout.at_border(length) && length > 0, kBad, "segment_length must be {} (got {}; {})", borders(layout),
          length, use(layout.nearest(length)));
  // The default overlap follows a segment that is too short for it; an overlap that was asked for does not.
  plan.overlap_latent_frames = options.get<int64_t>("overlap").value_or(
      length > defaults.overlap_latent_frames ? defaults.overlap_latent_frames : 0);
  const int64_t overlap = plan.overlap_latent_frames;
  require(overlap < length, kBad, "overlap must be from 0 to less than segment_length, {} (got {})", length, overlap);
  require(overlap == 0 || layout.at_border(overlap), kBad, "overlap must be 0 or {} (got {}; {})", borders(layout),
          overlap, use(layout.nearest(overlap)));

  plan.segments = segments_of(request);
  const auto all_frames = [&](int64_t segments) {
    // Without overlap a segment is a cut: its decoder starts anew.
    if (overlap == 0) return segments * wan::video_frames(length, plan.temporal_stride);
    return wan::video_frames(segments * length - (segments - 1) * overlap, plan.temporal_stride);
  };
  if (request.video_frames) {
    plan.video_frames = request.video_frames;
    plan.segments = 1;
    if (overlap == 0) {
      const int64_t each = all_frames(1);
      plan.segments = (*request.video_frames + each - 1) / each;
    } else {
      const int64_t latents = wan::latent_frames_for(*request.video_frames, plan.temporal_stride);
      if (latents > length) plan.segments = 1 + (latents - length + length - overlap - 1) / (length - overlap);
    }
    require(!request.segments || *request.segments == plan.segments, kBad,
            "{} frames are {} segments of {} latent frames, but segments is {}; give one of the two",
            *request.video_frames, plan.segments, length, request.segments.value_or(0));
  } else if (plan.segments > 0) {
    plan.video_frames = all_frames(plan.segments);
  }
  check_prompts_shown(request, plan.segments);
}

std::string default_solver(const wan::Defaults& defaults) {
  return defaults.denoising_step_list.empty() ? defaults.solver : "few_step";
}

void plan_sampling(WanPlan& plan, const Options& options, const wan::Defaults& defaults) {
  plan.timestep_shift = options.get<double>("timestep_shift").value_or(defaults.timestep_shift);
  plan.train_timesteps = defaults.num_train_timestep;
  plan.context_noise = defaults.context_noise;
  plan.guidance_scale = options.get<double>("guidance_scale").value_or(defaults.guidance_scale);
  plan.negative_prompt = options.get<std::string>("negative_prompt").value_or(defaults.negative_prompt);
  const auto steps = options.get<int64_t>("steps");
  const auto given_list = options.get<std::vector<double>>("denoising_steps");
  // Only one solver takes a list, so a list says which.
  const std::string solver =
      options.get<std::string>("solver").value_or(given_list ? "few_step" : default_solver(defaults));
  if (solver != "few_step") {
    require(!given_list, kBad,
            "denoising_steps can be used only with the solver few_step (got solver '{}'); give steps instead", solver);
    plan.solver = solver;
    plan.solver_steps = steps.value_or(defaults.sampling_steps);
    return;
  }
  require(!(steps && given_list), kBad, "give either steps or denoising_steps, not both");
  std::vector<double> list = given_list.value_or(defaults.denoising_step_list);
  const auto end = static_cast<double>(defaults.num_train_timestep);
  if (steps || list.empty()) {
    const int64_t count = steps.value_or(4);
    list.clear();
    for (int64_t i = 0; i < count; ++i)
      list.push_back(std::floor(end * static_cast<double>(count - i) / static_cast<double>(count)));
  }
  double previous = end + 1;
  for (const double step : list) {
    require(step > 0 && step <= end && step < previous, kBad,
            "denoising_steps must decrease, from at most {} to above 0 (got {})", defaults.num_train_timestep,
            fmt::join(list, ", "));
    previous = step;
  }
  const nn::FlowMatchSchedule schedule(
      {.shift = plan.timestep_shift, .steps = plan.train_timesteps, .train_timesteps = plan.train_timesteps});
  plan.denoising_steps = defaults.warp_denoising_step ? schedule.warp(list) : list;
}

}  // namespace

Capabilities wan_capabilities(bool encodes_images) {
  return {.takes = encodes_images ? Modality::text | Modality::image : Modalities(Modality::text),
          .needs = Modality::text,
          .feeds = Modality::text,
          .yields = Modality::video,
          .forks = true,
          .endless = true,
          .pictures = {.max_bytes = 16 << 20, .max_pixels = 16 << 20}};
}

std::vector<OptionField> wan_options(const wan::Defaults& defaults, const WanLimits& limits) {
  const bool few_steps = !defaults.denoising_step_list.empty();
  std::vector<std::string> solvers{"few_step"};
  solvers.insert(solvers.end(), nn::solver_names().begin(), nn::solver_names().end());
  const auto most_length = static_cast<double>(limits.max_segment_latent_frames);
  const auto most_steps = static_cast<double>(limits.max_steps);
  const auto end = static_cast<double>(defaults.num_train_timestep);
  return {
      {.name = "segment_length",
       .type = OptionType::integer,
       .doc = "latent frames per segment (each except the first becomes 4 video frames)",
       .standard = defaults.segment_latent_frames,
       .least = 1,
       .most = most_length,
       .aliases = {"num_output_frames"}},
      {.name = "overlap",
       .type = OptionType::integer,
       .doc = "latent frames that a segment shares with the previous one",
       .standard = defaults.overlap_latent_frames,
       .least = 0,
       .most = most_length,
       .aliases = {"overlap_frames"}},
      {.name = "solver",
       .type = OptionType::choice,
       .doc = "method that turns noise into frames",
       .standard = default_solver(defaults),
       .choices = std::move(solvers)},
      {.name = "steps",
       .type = OptionType::integer,
       .doc = "number of denoising steps",
       .standard = few_steps ? static_cast<int64_t>(defaults.denoising_step_list.size()) : defaults.sampling_steps,
       .least = 1,
       .most = most_steps},
      {.name = "denoising_steps",
       .type = OptionType::numbers,
       .doc = "decreasing list of timesteps, instead of steps; only for the solver few_step",
       .standard = few_steps ? OptionValue(defaults.denoising_step_list) : OptionValue(),
       .least = 0,
       .most = end,
       .least_count = 1,
       .most_count = static_cast<std::size_t>(limits.max_steps),
       .aliases = {"denoising_step_list"}},
      {.name = "guidance_scale",
       .type = OptionType::number,
       .doc = "how strongly the prompt guides the video; only for the many-step solvers",
       .standard = defaults.guidance_scale,
       .least = 0,
       .most = 100,
       .aliases = {"guidance"}},
      {.name = "timestep_shift",
       .type = OptionType::number,
       .doc = "shift of the noise schedule",
       .standard = defaults.timestep_shift,
       .least = 0.01,
       .most = 100,
       .aliases = {"shift", "flow_shift"}},
      fit_option(),
      {.name = "negative_prompt",
       .type = OptionType::text,
       .doc = "description of what to avoid; only for the many-step solvers",
       .standard = defaults.negative_prompt,
       .most = static_cast<double>(text::kMaxPromptBytes)},
  };
}

WanPlan plan_video(const Request& request, const wan::Defaults& defaults, const WanLimits& limits,
                   std::span<const OptionField> fields) {
  WanPlan plan;
  check_prompts(request.prompts);
  check_numbers(request);
  plan.prompts = request.prompts;
  plan.seed = request.seed;
  plan.height = request.height.value_or(defaults.height);
  plan.width = request.width.value_or(defaults.width);
  check_side("height", plan.height, limits);
  check_side("width", plan.width, limits);
  plan.fps = request.fps.value_or(defaults.fps);
  plan.layout = {defaults.num_frame_per_block, defaults.independent_first_frame};
  plan.temporal_stride = limits.temporal_stride;
  plan.image = request.image.has_value();
  if (plan.image) {
    require(limits.encodes_images, ErrorCode::unsupported, "image: this model's autoencoder has no encoder");
    require(request.image->rgb != nullptr && request.image->height > 0 && request.image->width > 0, kBad,
            "image must not be empty");
  }
  require(!request.video, ErrorCode::unsupported, "video: this model does not accept a video");
  const Options options = checked(request.options, fields);
  plan_segments(plan, request, options, defaults);
  const int64_t segment = wan::video_frames(plan.segment_latent_frames, plan.temporal_stride);
  plan.warnings =
      limits.trained_for.warnings({plan.height, plan.width}, std::min(segment, plan.video_frames.value_or(segment)));
  plan_sampling(plan, options, defaults);
  plan.fit = fit_named(options.get<std::string>("fit").value_or(std::string(name(Fit::crop))));
  note_unused(plan, request, options);
  return plan;
}

VideoFormat WanPlan::format() const {
  VideoFormat format{.height = height, .width = width, .fps = fps, .video_frames = video_frames, .segments = segments};
  const auto blocks = [&](int64_t segment) {
    return static_cast<int64_t>(layout.blocks(given_latent_frames(segment), segment_latent_frames).size());
  };
  format.blocks_per_segment = blocks(0);
  format.blocks_per_later_segment = blocks(1);
  return format;
}

}  // namespace rushes::generation
