// The causal transformer's pass over [clean | noisy] blocks as training runs it: the same function of the same weights
// as wan::forward_teacher_forcing, from operations that are quick in both directions.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/wan/teacher_forcing.h"
#include "rushes/models/wan/transformer.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::training {

/// Arguments and result as wan::forward_teacher_forcing, float32. `core` borrows the float32 leaves `weights`
/// ("blocks.*"); products of the blocks run in `dtype`, the residual stream in float32; on a GPU all of it in
/// `dtype`, by the modules. Any thread.
at::Tensor forward_for_training(const wan::TransformerCore& core, const tensor::WeightMap& weights,
                                const at::Tensor& clean, const at::Tensor& noisy, const at::Tensor& t,
                                const wan::TextContext& text, const wan::TeacherForcing& options, at::ScalarType dtype,
                                const wan::FrameAdditions& additions = {});

/// The blocks and the window of the shipped model, of clips of `latent_frames`.
wan::TeacherForcing shipped_blocks(int64_t latent_frames);

}  // namespace rushes::training
