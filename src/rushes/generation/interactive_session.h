// The interactive session of the Inferix surface: prompts and controls wait in a queue until the pipeline passes a
// checkpoint between segments or blocks. Of what waits only the newest survives. No thread, no clock, no libtorch: its
// owner, rushes.inferix.core.interactive in Python, waits where should_pause() says so, and measures blocks.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::generation {

enum class ApplyPolicy { next_segment, next_block };
enum class Control { none, pause, resume, stop };
enum class InputState { queued, applied, discarded };
enum class InteractiveState { generating, paused, completed };

/// Throw Error(invalid_argument) naming the allowed words.
ApplyPolicy parse_apply_policy(std::string_view word);
Control parse_control(std::string_view word);
std::string_view name(Control control);  // of none: "continue"
std::string_view name(InputState state);
std::string_view name(InteractiveState state);

/// One thread at a time.
class InteractiveSession {
 public:
  struct Options {
    std::string id;
    std::string prompt;  // the initial one
    double guidance_scale = 7.5;
    ApplyPolicy policy = ApplyPolicy::next_segment;
    int64_t segments = 1, blocks_per_segment = 7;
    double seconds_per_block = 0.5;  // what the estimates are made with
  };
  struct Input {
    std::optional<std::string> prompt;
    std::optional<double> guidance_scale;
    Control control = Control::none;
    InputState state = InputState::queued;
  };
  struct Receipt {
    std::string will_apply_at;  // "Segment 1": counted from 0, the one after the current
    double estimated_wait_seconds;
  };
  enum class Place { segment, block };
  struct Checkpoint {
    bool should_continue = true;
    Control command = Control::none;
    std::optional<std::string> new_prompt;
    std::optional<double> new_guidance;
  };

  explicit InteractiveSession(Options options);
  /// Before a generation begins.
  void set_initial(std::string prompt, double guidance_scale);
  void set_length(int64_t segments, int64_t blocks_per_segment);
  /// What the estimates are made with from now on.
  void set_seconds_per_block(double seconds) { options_.seconds_per_block = seconds; }
  /// The first prompt starts; the others are submitted one after the other, so that of them the last survives.
  static InteractiveSession from_prompts(const std::vector<std::string>& prompts, Options options);

  /// Queues an input; everything that still waits is discarded, also by a control. Pause, resume and stop show at once
  /// in should_pause() and should_stop(). After the end an input waits for nothing.
  Receipt submit(Input input);
  /// The pipeline stands before segment or block `index`. Takes over the newest waiting input if the policy names this
  /// place. A stop comes before everything.
  Checkpoint evaluate_checkpoint(Place place, int64_t index);
  /// What the status shows from now on.
  void update_progress(int64_t segment, int64_t block, int64_t video_frames, double device_gb);
  void end() { state_ = InteractiveState::completed; }
  /// At once, without a place in the queue.
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  void stop();

  bool should_pause() const { return paused_; }
  bool should_stop() const { return stopped_; }
  InteractiveState state() const;
  const std::string& prompt() const { return options_.prompt; }
  double guidance_scale() const { return options_.guidance_scale; }
  const std::vector<Input>& inputs() const { return inputs_; }
  double remaining_seconds() const;

  /// {session_id, state, progress, memory, timing, current_params, queued_inputs, message}.
  nlohmann::json status() const;

 private:
  double wait_seconds() const;

  Options options_;
  InteractiveState state_ = InteractiveState::generating;
  std::vector<Input> inputs_;  // all since the start, oldest first
  bool paused_ = false, stopped_ = false;
  int64_t segment_ = 0, block_ = 0, video_frames_ = 0;
  double device_gb_ = 0;
};

}  // namespace rushes::generation
