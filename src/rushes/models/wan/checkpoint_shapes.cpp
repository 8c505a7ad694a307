// Names and shapes of the parameters from the dimensions, and the way back: the dimensions from names and shapes.
#include <fmt/format.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;
using tensor::WeightMap;

constexpr int64_t kPublishedHeadSize = 128;

void add_linear(Shapes& shapes, const std::string& key, int64_t out, int64_t in) {
  shapes[key + ".weight"] = {out, in};
  shapes[key + ".bias"] = {out};
}
void add_affine(Shapes& shapes, const std::string& key, int64_t size) {
  shapes[key + ".weight"] = {size};
  shapes[key + ".bias"] = {size};
}

void add_block(Shapes& shapes, const std::string& block, const TransformerConfig& config) {
  const int64_t C = config.dim;
  shapes[block + "modulation"] = {1, 6, C};
  for (const std::string attention : {"self_attn.", "cross_attn."}) {
    for (const char* leaf : {"q", "k", "v", "o"}) add_linear(shapes, block + attention + leaf, C, C);
    for (const char* leaf : {"norm_q.weight", "norm_k.weight"}) shapes[block + attention + leaf] = {C};
  }
  if (config.model_type == ModelType::i2v) {
    for (const char* leaf : {"k_img", "v_img"}) add_linear(shapes, block + "cross_attn." + leaf, C, C);
    shapes[block + "cross_attn.norm_k_img.weight"] = {C};
  }
  add_affine(shapes, block + "norm3", C);
  add_linear(shapes, block + "ffn.0", config.ffn_dim, C);
  add_linear(shapes, block + "ffn.2", C, config.ffn_dim);
}

// Reads extents out of the shapes that are there; what is missing is reported later, all at once.
class Extents {
 public:
  explicit Extents(const WeightMap& tensors) : tensors_(tensors) {}
  /// Sets `value` to the extent of `axis` of tensor `key`, if that exists and has `axes` axes.
  void read(int64_t& value, const std::string& key, std::size_t axes, std::size_t axis) const {
    if (!tensors_.contains(key)) return;
    const auto sizes = tensors_.at(key).sizes();
    if (sizes.size() == axes && sizes[axis] > 0) value = sizes[axis];
  }
  /// How many of "<prefix>0.", "<prefix>1.", ... begin some key.
  int64_t count(const std::string& prefix) const {
    int64_t count = 0;
    while (has(fmt::format("{}{}.", prefix, count))) ++count;
    return count;
  }
  bool has(const std::string& begin) const {
    const auto& all = tensors_.tensors();
    const auto found = all.lower_bound(begin);
    return found != all.end() && found->first.starts_with(begin);
  }

 private:
  const WeightMap& tensors_;
};

}  // namespace

Shapes parameter_shapes(const TransformerConfig& config) {
  Shapes shapes;
  const int64_t C = config.dim;
  const auto [frames, rows, columns] = config.patch_size;
  shapes["patch_embedding.weight"] = {C, config.in_dim, frames, rows, columns};
  shapes["patch_embedding.bias"] = {C};
  add_linear(shapes, "text_embedding.0", C, config.text_dim);
  add_linear(shapes, "text_embedding.2", C, C);
  add_linear(shapes, "time_embedding.0", C, config.freq_dim);
  add_linear(shapes, "time_embedding.2", C, C);
  add_linear(shapes, "time_projection.1", 6 * C, C);
  add_linear(shapes, "head.head", frames * rows * columns * config.out_dim, C);
  shapes["head.modulation"] = {1, 2, C};
  if (config.model_type == ModelType::i2v) {
    add_affine(shapes, "img_emb.proj.0", config.image_dim);
    add_linear(shapes, "img_emb.proj.1", config.image_dim, config.image_dim);
    add_linear(shapes, "img_emb.proj.3", C, config.image_dim);
    add_affine(shapes, "img_emb.proj.4", C);
  }
  for (int64_t layer = 0; layer < config.num_layers; ++layer)
    add_block(shapes, fmt::format("blocks.{}.", layer), config);
  return shapes;
}

