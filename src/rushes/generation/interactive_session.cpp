#include "rushes/generation/interactive_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"

namespace rushes::generation {

ApplyPolicy parse_apply_policy(std::string_view word) {
  if (word == "next_segment") return ApplyPolicy::next_segment;
  if (word == "next_block") return ApplyPolicy::next_block;
  fail(ErrorCode::invalid_argument, "apply_policy must be next_segment or next_block (got '{}')", word);
}

Control parse_control(std::string_view word) {
  for (const Control control : {Control::pause, Control::resume, Control::stop})
    if (word == name(control)) return control;
  fail(ErrorCode::invalid_argument, "control must be pause, resume or stop (got '{}')", word);
}

std::string_view name(Control control) {
  switch (control) {
    case Control::none: return "continue";
    case Control::pause: return "pause";
    case Control::resume: return "resume";
    case Control::stop: return "stop";
  }
  return "?";
}

std::string_view name(InputState state) {
  switch (state) {
    case InputState::queued: return "queued";
    case InputState::applied: return "applied";
    case InputState::discarded: return "discarded";
  }
  return "?";
}

std::string_view name(InteractiveState state) {
  switch (state) {
    case InteractiveState::generating: return "generating";
    case InteractiveState::paused: return "paused";
    case InteractiveState::completed: return "completed";
  }
  return "?";
}

InteractiveSession::InteractiveSession(Options options) : options_(std::move(options)) {}

InteractiveSession InteractiveSession::from_prompts(const std::vector<std::string>& prompts, Options options) {
  require(!prompts.empty(), ErrorCode::invalid_argument, "prompts must have at least one prompt");
  options.prompt = prompts.front();
  InteractiveSession session(std::move(options));
  for (size_t i = 1; i < prompts.size(); ++i) {
    Input input;
    input.prompt = prompts[i];
    session.submit(std::move(input));
  }
  return session;
}

void InteractiveSession::set_initial(std::string prompt, double guidance_scale) {
  options_.prompt = std::move(prompt);
  options_.guidance_scale = guidance_scale;
  state_ = InteractiveState::generating;
}

void InteractiveSession::set_length(int64_t segments, int64_t blocks_per_segment) {
  options_.segments = segments;
  options_.blocks_per_segment = blocks_per_segment;
}

void InteractiveSession::stop() {
  stopped_ = true;
  paused_ = false;  // who waits in a pause must see the stop
}

InteractiveState InteractiveSession::state() const {
  return state_ == InteractiveState::generating && paused_ ? InteractiveState::paused : state_;
}

double InteractiveSession::wait_seconds() const {
  const int64_t blocks = options_.policy == ApplyPolicy::next_block ? 1 : options_.blocks_per_segment - block_;
  return static_cast<double>(std::max(blocks, int64_t{0})) * options_.seconds_per_block;
}

InteractiveSession::Receipt InteractiveSession::submit(Input input) {
  for (Input& older : inputs_)
    if (older.state == InputState::queued) older.state = InputState::discarded;
  if (input.control == Control::pause) pause();
  if (input.control == Control::resume) resume();
  if (input.control == Control::stop) stop();
  input.state = InputState::queued;
  inputs_.push_back(std::move(input));
  const bool by_block = options_.policy == ApplyPolicy::next_block;
  return {fmt::format("{} {}", by_block ? "Block" : "Segment", (by_block ? block_ : segment_) + 1), wait_seconds()};
}

InteractiveSession::Checkpoint InteractiveSession::evaluate_checkpoint(Place place, int64_t index) {
  if (place == Place::segment) {
    segment_ = index;
    block_ = 0;
  } else {
    block_ = index;
  }
  if (stopped_) return {.should_continue = false, .command = Control::stop, .new_prompt = {}, .new_guidance = {}};
  Checkpoint result;
  if ((place == Place::block) != (options_.policy == ApplyPolicy::next_block)) return result;
  const auto newest =
      std::find_if(inputs_.rbegin(), inputs_.rend(), [](const Input& i) { return i.state == InputState::queued; });
  if (newest == inputs_.rend()) return result;
  newest->state = InputState::applied;
  result.command = newest->control;
  result.new_prompt = newest->prompt;
  result.new_guidance = newest->guidance_scale;
  if (newest->prompt) options_.prompt = *newest->prompt;
  if (newest->guidance_scale) options_.guidance_scale = *newest->guidance_scale;
  return result;
}

void InteractiveSession::update_progress(int64_t segment, int64_t block, int64_t video_frames, double device_gb) {
  segment_ = segment;
  block_ = block;
  video_frames_ = video_frames;
  device_gb_ = device_gb;
}

double InteractiveSession::remaining_seconds() const {
  const int64_t blocks = std::max(options_.blocks_per_segment - block_ - 1, int64_t{0}) +
                         std::max(options_.segments - segment_ - 1, int64_t{0}) * options_.blocks_per_segment;
  return static_cast<double>(blocks) * options_.seconds_per_block;
}

nlohmann::json InteractiveSession::status() const {
  nlohmann::json queued = nlohmann::json::array();
  for (const Input& input : inputs_) {
    if (input.state != InputState::queued) continue;
    nlohmann::json entry{{"state", name(input.state)}};
    if (input.prompt) entry["prompt"] = *input.prompt;
    if (input.guidance_scale) entry["guidance_scale"] = *input.guidance_scale;
    if (input.control != Control::none) entry["control"] = name(input.control);
    queued.push_back(std::move(entry));
  }
  // 100 characters, not bytes: a cut inside one would not be UTF-8.
  std::string prompt;
  int64_t characters = 0;
  for (const char c : options_.prompt) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (!continues && ++characters > 100) break;
    prompt += c;
  }
  return {{"session_id", options_.id},
          {"state", name(state())},
          {"progress",
           {{"segment", fmt::format("{}/{}", segment_ + 1, options_.segments)},
            {"block", fmt::format("{}/{}", block_ + 1, options_.blocks_per_segment)},
            {"frames", video_frames_}}},
          {"memory", {{"gpu_gb", device_gb_}}},
          {"timing", {{"eta_seconds", remaining_seconds()}}},
          {"current_params", {{"prompt", prompt}, {"guidance", options_.guidance_scale}}},
          {"queued_inputs", std::move(queued)},
          {"message", state() == InteractiveState::generating
                          ? fmt::format("Generating Segment {}/{}", segment_ + 1, options_.segments)
                          : std::string(name(state()))}};
}

}  // namespace rushes::generation
