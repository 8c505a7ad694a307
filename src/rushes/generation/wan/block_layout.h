// Which latent frames of a segment are denoised together. Plain numbers.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace rushes::generation {

struct BlockLayout {
  int64_t block_latent_frames = 3;       // num_frame_per_block
  bool independent_first_frame = false;  // the first latent frame is a block of its own

  /// Sizes of the blocks between latent frames `given` and `total` of a segment. Blocks end where they always end, so
  /// after a given image (one latent frame) the first block is shorter: 2, 3, 3, ... . The last one is what is left.
  std::vector<int64_t> blocks(int64_t given, int64_t total) const {
    std::vector<int64_t> sizes;
    for (int64_t at = given; at < total; at += sizes.back()) {
      const int64_t border = at < first() ? first() : at + block_latent_frames - (at - first()) % block_latent_frames;
      sizes.push_back(std::min(border, total) - at);
    }
    return sizes;
  }

  /// True if so many latent frames from the start of a segment end at a block border.
  bool at_border(int64_t latent_frames) const {
    return latent_frames >= first() && (latent_frames - first()) % block_latent_frames == 0;
  }

  /// The nearest such numbers, smaller and larger, that are at least one block.
  std::vector<int64_t> nearest(int64_t latent_frames) const {
    const int64_t least = independent_first_frame ? 1 : block_latent_frames;
    if (latent_frames <= least) return {least};
    const int64_t below = latent_frames - (latent_frames - first()) % block_latent_frames;
    return {below, below + block_latent_frames};
  }

 private:
  int64_t first() const { return independent_first_frame ? 1 : 0; }
};

}  // namespace rushes::generation