Shapes parameter_shapes(const Umt5Config& config) {
  Shapes shapes;
  const int64_t C = config.dim, A = config.dim_attn;
  shapes["token_embedding.weight"] = {config.vocab, C};
  shapes["norm.weight"] = {C};
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer);
    shapes[block + "norm1.weight"] = shapes[block + "norm2.weight"] = {C};
    for (const char* leaf : {"q", "k", "v"}) shapes[block + "attn." + leaf + ".weight"] = {A, C};
    shapes[block + "attn.o.weight"] = {C, A};
    shapes[block + "ffn.gate.0.weight"] = shapes[block + "ffn.fc1.weight"] = {config.dim_ffn, C};
    shapes[block + "ffn.fc2.weight"] = {C, config.dim_ffn};
    shapes[block + "pos_embedding.embedding.weight"] = {config.num_buckets, config.num_heads};
  }
  return shapes;
}

TransformerConfig infer_transformer(const WeightMap& tensors) {
  TransformerConfig config;
  const Extents extents(tensors);
  extents.read(config.dim, "patch_embedding.bias", 1, 0);
  extents.read(config.in_dim, "patch_embedding.weight", 5, 1);
  for (std::size_t axis = 0; axis < 3; ++axis)
    extents.read(config.patch_size[axis], "patch_embedding.weight", 5, axis + 2);
  extents.read(config.text_dim, "text_embedding.0.weight", 2, 1);
  extents.read(config.freq_dim, "time_embedding.0.weight", 2, 1);
  extents.read(config.ffn_dim, "blocks.0.ffn.0.weight", 2, 0);
  config.num_layers = std::max<int64_t>(extents.count("blocks."), 1);
  int64_t patch_elements = 1, head = 0;
  for (const int64_t extent : config.patch_size)
    require(!__builtin_mul_overflow(patch_elements, extent, &patch_elements), ErrorCode::corrupt_data,
            "patch_embedding.weight has an impossible shape");
  extents.read(head, "head.head.weight", 2, 0);
  require(
      head % patch_elements == 0, ErrorCode::corrupt_data,
      "head.head.weight has {} rows, which is not a multiple of the patch size of {} elements: not a Wan transformer",
      head, patch_elements);
  if (head > 0) config.out_dim = head / patch_elements;
  if (extents.has("img_emb.") || extents.has("blocks.0.cross_attn.k_img.")) config.model_type = ModelType::i2v;
  extents.read(config.image_dim, "img_emb.proj.1.weight", 2, 1);
  config.num_heads = config.dim % kPublishedHeadSize == 0 ? config.dim / kPublishedHeadSize : 0;
  return config;
}

Umt5Config infer_umt5(const WeightMap& tensors) {
  Umt5Config config;
  const Extents extents(tensors);
  extents.read(config.vocab, "token_embedding.weight", 2, 0);
  extents.read(config.dim, "token_embedding.weight", 2, 1);
  extents.read(config.dim_attn, "blocks.0.attn.q.weight", 2, 0);
  extents.read(config.dim_ffn, "blocks.0.ffn.fc1.weight", 2, 0);
  extents.read(config.num_buckets, "blocks.0.pos_embedding.embedding.weight", 2, 0);
  extents.read(config.num_heads, "blocks.0.pos_embedding.embedding.weight", 2, 1);
  config.num_layers = std::max<int64_t>(extents.count("blocks."), 1);
  return config;
}

// Both halves are flat lists: residual blocks of one level, a resampler, residual blocks of the next, ...
struct VaeLevels {
  std::vector<int64_t> widths;
  std::vector<bool> temporal;
  int64_t blocks = 0;  // residual blocks of the first level
};
VaeLevels read_levels(const Extents& extents, const std::string& prefix) {
  VaeLevels levels;
  int64_t width = 0;
  for (int64_t stage = 0, stages = extents.count(prefix); stage < stages; ++stage) {
    const std::string own = fmt::format("{}{}.", prefix, stage);
    if (extents.has(own + "resample.")) {
      levels.widths.push_back(width);
      levels.temporal.push_back(extents.has(own + "time_conv."));
    } else {
      extents.read(width, own + "residual.6.bias", 1, 0);
      if (levels.widths.empty()) ++levels.blocks;
    }
  }
  levels.widths.push_back(width);
  return levels;
}

