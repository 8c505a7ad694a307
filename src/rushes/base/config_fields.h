// The fields of a configuration that came with somebody's weights: numbers, flags and lists, within bounds.
#pragma once
#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace rushes {

/// A JSON object, as far as it has fields: what is absent or null leaves the value that the caller has. What is there
/// and cannot be read is Error(corrupt_data) with the name of the object and of the field.
class ConfigFields {
 public:
  /// Far above every width, depth and length of a published model.
  static constexpr int64_t kMost = 1 << 24;
  static constexpr std::size_t kMostEntries = 1024;  // of a list
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  /// `where` names it in messages. `object` is borrowed, and must be one.
  ConfigFields(const nlohmann::json& object, std::string where);

  /// Null: absent or null.
  const nlohmann::json* find(const char* key) const;
  const std::string& where() const noexcept { return where_; }

  void integer(const char* key, int64_t& value, int64_t least = 1, int64_t most = kMost) const;
  void integer(const char* key, std::optional<int64_t>& value, int64_t least = 1, int64_t most = kMost) const;
  void integers(const char* key, std::vector<int64_t>& values, int64_t least = 1, int64_t most = kMost) const;
  /// Finite.
  void real(const char* key, double& value, double least = -kInfinity, double most = kInfinity) const;
  /// Exactly as many as there are.
  void reals(const char* key, std::vector<double>& values) const;
  void flag(const char* key, bool& value) const;
  void flags(const char* key, std::vector<bool>& values) const;
  void word(const char* key, std::string& value) const;
  void words(const char* key, std::vector<std::string>& values) const;
  /// Error(unsupported) for another value of a setting that there is only one of.
  void must_be(const char* key, const nlohmann::json& only) const;

 private:
  template <typename T, typename Read>
  void list(const char* key, std::vector<T>& values, const Read& read) const;

  const nlohmann::json& object_;
  const std::string where_;
};

}  // namespace rushes
