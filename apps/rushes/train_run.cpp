#include "train_run.h"

#include "rushes/base/error.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"

namespace rushes::app {

void add_run_options(CLI::App* command, TrainRun& options) {
  command->add_option("--directory", options.directory, "folder for states, loss curves and images of all stages")
      ->capture_default_str();
  command
      ->add_option("--time-limit", options.time_limit, "duration in seconds; the learning rate decays over this time")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--save-every", options.save_every, "seconds between saved states")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--learning-rate", options.run.learning_rate, "peak learning rate of this run")
      ->check(CLI::Range(1e-7, 1.0))
      ->capture_default_str();
  command->add_option("--batch", options.run.batch, "samples per update")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--seed", options.run.seed, "random seed of the training data")->capture_default_str();
  command->add_option("--threads", options.run.threads, "number of threads that share a batch, one core each")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command->add_option(
      "--progress", options.run.progress,
      "name; the time limit then counts the processor time of all runs with this name in the directory");
}

void prepare_run(TrainRun& options) {
  options.run.directory = options.directory;
  options.run.time_limit = std::chrono::seconds(options.time_limit);
  options.run.save_every = std::chrono::seconds(options.save_every);
  at::set_num_threads(1);  // threads share the batch, not the operators
  at::globalContext().setFlushDenormal(true);
  base::catch_stop_signals(base::OnStop::note);
}

void check_stopped() {
  require(base::stop_signal() == 0, ErrorCode::cancelled,
          "stopped by a signal; the state is saved, and the same command continues from it");
}

}  // namespace rushes::app
