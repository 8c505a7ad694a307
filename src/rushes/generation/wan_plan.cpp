#include "rushes/generation/wan_plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/models/wan/segments.h"
#include "rushes/nn/flow_match.h"
#include "rushes/nn/solver.h"
#include "rushes/text/utf8.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;

void check_range(std::string_view field, int64_t value, int64_t least, int64_t most) {
  require(value >= least && value <= most, kBad, "{} must be from {} to {} (got {})", field, least, most, value);
}

void check_range(std::string_view field, double value, double least, double most) {
  require(std::isfinite(value) && value >= least && value <= most, kBad, "{} must be from {} to {} (got {})", field,
          least, most, value);
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

void plan_segments(WanPlan& plan, const VideoRequest& request, const wan::Defaults& defaults, const WanLimits& limits) {
  const BlockLayout& layout = plan.layout;
  plan.segment_latent_frames = request.segment_latent_frames.value_or(defaults.segment_latent_frames);
  const int64_t length = plan.segment_latent_frames;
  check_range("segment_length", length, 1, limits.max_segment_latent_frames);
  require(layout.at_border(length) && length > 0, kBad, "segment_length must be {} (got {}; {})", borders(layout),
          length, use(layout.nearest(length)));
  // The default overlap follows a segment that is too short for it; an overlap that was asked for does not.
  plan.overlap_latent_frames = request.overlap_latent_frames.value_or(
      length > defaults.overlap_latent_frames ? defaults.overlap_latent_frames : 0);
  const int64_t overlap = plan.overlap_latent_frames;
  require(overlap >= 0 && overlap < length, kBad,
          "overlap_frames must be from 0 to less than segment_length, {} (got {})", length, overlap);
  require(overlap == 0 || layout.at_border(overlap), kBad, "overlap_frames must be 0 or {} (got {}; {})",
          borders(layout), overlap, use(layout.nearest(overlap)));

  check_range("num_segments", request.segments, 0, limits.max_segments);
  plan.segments = request.segments;
  const auto all_frames = [&](int64_t segments) {
    // Without overlap a segment is a cut: its decoder starts anew.
    if (overlap == 0) return segments * wan::video_frames(length, plan.temporal_stride);
    return wan::video_frames(segments * length - (segments - 1) * overlap, plan.temporal_stride);
  };
  if (request.video_frames) {
    check_range("frames", *request.video_frames, 1, all_frames(limits.max_segments));
    plan.video_frames = request.video_frames;
    plan.segments = 1;
    if (overlap == 0) {
      const int64_t each = all_frames(1);
      plan.segments = (*request.video_frames + each - 1) / each;
    } else {
      const int64_t latents = wan::latent_frames_for(*request.video_frames, plan.temporal_stride);
      if (latents > length) plan.segments = 1 + (latents - length + length - overlap - 1) / (length - overlap);
    }
  } else if (plan.segments > 0) {
    plan.video_frames = all_frames(plan.segments);
  }
}

void plan_sampling(WanPlan& plan, const VideoRequest& request, const wan::Defaults& defaults, const WanLimits& limits) {
  plan.timestep_shift = request.timestep_shift.value_or(defaults.timestep_shift);
  check_range("timestep_shift", plan.timestep_shift, 0.01, 100.0);
  plan.train_timesteps = defaults.num_train_timestep;
  plan.context_noise = defaults.context_noise;
  plan.guidance_scale = request.guidance_scale.value_or(defaults.guidance_scale);
  check_range("guidance_scale", plan.guidance_scale, 0.0, 100.0);
  plan.negative_prompt = request.negative_prompt.value_or(defaults.negative_prompt);
  require(plan.negative_prompt.size() <= limits.max_prompt_bytes, ErrorCode::too_large,
          "negative_prompt is {} bytes; the limit is {}", plan.negative_prompt.size(), limits.max_prompt_bytes);
  if (request.steps) check_range("steps", *request.steps, 1, limits.max_steps);

  const std::string default_solver = defaults.denoising_step_list.empty() ? "unipc" : "few_step";
  const std::string solver = request.solver.value_or(default_solver);
  std::vector<std::string> known{"few_step"};
  known.insert(known.end(), nn::solver_names().begin(), nn::solver_names().end());
  require(std::find(known.begin(), known.end(), solver) != known.end(), kBad, "solver must be one of {} (got '{}')",
          fmt::join(known, ", "), solver);
  if (solver != "few_step") {
    require(!request.denoising_steps, kBad,
            "denoising_step_list belongs to the solver few_step (got solver '{}'); give steps instead", solver);
    plan.solver = solver;
    plan.solver_steps = request.steps.value_or(defaults.sampling_steps);
    return;
  }
  require(!(request.steps && request.denoising_steps), kBad, "give either steps or denoising_step_list, not both");
  std::vector<double> list = request.denoising_steps.value_or(defaults.denoising_step_list);
  const auto end = static_cast<double>(defaults.num_train_timestep);
  if (request.steps || list.empty()) {
    const int64_t steps = request.steps.value_or(4);
    list.clear();
    for (int64_t i = 0; i < steps; ++i)
      list.push_back(std::floor(end * static_cast<double>(steps - i) / static_cast<double>(steps)));
  }
  require(list.size() <= static_cast<size_t>(limits.max_steps), kBad,
          "denoising_step_list has {} steps; the limit is {}", list.size(), limits.max_steps);
  double previous = end + 1;
  for (const double step : list) {
    require(std::isfinite(step) && step > 0 && step <= end && step < previous, kBad,
            "denoising_step_list must fall from at most {} and stay above 0 (got {})", defaults.num_train_timestep,
            fmt::join(list, ", "));
    previous = step;
  }
  const nn::FlowMatchSchedule schedule(
      {.shift = plan.timestep_shift, .steps = plan.train_timesteps, .train_timesteps = plan.train_timesteps});
  plan.denoising_steps = defaults.warp_denoising_step ? schedule.warp(list) : list;
}

}  // namespace

