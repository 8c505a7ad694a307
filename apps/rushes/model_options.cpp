#include "model_options.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/tensor/placement.h"

namespace rushes::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShippedModel = "models/shipped-t2v";
constexpr const char* kShippedTalkModel = "models/shipped-talk";
constexpr const char* kShippedAvatarModel = "models/shipped-avatar";
constexpr const char* kShippedAnsweringModel = "models/shipped-foresight";
constexpr const char* kShippedBeside[] = {kShippedTalkModel, "models/shipped-ditto", kShippedAvatarModel,
                                          kShippedAnsweringModel};

fs::path program_path() {
  std::error_code status;
  return fs::read_symlink("/proc/self/exe", status);
}

/// A model that comes with the program; empty if it is not there.
std::string find_shipped(const std::string& model) {
  std::vector<std::string> positions;
  std::error_code status;
  const fs::path program = program_path();
  // Installed (bin/rushes beside share/rushes), then a checkout: any folder above the program, then the sources.
  if (!program.empty()) positions.push_back((program.parent_path().parent_path() / "share/rushes" / model).string());
  for (fs::path folder = program.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    positions.push_back((folder / model).string());
  positions.push_back((fs::path(RUSHES_SOURCE_DIR) / model).string());
  for (const std::string& place : positions)
    if (fs::is_directory(place, status)) return place;
  return {};
}

}  // namespace

std::string default_model() {
  if (const char* named = std::getenv("RUSHES_MODEL"); named && *named) return named;
  const std::string shipped = find_shipped(kShippedModel);
  require(!shipped.empty(), ErrorCode::invalid_argument,
          "there is no model: give a model directory with --model or RUSHES_MODEL; the shipped model, {}, was found "
          "neither above {} nor in {}",
          kShippedModel, program_path().string(), RUSHES_SOURCE_DIR);
  return shipped;
}

std::string default_talk_model() {
  if (const char* named = std::getenv("RUSHES_TALK_MODEL"); named && *named) return named;
  return find_shipped(kShippedTalkModel);
}

std::vector<std::string> shipped_companions() {
  std::vector<std::string> found;
  for (const char* model : kShippedBeside)
    if (std::string place = find_shipped(model); !place.empty()) found.push_back(std::move(place));
  return found;
}

std::string named_model(const std::string& path) {
  std::error_code status;
  if (fs::is_directory(path, status) || !path.starts_with("shipped-")) return path;
  const std::string shipped = find_shipped("models/" + path);
  return shipped.empty() ? path : shipped;
}

namespace {

/// The small model of the first family that is fed with speech, and prompted or not.
std::string random_fed(bool prompted) {
  using generation::Modality;
  for (const generation::Family& family : generation::families())
    if (family.capabilities.feeds.has(Modality::audio) && family.capabilities.takes.has(Modality::text) == prompted)
      return fmt::format("random:{}", family.name);
  return "random";
}

}  // namespace

std::string talk_model(const std::string& named) {
  if (named.empty()) return default_talk_model();
  return named == "random" ? random_fed(/*prompted=*/false) : named_model(named);
}

std::string avatar_model(const std::string& named) {
  if (named == "random") return random_fed(/*prompted=*/true);
  if (!named.empty()) return named_model(named);
  if (const char* set = std::getenv("RUSHES_AVATAR_MODEL"); set && *set) return set;
  return find_shipped(kShippedAvatarModel);
}

std::string answering_model(const std::string& named) {
  using generation::Modality;
  if (named == "random")
    for (const generation::Family& family : generation::families())
      if (family.capabilities.takes.has(Modality::image) && family.capabilities.yields.has(Modality::text))
        return fmt::format("random:{}", family.name);
  if (!named.empty()) return named_model(named);
  if (const char* set = std::getenv("RUSHES_FORESEE_MODEL"); set && *set) return set;
  return find_shipped(kShippedAnsweringModel);
}

// Loops of small models are so short that meeting at their ends costs more than a second core brings: the shipped model
// makes 39 pictures a second on one core of a busy machine and 27 on both. Other sessions and the encoder take the
// rest.
bool is_small(const generation::ModelOptions& model) {
  constexpr std::uintmax_t kSmall = std::uintmax_t{64} << 20;
  if (!model.checkpoint.empty()) return false;
  std::error_code status;
  std::uintmax_t bytes = 0;
  for (fs::recursive_directory_iterator file(model.path, status), end; !status && file != end && bytes < kSmall;
       file.increment(status))
    if (std::error_code ignored; file->is_regular_file(ignored)) bytes += file->file_size(ignored);
  return !status && bytes > 0 && bytes < kSmall;
}

void add_model_options(CLI::App& command, generation::ModelOptions& options) {
  command.add_option("--model,--model_path,--model-path", options.path,
                     "model directory (default: $RUSHES_MODEL, else the shipped model)");
  command.add_option("--checkpoint,--checkpoint_path,--checkpoint-path", options.checkpoint,
                     "weights that replace the transformer's, e.g. self_forcing_dmd.pt");
  command.add_option("--configuration,--cfg_pkl,--cfg-pkl", options.configuration,
                     "file with defaults of sessions over the model's own, of families that have such files");
  command.add_flag("--use-ema,--use_ema", options.use_ema, "use the checkpoint's averaged (EMA) weights");
  command.add_option("--dtype", options.dtype, "data type of the weights: auto, float32 or bfloat16")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
  command.add_option("--device", options.device, "device: cpu, cuda, cuda:1, ...")->capture_default_str();
  command.add_option("--decoder", options.decoder, "autoencoder that decodes: auto, vae or tiny")
      ->check(CLI::IsMember({"auto", "vae", "tiny"}))
      ->capture_default_str();
  command
      .add_option(
          "--sampler", options.sampler,
          "how the transformer's weights are sampled: few_step (distilled), many_step (with guidance), or auto, "
          "as their files say")
      ->check(CLI::IsMember({"auto", "few_step", "many_step"}))
      ->capture_default_str();
  command.add_flag("--strict", options.strict, "refuse weights with tensors that the model does not have");
}

void add_silent_audio_option(CLI::App& command, bool& silent_audio) {
  command.add_flag("--silent-audio,!--no-silent-audio", silent_audio,
                   "over RTMP, send silence where the video has no sound (default; most sites refuse a stream without "
                   "sound)");
}

void check_request(const generation::Request& request, const generation::ModelOptions& model) {
  generation::check_numbers(request);
  tensor::parse_device(model.device);
  const generation::Family* family = generation::family_of(model.path);
  if (!family) return;
  for (const auto& [name, value] : request.options.values()) {
    if (find_field(family->options(), name)) {
      checked({{name, value}}, family->options());
      continue;
    }
    const auto having = generation::family_options(
        [&name = name](const generation::Family& each) { return find_field(each.options(), name) != nullptr; });
    const auto option =
        std::find_if(having.begin(), having.end(), [&name = name](const auto& o) { return o.field->name == name; });
    fail(ErrorCode::invalid_argument, "{} is an option of {} models; {} is one of {}, which do not have it", name,
         option == having.end() ? "no" : fmt::format("{}", fmt::join(option->families, " and ")), model.path,
         family->name);
  }
}

void add_threads_option(CLI::App& command, int& threads, const std::string& by_default) {
  command.add_option("--threads", threads, "CPU cores for the model (default: " + by_default + ")")
      ->check(CLI::Range(1, 1024));
}

void use_threads(int threads) {
  if (threads > 0) at::set_num_threads(threads);
}

void use_threads(int threads, const generation::ModelOptions& model) {
  use_threads(threads == 0 && is_small(model) ? 1 : threads);
}

}  // namespace rushes::app
