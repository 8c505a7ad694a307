// The stages of rushes train that make the shipped Foresight model.
#include <fmt/format.h>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/generation/registry.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/foresight/foresight_evaluation.h"
#include "rushes/training/foresight/foresight_export.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/foresight/language_training.h"
#include "rushes/training/foresight/shipped_language.h"
#include "rushes/training/foresight/video_training.h"
#include "rushes/training/png.h"
#include "train_run.h"

namespace rushes::app {
namespace {

struct Options : TrainRun {
  Options() {
    directory = "build/train-foresight";
    save_every = 60;
  }
  std::string model, conditioning = "prompt";
  int64_t pictures = 200;
  training::ForesightCrops crops;
  training::ForesightVideoOptions video;
};

/// Sixteen scenes, a row each, and what is asked and answered.
void show_scenes(const Options& options) {
  std::filesystem::create_directories(options.directory);
  std::vector<at::Tensor> clips;
  for (uint64_t i = 0; i < 16; ++i) {
    const auto scene = training::make_foresight_scene(options.run.seed, i, training::Split::train);
    fmt::print("'{}' {}\n", scene.question, scene.answer);
    clips.push_back(training::draw(scene, 0, training::kForesightVideoFrames));
  }
  const auto file = std::filesystem::path(options.directory) / "scenes.png";
  training::write_png(file, training::contact_sheet(at::stack(clips), 9));
  fmt::print("wrote {}\n", file.string());
}

void evaluate_language(const Options& options) {
  const auto model = options.model.empty() ? training::model_of(training::trained_language(options.directory))
                                           : std::make_shared<const qwen::Model>(qwen::load_model(
                                                 std::filesystem::path(options.model) / "language", {}));
  const auto quality = training::measure_foresight_language(model, options.pictures, options.run.seed);
  for (const std::string& mistake : quality.mistakes) fmt::print("{}\n", mistake);
  fmt::print("{}\n", training::describe(quality));
}

void train_video(const Options& options) {
  training::ForesightVideoOptions video = options.video;
  video.run = options.run;
  training::train_foresight_video(video);
}

void ship(const Options& options) {
  training::export_foresight(options.directory, options.model);
  fmt::print("wrote {}\n", options.model);
}

void evaluate(const Options& options) {
  std::filesystem::create_directories(options.directory);
  at::set_num_threads(static_cast<int>(options.run.threads));
  const auto model = generation::load_model({.path = options.model});
  rushes::Options asked;
  asked.set("conditioning", options.conditioning);
  const auto quality = training::measure_foresight(*model, options.pictures,
                                                   std::filesystem::path(options.directory) / "foresight.png", asked);
  for (const std::string& said : quality.said) fmt::print("{}\n", said);
  for (const std::string& mistake : quality.mistakes) fmt::print("{}\n", mistake);
  fmt::print("{}\n", training::describe(quality));
}

}  // namespace

void add_foresight_stages(CLI::App* train) {
  const auto stage = [&](const char* name, const char* what, double rate, int64_t batch, auto action) {
    return add_stage<Options>(train, name, what, rate, batch, prepare_run, action);
  };
  stage("foresight-world", "Draw scenes of Foresight's world and print their questions and answers", 1e-3, 1,
        show_scenes);
  stage("foresight-language", "Train Foresight's language model to answer questions about pictures", 3e-3, 32,
        [](const Options& o) { training::train_foresight_language(o.run); });
  const auto [measure, measured] =
      stage("foresight-language-evaluate", "Measure answers to questions about held-out pictures", 1e-3, 1,
            evaluate_language);
  measure->add_option("--model", measured->model, "model directory; without it, what training wrote");
  measure->add_option("--pictures", measured->pictures, "number of pictures")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();

  const auto [autoencoder, crops] =
      stage("foresight-autoencoder", "Train Foresight's video autoencoder", 2e-3, 8,
            [](const Options& o) { training::train_foresight_autoencoder(o.run, o.crops); });
  autoencoder->add_option("--crop", crops->crops.side, "height and width of the crops in pixels, a multiple of 32")
      ->check(CLI::Range(32, 128))
      ->capture_default_str();
  autoencoder->add_option("--frames", crops->crops.video_frames, "video frames of a crop, 1 + 8k")
      ->check(CLI::Range(9, 33))
      ->capture_default_str();
  const auto [video, films] =
      stage("foresight-video", "Train Foresight's text encoder and video transformer", 2.5e-3, 32, train_video);
  video
      ->add_option("--fresh", films->video.fresh_per_step,
                   "new films per update; the rest of a batch are earlier films")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  video
      ->add_option("--text-seconds", films->video.text_seconds, "seconds at the start that train only the text encoder")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  stage("foresight-adapter", "Train Foresight's adapter between its vision models and its video transformer", 2e-3, 16,
        [](const Options& o) { training::train_foresight_adapter({.run = o.run}); });
  const auto [exporting, exported] =
      stage("foresight-export", "Write the model directory that foresee and serve open", 1e-3, 1, ship);
  exported->model = "models/shipped-foresight";
  exporting->add_option("--output", exported->model, "model directory")->capture_default_str();
  const auto [taking, taken] =
      stage("foresight-import", "Write a model directory's weights as training states, to continue training from them",
            1e-3, 1, [](const Options& o) {
              training::import_foresight(o.model, o.directory);
              fmt::print("wrote {}\n", o.directory);
            });
  taken->model = "models/shipped-foresight";
  taking->add_option("--model", taken->model, "model directory")->capture_default_str();
  const auto [evaluation, evaluated] = stage(
      "foresight-evaluate", "Measure the model directory on held-out pictures, words and films", 1e-3, 1, evaluate);
  evaluated->model = "models/shipped-foresight";
  evaluated->pictures = 60;
  evaluation->add_option("--model", evaluated->model, "model directory")->capture_default_str();
  evaluation->add_option("--conditioning", evaluated->conditioning, "what the film follows")
      ->check(CLI::IsMember({"prompt", "adapter"}))
      ->capture_default_str();
  evaluation->add_option("--pictures", evaluated->pictures, "number of pictures")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
}

}  // namespace rushes::app
