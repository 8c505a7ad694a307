// The stages of rushes train that make the shipped avatar.
#include <fmt/format.h>

#include "commands.h"
#include "rushes/generation/registry.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/omniavatar/avatar_evaluation.h"
#include "rushes/training/omniavatar/avatar_training.h"
#include "rushes/training/omniavatar/avatar_world.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/png.h"
#include "train_run.h"

namespace rushes::app {
namespace {

struct Options : TrainRun {
  Options() {
    directory = "build/train-avatar";
    save_every = 120;
  }
  std::string begin_with, model = "models/shipped-avatar", weights = "student.safetensors",
                          speech_encoder = "models/shipped-talk/audio_encoder.safetensors";
  int64_t crop = 32, video_frames = 5, people = 8, blocks = 3;
  training::AvatarTrainingOptions training;

  training::PictureWorld speakers() const {
    return training::drawn_speakers({.run = run, .crop = crop, .video_frames = video_frames});
  }
};

/// Eight speakers, a row each, and their captions.
void show_speakers(const Options& options) {
  std::filesystem::create_directories(options.directory);
  std::vector<at::Tensor> clips;
  for (uint64_t i = 0; i < 8; ++i) {
    const auto speaker = training::make_speaker(options.run.seed, i, training::Split::train);
    fmt::print("{}{}\n", speaker.has_portrait ? "(portrait) " : "", speaker.caption);
    const auto spoken = training::perform(speaker, options.run.seed, i, training::Split::train, 33);
    clips.push_back(training::draw_frames(speaker, spoken, 0, 33));
  }
  const auto file = std::filesystem::path(options.directory) / "speakers.png";
  training::write_png(file, training::contact_sheet(at::stack(clips), 11));
  fmt::print("wrote {}\n", file.string());
}

training::AvatarTrainingOptions training_of(const Options& options) {
  training::AvatarTrainingOptions training = options.training;
  training.run = options.run;
  training.speech_encoder = options.speech_encoder;
  return training;
}

void evaluate(const Options& options) {
  std::filesystem::create_directories(options.directory);
  const auto model = generation::load_model({.path = options.model});
  const training::AvatarQuality quality = training::measure_avatar(
      *model, options.people, options.blocks, std::filesystem::path(options.directory) / "avatar.png");
  fmt::print("{} blocks: {}\n", options.blocks, training::describe(quality));
}

void ship(const Options& options) {
  training::export_avatar(options.directory, options.weights, options.speech_encoder, options.model);
  fmt::print("wrote {}\n", options.model);
}

}  // namespace

void add_avatar_stages(CLI::App* train) {
  const auto stage = [&](const char* name, const char* what, double rate, int64_t batch, auto action) {
    return add_stage<Options>(train, name, what, rate, batch, prepare_run, action);
  };
  const auto crops = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("--crop", options->crop, "height and width of the crops in pixels, a multiple of 8")
        ->check(CLI::Range(16, 96))
        ->capture_default_str();
    command->add_option("--frames", options->video_frames, "video frames of a crop, 1 + 4k")
        ->check(CLI::Range(5, 81))
        ->capture_default_str();
  };
  stage("avatar-speakers", "Draw speakers of the avatar's world and print their captions", 1e-3, 1, show_speakers);
  const auto [autoencoder, autoencoder_options] =
      stage("avatar-autoencoder", "Train the avatar's autoencoder", 1.5e-3, 12,
            [](const Options& o) { training::train_autoencoder(o.run, o.speakers(), o.begin_with); });
  crops(autoencoder, autoencoder_options);
  autoencoder->add_option("--begin-with", autoencoder_options->begin_with,
                          "file of an earlier autoencoder, to begin with its weights");
  const auto [decoder, decoder_options] =
      stage("avatar-decoder", "Continue with the avatar's decoder alone; latents do not change", 1e-3, 6,
            [](const Options& o) { training::train_decoder(o.run, o.speakers()); });
  crops(decoder, decoder_options);

  const auto speech_encoder = [](CLI::App* command, const std::shared_ptr<Options>& options) {
    command
        ->add_option("--speech-encoder", options->speech_encoder, "file of the shipped talking head's speech encoder")
        ->capture_default_str();
  };
  const auto clips = [&](CLI::App* command, const std::shared_ptr<Options>& options) {
    speech_encoder(command, options);
    command->add_option("--latent-frames", options->training.latent_frames, "latent frames of a clip, a multiple of 3")
        ->check(CLI::Range(3, 63))
        ->capture_default_str();
    command
        ->add_option("--fresh", options->training.fresh_per_step,
                     "new clips per update; the rest of a batch are earlier clips")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
  };
  const auto [transformer, transformer_options] =
      stage("avatar-transformer", "Train the avatar's text encoder and causal transformer", 2.5e-3, 16,
            [](const Options& o) { training::train_avatar(training_of(o)); });
  clips(transformer, transformer_options);
  transformer
      ->add_option("--text-seconds", transformer_options->training.text_seconds,
                   "seconds at the start that train only the text encoder")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  const auto [distill, distill_options] =
      stage("avatar-distill", "Train the avatar's transformer to need only four steps", 6e-4, 16,
            [](const Options& o) { training::distill_avatar(training_of(o)); });
  distill_options->training.latent_frames = 6;
  clips(distill, distill_options);
  distill->add_option("--guidance", distill_options->training.guidance, "guidance scale of the teacher's trajectories")
      ->check(CLI::Range(1.0, 20.0))
      ->capture_default_str();
  distill
      ->add_option("--teacher-steps", distill_options->training.teacher_steps,
                   "steps of a teacher's trajectory, a multiple of 4")
      ->check(CLI::Range(4, 200))
      ->capture_default_str();

  const auto [measure, measure_options] =
      stage("avatar-evaluate", "Measure the model directory on held-out people, voices and words", 1e-3, 1, evaluate);
  measure->add_option("--model", measure_options->model, "model directory")->capture_default_str();
  measure->add_option("--people", measure_options->people, "number of people that speak")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  measure->add_option("--blocks", measure_options->blocks, "blocks of 12 video frames of each clip")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  const auto [exporting, export_options] =
      stage("avatar-export", "Write the model directory that avatar and serve open", 1e-3, 1, ship);
  speech_encoder(exporting, export_options);
  exporting
      ->add_option("--weights", export_options->weights,
                   "file in the directory: avatar.safetensors or student.safetensors")
      ->capture_default_str();
  exporting->add_option("--output", export_options->model, "model directory")->capture_default_str();
}

}  // namespace rushes::app
