#include "rushes/base/error.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "rushes/base/stop_signal.h"

namespace rushes {

std::string_view name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::too_large: return "too_large";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::corrupt_data: return "corrupt_data";
    case ErrorCode::exhausted: return "exhausted";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

int exit_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::not_found:
    case ErrorCode::too_large:
    case ErrorCode::corrupt_data:
    case ErrorCode::unsupported: return 2;
    case ErrorCode::cancelled: return 128 + (base::stop_signal() != 0 ? base::stop_signal() : SIGINT);
    default: return 1;
  }
}

void assertion_failed(const char* expression, const char* file, int line) {
#ifndef NDEBUG
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
#else
  fail(ErrorCode::internal, "internal error at {}:{}: {}; please report it", file, line, expression);
#endif
}

}  // namespace rushes
