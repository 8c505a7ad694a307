// The one error type of rushes. A message says what was wrong, where, what was allowed and what to do; the code
// decides the HTTP status, the exit code and the Python class (one table each, at the five places that catch).
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace rushes {

enum class ErrorCode {
  invalid_argument,
  not_found,
  conflict,
  too_large,
  unsupported,
  corrupt_data,
  exhausted,
  unavailable,
  cancelled,
  internal
};

/// The enumerator's own spelling, as it stands in JSON and logs.
std::string_view name(ErrorCode code) noexcept;

/// Exit code of the command line for an error: 2 for what the user can mend in the call, 128 and the number of the
/// signal (130 for Ctrl-C) for cancelled, else 1.
int exit_code(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Throws Error(code) with the formatted message.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Checks what comes from outside; always on. Throws Error(code) with the formatted message unless `ok`.
template <typename... Args>
void require(bool ok, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) [[unlikely]]
    fail(code, format, std::forward<Args>(args)...);
}

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace rushes

/// Our own bug: aborts in debug builds, throws Error(internal) in release builds. Never for input.
#define RUSHES_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::rushes::assertion_failed(#expression, __FILE__, __LINE__))
