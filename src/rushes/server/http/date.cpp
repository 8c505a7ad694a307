#include "rushes/server/http/date.h"

#include <ctime>

namespace rushes::server {
namespace {

std::string utc(std::chrono::system_clock::time_point time, const char* format) {
  const std::time_t whole = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[64];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

}  // namespace

std::string timestamp(std::chrono::system_clock::time_point time) { return utc(time, "%FT%TZ"); }
std::string http_date(std::chrono::system_clock::time_point time) { return utc(time, "%a, %d %b %Y %T GMT"); }

}  // namespace rushes::server
