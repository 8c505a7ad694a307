// What all stages of `rushes train` have in common on the command line.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "rushes/training/run.h"

namespace rushes::app {

struct TrainRun {
  training::RunOptions run;
  std::string directory;                      // for states, curves and images
  int64_t time_limit = 600, save_every = 90;  // seconds
};

/// Directory, times, learning rate, batch, seed and threads.
void add_run_options(CLI::App* command, TrainRun& options);
void add_progress_option(CLI::App* command, TrainRun& options);

/// Fills in `run` from the flags, and sets libtorch for threads that share a batch.
void prepare_run(TrainRun& options);

}  // namespace rushes::app
