// What all stages of `rushes train` have in common on the command line.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "rushes/training/run.h"

namespace rushes::app {

struct TrainRun {
  training::RunOptions run;
  std::string directory;                      // for states, curves and images
  int64_t time_limit = 600, save_every = 90;  // seconds
};

/// Directory, times, learning rate, batch, seed, threads and progress.
void add_run_options(CLI::App* command, TrainRun& options);

/// Fills in `run` from the flags, and sets libtorch for threads that share a batch. A signal then ends a stage only
/// behind its save().
void prepare_run(TrainRun& options);

/// Throws Error(cancelled) if a stage ended because of a signal, which it has saved its state for.
void check_stopped();

/// A stage as a subcommand, with the options of all stages. `prepare` and `action` take Options&, which is a TrainRun.
/// Returns the command and its options, for what only this stage has.
template <typename Options>
auto add_stage(CLI::App* train, const char* name, const char* what, double rate, int64_t batch, auto prepare,
               auto action) {
  auto options = std::make_shared<Options>();
  options->run.learning_rate = rate;
  options->run.batch = batch;
  CLI::App* command = train->add_subcommand(name, what);
  add_run_options(command, *options);
  command->callback([options, prepare, action] {
    prepare(*options);
    action(*options);
    check_stopped();
  });
  return std::pair(command, options);
}

}  // namespace rushes::app
