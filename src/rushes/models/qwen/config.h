// Dimensions of a Qwen2.5-VL model: a vision tower, and a language model that reads its tokens among those of a text.
// Defaults are the published 7B model. Source: arXiv:2502.13923 and the published configuration files.
#pragma once
#include <cstdint>
#include <vector>

namespace rushes::qwen {

struct TextConfig {
  int64_t vocab_size = 152064;
  int64_t hidden_size = 3584;
  int64_t intermediate_size = 18944;
  int64_t num_hidden_layers = 28;
  int64_t num_attention_heads = 28;
  int64_t num_key_value_heads = 4;  // each serves num_attention_heads / num_key_value_heads query heads
  int64_t max_position_embeddings = 128000;
  double rms_norm_eps = 1e-6;
  double rope_theta = 1e6;
  std::vector<int64_t> mrope_section{16, 24, 24};  // frequencies that turn with time, height and width; head_size / 2
  bool tie_word_embeddings = false;                // the output head is the embedding table

  int64_t head_size() const { return hidden_size / num_attention_heads; }
  bool operator==(const TextConfig&) const = default;
};

struct VisionConfig {
  int64_t depth = 32;
  int64_t hidden_size = 1280;
  int64_t intermediate_size = 3420;
  int64_t num_heads = 16;
  int64_t in_channels = 3;
  int64_t patch_size = 14;
  int64_t spatial_merge_size = 2;
  int64_t temporal_patch_size = 2;
  int64_t window_size = 112;  // pixels
  int64_t out_hidden_size = 3584;
  std::vector<int64_t> fullatt_block_indexes{7, 15, 23, 31};  // blocks that see whole pictures; the others see windows

  int64_t head_size() const { return hidden_size / num_heads; }
  /// Values of a patch: 1176.
  int64_t patch_values() const { return in_channels * temporal_patch_size * patch_size * patch_size; }
  /// Patches that become one token: 4.
  int64_t unit_patches() const { return spatial_merge_size * spatial_merge_size; }
  bool operator==(const VisionConfig&) const = default;
};

/// How a picture becomes patches: the processor's file.
struct PictureConfig {
  int64_t min_pixels = 3136;
  int64_t max_pixels = 12845056;  // up to 16384 tokens: interactive use wants less
  int64_t patch_size = 14;
  int64_t merge_size = 2;
  int64_t temporal_patch_size = 2;
  std::vector<double> mean{0.48145466, 0.4578275, 0.40821073};
  std::vector<double> std{0.26862954, 0.26130258, 0.27577711};

  int64_t factor() const { return patch_size * merge_size; }
  bool operator==(const PictureConfig&) const = default;
};

/// How the next token is drawn: generation_config.json, over the defaults of the published library.
struct SamplingConfig {
  bool do_sample = true;  // false: the most probable token
  double temperature = 1;
  int64_t top_k = 50;  // 0: all
  double top_p = 1;
  double repetition_penalty = 1;
  bool operator==(const SamplingConfig&) const = default;
};

struct Config {
  TextConfig text;
  VisionConfig vision;
  PictureConfig picture;
  SamplingConfig sampling;
  std::vector<int64_t> eos_token_ids{151645, 151643};  // the text ends at any of them
  int64_t image_token_id = 151655;
  int64_t video_token_id = 151656;
  int64_t vision_start_token_id = 151652;
  int64_t vision_end_token_id = 151653;
  bool operator==(const Config&) const = default;
};

}  // namespace rushes::qwen
