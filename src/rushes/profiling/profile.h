// What was measured of one generation: plain values, made by the Profiler, turned into reports. No libtorch.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/introspection.h"
#include "rushes/generation/model.h"

namespace rushes::profiling {

using Microseconds = std::chrono::microseconds;

/// What a piece of time was spent on.
enum class Stage {
  load,     // reading the model
  text,     // encoding a prompt
  context,  // given latents pass the model and fill its cache: an image, or the overlap of a segment
  denoise,  // one denoising step
  rerun,    // the finished block passes the model once more
  decode,   // latents to pictures
  encode,   // pictures to a codec
  deliver,  // bytes to a file, pipe or server
};
std::string_view name(Stage stage);
/// Encoding and delivery run beside the model, on a thread of their own.
constexpr bool beside_model(Stage stage) { return stage == Stage::encode || stage == Stage::deliver; }

/// One piece of work. Times count from the start of the profile; the load ends before it and has a negative start.
struct Span {
  Stage stage = Stage::denoise;
  Microseconds start{0}, duration{0};
  int64_t segment = -1, block = -1;  // block counts within the segment; -1: of none
  int64_t step = 0;                  // denoise: from 1
  double timestep = 0;               // denoise: of the schedule's 1000
  int64_t latent_frames = 0;         // denoise and decode: of the block
  int64_t video_frames = 0;          // decode, encode, deliver
  double memory_mb = 0;              // decode: of the device, or of the process where the processor is the device
  int64_t cache_bytes = 0;           // decode: of the session's caches
};

struct GpuState {
  std::string name;
  double memory_used_mb = 0, memory_total_mb = 0;
  double utilization_percent = 0, temperature_celsius = 0, power_watts = 0;
  double graphics_clock_mhz = 0, memory_clock_mhz = 0;
};

struct GpuSample {
  Microseconds at{0};
  std::vector<GpuState> gpus;
};

struct CpuSample {
  Microseconds at{0};
  double usage_percent = 0;  // of all cores, since the sample before
  std::vector<double> per_core_percent;
  double memory_total_mb = 0, memory_available_mb = 0;
  double process_memory_mb = 0;
  double frequency_mhz = 0;  // mean of the cores; 0: not told
  double load_1min = 0, load_5min = 0, load_15min = 0;
};

/// The machine that was measured.
struct System {
  std::string cpu_name;
  int64_t cpu_count = 0;
  double memory_total_mb = 0;
  std::vector<std::string> gpu_names;  // empty: none
  double gpu_memory_total_mb = 0;
  std::string cuda_version;  // of the driver; empty: none
  std::string torch_version, rushes_version;
};

struct Profile {
  std::string id;  // of the session
  std::map<std::string, std::string> tags;
  std::chrono::system_clock::time_point started;
  Microseconds duration{0};                 // from the request to the last byte delivered
  std::optional<Microseconds> first_frame;  // to the first block delivered
  System system;
  std::string model;
  std::vector<generation::ModelPart> networks;
  generation::VideoFormat format;
  double guidance_scale = 0;
  std::vector<Span> spans;  // in the order of their ends
  std::vector<CpuSample> cpu;
  std::vector<GpuSample> gpu;
  double peak_memory_mb = 0;  // as Span::memory_mb
  bool on_gpu = false;
  int64_t dropped_frames = 0;
};

/// One block's time by stage.
struct BlockProfile {
  int64_t segment = 0, block = 0, latent_frames = 0, video_frames = 0, steps = 0;
  Microseconds start{0}, end{0};  // of the model's work for it
  Microseconds text{0}, context{0}, denoise{0}, rerun{0}, decode{0}, encode{0}, deliver{0};
  double memory_mb = 0;
  Microseconds model_time() const { return text + context + denoise + rerun + decode; }
};

struct SegmentProfile {
  int64_t segment = 0, blocks = 0, video_frames = 0;
  Microseconds start{0}, end{0};
  Microseconds duration() const { return end - start; }
};

/// In the order of the video. Only blocks whose pictures were made count.
std::vector<BlockProfile> blocks_of(const Profile& profile);
std::vector<SegmentProfile> segments_of(const Profile& profile);
int64_t video_frames_of(const Profile& profile);

}  // namespace rushes::profiling
