// The stages of rushes train that make the shipped avatar.
#include <fmt/format.h>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
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
  std::string begin_with;
  int64_t crop = 32, video_frames = 5;

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

}  // namespace

void add_avatar_stages(CLI::App* train) {
  const auto stage = [&](const char* name, const char* what, double rate, int64_t batch, auto action) {
    auto options = std::make_shared<Options>();
    options->run.learning_rate = rate;
    options->run.batch = batch;
    CLI::App* command = train->add_subcommand(name, what);
    add_run_options(command, *options);
    add_progress_option(command, *options);
    command->callback([options, action] {
      prepare_run(*options);
      base::catch_stop_signals(base::OnStop::note);  // a stage saves its state first
      action(*options);
      require(base::stop_signal() == 0, ErrorCode::cancelled,
              "stopped by a signal; the state is saved, and the same command continues from it");
    });
    return std::pair(command, options);
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
}

}  // namespace rushes::app
