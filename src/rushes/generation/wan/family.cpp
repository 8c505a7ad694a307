// The family wan: files to a model that is ready to start sessions.
#include <chrono>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/registry.h"
#include "rushes/generation/wan/family.h"
#include "rushes/generation/wan/inspect.h"
#include "rushes/generation/wan/loading.h"
#include "rushes/generation/wan/model.h"
#include "rushes/generation/wan/tiny.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/models/wan/published_layout.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

// Above this a block takes so long that warming up costs more than it saves.
constexpr int64_t kWarmUpParameters = 200'000'000;

/// The autoencoder that decodes: the model's own, or its cheaper second one.
const wan::AutoencoderPart& choose_decoder(const wan::ModelDirectory& model, const std::string& wanted) {
  const auto is = [](const wan::AutoencoderPart& part, wan::AutoencoderKind kind) { return part.kind == kind; };
  if (wanted == "auto") return model.autoencoder;
  require(wanted == "vae" || wanted == "tiny", ErrorCode::invalid_argument,
          "decoder must be auto, vae or tiny (got '{}')", wanted);
  const auto kind = wanted == "vae" ? wan::AutoencoderKind::vae : wan::AutoencoderKind::tiny;
  if (is(model.autoencoder, kind)) return model.autoencoder;
  require(model.preview_autoencoder && is(*model.preview_autoencoder, kind), ErrorCode::not_found,
          "decoder: the model '{}' has no {} autoencoder", model.name, wanted);
  return *model.preview_autoencoder;
}

std::optional<wan::Sampler> sampler_of(const std::string& word) {
  if (word == "few_step") return wan::Sampler::few_step;
  if (word == "many_step") return wan::Sampler::many_step;
  require(word == "auto", ErrorCode::invalid_argument, "sampler must be auto, few_step or many_step (got '{}')", word);
  return std::nullopt;
}

std::span<const OptionField> published_options() {
  static const std::vector<OptionField> fields = wan_options({}, {});
  return fields;
}

std::vector<OptionField> options_of(const std::filesystem::path& directory) {
  return wan_options(wan::open_model_directory(directory).defaults, {});
}

bool recognise(const std::filesystem::path& directory) {
  const auto family = manifest_family(directory);
  return family ? *family == "wan" : wan::has_published_layout(directory);
}

std::shared_ptr<const Model> load(const ModelOptions& options) {
  require(options.configuration.empty(), ErrorCode::unsupported,
          "configuration: models like '{}' have their defaults in their manifest", options.path);
  const auto begin = std::chrono::steady_clock::now();
  wan::ModelDirectoryOverrides overrides;
  if (!options.checkpoint.empty()) overrides.checkpoint = options.checkpoint;
  if (options.use_ema) overrides.branch = wan::Branch::generator_ema;
  overrides.sampler = sampler_of(options.sampler);
  const wan::ModelDirectory model = wan::open_model_directory(options.path, overrides);
  for (const std::string& assumption : model.assumptions) log::warning("assumed {}", assumption);
  require(model.transformer.config.model_type == wan::ModelType::t2v, ErrorCode::unsupported,
          "'{}' is an image-to-video transformer; generation block by block needs a text-to-video transformer, which "
          "also accepts a first image",
          model.name);

  log::info("loading transformer {}", model.transformer.file.string());
  const wan::Extra extra = options.strict ? wan::Extra::refuse : wan::Extra::report;
  const tensor::WeightMap weights =
      wan::load_transformer(model.transformer.file, model.transformer.config, model.transformer.branch, extra);
  const int64_t parameters = weights.parameter_count();
  const tensor::Placement placement = tensor::place(options.device, options.dtype, parameters);
  auto transformer = std::make_shared<const wan::CausalTransformer>(model.transformer.config, placement.put(weights));
  const wan::AutoencoderPart& decoder_part = choose_decoder(model, options.decoder);
  ModelCard card;
  card.networks = {{"transformer", "WanDiffusionGenerator", parameters}};
  const auto decoder = load_autoencoder(decoder_part, {placement, extra}, "decoder", card.networks);
  const auto encoder = &decoder_part == &model.autoencoder
                           ? decoder
                           : load_autoencoder(model.autoencoder, {placement, extra}, "encoder", card.networks);
  auto text = load_text_encoder(model.text_encoder, model.tokenizer, {placement, extra}, card.networks);
  card.name = model.name;
  card.assumptions = model.assumptions;
  card.trained_for = model.trained_for;
  card.words = model.words;
  card.description = fmt::format("{}: transformer of {:.1f} M parameters, {} decoder, {}", model.name,
                                 static_cast<double>(parameters) / 1e6,
                                 decoder_part.kind == wan::AutoencoderKind::vae ? "vae" : "tiny", placement.text());
  card.is_small = placement.device.is_cpu() && parameter_count(card) < kSmallParameters;
  auto loaded = std::make_shared<const WanModel>(std::move(card), model.defaults, std::move(transformer), decoder,
                                                 encoder, std::move(text));
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  log::info("{}, loaded in {:.1f} s", loaded->card().description, seconds());
  if (parameters <= kWarmUpParameters || placement.device.is_cuda()) loaded->warm_up();
  return loaded;
}

}  // namespace

const Family& wan_family() {
  static const Family family{"wan", wan_capabilities(true), published_options, recognise,
                             load,  random_wan_model,       inspect_wan,       options_of};
  return family;
}

}  // namespace rushes::generation
