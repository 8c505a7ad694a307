// Numbers of JSON that are integers although they are written otherwise.
#pragma once
#include <cmath>
#include <nlohmann/json.hpp>

namespace rushes::server {

/// 9 for 9.0 and 9e0: to JSON Schema (2020-12, validation, 6.1.1) a number without a fraction is an integer. What has
/// one, is too large to be exact, or is not a number stays as it is.
inline nlohmann::json as_integer(const nlohmann::json& value) {
  constexpr double kExact = 1ll << 53;
  if (!value.is_number_float()) return value;
  const auto number = value.get<double>();
  if (number != std::floor(number) || std::abs(number) > kExact) return value;
  const auto whole = static_cast<int64_t>(number);
  return whole < 0 ? nlohmann::json(whole) : nlohmann::json(static_cast<uint64_t>(whole));
}

}  // namespace rushes::server
