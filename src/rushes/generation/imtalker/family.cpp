#include "rushes/generation/imtalker/family.h"

#include <chrono>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/imtalker/inspect.h"
#include "rushes/generation/imtalker/model.h"
#include "rushes/generation/registry.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/random_weights.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/placement.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

// Above this a chunk takes so long that warming up costs more than it saves.
constexpr int64_t kWarmUpParameters = 100'000'000;

/// dtype auto is float32: the published pipeline knows nothing else. With bfloat16 only the renderer's frame decoder
/// computes in it: speech becomes motion, and pictures become boxes, in float32, which is a small part of the work.
TalkWeights load_weights(const TalkDirectory& model, const ModelOptions& options) {
  const tensor::Placement placement =
      tensor::place(options.device, options.dtype == "auto" ? "float32" : options.dtype, 0);
  const auto extra = options.strict ? tensor::Extra::refuse : tensor::Extra::report;
  TalkWeights weights;
  const tensor::Placement exact{placement.device, at::kFloat};
  weights.renderer = imtalker::renderer_weights_in(
                         placement.dtype, imtalker::load_renderer(model.renderer, model.renderer_config, extra))
                         .to(placement.device);
  imtalker::GeneratorWeights generator =
      imtalker::load_generator(model.motion_generator, model.generator_config, extra);
  weights.motion_generator = exact.put(generator.generator);
  weights.audio_encoder =
      exact.put(wav2vec::load(model.audio_encoder, model.audio_config, generator.audio_encoder, extra));
  if (model.face_detector) weights.face_detector = exact.put(imtalker::load_face_detector(*model.face_detector, extra));
  return weights;
}

/// Sizes of a model for tests: six levels, as the published renderer, so that its side is 128.
TalkDirectory tiny_model() {
  TalkDirectory model;
  model.name = "random";
  model.renderer_config = {.feature_dims = {4, 4, 8, 8, 8, 8},
                           .spatial_dims = {64, 32, 16, 8, 4, 2},
                           .dim_motion = 4,
                           .dim_app = 6,
                           .motion_encoder_initial = 4,
                           .motion_encoder_channels = {4, 4, 8, 8, 8},
                           .const_dim = 4,
                           .const_size = 1,
                           .swin_res_threshold = 32,
                           .window_size = 8,
                           .num_heads = 2};
  model.generator_config = {.window_seconds = 0.24,
                            .num_prev_frames = 4,
                            .dim_audio = 8,
                            .dim_condition = 4,
                            .dim_motion = 4,
                            .dim_hidden = 8,
                            .num_heads = 2,
                            .depth = 1};
  model.audio_config = {.hidden_size = 8,
                        .num_hidden_layers = 1,
                        .num_attention_heads = 2,
                        .intermediate_size = 16,
                        .conv_dim = {8, 8, 8},
                        .conv_kernel = {10, 8, 8},
                        .conv_stride = {8, 8, 5},
                        .num_conv_pos_embeddings = 8,
                        .num_conv_pos_embedding_groups = 2};
  model.defaults.nfe = 3;
  model.defaults.chunk_seconds = 0.2;
  return model;
}

TalkWeights random_weights_of(const TalkDirectory& model, uint64_t seed) {
  const auto random = [&](const tensor::Shapes& shapes, uint64_t part) {
    return imtalker::random_weights(shapes, /*trainable=*/false, 3 * seed + part);
  };
  return {random(imtalker::parameter_shapes(model.renderer_config), 0),
          random(imtalker::parameter_shapes(model.generator_config), 1),
          random(wav2vec::parameter_shapes(model.audio_config), 2),
          {}};
}

std::span<const OptionField> published_options() {
  static const std::vector<OptionField> fields = talk_options({});
  return fields;
}

std::vector<OptionField> options_of(const std::filesystem::path& directory) {
  return talk_options(open_talk_directory(directory).defaults);
}

std::shared_ptr<const Model> load(const ModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  require(options.configuration.empty(), ErrorCode::unsupported,
          "configuration: models like '{}' have their defaults in their manifest", options.path);
  require(options.checkpoint.empty(), ErrorCode::unsupported,
          "checkpoint replaces the transformer of a text-to-video model; '{}' is a talking head", options.path);
  const TalkDirectory model = open_talk_directory(options.path);
  const TalkWeights weights = load_weights(model, options);
  auto loaded = std::make_shared<const TalkModel>(model, weights);
  log::info("{}, loaded in {:.1f} s", loaded->card().description,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  if (weights.parameter_count() <= kWarmUpParameters) loaded->warm_up();
  return loaded;
}

}  // namespace

const Family& imtalker_family() {
  static const Family family{"imtalker", talk_capabilities(), published_options, is_talk_directory,
                             load,       random_talk_model,   inspect_talk,      options_of};
  return family;
}

std::shared_ptr<const Model> random_talk_model(uint64_t seed) {
  at::set_num_threads(1);  // work this small is lost in waiting for other threads
  const TalkDirectory model = tiny_model();
  return std::make_shared<const TalkModel>(model, random_weights_of(model, seed));
}

void write_random_talk_model(const std::filesystem::path& directory, uint64_t seed) {
  std::filesystem::create_directories(directory);
  const TalkDirectory model = tiny_model();
  const TalkWeights weights = random_weights_of(model, seed);
  tensor::save_safetensors(directory / "renderer.safetensors", weights.renderer.tensors());
  tensor::save_safetensors(directory / "motion_generator.safetensors", weights.motion_generator.tensors());
  tensor::save_safetensors(directory / "audio_encoder.safetensors", weights.audio_encoder.tensors());
  std::ofstream(directory / kManifestName) << talk_manifest_yaml(model);
}

}  // namespace rushes::generation