void check_prompt(std::string_view prompt, std::string_view field, std::size_t max_bytes) {
  require(prompt.size() <= max_bytes, ErrorCode::too_large, "{} is {} bytes; the limit is {}", field, prompt.size(),
          max_bytes);
  require(prompt.find_first_not_of(" \t\r\n\v\f") != std::string_view::npos, kBad, "{} must not be empty", field);
  require(prompt.find('\0') == std::string_view::npos, kBad, "{} must not hold NUL characters", field);
  text::require_utf8(prompt, field);
}

WanPlan plan_video(const VideoRequest& request, const wan::Defaults& defaults, const WanLimits& limits) {
  WanPlan plan;
  require(!request.prompts.empty(), kBad, "prompts must hold at least one prompt");
  require(request.prompts.size() <= limits.max_prompts, kBad, "prompts holds {} prompts; the limit is {}",
          request.prompts.size(), limits.max_prompts);
  for (size_t i = 0; i < request.prompts.size(); ++i)
    check_prompt(request.prompts[i], request.prompts.size() == 1 ? "prompt" : fmt::format("prompts[{}]", i),
                 limits.max_prompt_bytes);
  plan.prompts = request.prompts;
  require(request.seed >= 0, kBad, "seed must be 0 or more (got {})", request.seed);
  plan.seed = static_cast<uint64_t>(request.seed);
  plan.height = request.height.value_or(defaults.height);
  plan.width = request.width.value_or(defaults.width);
  check_side("height", plan.height, limits);
  check_side("width", plan.width, limits);
  plan.fps = request.fps.value_or(defaults.fps);
  check_range("fps", plan.fps, 1.0, 120.0);
  plan.layout = {defaults.num_frame_per_block, defaults.independent_first_frame};
  plan.temporal_stride = limits.temporal_stride;
  plan.image = request.image.has_value();
  if (plan.image) {
    require(limits.encodes_images, ErrorCode::unsupported, "image: this model's autoencoder has no encoder");
    require(request.image->rgb != nullptr && request.image->height > 0 && request.image->width > 0, kBad,
            "image must not be empty");
  }
  plan_segments(plan, request, defaults, limits);
  plan_sampling(plan, request, defaults, limits);
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
