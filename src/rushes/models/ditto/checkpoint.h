// Published Ditto files: the PyTorch set (ditto_pytorch/models/*.pth), and which parameters a network of given sizes
// has.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// Widths and depths of all networks; those of the published model.
struct Sizes {
  // appearance_extractor
  std::vector<int64_t> appearance{64, 128, 256};  // of the first convolution and each step down
  int64_t volume = 32, depth = 16;                // channels and slices
  int64_t volume_blocks = 6;
  // motion_extractor
  std::vector<int64_t> extractor{96, 192, 384, 768}, extractor_depths{3, 3, 9, 3};
  // warp_network
  int64_t compressed = 4;
  std::vector<int64_t> down{64, 128, 256, 512, 1024}, up{512, 256, 128, 64, 32};
  int64_t last = 142;     // channels behind the hourglass
  int64_t mask_side = 7;  // of the kernels that tell mask and occlusion
  int64_t bent = 256, feature = 256;
  // decoder
  int64_t middle = 512, middle_blocks = 6, spade = 128;
  std::vector<int64_t> decoder_up{256, 64};
  int64_t upscale = 2;
  // stitch_network
  std::vector<int64_t> stitch{128, 128, 64};
  // lmdm
  int64_t width = 512, wide = 1024, frames = 80, condition = 1103, condition_layers = 2, layers = 8;
};

/// "appearance_extractor", "motion_extractor", "warp_network", "decoder", "stitch_network", "lmdm": the names and
/// shapes of its parameters, as published. num_batches_tracked, which has no effect, is not among them. Throws
/// Error(not_found) for another part.
tensor::Shapes parameter_shapes(const std::string& part, const Sizes& sizes);

/// The sizes that the parameters of a part tell. Of other parts the published ones.
Sizes sizes_of(const std::string& part, const tensor::WeightMap& weights);

/// A part's weights, complete and of shapes that fit each other, in the dtype of the file. LMDM's are under
/// "model_state_dict", the stitch network's under "retarget_shoulder" and perhaps "module."; or all without a prefix.
/// Throws what tensor::load_checkpoint() and tensor::take_complete() throw.
tensor::WeightMap load(const std::string& part, const std::filesystem::path& file,
                       tensor::Extra extra = tensor::Extra::report);

}  // namespace rushes::ditto
