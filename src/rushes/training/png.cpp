#include "rushes/training/png.h"

#include <zlib.h>

#include <array>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

void put_u32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void put_chunk(std::string& out, std::string_view type, const std::string& data) {
  put_u32(out, static_cast<uint32_t>(data.size()));
  const std::string body = std::string(type) + data;
  out += body;
  put_u32(out,
          static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

}  // namespace

void write_png(const std::filesystem::path& file, const at::Tensor& picture) {
  const at::Tensor bytes = (picture.detach().to(at::kCPU, at::kFloat).clamp(0, 1) * 255)
                               .round()
                               .to(at::kByte)
                               .permute({1, 2, 0})
                               .contiguous();
  const int64_t height = bytes.size(0), width = bytes.size(1);
  std::string rows;
  for (int64_t y = 0; y < height; ++y) {
    rows.push_back(0);  // filter: none
    rows.append(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>() + y * width * 3),
                static_cast<std::size_t>(width * 3));
  }
  uLongf packed_size = compressBound(rows.size());
  std::string packed(packed_size, '\0');
  compress2(reinterpret_cast<Bytef*>(packed.data()), &packed_size, reinterpret_cast<const Bytef*>(rows.data()),
            rows.size(), 6);
  packed.resize(packed_size);
  std::string out("\x89PNG\r\n\x1a\n", 8), header;
  put_u32(header, static_cast<uint32_t>(width));
  put_u32(header, static_cast<uint32_t>(height));
  header.append("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB
  put_chunk(out, "IHDR", header);
  put_chunk(out, "IDAT", packed);
  put_chunk(out, "IEND", "");
  std::ofstream stream(file, std::ios::binary);
  stream.write(out.data(), static_cast<std::streamsize>(out.size()));
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write the picture {}", file.string());
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
