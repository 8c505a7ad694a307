#include "generation.h"

#include <nanobind/nanobind.h>

#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/profiling/profiled_generator.h"

namespace rushes::python {
namespace {

/// Ctrl-C, and whatever a handler of Python's throws, ends what is computed, as it would between lines of Python. The
/// lock is taken seldom enough to cost nothing.
class PythonSignals {
 public:
  void operator()() {
    constexpr std::chrono::milliseconds kSeldom{50};
    const auto now = std::chrono::steady_clock::now();
    if (now - asked_ < kSeldom) return;
    asked_ = now;
    const nanobind::gil_scoped_acquire lock;
    if (PyErr_CheckSignals() != 0) throw nanobind::python_error();
  }

 private:
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

}  // namespace

Model::Model(generation::ModelOptions options, int threads) : options_(std::move(options)) {
  use_cpu_allocator();
  const base::Interruptible interruptible{PythonSignals()};
  const auto start = std::chrono::steady_clock::now();
  model_ = generation::load_model(options_);
  load_time_ = std::chrono::duration_cast<profiling::Microseconds>(std::chrono::steady_clock::now() - start);
  use_threads(threads, generation::parameter_count(model_->card()));
}

Generation::Generation(std::shared_ptr<const Model> model, const generation::Request& request,
                       std::optional<profiling::ProfilerOptions> profiler)
    : model_(std::move(model)) {
  auto plan = model_->get().plan(request);
  format_ = plan->format();
  ignored_ = plan->ignored;
  if (profiler) {
    profiler->on_gpu = model_->options().device.starts_with("cuda");
    profiler_ = std::make_shared<profiling::Profiler>(*profiler);
    profiler_->describe(model_->get(), format_, request.options.get<double>("guidance_scale").value_or(0),
                        RUSHES_TORCH_VERSION, RUSHES_VERSION, model_->load_time());
    profiler_->start();
  }
  generator_ = model_->get().start(std::move(plan));
  if (profiler_) generator_ = profiling::profiled(std::move(generator_), profiler_);
}

/// One unit of work; true when it completed a block.
bool Generation::step() {
  generation::Inbox inbox;
  {
    const std::scoped_lock lock(inbox_mutex_);
    std::swap(inbox, inbox_);
  }
  generation::StepResult result;
  try {
    base::interruption_point();
    result = generator_->step(inbox);
  } catch (...) {
    generator_.reset();  // a step that was given up cannot be resumed
    throw;
  }
  for (generation::Event& event : result.events) {
    if (auto* block = std::get_if<generation::FrameBlock>(&event)) made_ = std::move(*block);
    if (const auto* chunk = std::get_if<generation::TextChunk>(&event)) {
      const std::scoped_lock lock(inbox_mutex_);
      text_ += chunk->utf8;
    }
  }
  require(result.outcome != generation::StepOutcome::needs_input, ErrorCode::unsupported,
          "the model waits for input that this interface cannot provide");
  if (result.outcome == generation::StepOutcome::finished) generator_.reset();
  return made_.has_value();
}

std::optional<generation::FrameBlock> Generation::next() {
  const std::scoped_lock lock(stepping_);
  const base::Interruptible interruptible{PythonSignals()};
  while (!made_ && generator_ && !stopped_) step();
  if (stopped_) return std::nullopt;
  return std::exchange(made_, std::nullopt);
}

std::string Generation::text() {
  const std::scoped_lock lock(inbox_mutex_);
  return text_;
}

void Generation::set_prompt(std::string prompt) {
  const std::scoped_lock lock(inbox_mutex_);
  inbox_.prompt = std::move(prompt);
}

int64_t Generation::bytes() {
  const std::scoped_lock lock(stepping_);
  return generator_ ? generator_->bytes() : 0;
}

std::shared_ptr<Generation> Generation::fork() {
  const std::scoped_lock lock(stepping_);
  const base::Interruptible interruptible{PythonSignals()};
  while (generator_ && !generator_->at_block_border() && !stopped_) step();
  require(generator_ != nullptr && !stopped_, ErrorCode::conflict, "the video is complete and cannot be forked");
  std::shared_ptr<Generation> branch(new Generation);
  branch->model_ = model_;
  branch->format_ = format_;
  branch->ignored_ = ignored_;
  branch->text_ = text();
  branch->generator_ = generator_->fork();
  return branch;
}

void Generation::report(profiling::Stage stage, const generation::FrameBlock& block, profiling::Microseconds duration) {
  if (!profiler_) return;
  profiling::Span span;
  span.stage = stage;
  span.duration = duration;
  span.start = profiler_->now() - duration;
  span.segment = block.segment;
  span.block = block.block;
  span.video_frames = block.video_frames;
  profiler_->add(span);
  profiler_->first_frame();
}

std::vector<std::filesystem::path> Generation::write_profile(const profiling::ReportOptions& options) {
  if (!profiler_) return {};
  const profiling::Profile profile = profiler_->finish();
  profiler_.reset();
  profile_json_ = profiling::report_json(profile).dump();
  if (options.directory.empty()) return {};
  return profiling::write_reports(profile, options);
}

}  // namespace rushes::python
