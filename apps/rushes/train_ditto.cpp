// The stages of rushes train that make the shipped portrait model of the Ditto layout.
#include <fmt/format.h>

#include "commands.h"
#include "rushes/generation/registry.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/ditto/ditto_evaluation.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/emotions.h"
#include "rushes/training/png.h"
#include "train_run.h"

namespace rushes::app {
namespace {

struct Options : TrainRun {
  Options() {
    directory = "build/train-ditto";
    save_every = 120;
    run.threads = 1;
  }
  std::string output = "models/shipped-ditto", other = "models/shipped-talk";
  int64_t drivers = 4, people = 8;
};

/// Each emotion on a few people, a row each.
void show_emotions(const Options& options) {
  std::filesystem::create_directories(options.directory);
  std::vector<at::Tensor> people;
  for (uint64_t i = 0; i < 6; ++i) {
    const auto identity = training::make_identity(options.run.seed, i, training::Split::train);
    std::vector<at::Tensor> row;
    for (int64_t emotion = 0; emotion < 8; ++emotion)
      row.push_back(training::draw_face(identity, training::expressed({.jaw = i % 2 == 1 ? 0.5f : 0.0f}, emotion)));
    people.push_back(at::stack(row));
  }
  const auto file = std::filesystem::path(options.directory) / "emotions.png";
  training::write_png(file, training::contact_sheet(at::stack(people), 8));
  fmt::print("wrote {}\n", file.string());
}

void evaluate(const Options& options) {
  std::filesystem::create_directories(options.directory);
  const training::DittoQuality q = training::measure_ditto(options.output, options.people, options.directory);
  fmt::print(
      "{} held-out people and voices: mouth seen against the jaw that made the sound {:.2f}, over classes of phonemes "
      "{:.2f} (drawings against their jaws {:.2f}); in silence: opening {:.3f}, motion {:.3f} of that in speech, "
      "{:.1f} "
      "blinks of 5 in ten seconds, {:.1f} dB against the portrait; emotions named {:.2f}, change {:.2f} of the "
      "drawings' (renderer alone: named {:.2f}; motion alone: {:.2f} of the drawings', correlation {:.2f}); "
      "seam of {:.1f} levels\n",
      options.people, q.mouth_truth, q.mouth_classes, q.truth_opening, q.silent_opening, q.silent_motion, q.blinks,
      q.psnr, q.emotions_named, q.emotion_change, q.emotions_rendered, q.emotions_moved, q.emotions_moved_alike,
      q.seam);
}

void show_beside(const Options& options) {
  std::filesystem::create_directories(options.directory);
  const auto ditto = generation::load_model({.path = options.output}),
             other = generation::load_model({.path = options.other});
  const auto file = std::filesystem::path(options.directory) / "beside.png";
  training::write_png(file, training::beside(*ditto, *other, options.people));
  fmt::print("wrote {}\n", file.string());
}

}  // namespace

void add_portrait_stages(CLI::App* train) {
  const auto stage = [&](const char* name, const char* what, double rate, int64_t batch, auto action) {
    return add_stage<Options>(train, name, what, rate, batch, prepare_run, action);
  };
  stage("ditto-emotions", "Draw people with each of the eight emotions", 1e-3, 1, show_emotions);
  const auto [renderer, renderer_options] =
      stage("ditto-renderer", "Train appearance, warp and decoder of the Ditto portrait model", 2e-3, 2,
            [](const Options& o) { training::train_head_renderer({.run = o.run, .drivers = o.drivers}); });
  renderer->add_option("--drivers", renderer_options->drivers, "frames per source image")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  stage("ditto-reader", "Train the motion extractor, which reads pictures", 1e-3, 16,
        [](const Options& o) { training::train_motion_reader(o.run); });
  stage("ditto-stitch", "Train the stitching network", 2e-3, 64,
        [](const Options& o) { training::train_stitching(o.run); });
  stage("ditto-speech", "Train the speech encoder", 2e-3, 8,
        [](const Options& o) { training::train_speech_encoder(o.run); });
  stage("ditto-motion", "Train the motion model", 2e-3, 16,
        [](const Options& o) { training::train_motion_model(o.run); });
  const auto model = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--model", options->output, "model directory")->capture_default_str();
  };
  const auto people = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--people", options->people, "number of people that speak")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
  };
  const auto [measure, measure_options] =
      stage("ditto-evaluate", "Measure the model directory on held-out people and voices", 1e-3, 1, evaluate);
  model(measure, measure_options);
  people(measure, measure_options);
  const auto [pairs, pairs_options] =
      stage("ditto-beside", "Draw the same people and sentences by this model and another one", 1e-3, 1, show_beside);
  model(pairs, pairs_options);
  pairs_options->people = 4;
  people(pairs, pairs_options);
  pairs->add_option("--other", pairs_options->other, "the other model's directory")->capture_default_str();
  const auto [ship, ship_options] =
      stage("ditto-export", "Write the model directory that talk and serve open", 1e-3, 1, [](const Options& o) {
        training::export_ditto(o.directory, o.output);
        fmt::print("wrote {}\n", o.output);
      });
  ship->add_option("--output", ship_options->output, "model directory")->capture_default_str();
  const auto [taking, taking_options] =
      stage("ditto-import", "Write a model directory's weights as training states, to continue training from them",
            1e-3, 1, [](const Options& o) {
              training::import_ditto(o.output, o.directory);
              fmt::print("wrote {}\n", o.directory);
            });
  model(taking, taking_options);
}

}  // namespace rushes::app
