// rushes portrait register: works a source out once, so that sessions begin at once.
#include <filesystem>
#include <memory>

#include "commands.h"
#include "model_options.h"
#include "option_flags.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/avatars.h"
#include "rushes/generation/registry.h"
#include "rushes/ingest/driving_file.h"

namespace rushes::app {
namespace {

struct Options {
  generation::ModelOptions model;
  generation::Request request;
  std::string image, output;
};

void run(Options& options) {
  options.model.path = talk_model(options.model.path);
  const auto model = generation::load_model(options.model);
  const auto* avatars = dynamic_cast<const generation::Avatars*>(model.get());
  require(avatars != nullptr, ErrorCode::unsupported, "'{}' has no avatars: its portraits are ready in a moment anyway",
          model->card().name);
  options.request.image = read_picture(options.image, options.model.path);
  ingest::find_faces(options.request, *model);
  std::filesystem::path file = options.output;
  if (file.empty())
    file = avatars->avatar_folder() / (std::filesystem::path(options.image).stem().string() + ".safetensors");
  else if (file.extension() != ".safetensors")
    file += ".safetensors";
  std::error_code ignored;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), ignored);
  avatars->register_avatar(options.request, file);
  const bool is_in_place =
      std::filesystem::equivalent(file.has_parent_path() ? file.parent_path() : ".", avatars->avatar_folder(), ignored);
  log::info("'{}' written{}", file.string(),
            is_in_place ? "; it is the avatar '" + file.stem().string() + "' of this model (option avatar)"
                        : "; put it into '" + avatars->avatar_folder().string() + "' to use it (option avatar)");
}

}  // namespace

void add_portrait(CLI::App& app) {
  CLI::App* portrait = app.add_subcommand("portrait", "Portraits that are worked out once");
  portrait->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* command = portrait->add_subcommand(
      "register", "Find the face, encode it and write all that a session needs, so that sessions begin at once");
  command->add_option("image", options->image, "portrait: JPEG, PNG or WebP")->required();
  command->add_option("-o,--output", options->output,
                      "file to write: NAME.safetensors (default: the model's folder avatars/, with the image's name)");
  command->add_option("--model,--talk-model", options->model.path,
                      "model directory (default: $RUSHES_TALK_MODEL, else the shipped model)");
  command->add_option("--device", options->model.device, "device: cpu, cuda, cuda:1, ...")->capture_default_str();
  add_option_flags(*command, options->request.options, is_fed_audio_alone);
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
