// The text-to-video model as training sees it: text encoder and causal transformer in one weight map ("text.*",
// "transformer.*"), prompts as ids, and samplers that work on whole batches of prompts.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rushes/models/wan/transformer.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/nn/flow_match.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/text/tokenizer.h"

namespace rushes::training {

struct Prompts {
  at::Tensor ids, mask;  // [B, L] int64
};

/// Trains the tokenizer on captions of the world and ordinary English words, unless the file is there already.
std::unique_ptr<const text::Tokenizer> shipped_tokenizer(const std::filesystem::path& file, uint64_t seed);
Prompts tokenize(const text::Tokenizer& tokenizer, std::span<const std::string> captions, int64_t text_len);

class TextToVideo {
 public:
  explicit TextToVideo(const tensor::WeightMap& weights);

  /// Text encoder rows [B, L, dim], padding zero.
  at::Tensor read(const Prompts& prompts) const { return text_.encode(prompts.ids, prompts.mask); }
  wan::TextContext context(const at::Tensor& read_text) const { return transformer_.context(read_text); }
  const wan::CausalTransformer& transformer() const { return transformer_; }

 private:
  wan::Umt5Encoder text_;
  wan::CausalTransformer transformer_;
};

/// The schedule that training, distillation and the shipped manifest share.
nn::FlowMatchSchedule shipped_schedule();

/// Few-step sampling block by block as the product does it: noise [B, C, F, h, w], F a multiple of 3; `steps` are
/// timesteps. Fresh noise between steps comes from the global generator. Returns latents like `noise`.
at::Tensor sample_few_steps(const TextToVideo& model, const wan::TextContext& text, const at::Tensor& noise,
                            const std::vector<double>& steps);

}  // namespace rushes::training
