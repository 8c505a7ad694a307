#include "rushes/generation/omniavatar/family.h"

#include <fmt/format.h>

#include <chrono>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/omniavatar/causal_pipeline.h"
#include "rushes/generation/omniavatar/inspect.h"
#include "rushes/generation/omniavatar/model.h"
#include "rushes/generation/omniavatar/tiny.h"
#include "rushes/generation/wan/loading.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

// Above this a block takes so long that warming up costs more than it saves.
constexpr int64_t kWarmUpParameters = 50'000'000;

std::span<const OptionField> published_options() {
  static const std::vector<OptionField> fields =
      omniavatar_options(settings_of(omniavatar::published_defaults(omniavatar::Sampler::causal)));
  return fields;
}

std::vector<OptionField> options_of(const std::filesystem::path& directory) {
  return omniavatar_options(settings_of(omniavatar::open_model_directory(directory).defaults));
}

void check_supported(const omniavatar::ModelDirectory& model, const ModelOptions& options) {
  require(options.configuration.empty(), ErrorCode::unsupported,
          "configuration: models like '{}' have their defaults in their manifest", options.path);
  require(options.checkpoint.empty(), ErrorCode::unsupported,
          "checkpoint: '{}' is an avatar; name the folder of its checkpoint as the model", options.path);
  const bool vae = model.autoencoder.kind == wan::AutoencoderKind::vae;
  require(options.decoder == "auto" || (options.decoder == "vae") == vae, ErrorCode::not_found,
          "decoder: the model '{}' has no {} autoencoder", model.name, options.decoder);
  require(model.defaults.num_frame_per_block == kBlockLatentFrames, ErrorCode::unsupported,
          "num_frame_per_block: blocks of {} latent frames are not supported; only {} are",
          model.defaults.num_frame_per_block, kBlockLatentFrames);
}

/// Those of its files, unless the command line says otherwise.
omniavatar::Defaults defaults_of(const omniavatar::ModelDirectory& model, const std::string& sampler) {
  if (sampler == "auto") return model.defaults;
  require(sampler == "few_step" || sampler == "many_step", ErrorCode::invalid_argument,
          "sampler must be auto, few_step or many_step (got '{}')", sampler);
  const auto wanted = sampler == "few_step" ? omniavatar::Sampler::causal : omniavatar::Sampler::bidirectional;
  return wanted == model.defaults.sampler ? model.defaults : omniavatar::published_defaults(wanted);
}

std::shared_ptr<const Model> load(const ModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const omniavatar::ModelDirectory model = omniavatar::open_model_directory(options.path);
  for (const std::string& assumption : model.assumptions) log::warning("assumed {}", assumption);
  check_supported(model, options);
  const OmniAvatarSettings defaults = settings_of(defaults_of(model, options.sampler));
  const auto extra = options.strict ? tensor::Extra::refuse : tensor::Extra::report;
  const int64_t parameters = tensor::parameter_count(omniavatar::parameter_shapes(model.transformer.config));
  const tensor::Placement placement = tensor::place(options.device, options.dtype, parameters);
  const tensor::Placement exact{placement.device, at::kFloat};

  ModelCard card{.name = model.name,
                 .family = "omniavatar",
                 .description = {},
                 .assumptions = model.assumptions,
                 .trained_for = model.trained_for,
                 .words = model.words};
  OmniAvatarParts parts;
  log::info("loading transformer {}", model.transformer.file.string());
  {
    const tensor::WeightMap weights =
        placement.put(omniavatar::load_transformer(model.transformer, placement.dtype, extra));
    card.networks.push_back({"transformer", "OmniAvatarTransformer", parameters});
    if (defaults.causal())
      parts.causal = std::make_shared<const omniavatar::CausalAvatarTransformer>(model.transformer.config, weights);
    else
      parts.bidirectional = std::make_shared<const omniavatar::AvatarTransformer>(model.transformer.config, weights);
  }
  parts.autoencoder = load_autoencoder(model.autoencoder, {placement, extra}, "autoencoder", card.networks);
  log::info("loading speech encoder {}", model.audio_encoder.file.string());
  const tensor::WeightMap speech = wav2vec::load(model.audio_encoder.file, model.audio_encoder.config, {}, extra);
  card.networks.push_back({"audio_encoder", "Wav2Vec2", speech.parameter_count()});
  // Whatever the others compute in, as published.
  parts.speech = std::make_shared<const wav2vec::Encoder>(model.audio_encoder.config, exact.put(speech));
  PromptEncoder text = load_text_encoder(model.text_encoder, model.tokenizer, {placement, extra}, card.networks);

  card.is_small = placement.device.is_cpu() && parameter_count(card) < kSmallParameters;
  card.description = fmt::format("{}: avatars {} at {} fps, transformer of {:.1f} M parameters, {}", model.name,
                                 defaults.causal() ? "block by block" : "segment by segment", defaults.fps,
                                 static_cast<double>(parameters) / 1e6, placement.text());
  auto loaded = std::make_shared<const OmniAvatarModel>(std::move(card), defaults, std::move(parts), std::move(text));
  log::info("{}, loaded in {:.1f} s", loaded->card().description,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  if (defaults.causal() && (parameters <= kWarmUpParameters || placement.device.is_cuda())) loaded->warm_up();
  return loaded;
}

std::shared_ptr<const Model> tiny(uint64_t seed) { return random_omniavatar_model(seed); }

}  // namespace

const Family& omniavatar_family() {
  static const Family family{
      "omniavatar", omniavatar_capabilities(), published_options, omniavatar::is_model_directory, load,
      tiny,         inspect_omniavatar,        options_of};
  return family;
}

}  // namespace rushes::generation
