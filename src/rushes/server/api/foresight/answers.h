// What Foresight's clients are told when something is wrong, as FastAPI has it.
#pragma once
#include <string>
#include <string_view>

#include "rushes/server/api/foresight/requests.h"
#include "rushes/server/http/retry_after.h"

namespace rushes::server::foresight {

/// {"detail": {"error", "code"}}
inline Response error_answer(int status, std::string_view error, std::string_view code) {
  return json_response(status, {{"detail", {{"error", error}, {"code", code}}}});
}

/// The same, and when to ask again.
inline Response later_answer(const Error& error, std::string_view code) {
  Response response = error_answer(http_status(error.code()), error.what(), code);
  response.headers.emplace_back("Retry-After", std::to_string(retry_after(error)));
  return response;
}

inline Response invalid_answer(const InvalidBody& invalid) { return json_response(422, {{"detail", invalid.detail}}); }

/// {"detail": "Not Found"}
inline Response plain_answer(int status, std::string_view detail) {
  return json_response(status, {{"detail", detail}});
}

}  // namespace rushes::server::foresight
