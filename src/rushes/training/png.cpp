#include "rushes/training/png.h"

#include <png.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {

void write_png(const std::filesystem::path& file, const at::Tensor& picture) {
  const at::Tensor bytes = (picture.detach().to(at::kCPU, at::kFloat).clamp(0, 1) * 255)
                               .round()
                               .to(at::kByte)
                               .permute({1, 2, 0})
                               .contiguous();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(bytes.size(0));
  image.width = static_cast<png_uint_32>(bytes.size(1));
  image.format = PNG_FORMAT_RGB;
  const int written = png_image_write_to_file(&image, file.c_str(), 0, bytes.const_data_ptr<uint8_t>(), 0, nullptr);
  require(written != 0, ErrorCode::unavailable, "cannot write the image {}: {}", file.string(), image.message);
}

at::Tensor contact_sheet(const at::Tensor& clips, int64_t columns) {
  const int64_t moments = clips.size(1);
  std::vector<at::Tensor> rows;
  for (int64_t clip = 0; clip < clips.size(0); ++clip) {
    std::vector<at::Tensor> cells;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t at_frame = columns == 1 ? 0 : c * (moments - 1) / (columns - 1);
      cells.push_back(at::constant_pad_nd(clips[clip][at_frame].to(at::kFloat), {1, 1, 1, 1}, 1));
    }
    rows.push_back(at::cat(cells, 2));
  }
  return at::cat(rows, 1);
}

}  // namespace rushes::training
