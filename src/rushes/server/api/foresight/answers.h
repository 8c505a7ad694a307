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

/// The same with when to ask again.
inline Response error_answer(int status, const Error& error, std::string_view code) {
  Response response = error_answer(status, error.what(), code);
  add_retry_after(response, error);
  return response;
}

/// Of a question that is refused: 400 where a field is wrong, be it the name of a model or of what cannot be made; that
/// of the error for all that is no field's fault.
inline int refusal_status(const Error& error) {
  switch (error.code()) {
    case ErrorCode::exhausted:
    case ErrorCode::cancelled:
    case ErrorCode::unavailable:
    case ErrorCode::too_large:
    case ErrorCode::internal: return http_status(error.code());
    default: return 400;
  }
}

inline Response invalid_answer(const InvalidBody& invalid) { return json_response(422, {{"detail", invalid.detail}}); }

/// More than the model reads or makes: like a text beyond the limit of all models.
inline Response beyond_model_answer(const Error& error) {
  InvalidBody invalid;
  invalid.detail.push_back({{"type", "value_error"},
                            {"loc", {"body"}},
                            {"msg", fmt::format("Value error, {}", error.what())},
                            {"input", nullptr}});
  return invalid_answer(invalid);
}

/// {"detail": "Not Found"}
inline Response plain_answer(int status, std::string_view detail) {
  return json_response(status, {{"detail", detail}});
}

}  // namespace rushes::server::foresight
