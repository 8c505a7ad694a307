// What every training stage shares: a time limit that also shapes the learning rate, progress lines, the CSV of losses,
// and the moments at which to save.
#pragma once
#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace rushes::training {

struct RunOptions {
  std::filesystem::path directory;  // states, curves and pictures of all stages
  std::chrono::seconds time_limit{600};
  std::chrono::seconds save_every{90};
  double learning_rate = 1e-3;  // peak of this call; a call is one warm-up and one cosine decay
  int64_t batch = 16;
  int64_t threads = 2;  // that share a batch
  uint64_t seed = 1;    // of the drawn data
  /// Of the text-to-video stages; on a GPU one thread drives it, and `threads` draw.
  c10::Device device = c10::kCPU;
  /// With a name: the time limit counts over all calls of that name, so that a call that was stopped goes on where it
  /// was, and it counts processor time (per thread), of a GPU the clock: a busy machine makes a stage longer, not
  /// worse.
  std::string progress{};
};

double mean_of(const std::vector<double>& values);

/// Clock and book-keeping of one call. One thread.
class Run {
 public:
  /// Creates the folder and appends to DIRECTORY/STAGE.csv, whose columns are step, seconds, `columns`.
  /// Throws Error(unavailable) if it cannot be written.
  Run(const RunOptions& options, std::string stage, std::vector<std::string> columns);

  bool time_left() const { return progress() < 1; }
  /// 0 to 1 of the time limit.
  double progress() const;
  /// Seconds of this call and, with a named progress, of those before it.
  double seconds() const;
  /// Cosine from 1 to 0.02 over the time limit.
  double schedule() const;
  /// Adds to the running means; every `every` steps writes a CSV line and a progress line.
  void record(int64_t step, const std::vector<double>& values, int64_t every = 50);
  /// True once per save_every, and never before it has passed.
  bool due();
  /// Keeps the named progress; call it when the state has been saved.
  void saved();

 private:
  RunOptions options_;
  std::string stage_;
  std::vector<std::string> columns_;
  std::vector<double> sums_;
  int64_t count_ = 0;
  std::ofstream csv_;
  double before_ = 0, start_ = 0, saved_ = 0;  // seconds
};

}  // namespace rushes::training
