// What Foresight's clients are told when something is wrong, as FastAPI has it.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "rushes/server/api/foresight/requests.h"

namespace rushes::server::foresight {

/// {"detail": {"error", "code"}}
inline Response error_answer(int status, std::string_view error, std::string_view code) {
  return json_response(status, {{"detail", {{"error", error}, {"code", code}}}});
}

/// The same with the error's own status, as http_status(), and when to ask again.
inline Response error_answer(const Error& error, std::string_view code, std::span<const ErrorCode> failures = {}) {
  Response response = error_answer(http_status(error.code(), failures), error.what(), code);
  add_retry_after(response, error);
  return response;
}

inline Response invalid_answer(const InvalidBody& invalid) { return json_response(422, {{"detail", invalid.detail}}); }

/// {"detail": "Not Found"}
inline Response plain_answer(int status, std::string_view detail) {
  return json_response(status, {{"detail", detail}});
}

}  // namespace rushes::server::foresight
