// A model from its directory to video frames in memory: what the engine alone does for one viewer.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "bench.h"
#include "rushes/base/error.h"
#include "rushes/tensor/cpu_allocator.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Forgets what the process once held, so that the peak is the model's own. The kernel's counter, where it can be
/// reset.
void reset_peak_resident() {
  tensor::trim_cpu_memory();
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;
}

int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  return 0;
}

struct Run {
  double first_frame_seconds = 0, seconds = 0;
  int64_t video_frames = 0;
};

Run generate(const generation::Model& model, const generation::Request& request) {
  Run run;
  const auto start = Clock::now();
  const auto generator = generation::start(model, request);
  for (auto outcome = generation::StepOutcome::again; outcome == generation::StepOutcome::again;) {
    const generation::StepResult result = generator->step({});
    outcome = result.outcome;
    for (const generation::Event& event : result.events) {
      const auto* block = std::get_if<generation::FrameBlock>(&event);
      if (block == nullptr) continue;
      if (run.video_frames == 0) run.first_frame_seconds = seconds_since(start);
      run.video_frames += block->video_frames;
    }
  }
  run.seconds = seconds_since(start);
  return run;
}

}  // namespace

void bench_model(Report& report, const generation::ModelOptions& options) {
  if (!report.wants("model end to end")) return;
  reset_peak_resident();
  tensor::forget_cpu_peak();
  ModelFigures figures;
  const auto start = Clock::now();
  const auto model = generation::load_model(options);
  figures.load_seconds = seconds_since(start);

  generation::Request request;
  request.prompts = {"a red circle moves to the right on a blue background"};
  request.segments = report.setup().quick ? 1 : 3;
  const generation::VideoFormat format = model->plan(request)->format();
  std::vector<Run> runs;
  for (int i = 0; i < (report.setup().quick ? 2 : 4); ++i) {
    request.seed = static_cast<uint64_t>(i);
    runs.push_back(generate(*model, request));
  }
  figures.name = model->card().name;
  figures.height = format.height;
  figures.width = format.width;
  figures.playback_fps = format.fps;
  figures.video_frames = runs[0].video_frames;
  figures.cold_first_frame_seconds = runs[0].first_frame_seconds;
  std::vector<double> firsts, rates;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    firsts.push_back(runs[i].first_frame_seconds);
    rates.push_back(static_cast<double>(runs[i].video_frames) / runs[i].seconds);
  }
  std::sort(firsts.begin(), firsts.end());
  std::sort(rates.begin(), rates.end());
  figures.first_frame_seconds = firsts[firsts.size() / 2];
  figures.video_fps = rates[rates.size() / 2];
  figures.peak_resident_bytes = peak_resident_bytes();
  figures.peak_tensor_bytes = tensor::cpu_memory().peak_bytes;
  fmt::print("model end to end: {}, {}x{}, {} video frames; {}\n", figures.name, figures.width, figures.height,
             figures.video_frames, model->card().description);
  fmt::print(
      "  load {:.2f} s; first frame {:.0f} ms after the request, {:.0f} ms after the first request; {:.1f} fps, {:.1f} "
      "x playback; peak resident {:.0f} MB\n",
      figures.load_seconds, figures.first_frame_seconds * 1e3, figures.cold_first_frame_seconds * 1e3,
      figures.video_fps, figures.video_fps / figures.playback_fps,
      static_cast<double>(figures.peak_resident_bytes) * 1e-6);
  report.model = figures;
}

}  // namespace rushes::app::bench
