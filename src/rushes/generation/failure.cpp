#include "rushes/generation/failure.h"

#include <new>
#include <string>
#include <utility>

#include "rushes/base/log.h"

namespace rushes::generation {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::exhausted, "not enough memory for this session; use a smaller size or stop other sessions"};
  } catch (const std::exception& error) {
    // libtorch reports a failed allocation as a general error (CPU) or one of its own types (CUDA). Neither may be
    // named here, since the server is built without it; the words are stable. Its backtrace is not for the client.
    std::string what = error.what();
    if (const auto end = what.find("\nException raised from"); end != std::string::npos) what.resize(end);
    const bool memory =
        what.find("out of memory") != std::string::npos || what.find("can't allocate memory") != std::string::npos;
    return {memory ? ErrorCode::exhausted : ErrorCode::internal, std::move(what)};
  } catch (...) {
    return {ErrorCode::internal, "unknown exception"};
  }
}

bool attempt(const char* what, const std::function<void()>& round) noexcept {
  try {
    round();
    return true;
  } catch (...) {
    try {
      log::error("{}: {}; it is tried again", what, current_failure().message);
    } catch (...) {  // without memory there is nothing to say it with
    }
    return false;
  }
}

}  // namespace rushes::generation
