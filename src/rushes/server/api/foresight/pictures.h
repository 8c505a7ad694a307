// The pictures of a question: from base64 to pixels, within the limits of the published interface.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/base/image.h"
#include "rushes/media/image.h"

namespace rushes::server::foresight {

inline constexpr int64_t kMostAspect = 200;  // of the longer side to the shorter one

enum class PictureFault { not_base64, too_large, unreadable };

class BadPicture : public Error {
 public:
  BadPicture(PictureFault fault, ErrorCode code, const std::string& message) : Error(code, message), fault_(fault) {}
  PictureFault fault() const noexcept { return fault_; }

 private:
  PictureFault fault_;
};

/// Base64, possibly behind "data:image/png;base64,", of a JPEG, PNG or WebP, upright as its Exif says. Throws
/// BadPicture, and what `admit` throws, see media::decode_image().
Image decode_picture(std::string_view base64, const ImageLimits& limits,
                     const std::function<void(int64_t bytes)>& admit = {});

}  // namespace rushes::server::foresight
