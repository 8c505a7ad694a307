// How `rushes bench` measures: the candidates of one operation take turns in rounds, so that a noisy machine disturbs
// all alike; medians are compared, results too. The machine's own peak is measured first and every figure is set
// against it.
#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/registry.h"

namespace rushes::app::bench {

struct Setup {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kBFloat16;
  bool quick = false;                // a quarter of the tokens, smaller pictures, fewer rounds
  std::vector<std::string> filters;  // measure what contains one of these; empty: all
  int rounds = 5;
  double seconds_per_operation = 30;  // no further round begins after this

  at::TensorOptions floats() const { return at::TensorOptions(at::kFloat).device(device); }
  at::TensorOptions options() const { return at::TensorOptions(dtype).device(device); }
};

struct Candidate {
  std::string name;                 // "rushes", "stock bfloat16", ...
  std::function<at::Tensor()> run;  // its result is compared with that of the first candidate
};

struct Operation {
  std::string name;                        // "self-attention 4680 x 14040, 12 x 128"
  double flop = 0;                         // of one run; 0: bytes count
  double bytes = 0;                        // that one run must read and write at least
  double tolerance = 0.02;                 // relative L2 distance of the results, else it is an error
  std::vector<Candidate> candidates = {};  // the first is ours, the others what it is compared with
};

struct Peak {
  double float32_gflops = 0, bfloat16_gflops = 0, copy_gbps = 0;
  double gflops() const { return std::max(float32_gflops, bfloat16_gflops); }
};

struct Figures {
  std::string name;
  double seconds = 0;        // median
  double rate = 0;           // GFLOP/s, or GB/s where the operation counts bytes
  double share_of_peak = 0;  // of the faster matrix product, or of the copy
  double times_first = 1;    // its seconds by those of the first candidate
  double difference = 0;     // relative L2 distance to the first candidate's result
  int64_t tensor_bytes = 0;  // most that its tensors held beyond what was there before; on CPUs
};

struct Measured {
  std::string name;
  double flop = 0, bytes = 0;
  std::vector<Figures> candidates;
};

struct ModelFigures {
  std::string name;
  int64_t height = 0, width = 0, video_frames = 0;
  double load_seconds = 0;
  double cold_first_frame_seconds = 0;  // the first request after loading
  double first_frame_seconds = 0;       // median of later requests
  double video_fps = 0, playback_fps = 0;
  int64_t peak_resident_bytes = 0, peak_tensor_bytes = 0;
};

/// Words of a model while it makes a video, too, and without that. Seconds are medians, from the request on.
struct BesideFigures {
  std::string name;
  int64_t words = 0;
  double words_per_second_alone = 0, words_per_second_beside = 0;
  double longest_wait_alone = 0, longest_wait_beside = 0;  // for a word, in seconds
  double first_word_seconds = 0, first_frame_seconds = 0;  // beside each other
  double video_seconds_alone = 0, video_seconds_beside = 0;
};

/// Measures, prints a line per candidate, and keeps the figures for the JSON document.
class Report {
 public:
  explicit Report(Setup setup) : setup_(std::move(setup)) {}

  const Setup& setup() const { return setup_; }
  bool wants(std::string_view name) const;

  /// float32 and bfloat16 matrix product into a kept buffer, copy of 256 MiB.
  void measure_peak();
  /// Throws Error(internal) if results differ by more than the operation's tolerance.
  void measure(const Operation& operation);

  Peak peak;
  std::vector<Measured> operations;
  std::vector<BesideFigures> beside;
  std::optional<ModelFigures> model;

 private:
  Setup setup_;
};

void bench_attention(Report& report);  // bench_operations.cpp
void bench_linear(Report& report);
void bench_passes(Report& report);
void bench_layer(Report& report);                                               // layer.cpp
void bench_language(Report& report);                                            // language.cpp
void bench_vae(Report& report);                                                 // vae.cpp
void bench_ltx(Report& report);                                                 // ltx.cpp
void bench_foresight(Report& report, const generation::ModelOptions& options);  // foresight.cpp
void bench_talk(Report& report);                                                // talk.cpp
void bench_portrait(Report& report);                                            // portrait.cpp
void bench_model(Report& report, const generation::ModelOptions& options);      // bench_model.cpp

}  // namespace rushes::app::bench
