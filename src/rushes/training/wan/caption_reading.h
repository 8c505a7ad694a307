// What trains a text encoder on captions alone: naming what they say. A minute of it saves the transformer many, which
// otherwise learns to read through its own blurred pictures.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "rushes/text/tokenizer.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/run.h"
#include "rushes/training/wan/text_to_video.h"

namespace rushes::training {

/// Captions and what they say: classes[i] is below counts[i].
struct CaptionWorld {
  struct Caption {
    std::string text;
    std::vector<int64_t> classes;
  };
  std::vector<int64_t> counts;
  std::function<Caption(uint64_t index)> caption;
};

struct Probe {
  at::Tensor loss;
  double right;  // share of the classes named right
};
/// A linear classifier on the mean of a text encoder's rows.
///   rows     [B, L, C], padding zero;   mask [B, L]
///   weight   [sum of counts, C];        classes [B, counts] int64
Probe probe(const at::Tensor& rows, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& classes,
            at::IntArrayRef counts);
/// Its weights at the start.
at::Tensor fresh_probe(at::IntArrayRef counts, int64_t dim);

/// Trains what `read` (prompts to rows) takes of the optimiser's weights, "probe.weight" among them, for the time of
/// `run`. Curve: text.csv.
void learn_to_read(Optimiser& optimiser, const std::function<at::Tensor(const Prompts&)>& read,
                   const text::Tokenizer& tokenizer, int64_t text_len, const CaptionWorld& world,
                   const RunOptions& run);

}  // namespace rushes::training
