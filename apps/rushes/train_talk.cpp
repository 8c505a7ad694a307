// The stages of rushes train that make the shipped talking head.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "commands.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/imtalker/talk_evaluation.h"
#include "rushes/training/imtalker/talk_training.h"
#include "rushes/training/png.h"
#include "train_run.h"

namespace rushes::app {
namespace {

struct Options : TrainRun {
  Options() { directory = "build/train-talk"; }
  std::string output = "models/shipped-talk";
  int64_t people = 0, drivers = 3;
};

void show_faces(const Options& options) {
  base::catch_stop_signals();
  std::filesystem::create_directories(options.directory);
  std::vector<at::Tensor> people;
  for (uint64_t i = 0; i < 8; ++i) {
    const auto identity = training::make_identity(options.run.seed, i, training::Split::train);
    training::Random random(options.run.seed, i);
    std::vector<at::Tensor> row{training::draw_face(identity, {})};
    for (int k = 0; k < 7; ++k) row.push_back(training::draw_face(identity, training::random_controls(random)));
    people.push_back(at::stack(row));
  }
  const auto file = std::filesystem::path(options.directory) / "faces.png";
  training::write_png(file, training::contact_sheet(at::stack(people), 8));
  fmt::print("wrote {}\n", file.string());
}

void evaluate(const Options& options) {
  base::catch_stop_signals();
  const training::TalkQuality q =
      training::measure_talk(options.output, options.people, std::filesystem::path(options.directory) / "talk.png");
  fmt::print(
      "{} held-out people and voices: jaw against loudness {:.2f}, against the truth {:.2f}; mouth seen against "
      "loudness {:.2f}, against the truth {:.2f}; the truth against loudness {:.2f}; jaw in silence {:.3f}; frames "
      "{:.1f} dB; colours {:.3f}; yaw follows {:.2f}, gaze {:.2f}\n",
      options.people, q.jaw_loudness, q.jaw_truth, q.mouth_loudness, q.mouth_truth, q.truth_loudness, q.silent_jaw,
      q.psnr, q.colour_distance, q.yaw_response, q.gaze_response);
  const training::DrivingQuality driven = training::measure_driving(
      options.output, options.people, std::filesystem::path(options.directory) / "driven.png");
  fmt::print(
      "driven by another face: {:.1f} dB, unmoved source {:.1f} dB; motion read from that face, correlation {:.2f}\n",
      driven.psnr, driven.unmoved_psnr, fmt::join(driven.read, " "));
}

}  // namespace

void add_talk_stages(CLI::App* train) {
  const auto stage = [&](const char* name, const char* what, double rate, int64_t batch, auto action) {
    return add_stage<Options>(train, name, what, rate, batch, prepare_run, action);
  };
  stage("faces", "Draw people of the face world", 1e-3, 1, show_faces);
  stage("face-audio", "Train the talking head's speech encoder", 2e-3, 16,
        [](const Options& o) { training::train_audio_encoder(o.run); });
  stage("face-motion", "Train the talking head's motion generator", 2e-3, 64,
        [](const Options& o) { training::train_motion_generator(o.run); });
  stage("face-places", "Train the positions that the talking head's renderer attends to", 4e-3, 4,
        [](const Options& o) { training::train_positions(o.run); });
  stage("face-motion-encoder", "Train the talking head's motion encoder, which reads portraits", 1.5e-3, 16,
        [](const Options& o) { training::train_motion_encoder(o.run); });
  const auto [renderer, renderer_options] = stage(
      "face-renderer", "Train the talking head's renderer", 3e-4, 2,
      [](const Options& o) { training::train_renderer({.run = o.run, .drivers = o.drivers, .people = o.people}); });
  renderer->add_option("--people", renderer_options->people, "number of people in the training data; 0: unlimited")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  const auto [measure, measure_options] =
      stage("face-evaluate", "Measure the model directory on held-out people and voices", 1e-3, 1, evaluate);
  measure_options->people = 8;
  measure->add_option("--people", measure_options->people, "number of people that speak")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  measure->add_option("--model", measure_options->output, "model directory")->capture_default_str();
  const auto [ship, ship_options] =
      stage("face-export", "Write the model directory that talk and serve open", 1e-3, 1, [](const Options& o) {
        training::export_talk(o.directory, o.output);
        fmt::print("wrote {}\n", o.output);
      });
  ship->add_option("--output", ship_options->output, "model directory")->capture_default_str();
  const auto [taking, taking_options] =
      stage("face-import", "Write a model directory's weights as training states, to continue training from them", 1e-3,
            1, [](const Options& o) {
              training::import_talk(o.output, o.directory);
              fmt::print("wrote {}\n", o.directory);
            });
  taking->add_option("--model", taking_options->output, "model directory")->capture_default_str();
  renderer->add_option("--drivers", renderer_options->drivers, "frames per source image")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
}

}  // namespace rushes::app
