#include "rushes/generation/ditto/family.h"

#include <chrono>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/ditto/inspect.h"
#include "rushes/generation/ditto/model.h"
#include "rushes/generation/registry.h"
#include "rushes/models/ditto/checkpoint.h"
#include "rushes/models/ditto/random_weights.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/placement.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

// Above this a frame takes so long that warming up costs more than it saves.
constexpr int64_t kWarmUpParameters = 20'000'000;

/// The networks that make frames, which is nearly all of the work.
bool makes_frames(std::string_view part) { return part == "warp_network" || part == "decoder"; }

/// dtype auto is float32 on a CPU that does not multiply bfloat16 itself. What says what moves and where to stays
/// float32.
DittoWeights load_weights(const DittoDirectory& model, const ModelOptions& options) {
  const auto extra = options.strict ? tensor::Extra::refuse : tensor::Extra::report;
  DittoWeights weights;
  int64_t parameters = 0;
  for (const char* part : kDittoParts) {
    const std::filesystem::path& file = model.files.at(part);
    if (file.extension() == ".onnx") continue;  // computed elsewhere
    weights[part] = std::string_view(part) == "audio_encoder" ? wav2vec::load(file, model.audio, {}, extra)
                                                              : ditto::load(part, file, extra);
    parameters += weights[part].parameter_count();
  }
  const tensor::Placement placement = tensor::place(options.device, options.dtype, parameters);
  const tensor::Placement exact{placement.device, at::kFloat};
  for (auto& [part, map] : weights) map = (makes_frames(part) ? placement : exact).put(map);
  return weights;
}

/// Sizes of a model for tests.
DittoDirectory tiny_model() {
  DittoDirectory model;
  model.name = "random";
  model.image_side = 64;
  model.appearance_depth = 2;
  model.motion = {.heads = 2, .frames = 20, .use_eye_open = false, .use_eye_ball = false};
  model.audio.hidden_size = 8;
  model.audio.num_hidden_layers = 1;
  model.audio.num_attention_heads = 2;
  model.audio.intermediate_size = 16;
  model.audio.conv_dim = {8, 8, 8, 8, 8, 8, 8};
  model.audio.num_conv_pos_embeddings = 8;
  model.audio.num_conv_pos_embedding_groups = 2;
  model.defaults = {{"online_mode", true},
                    {"overlap_v2", int64_t{15}},
                    {"sampling_timesteps", int64_t{2}},
                    {"fix_kp_cond", int64_t{1}},
                    {"fix_kp_cond_dim", std::vector<double>{0, 202}}};
  return model;
}

ditto::Sizes tiny_sizes(const DittoDirectory& model) {
  ditto::Sizes sizes;
  sizes.appearance = {4, 6, 8};
  sizes.volume = 4;
  sizes.depth = model.appearance_depth;
  sizes.volume_blocks = 1;
  sizes.extractor = {4, 6, 8, 8};
  sizes.extractor_depths = {1, 1, 1, 1};
  sizes.compressed = 1;
  sizes.down = {4, 6};
  sizes.up = {6, 4};
  sizes.last = 6;
  sizes.mask_side = 3;
  sizes.bent = sizes.feature = 6;
  sizes.middle = 8;
  sizes.middle_blocks = 1;
  sizes.spade = 4;
  sizes.decoder_up = {6, 4};
  sizes.stitch = {8};
  sizes.width = 8;
  sizes.wide = 16;
  sizes.frames = model.motion.frames;
  sizes.condition = model.audio.hidden_size + 8 + ditto::kExpression;
  sizes.condition_layers = sizes.layers = 1;
  return sizes;
}

DittoWeights random_weights_of(const DittoDirectory& model, uint64_t seed) {
  const ditto::Sizes sizes = tiny_sizes(model);
  DittoWeights weights;
  uint64_t i = 0;
  for (const char* part : kDittoParts) {
    const bool speech = std::string_view(part) == "audio_encoder";
    weights[part] = ditto::random_weights(
        speech ? wav2vec::parameter_shapes(model.audio) : ditto::parameter_shapes(part, sizes), 7 * seed + i++);
  }
  return weights;
}

std::span<const OptionField> published_options() {
  static const std::vector<OptionField> fields = ditto_options({});
  return fields;
}

std::vector<OptionField> options_of(const std::filesystem::path& directory) {
  return ditto_options(ditto_settings(open_ditto_directory(directory)));
}

std::shared_ptr<const Model> load(const ModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  require(options.checkpoint.empty(), ErrorCode::unsupported,
          "checkpoint replaces the transformer of a text-to-video model; '{}' is a talking head", options.path);
  DittoDirectory model = open_ditto_directory(options.path);
  model.configuration = options.configuration;
  auto loaded = std::make_shared<const DittoModel>(model, load_weights(model, options));
  log::info("{}, loaded in {:.1f} s", loaded->card().description,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  for (const std::string& assumption : loaded->card().assumptions) log::warning("{}: {}", model.name, assumption);
  if (parameter_count(loaded->card()) <= kWarmUpParameters) loaded->warm_up();
  return loaded;
}

std::shared_ptr<const Model> random_ditto_model(uint64_t seed) {
  at::set_num_threads(1);  // work this small is lost in waiting for other threads
  const DittoDirectory model = tiny_model();
  return std::make_shared<const DittoModel>(model, random_weights_of(model, seed));
}

}  // namespace

const Family& ditto_family() {
  static const Family family{"ditto", ditto_capabilities(), published_options, is_ditto_directory,
                             load,    random_ditto_model,   inspect_ditto,     options_of};
  return family;
}

void write_random_ditto_model(const std::filesystem::path& directory, uint64_t seed) {
  std::filesystem::create_directories(directory);
  const DittoDirectory model = tiny_model();
  for (const auto& [part, weights] : random_weights_of(model, seed))
    tensor::save_safetensors(directory / (part + ".safetensors"), weights.tensors());
  std::ofstream(directory / kManifestName) << ditto_manifest_yaml(model);
}

}  // namespace rushes::generation
