#include "generation.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/generation/working_memory.h"
#include "rushes/media/decoded_audio.h"
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
  generation::require_memory(*plan);
  format_ = plan->format();
  ignored_ = plan->ignored;
  warnings_ = plan->warnings;
  unknown_words_ = model_->get().card().words.unknown_in(request.prompts);
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

/// One unit of work.
void Generation::step() {
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
    if (const auto* failed = std::get_if<generation::TrackFailed>(&event)) {
      const std::scoped_lock lock(inbox_mutex_);
      failed_tracks_.emplace(name(failed->track), failed->message);
    }
  }
  waits_ = result.outcome == generation::StepOutcome::needs_input;
  if (result.outcome == generation::StepOutcome::finished) generator_.reset();
}

/// False: it was stopped first.
bool Generation::wait_for_speech() {
  constexpr std::chrono::milliseconds kPatience{50};  // then Ctrl-C is heard
  std::unique_lock lock(inbox_mutex_);
  while (inbox_.empty() && !stopped_) {
    came_.wait_for(lock, kPatience);
    lock.unlock();
    base::interruption_point();
    lock.lock();
  }
  return !stopped_;
}

std::optional<generation::FrameBlock> Generation::next(bool wait) {
  const std::scoped_lock lock(stepping_);
  const base::Interruptible interruptible{PythonSignals()};
  while (!made_ && generator_ && !stopped_) {
    if (waits_) {
      bool is_there = false;
      {
        const std::scoped_lock inbox_lock(inbox_mutex_);
        is_there = !inbox_.empty();
      }
      if (!is_there && (!wait || !wait_for_speech())) return std::nullopt;
    }
    step();
  }
  if (stopped_) return std::nullopt;
  return std::exchange(made_, std::nullopt);
}

void Generation::stop() {
  stopped_ = true;
  came_.notify_all();
}

/// At the model's rate. With the inbox locked.
void Generation::feed(std::span<const float> samples) {
  inbox_.speech.insert(inbox_.speech.end(), samples.begin(), samples.end());
}

void Generation::feed_speech(std::span<const float> samples, int64_t hz, bool ends) {
  require(format_.speech_hz > 0, ErrorCode::unsupported, "this model does not accept speech");
  const auto wrong = std::find_if_not(samples.begin(), samples.end(), media::is_sound);
  require(wrong == samples.end(), ErrorCode::invalid_argument,
          "speech[{}] is {}; samples are numbers in [-1, 1]: divide those of 16 bits by 32768", wrong - samples.begin(),
          wrong == samples.end() ? 0 : *wrong);
  const std::scoped_lock lock(inbox_mutex_);
  require(!speech_ended_, ErrorCode::conflict, "the speech has ended");
  if (!resampler_ || resampler_->from_hz() != hz) {
    audio::StreamResampler next(hz, format_.speech_hz);
    if (resampler_) feed(resampler_->flush());
    resampler_ = std::move(next);
  }
  feed(resampler_->feed(samples));
  if (ends) {
    feed(resampler_->flush());
    inbox_.utterance_ends.push_back(inbox_.speech.size());
  }
  came_.notify_all();
}

void Generation::end_speech() {
  const std::scoped_lock lock(inbox_mutex_);
  if (resampler_ && !speech_ended_) feed(resampler_->flush());
  speech_ended_ = inbox_.end_of_speech = true;
  came_.notify_all();
}

/// Models that are prompted show a face that is silent; others have nothing to go by.
void Generation::without_speech() {
  if (format_.speech_hz == 0) return;
  const generation::Model& model = model_->get();
  require(model.capabilities().takes.has(generation::Modality::text), ErrorCode::invalid_argument,
          "'{}' makes a portrait speak and has no speech: give speech, or live=True, and feed_speech() from another "
          "thread",
          model.card().name);
  end_speech();
}

void Generation::set_options(const Options& given) {
  const Options live = model_->get().live_options(given);
  const std::scoped_lock lock(inbox_mutex_);
  inbox_.options.set_all(live);
}

std::vector<std::string> Generation::unknown_words() {
  const std::scoped_lock lock(inbox_mutex_);
  return unknown_words_;
}

std::string Generation::text() {
  const std::scoped_lock lock(inbox_mutex_);
  return text_;
}

std::map<std::string, std::string> Generation::failed_tracks() {
  const std::scoped_lock lock(inbox_mutex_);
  return failed_tracks_;
}

void Generation::set_prompt(std::string prompt) {
  const std::scoped_lock lock(inbox_mutex_);
  unknown_words_ = model_->get().card().words.unknown_in({&prompt, 1});
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
  branch->warnings_ = warnings_;
  branch->waits_ = waits_.load();
  {
    const std::scoped_lock inbox_lock(inbox_mutex_);
    branch->text_ = text_;
    branch->unknown_words_ = unknown_words_;
    branch->failed_tracks_ = failed_tracks_;
    branch->inbox_ = inbox_;  // what was fed is said by both
    branch->speech_ended_ = speech_ended_;
  }
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
