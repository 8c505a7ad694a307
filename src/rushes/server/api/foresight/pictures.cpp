#include "rushes/server/api/foresight/pictures.h"

#include <algorithm>
#include <span>

#include "rushes/server/http/base64.h"

namespace rushes::server::foresight {
namespace {

BadPicture too_large(const ImageLimits& limits) {
  return {PictureFault::too_large, ErrorCode::too_large,
          fmt::format("File too large (max {}MB)", limits.max_bytes >> 20)};
}

std::string bytes_of(std::string_view base64, const ImageLimits& limits) {
  // Not decoded if it is too large anyway; its head is short.
  if (base64.size() > static_cast<std::size_t>(limits.max_bytes) / 3 * 4 + (64 << 10)) throw too_large(limits);
  try {
    return decode_base64("image", base64, kPictureTypes);
  } catch (const Error& error) {
    throw BadPicture(PictureFault::not_base64, error.code(), error.what());
  }
}

}  // namespace

Image decode_picture(std::string_view base64, const ImageLimits& limits, const std::function<void(int64_t)>& admit) {
  const std::string bytes = bytes_of(base64, limits);
  if (static_cast<int64_t>(bytes.size()) > limits.max_bytes) throw too_large(limits);
  Image image;
  try {
    image = media::decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, limits, admit);
  } catch (const Error& error) {
    const ErrorCode code = error.code();
    if (code != ErrorCode::unsupported && code != ErrorCode::too_large && code != ErrorCode::corrupt_data) throw;
    throw BadPicture(PictureFault::unreadable, code, error.what());
  }
  const int64_t longer = std::max(image.height, image.width), shorter = std::min(image.height, image.width);
  if (longer > kMostAspect * shorter)
    throw BadPicture(PictureFault::unreadable, ErrorCode::invalid_argument,
                     fmt::format("the picture is {}x{}: its longer side may be at most {} times the shorter one",
                                 image.width, image.height, kMostAspect));
  return image;
}

}  // namespace rushes::server::foresight
