// Driving videos from outside: whatever the bytes are, frames or an Error.
#include "rushes/base/error.h"
#include "rushes/media/video_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    rushes::media::VideoReader reader(std::make_shared<const rushes::media::Bytes>(data, data + size),
                                      {.max_bytes = 1 << 20, .max_pixels = 1 << 16, .max_seconds = 10});
    for (int i = 0; i < 50; ++i) {
      const auto image = reader.next();
      if (!image) break;
      volatile uint8_t sink = 0;
      for (int64_t at = 0; at < image->width * image->height * 3; ++at) sink = image->rgb.get()[at];
      (void)sink;
    }
  } catch (const rushes::Error&) {}
  return 0;
}
