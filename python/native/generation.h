// A generation as Python steps it: block by block, from any thread, with prompts and a stop from any other.
#pragma once
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rushes/audio/stream_resampler.h"
#include "rushes/generation/registry.h"
#include "rushes/profiling/report.h"

namespace rushes::python {

/// libtorch's cores; one for a small model, as the command line does. 0: decide by `parameters`.
void use_threads(int threads, int64_t parameters);
/// Takes tensors' memory from rushes' allocator; once.
void use_cpu_allocator();

class Model {
 public:
  Model(generation::ModelOptions options, int threads);
  const generation::Model& get() const { return *model_; }
  const generation::ModelOptions& options() const { return options_; }
  profiling::Microseconds load_time() const { return load_time_; }

 private:
  generation::ModelOptions options_;
  profiling::Microseconds load_time_{0};
  std::shared_ptr<const generation::Model> model_;
};

class Generation {
 public:
  /// `profiler` may be null.
  Generation(std::shared_ptr<const Model> model, const generation::Request& request,
             std::optional<profiling::ProfilerOptions> profiler);

  generation::VideoFormat format() const { return format_; }
  const std::vector<generation::Ignored>& ignored() const { return ignored_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Of the newest prompts: words that the model was not trained with.
  std::vector<std::string> unknown_words();
  /// Of all text chunks so far.
  std::string text();
  /// Halves of a model of words and video that ended before their time, with the reason, while the other went on.
  std::map<std::string, std::string> failed_tracks();
  /// The next block; nothing: the video is complete, or was stopped. Waits while another thread is in here, and, where
  /// the model waits for speech, until some comes; with `wait` false it gives nothing then: see waits_for_speech().
  std::optional<generation::FrameBlock> next(bool wait = true);
  bool waits_for_speech() const { return waits_; }
  /// From the next block on.
  void set_prompt(std::string prompt);
  /// More speech, one channel, resampled from `hz` as one stream to what the model takes. With `ends` all that came is
  /// an utterance: it is shown to its end without waiting for more. Throws Error(unsupported) if the model takes none,
  /// Error(conflict) behind the end, Error(invalid_argument) for samples that are no sound.
  void feed_speech(std::span<const float> samples, int64_t hz, bool ends);
  void end_speech();
  /// Nothing is said at all. Throws Error(invalid_argument) if the model shows nothing then.
  void without_speech();
  /// From the next frame on. Throws Error(invalid_argument) for what cannot change while it runs.
  void set_options(const Options& given);
  /// Before the next step.
  void stop();
  bool stopped() const { return stopped_; }
  int64_t bytes();
  /// A copy that goes on from here on its own. Completes the block in work first: throws Error(conflict) when the
  /// video is complete.
  std::shared_ptr<Generation> fork();
  /// Tells the profiler what a sink did with a block.
  void report(profiling::Stage stage, const generation::FrameBlock& block, profiling::Microseconds duration);
  /// Ends the measurement and writes its reports. Empty without a profiler.
  std::vector<std::filesystem::path> write_profile(const profiling::ReportOptions& options);
  /// As JSON text; empty without a profiler, or before write_profile().
  const std::string& profile_json() const { return profile_json_; }

 private:
  Generation() = default;
  void step();
  bool wait_for_speech();
  void feed(std::span<const float> samples);

  std::shared_ptr<const Model> model_;
  generation::VideoFormat format_;
  std::vector<generation::Ignored> ignored_;
  std::vector<std::string> warnings_;
  std::mutex stepping_;
  std::unique_ptr<generation::Generator> generator_;  // null: complete
  std::shared_ptr<profiling::Profiler> profiler_;
  std::optional<generation::FrameBlock> made_;
  std::mutex inbox_mutex_;
  std::condition_variable came_;  // to the inbox
  std::string text_;
  std::vector<std::string> unknown_words_;
  std::map<std::string, std::string> failed_tracks_;
  generation::Inbox inbox_;
  std::optional<audio::StreamResampler> resampler_;
  bool speech_ended_ = false;
  std::atomic<bool> waits_ = false;
  std::atomic<bool> stopped_ = false;
  std::string profile_json_;
};

}  // namespace rushes::python
