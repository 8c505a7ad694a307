#include "rushes/profiling/profiler.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <set>

#include "rushes/base/error.h"
#include "rushes/profiling/machine.h"
#include "rushes/profiling/nvml.h"

namespace rushes::profiling {
namespace {

std::string id_of_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return fmt::format("generation_{}_{}", text, ::getpid());
}

/// Half of the samples, evenly, when there are too many: the curve stays, its grain doubles.
template <typename Sample>
void thin_out(std::vector<Sample>& samples, std::size_t limit) {
  if (samples.size() < limit) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < samples.size(); i += 2) samples[kept++] = std::move(samples[i]);
  samples.resize(kept);
}

}  // namespace

ReportFormat parse_report_format(std::string_view word) {
  if (word == "json") return ReportFormat::json;
  if (word == "html") return ReportFormat::html;
  if (word == "both") return ReportFormat::both;
  fail(ErrorCode::invalid_argument, "report_format must be json, html or both (got '{}')", word);
}

void ProfilerOptions::validate() const {
  const auto positive = [](std::chrono::duration<double> value, const char* field) {
    require(value.count() > 0, ErrorCode::invalid_argument, "{} must be a positive number of seconds (got {})", field,
            value.count());
  };
  positive(gpu_interval, "gpu_monitor_interval");
  positive(cpu_interval, "cpu_monitor_interval");
  positive(display_interval, "display_interval");
  require(max_samples >= 2, ErrorCode::invalid_argument, "max_data_points must be at least 2 (got {})", max_samples);
}

struct Profiler::Devices {
  Nvml nvml;
  CpuMeter cpu;
};

Profiler::Profiler(ProfilerOptions options)
    : options_(std::move(options)), start_(Clock::now()), devices_(std::make_unique<Devices>()) {
  options_.validate();
  profile_.id = options_.id.empty() ? id_of_now() : options_.id;
  profile_.tags = options_.tags;
  profile_.on_gpu = options_.on_gpu;
  profile_.started = std::chrono::system_clock::now();
  System& system = profile_.system;
  system.cpu_name = cpu_name();
  system.cpu_count = static_cast<int64_t>(std::thread::hardware_concurrency());
  system.memory_total_mb = memory_total_mb();
  for (const GpuState& gpu : devices_->nvml.states()) {
    system.gpu_names.push_back(gpu.name);
    system.gpu_memory_total_mb += gpu.memory_total_mb;
  }
  system.cuda_version = devices_->nvml.cuda_version();
  thread_ = std::jthread([this](const std::stop_token& stop) { monitor(stop); });
}

Profiler::~Profiler() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Profiler::describe(const generation::Model& model, const generation::VideoFormat& format, double guidance_scale,
                        std::string torch_version, std::string rushes_version, Microseconds load_time) {
  const std::scoped_lock lock(mutex_);
  profile_.model = model.card().name;
  profile_.networks = model.card().networks;
  profile_.format = format;
  profile_.guidance_scale = guidance_scale;
  profile_.system.torch_version = std::move(torch_version);
  profile_.system.rushes_version = std::move(rushes_version);
  Span load;
  load.stage = Stage::load;
  load.start = -load_time;
  load.duration = load_time;
  if (load_time.count() > 0) profile_.spans.push_back(load);
}

void Profiler::start() {
  const std::scoped_lock lock(mutex_);
  start_ = Clock::now();
  profile_.started = std::chrono::system_clock::now();
}

Microseconds Profiler::now() const {
  const std::scoped_lock lock(mutex_);
  return std::chrono::duration_cast<Microseconds>(Clock::now() - start_);
}

void Profiler::add(Span span) {
  const std::scoped_lock lock(mutex_);
  profile_.peak_memory_mb = std::max(profile_.peak_memory_mb, span.memory_mb);
  profile_.spans.push_back(span);
}

void Profiler::first_frame() {
  const Microseconds at = now();
  const std::scoped_lock lock(mutex_);
  if (!profile_.first_frame) profile_.first_frame = at;
}

double Profiler::memory_mb() const {
  if (!options_.on_gpu) return process_memory_mb();
  double used = 0;
  for (const GpuState& gpu : devices_->nvml.states()) used += gpu.memory_used_mb;
  return used;
}

Profile Profiler::finish() {
  const Microseconds end = now();
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  // So that a generation shorter than an interval has a sample too.
  if (options_.monitor_cpu) sample_cpu();
  if (options_.monitor_gpu) sample_gpu();
  const std::scoped_lock lock(mutex_);
  profile_.duration = end;
  if (!options_.on_gpu) profile_.peak_memory_mb = std::max(profile_.peak_memory_mb, process_peak_memory_mb());
  return profile_;
}

