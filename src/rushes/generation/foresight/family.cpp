#include "rushes/generation/foresight/family.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/foresight/inspect.h"
#include "rushes/generation/foresight/model.h"
#include "rushes/generation/foresight/model_directory.h"
#include "rushes/generation/foresight/tiny.h"
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/ltx/checkpoint.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/config_json.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/placement.h"

namespace rushes::generation {
namespace {

// Above this an answer takes so long that warming up costs more than it saves.
constexpr int64_t kWarmUpParameters = 50'000'000;

std::span<const OptionField> published_options() {
  static const std::vector<OptionField> fields = foresight_options({});
  return fields;
}

std::vector<OptionField> options_of(const std::filesystem::path& directory) {
  return foresight_options(open_foresight_directory(directory).defaults);
}

VideoFormat format_of(const std::filesystem::path& directory, const Request& request) {
  const ForesightDirectory model = open_foresight_directory(directory);
  ForesightSettings defaults = model.defaults;
  ForesightShape shape;
  shape.has_text = !model.language.empty();
  shape.has_video = !model.video.empty();
  shape.has_adapter = !model.adapter.empty();
  if (shape.has_video) {
    const ltx::Config config = ltx::read_config(ltx::find_files(model.video));
    shape.spatial_stride = config.vae.spatial_compression();
    shape.temporal_stride = config.vae.temporal_compression();
  }
  if (!shape.has_text) defaults.tracks = Tracks::video;
  if (!shape.has_video) defaults.tracks = Tracks::text;
  return plan_foresight(request, defaults, foresight_options(defaults), shape)->format();
}

void check_supported(const ModelOptions& options) {
  require(options.configuration.empty(), ErrorCode::unsupported,
          "configuration: models like '{}' have their defaults in their manifest", options.path);
  require(options.checkpoint.empty(), ErrorCode::unsupported,
          "checkpoint: '{}' is made of several models; name their files in its model.yaml", options.path);
  require(options.decoder != "tiny", ErrorCode::not_found, "decoder: the model '{}' has no tiny autoencoder",
          options.path);
  require(options.sampler == "auto" || options.sampler == "many_step", ErrorCode::unsupported,
          "sampler: this model is sampled in many steps");
}

/// What is to be loaded, where and how, and what it adds to the card.
class Loader {
 public:
  Loader(const ForesightDirectory& model, const ModelOptions& options, ModelCard& card)
      : model_(model),
        options_(options),
        extra_(options.strict ? tensor::Extra::refuse : tensor::Extra::report),
        card_(card) {}

  std::shared_ptr<const qwen::Model> language() {
    if (model_.language.empty()) return nullptr;
    log::info("loading language model {}", model_.language.string());
    const int64_t parameters = tensor::parameter_count(qwen::parameter_shapes(qwen::read_config(model_.language)));
    card_.networks.push_back({"language_model", "Qwen2.5-VL", parameters});
    return std::make_shared<const qwen::Model>(qwen::load_model(model_.language, place(parameters)));
  }

  std::optional<VideoParts> video() {
    if (model_.video.empty()) return std::nullopt;
    log::info("loading video model {}", model_.video.string());
    const ltx::ModelFiles files = ltx::find_files(model_.video);
    const ltx::Config config = ltx::read_config(files);
    VideoParts parts;
    parts.scheduler = config.scheduler;
    const int64_t parameters = tensor::parameter_count(ltx::parameter_shapes(config.transformer));
    const tensor::Placement placement = place(parameters);
    parts.transformer = std::make_shared<const ltx::Transformer>(
        config.transformer, placement.put(ltx::load_transformer(files, config.transformer, extra_)));
    card_.networks.push_back({"transformer", "LTXVideoTransformer3DModel", parameters});
    const tensor::WeightMap vae = ltx::load_vae(files, config.vae, extra_);
    card_.networks.push_back({"autoencoder", "AutoencoderKLLTXVideo", vae.parameter_count()});
    parts.vae = std::make_shared<const ltx::Vae>(config.vae, placement.put(vae));
    log::info("loading text encoder {}", model_.text_encoder.string());
    const t5::Config text = t5::read_config(model_.text_encoder);
    const tensor::WeightMap weights = t5::load(model_.text_encoder, text, extra_);
    card_.networks.push_back({"text_encoder", "T5EncoderModel", weights.parameter_count()});
    parts.text = std::make_shared<const t5::TextEncoder>(
        text::load_tokenizer(model_.tokenizer),
        std::make_shared<const t5::Encoder>(text, place(weights.parameter_count()).put(weights)));
    return parts;
  }