VaeConfig infer_vae(const WeightMap& tensors) {
  VaeConfig config;
  const Extents extents(tensors);
  VaeLevels levels = read_levels(extents, "encoder.downsamples.");
  config.num_res_blocks = levels.blocks;
  if (levels.blocks == 0) {  // a decoder alone: from the inside out, with one block more on each level
    levels = read_levels(extents, "decoder.upsamples.");
    std::reverse(levels.widths.begin(), levels.widths.end());
    std::reverse(levels.temporal.begin(), levels.temporal.end());
    config.num_res_blocks = levels.blocks - 1;
  }
  if (config.num_res_blocks < 1) return VaeConfig{};
  config.dim = std::max<int64_t>(levels.widths.front(), 1);
  extents.read(config.dim, "encoder.conv1.bias", 1, 0);
  extents.read(config.z_dim, "conv2.bias", 1, 0);
  config.dim_mult.clear();
  for (const int64_t width : levels.widths) {
    require(width > 0 && width % config.dim == 0, ErrorCode::corrupt_data,
            "a level of the autoencoder has {} channels, which is not a multiple of its width {}: not a Wan VAE", width,
            config.dim);
    config.dim_mult.push_back(width / config.dim);
  }
  config.temporal_downsample = std::move(levels.temporal);
  if (config.z_dim != VaeConfig{}.z_dim) {
    config.mean.assign(static_cast<std::size_t>(config.z_dim), 0);
    config.std.assign(static_cast<std::size_t>(config.z_dim), 1);
  }
  return config;
}

TinyAutoencoderConfig infer_tiny_autoencoder(const WeightMap& tensors) {
  TinyAutoencoderConfig config;
  const Extents extents(tensors);
  extents.read(config.encoder_width, "encoder.0.bias", 1, 0);
  extents.read(config.latent_channels, "decoder.1.weight", 4, 1);
  // The convolutions that change the width: the first, and the one at the end of each of the three stages.
  constexpr const char* kWidths[] = {"decoder.1.weight", "decoder.8.weight", "decoder.14.weight", "decoder.20.weight"};
  for (std::size_t i = 0; i < std::size(kWidths); ++i) extents.read(config.decoder_widths[i], kWidths[i], 4, 0);
  return config;
}

std::optional<std::string> published_name(const TransformerConfig& config) {
  TransformerConfig shape = config;  // how it is run does not change what it is
  shape.local_attn_size = -1;
  shape.sink_size = 0;
  const TransformerConfig small;
  TransformerConfig large;
  large.dim = 5120, large.ffn_dim = 13824, large.num_heads = 40, large.num_layers = 40;
  TransformerConfig image = large;
  image.model_type = ModelType::i2v, image.in_dim = 36;
  if (shape == small) return "Wan2.1 T2V 1.3B";
  if (shape == large) return "Wan2.1 T2V 14B";
  if (shape == image) return "Wan2.1 I2V 14B";
  return std::nullopt;
}
std::optional<std::string> published_name(const Umt5Config& config) {
  return config == Umt5Config{} ? std::optional<std::string>("UMT5-XXL encoder") : std::nullopt;
}
std::optional<std::string> published_name(const VaeConfig& config) {
  return config == VaeConfig{} ? std::optional<std::string>("Wan2.1 VAE") : std::nullopt;
}
std::optional<std::string> published_name(const TinyAutoencoderConfig& config) {
  return config == TinyAutoencoderConfig{} ? std::optional<std::string>("taew2_1") : std::nullopt;
}

}  // namespace rushes::wan
