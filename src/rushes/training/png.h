// PNG files and contact sheets of training, by libpng: the engine does not link the media libraries.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>

namespace rushes::training {

/// Writes a picture [3, H, W], float in [0, 1] (clamped), as 8-bit RGB. Throws Error(unavailable) if the disk refuses.
void write_png(const std::filesystem::path& file, const at::Tensor& picture);

/// Clips [N, T, 3, H, W] side by side: a row a clip, a column a moment, `columns` of them evenly spaced; returns
/// [3, ..., ...].
at::Tensor contact_sheet(const at::Tensor& clips, int64_t columns);

}  // namespace rushes::training
