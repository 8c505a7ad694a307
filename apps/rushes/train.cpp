// rushes train: makes the shipped models from procedurally drawn data, stage by stage; each stage continues from its
// saved state.
#include <fmt/format.h>

#include "commands.h"
#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/generation/registry.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/png.h"
#include "rushes/training/wan/autoencoder_training.h"
#include "rushes/training/wan/evaluation.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/transformer_training.h"
#include "rushes/training/wan/world.h"
#include "train_run.h"

namespace rushes::app {
namespace {

struct Options : TrainRun {
  Options() { directory = "build/train"; }
  std::string device = "cpu";
  int64_t clips = 8, side = training::kShippedSide, crop = 32, video_frames = 5;
  int64_t latent_frames = 3, fresh = 8, text_seconds = 40, teacher_steps = 12;
  double guidance = 2.5;
  std::string model, weights = "student.safetensors", output = "models/shipped-t2v";
};

void prepare(Options& options) {
  prepare_run(options);
  options.run.device = at::Device(options.device);
}

void show_world(const Options& options) {
  base::catch_stop_signals();
  std::filesystem::create_directories(options.directory);
  std::vector<at::Tensor> clips;
  for (int64_t i = 0; i < options.clips; ++i) {
    const auto scene = training::make_scene(options.run.seed, static_cast<uint64_t>(i), training::Split::train);
    fmt::print("{}\n", scene.caption);
    clips.push_back(training::draw(scene, 0, 33, options.side, options.side));
  }
  const auto file = std::filesystem::path(options.directory) / "world.png";
  training::write_png(file, training::contact_sheet(at::stack(clips), 8));
  fmt::print("wrote {}\n", file.string());
}

void evaluate(const Options& options) {
  base::catch_stop_signals();
  std::string path = options.model;
  if (path.empty()) {
    path = (std::filesystem::path(options.directory) / "exported").string();
    training::export_model(options.directory, options.weights, path);
  }
  const auto model = generation::load_model({.path = path});
  const training::Fidelity f = training::measure_fidelity(
      *model, {.clips = options.clips, .latent_frames = options.latent_frames, .seed = options.run.seed});
  fmt::print("{} latent frames, seed {}: {}\n", options.latent_frames, options.run.seed, training::describe(f));
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* train = app.add_subcommand("train", "Train the shipped models, stage by stage");
  train->require_subcommand(1);
  const auto stage = [&](const char* name, const char* what, double rate, int64_t batch, auto action) {
    auto added = add_stage<Options>(train, name, what, rate, batch, prepare, action);
    added.first
        ->add_option("--device", added.second->device, "device of the text-to-video stages: cpu, cuda, cuda:1, ...")
        ->capture_default_str();
    return added;
  };
  const auto [world, world_options] =
      stage("world", "Draw clips of the procedural world and print their captions", 1e-3, 1, show_world);
  world->add_option("--clips", world_options->clips, "number of clips, one per row of the image")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  world->add_option("--side", world_options->side, "height and width of a clip in pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str();
  const auto crops = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--crop", options->crop, "height and width of the crops in pixels, a multiple of 8")
        ->check(CLI::Range(16, 128))
        ->capture_default_str();
    command->add_option("--frames", options->video_frames, "video frames of a clip, 1 + 4k")
        ->check(CLI::Range(5, 81))
        ->capture_default_str();
  };
  const auto [autoencoder, autoencoder_options] =
      stage("autoencoder", "Train the tiny autoencoder", 1.5e-3, 12, [](const Options& o) {
        training::train_autoencoder(
            o.run, training::moving_shapes({.run = o.run, .crop = o.crop, .video_frames = o.video_frames}));
      });
  crops(autoencoder, autoencoder_options);
  const auto [decoder, decoder_options] =
      stage("decoder", "Continue with the decoder alone; latents do not change", 1e-3, 6, [](const Options& o) {
        training::train_decoder(
            o.run, training::moving_shapes({.run = o.run, .crop = o.crop, .video_frames = o.video_frames}));
      });
  crops(decoder, decoder_options);

  const auto side = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--side", options->side, "height and width of the clips in pixels, a multiple of 16")
        ->check(CLI::Range(32, 256))
        ->capture_default_str();
  };
  const auto latent_frames = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--latent-frames", options->latent_frames, "latent frames of a clip, a multiple of 3")
        ->check(CLI::Range(3, 63))
        ->capture_default_str();
  };
  const auto fresh = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--fresh", options->fresh, "new clips per update; the rest of a batch are earlier clips")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
  };
  const auto weights = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--weights", options->weights, "file in the directory: t2v.safetensors or student.safetensors")
        ->capture_default_str();
  };
  const auto [transformer, transformer_options] =
      stage("transformer", "Train the text encoder and the causal transformer", 1.5e-3, 32, [](const Options& o) {
        training::train_transformer({.run = o.run,
                                     .side = o.side,
                                     .latent_frames = o.latent_frames,
                                     .fresh_per_step = o.fresh,
                                     .text_seconds = o.text_seconds});
      });
  side(transformer, transformer_options);
  latent_frames(transformer, transformer_options);
  fresh(transformer, transformer_options);
  transformer
      ->add_option("--text-seconds", transformer_options->text_seconds,
                   "seconds at the start that train only the text encoder")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();

  const auto [distill, distill_options] =
      stage("distill", "Train the transformer to need only four steps", 5e-4, 16, [](const Options& o) {
        training::distill({.run = o.run,
                           .side = o.side,
                           .latent_frames = o.latent_frames,
                           .guidance = o.guidance,
                           .teacher_steps = o.teacher_steps,
                           .fresh_per_step = o.fresh});
      });
  side(distill, distill_options);
  distill_options->latent_frames = 9;
  latent_frames(distill, distill_options);
  fresh(distill, distill_options);
  distill->add_option("--guidance", distill_options->guidance, "guidance scale of the teacher's trajectories")
      ->check(CLI::Range(1.0, 20.0))
      ->capture_default_str();
  distill
      ->add_option("--teacher-steps", distill_options->teacher_steps,
                   "steps of a teacher's trajectory, a multiple of 4")
      ->check(CLI::Range(4, 200))
      ->capture_default_str();

  const auto [measure, measure_options] =
      stage("evaluate", "Measure the share of held-out captions that the generated videos follow", 1e-3, 1, evaluate);
  measure->add_option("--model", measure_options->model, "model directory; without it, the weights are exported first");
  latent_frames(measure, measure_options);
  weights(measure, measure_options);
  measure_options->clips = 64;
  measure->add_option("--clips", measure_options->clips, "number of captions")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();

  const auto [ship, ship_options] =
      stage("export", "Write the model directory that generate and serve open", 1e-3, 1, [](const Options& o) {
        training::export_model(o.directory, o.weights, o.output);
        fmt::print("wrote {}\n", o.output);
      });
  weights(ship, ship_options);
  ship->add_option("--output", ship_options->output, "model directory")->capture_default_str();
  add_talk_stages(train);
  add_portrait_stages(train);
  add_avatar_stages(train);
  add_foresight_stages(train);
}

}  // namespace rushes::app
