#include "rushes/media/libav.h"

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string_view>

#include "rushes/base/log.h"

namespace rushes::media::libav {
namespace {

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

void use_our_log() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(write_line); });
}

}  // namespace rushes::media::libav
