// load_model(): files to a model that is ready to start sessions.
#include <chrono>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/random_model.h"
#include "rushes/generation/wan_model.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/clean.h"
#include "rushes/text/tokenizer.h"

namespace rushes::generation {
namespace {

// Above this a block takes so long that warming up costs more than it saves.
constexpr int64_t kWarmUpParameters = 200'000'000;
// Below this bfloat16 saves no memory that matters, and float32 is the more exact.
constexpr int64_t kSmallModelParameters = 100'000'000;

/// Where a model runs and in which type its weights are.
struct Placement {
  at::Device device;
  at::ScalarType dtype;
};

at::Device parse_device(const std::string& word) {
  try {
    const at::Device device(word);
    require(device.is_cpu() || device.is_cuda(), ErrorCode::invalid_argument,
            "device must be cpu, cuda or cuda:N (got '{}')", word);
    require(device.is_cpu() || at::hasCUDA(), ErrorCode::unavailable,
            "device '{}': this build or machine has no CUDA; use cpu, or a build of the preset cuda", word);
    return device;
  } catch (const c10::Error&) {
    fail(ErrorCode::invalid_argument, "device must be cpu, cuda or cuda:N (got '{}')", word);
  }
}

/// Whether the processor multiplies bfloat16 itself; elsewhere it is emulated and slower than float32.
bool fast_bfloat16() { return __builtin_cpu_supports("avx512bf16"); }

Placement place(const ModelOptions& options, int64_t parameters) {
  const at::Device device = parse_device(options.device);
  if (options.dtype == "float32") return {device, at::kFloat};
  if (options.dtype == "bfloat16") return {device, at::kBFloat16};
  require(options.dtype == "auto", ErrorCode::invalid_argument, "dtype must be auto, float32 or bfloat16 (got '{}')",
          options.dtype);
  const bool half = device.is_cuda() || (fast_bfloat16() && parameters >= kSmallModelParameters);
  return {device, half ? at::kBFloat16 : at::kFloat};
}

tensor::WeightMap put(const tensor::WeightMap& weights, const Placement& placement) {
  return weights.to(placement.dtype).to(placement.device);
}

/// Adds what it loads to `networks`.
std::shared_ptr<const wan::Autoencoder> load_autoencoder(const wan::AutoencoderPart& part, const Placement& placement,
                                                         const char* role, std::vector<ModelPart>& networks) {
  log::info("loading autoencoder {}", part.file.string());
  if (part.kind == wan::AutoencoderKind::tiny) {
    const tensor::WeightMap weights = wan::load_tiny_autoencoder(part.file, part.tiny);
    networks.push_back({role, "TinyAutoencoder", weights.parameter_count()});
    return std::make_shared<const wan::TinyAutoencoder>(part.tiny, put(weights, placement));
  }
  const tensor::WeightMap weights = wan::load_vae(part.file, part.vae);
  networks.push_back({role, "WanVAE", weights.parameter_count()});
  return std::make_shared<const wan::Vae>(part.vae, put(weights, placement));
}

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

PromptCache::Encode load_text_encoder(const wan::ModelDirectory& model, const Placement& placement,
                                      std::vector<ModelPart>& networks) {
  log::info("loading text encoder {}", model.text_encoder.file.string());
  const wan::Umt5Config& config = model.text_encoder.config;
  const tensor::WeightMap weights = wan::load_text_encoder(model.text_encoder.file, config);
  networks.push_back({"text_encoder", "WanTextEncoder", weights.parameter_count()});
  const auto encoder = std::make_shared<const wan::Umt5Encoder>(config, put(weights, placement));
  const std::shared_ptr<const text::Tokenizer> tokenizer = text::load_tokenizer(model.tokenizer);
  require(tokenizer->vocabulary_size() <= config.vocab, ErrorCode::corrupt_data,
          "the tokenizer {} has {} tokens, the text encoder {} only {}", model.tokenizer.string(),
          tokenizer->vocabulary_size(), model.text_encoder.file.string(), config.vocab);
  return [encoder, tokenizer, device = placement.device](const std::string& prompt) {
    const int64_t length = encoder->config().text_len;
    const text::Encoding tokens = tokenizer->encode(text::clean(prompt, text::Cleaning::whitespace), length);
    const auto row = [&](const std::vector<int64_t>& values) {
      return at::tensor(values, at::kLong).view({1, length}).to(device);
    };
    return encoder->encode(row(tokens.ids), row(tokens.mask));
  };
}

}  // namespace

std::shared_ptr<const Model> load_model(const ModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  require(!options.path.empty(), ErrorCode::invalid_argument,
          "model must name a model directory (or 'random' for a small model with random weights)");
  if (options.path == "random") return random_wan_model();

  wan::ModelDirectoryOverrides overrides;
  if (!options.checkpoint.empty()) overrides.checkpoint = options.checkpoint;
  if (options.use_ema) overrides.branch = wan::Branch::generator_ema;
  const wan::ModelDirectory model = wan::open_model_directory(options.path, overrides);
  require(
      model.transformer.config.model_type == wan::ModelType::t2v, ErrorCode::unsupported,
      "'{}' is an image-to-video transformer; video is generated block by block with text-to-video transformers, which "
      "take a first image too",
      model.name);

  log::info("loading transformer {}", model.transformer.file.string());
  const tensor::WeightMap weights =
      wan::load_transformer(model.transformer.file, model.transformer.config, model.transformer.branch);
  const int64_t parameters = weights.parameter_count();
  const Placement placement = place(options, parameters);
  auto transformer = std::make_shared<const wan::CausalTransformer>(model.transformer.config, put(weights, placement));
  const wan::AutoencoderPart& decoder_part = choose_decoder(model, options.decoder);
  std::vector<ModelPart> networks{{"transformer", "WanDiffusionGenerator", parameters}};
  const auto decoder = load_autoencoder(decoder_part, placement, "decoder", networks);
  const auto encoder = &decoder_part == &model.autoencoder
                           ? decoder
                           : load_autoencoder(model.autoencoder, placement, "encoder", networks);
  auto encode_text = load_text_encoder(model, placement, networks);
  WanModel::Description description{
      model.name,
      fmt::format("{}: transformer of {:.1f} M parameters, {} decoder, {} on {}", model.name,
                  static_cast<double>(parameters) / 1e6,
                  decoder_part.kind == wan::AutoencoderKind::vae ? "vae" : "tiny",
                  placement.dtype == at::kFloat ? "float32" : "bfloat16", placement.device.str()),
      std::move(networks)};
  auto loaded = std::make_shared<const WanModel>(std::move(description), model.defaults, std::move(transformer),
                                                 decoder, encoder, std::move(encode_text));
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  log::info("{}, loaded in {:.1f} s", loaded->description(), seconds());
  if (parameters <= kWarmUpParameters || placement.device.is_cuda()) loaded->warm_up();
  return loaded;
}

}  // namespace rushes::generation