  std::optional<AdapterParts> adapter() {
    if (model_.adapter.empty()) return std::nullopt;
    log::info("loading adapter {}", model_.adapter.string());
    const dinov2::Checkpoint spatial = dinov2::load(model_.spatial, extra_);
    const tensor::WeightMap found = tensor::load_checkpoint(model_.adapter).tensors;
    foresight::AdapterConfig config = foresight::infer_adapter(found);
    if (model_.adapter_heads > 0) config.num_heads = model_.adapter_heads;
    const tensor::WeightMap weights = tensor::take_complete(found, foresight::parameter_shapes(config),
                                                            "'" + model_.adapter.string() + "', adapter", extra_);
    card_.networks.push_back({"spatial_encoder", "DINOv2", spatial.weights.parameter_count()});
    card_.networks.push_back({"adapter", "ForesightAdapter", weights.parameter_count()});
    return AdapterParts{
        .spatial = std::make_shared<const dinov2::Encoder>(
            spatial.config, place(spatial.weights.parameter_count()).put(spatial.weights)),
        .adapter = std::make_shared<const foresight::Adapter>(config, place(weights.parameter_count()).put(weights)),
        .square = model_.spatial_square};
  }

  tensor::Placement place(int64_t parameters) const {
    return tensor::place(options_.device, options_.dtype, parameters);
  }

 private:
  const ForesightDirectory& model_;
  const ModelOptions& options_;
  const tensor::Extra extra_;
  ModelCard& card_;
};

/// Of a published folder the values that its own files give.
ForesightSettings defaults_of(const ForesightDirectory& model, const qwen::Model* language, bool from_manifest) {
  ForesightSettings settings = model.defaults;
  if (language == nullptr || from_manifest) return settings;
  settings.repetition_penalty = language->config.sampling.repetition_penalty;
  return settings;
}

std::string description_of(const ModelCard& card, const ForesightSettings& settings, const Loader& loader) {
  std::vector<std::string> parts;
  for (const ModelPart& part : card.networks)
    parts.push_back(fmt::format("{} of {:.1f} M parameters", part.role, static_cast<double>(part.parameters) / 1e6));
  return fmt::format("{}: {}x{} at {} fps, {}; {}", card.name, settings.width, settings.height, settings.fps,
                     fmt::join(parts, ", "), loader.place(parameter_count(card)).text());
}

std::shared_ptr<const Model> load(const ModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const ForesightDirectory model = open_foresight_directory(options.path);
  for (const std::string& assumption : model.assumptions) log::warning("assumed {}", assumption);
  check_supported(options);
  ModelCard card{.name = model.name,
                 .family = "foresight",
                 .description = {},
                 .assumptions = model.assumptions,
                 .trained_for = model.trained_for,
                 .words = model.words};
  Loader loader(model, options, card);
  const auto language = loader.language();
  auto video = loader.video();
  auto adapter = loader.adapter();
  const bool on_cpu = loader.place(0).device.is_cpu();
  card.is_small = on_cpu && parameter_count(card) < kSmallParameters;
  std::error_code ignored;
  const bool from_manifest = std::filesystem::exists(model.directory / "model.yaml", ignored);
  const ForesightSettings defaults = defaults_of(model, language.get(), from_manifest);
  card.description = description_of(card, defaults, loader);
  const bool warms_up = parameter_count(card) <= kWarmUpParameters || !on_cpu;
  auto loaded = std::make_shared<const ForesightModel>(
      std::move(card), defaults,
      std::make_shared<const ForesightParts>(language, std::move(video), std::move(adapter)));
  log::info("{}, loaded in {:.1f} s", loaded->card().description,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  if (warms_up) loaded->warm_up();
  return loaded;
}

std::shared_ptr<const Model> tiny(uint64_t seed) { return random_foresight_model(seed); }

}  // namespace

const Family& foresight_family() {
  static const Family family{"foresight",
                             foresight_capabilities(),
                             published_options,
                             is_foresight_directory,
                             load,
                             tiny,
                             inspect_foresight,
                             options_of,
                             format_of};
  return family;
}

}  // namespace rushes::generation
