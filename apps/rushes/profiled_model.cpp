#include "profiled_model.h"

#include <atomic>
#include <exception>
#include <utility>

#include "rushes/base/log.h"

namespace rushes::app {
namespace {

using generation::Generator;

/// Writes the reports with its end. A fork of it is not measured.
class ReportingGenerator final : public Generator {
 public:
  ReportingGenerator(std::unique_ptr<Generator> inner, std::shared_ptr<profiling::Profiler> profiler,
                     ProfilingOptions options)
      : inner_(profiling::profiled(std::move(inner), profiler)),
        profiler_(std::move(profiler)),
        options_(std::move(options)) {}
  ~ReportingGenerator() override { report(); }

  generation::VideoFormat format() const override { return inner_->format(); }
  bool at_block_border() const override { return inner_->at_block_border(); }
  std::unique_ptr<Generator> fork() const override { return inner_->fork(); }
  int64_t bytes() const override { return inner_->bytes(); }
  generation::StepResult step(const generation::Inbox& inbox) override {
    generation::StepResult result = inner_->step(inbox);
    for (const generation::Event& event : result.events)
      if (profiler_ && std::holds_alternative<generation::FrameBlock>(event)) profiler_->first_frame();
    if (result.outcome == generation::StepOutcome::finished) report();
    return result;
  }

 private:
  void report() {
    const auto profiler = std::exchange(profiler_, nullptr);
    if (!profiler) return;
    try {
      write_profile(*profiler, options_);
    } catch (const std::exception& error) {  // the video is whole without it
      log::error("profile: {}", error.what());
    }
  }

  std::unique_ptr<Generator> inner_;
  std::shared_ptr<profiling::Profiler> profiler_;  // null: reported
  ProfilingOptions options_;
};

class ProfiledModel final : public generation::Model {
 public:
  ProfiledModel(std::shared_ptr<const generation::Model> inner, ProfilingOptions options,
                generation::ModelOptions model_options, generation::Request request, int64_t generations,
                profiling::Microseconds load_time)
      : inner_(std::move(inner)),
        options_(std::move(options)),
        model_options_(std::move(model_options)),
        request_(std::move(request)),
        generations_(generations),
        load_time_(load_time) {}

  const generation::ModelCard& card() const override { return inner_->card(); }
  generation::Capabilities capabilities() const override { return inner_->capabilities(); }
  std::span<const OptionField> options() const override { return inner_->options(); }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    return inner_->plan(request);
  }
  std::vector<generation::Ignored> ignored_in(std::string_view prompt, std::string_view field) const override {
    return inner_->ignored_in(prompt, field);
  }
  std::unique_ptr<Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    const int64_t number = started_++;
    if (number >= generations_) return inner_->start(std::move(plan));
    ProfilingOptions options = options_;
    if (number > 0) options.report.directory = fmt::format("{}/{}", options.report.directory.string(), number + 1);
    generation::Request request = request_;
    request.seed += static_cast<uint64_t>(number);
    auto profiler = start_profiler(options, *inner_, model_options_, request, load_time_);
    return std::make_unique<ReportingGenerator>(inner_->start(std::move(plan)), std::move(profiler),
                                                std::move(options));
  }
  void prepare(std::span<const generation::Waiting> together) const override { inner_->prepare(together); }

 private:
  const std::shared_ptr<const generation::Model> inner_;
  const ProfilingOptions options_;
  const generation::ModelOptions model_options_;
  const generation::Request request_;
  const int64_t generations_;
  const profiling::Microseconds load_time_;
  mutable std::atomic<int64_t> started_ = 0;
};

}  // namespace

std::shared_ptr<const generation::Model> profiled_model(std::shared_ptr<const generation::Model> model,
                                                        const ProfilingOptions& options,
                                                        const generation::ModelOptions& model_options,
                                                        const generation::Request& request, int64_t generations,
                                                        profiling::Microseconds load_time) {
  return std::make_shared<const ProfiledModel>(std::move(model), options, model_options, request, generations,
                                               load_time);
}

}  // namespace rushes::app