void Profiler::monitor(const std::stop_token& stop) {
  using Until = Clock::time_point;
  const auto after = [](std::chrono::duration<double> interval) {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(interval);
  };
  Until cpu = after(options_.cpu_interval), gpu = after(options_.gpu_interval),
        shown = after(options_.display_interval);
  std::mutex idle;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    std::unique_lock lock(idle);
    never.wait_until(lock, stop, std::min({cpu, gpu, shown}), [] { return false; });
    if (stop.stop_requested()) return;
    const Until moment = Clock::now();
    if (moment >= cpu) {
      if (options_.monitor_cpu) sample_cpu();
      cpu = after(options_.cpu_interval);
    }
    if (moment >= gpu) {
      if (options_.monitor_gpu) sample_gpu();
      gpu = after(options_.gpu_interval);
    }
    if (moment >= shown) {
      if (options_.real_time_display) display();
      shown = after(options_.display_interval);
    }
  }
}

void Profiler::sample_cpu() {
  CpuSample sample = devices_->cpu.sample();
  sample.at = now();
  const std::scoped_lock lock(mutex_);
  thin_out(profile_.cpu, options_.max_samples);
  if (!options_.on_gpu) profile_.peak_memory_mb = std::max(profile_.peak_memory_mb, sample.process_memory_mb);
  profile_.cpu.push_back(std::move(sample));
}

void Profiler::sample_gpu() {
  GpuSample sample{now(), devices_->nvml.states()};
  if (sample.gpus.empty()) return;
  double used = 0;
  for (const GpuState& gpu : sample.gpus) used += gpu.memory_used_mb;
  const std::scoped_lock lock(mutex_);
  thin_out(profile_.gpu, options_.max_samples);
  if (options_.on_gpu) profile_.peak_memory_mb = std::max(profile_.peak_memory_mb, used);
  profile_.gpu.push_back(std::move(sample));
}

void Profiler::display() {
  const std::scoped_lock lock(mutex_);
  if (!profile_.gpu.empty())
    for (const GpuState& gpu : profile_.gpu.back().gpus)
      fmt::print(stderr, "GPU: Memory {:.0f}MB / {:.0f}MB ({:.1f}%), Util {:.0f}%, Temp {:.0f}°C\n", gpu.memory_used_mb,
                 gpu.memory_total_mb, 100 * gpu.memory_used_mb / std::max(1.0, gpu.memory_total_mb),
                 gpu.utilization_percent, gpu.temperature_celsius);
  if (profile_.cpu.empty()) return;
  const CpuSample& cpu = profile_.cpu.back();
  const double used = cpu.memory_total_mb - cpu.memory_available_mb;
  fmt::print(stderr, "CPU: Usage {:.1f}%, Memory {:.0f}MB / {:.0f}MB ({:.1f}%)\n", cpu.usage_percent, used,
             cpu.memory_total_mb, 100 * used / std::max(1.0, cpu.memory_total_mb));
}

std::string_view name(Stage stage) {
  switch (stage) {
    case Stage::load: return "load_checkpoint";
    case Stage::text: return "text";
    case Stage::context: return "context";
    case Stage::denoise: return "denoise";
    case Stage::rerun: return "rerun";
    case Stage::decode: return "decode";
    case Stage::encode: return "encode";
    case Stage::deliver: return "deliver";
  }
  return "unknown";
}

std::vector<BlockProfile> blocks_of(const Profile& profile) {
  std::map<std::pair<int64_t, int64_t>, BlockProfile> blocks;
  std::set<std::pair<int64_t, int64_t>> complete;
  for (const Span& span : profile.spans) {
    if (span.block < 0) continue;
    const std::pair place{span.segment, span.block};
    const bool is_new = !blocks.contains(place);
    BlockProfile& block = blocks[place];
    block.segment = span.segment;
    block.block = span.block;
    if (!beside_model(span.stage)) {
      block.start = is_new ? span.start : std::min(block.start, span.start);
      block.end = std::max(block.end, span.start + span.duration);
    }
    switch (span.stage) {
      case Stage::load: break;
      case Stage::text: block.text += span.duration; break;
      case Stage::context: block.context += span.duration; break;
      case Stage::denoise:
        block.denoise += span.duration;
        ++block.steps;
        break;
      case Stage::rerun: block.rerun += span.duration; break;
      case Stage::decode:
        block.decode += span.duration;
        block.latent_frames = span.latent_frames;
        block.video_frames = span.video_frames;
        block.memory_mb = span.memory_mb;
        complete.insert(place);
        break;
      case Stage::encode: block.encode += span.duration; break;
      case Stage::deliver: block.deliver += span.duration; break;
    }
  }
  std::vector<BlockProfile> in_order;
  for (const auto& [place, block] : blocks)
    if (complete.contains(place)) in_order.push_back(block);
  return in_order;
}

std::vector<SegmentProfile> segments_of(const Profile& profile) {
  std::vector<SegmentProfile> segments;
  for (const BlockProfile& block : blocks_of(profile)) {
    if (segments.empty() || segments.back().segment != block.segment)
      segments.push_back({.segment = block.segment, .start = block.start});
    SegmentProfile& segment = segments.back();
    ++segment.blocks;
    segment.video_frames += block.video_frames;
    segment.end = std::max(segment.end, block.end);
  }
  return segments;
}

int64_t video_frames_of(const Profile& profile) {
  int64_t frames = 0;
  for (const BlockProfile& block : blocks_of(profile)) frames += block.video_frames;
  return frames;
}

}  // namespace rushes::profiling
