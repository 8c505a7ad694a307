#include "rushes/media/libav.h"

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string_view>

#include "rushes/base/log.h"

namespace rushes::media::libav {
namespace {

constexpr std::size_t kMostBytesAtATime = std::size_t{256} << 20;  // a raw picture of 8K has 100 MB

/// What went wrong reaches people as our Error; FFmpeg's own lines help only who looks for a cause.
void write_line(void*, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_WARNING) return;
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view text(line);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (!text.empty()) log::debug("ffmpeg: {}", text);
}

}  // namespace

void set_up() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_callback(write_line);
    av_max_alloc(kMostBytesAtATime);
  });
}

}  // namespace rushes::media::libav
