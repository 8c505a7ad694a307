// Bodies in JSON as IMTalker's servers read them.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "rushes/server/api/imtalker/form.h"
#include "rushes/server/api/json_check.h"

namespace rushes::server::imtalker {

/// Unknown fields are ignored, as are those that are null. What is wrong is thrown as Refused(400),
/// more values than any request has as Error(too_large).
class JsonBody {
 public:
  explicit JsonBody(const Request& request) {
    std::string kept;
    const std::string_view body = whole_characters(request.body, kept);
    check_json(body, EqualNames::allowed);
    fields_ = Json::parse(body.empty() ? "{}" : body, nullptr, false);
    if (!fields_.is_object()) refuse(400, "The body must be a JSON object");
  }
  std::string text(const char* field) const {
    const Json* value = find(field);
    if (value && !value->is_string()) refuse(400, fmt::format("{} must be a string", field));
    return value ? value->get<std::string>() : std::string();
  }
  bool boolean(const char* field, bool otherwise) const {
    const Json* value = find(field);
    if (value && !value->is_boolean()) refuse(400, fmt::format("{} must be true or false", field));
    return value ? value->get<bool>() : otherwise;
  }
  /// Fields that were sent and not asked for.
  std::vector<generation::Ignored> unused() const {
    constexpr std::size_t kMost = 16;
    std::vector<generation::Ignored> unused;
    for (const auto& [name, value] : fields_.items())
      if (!asked_.contains(name) && !value.is_null() && unused.size() < kMost)
        unused.push_back({name.substr(0, 64), "this server has no use for the field"});
    return unused;
  }
  const Json* find(const char* field) const {
    asked_.emplace(field);
    const auto found = fields_.find(field);
    return found == fields_.end() || found->is_null() ? nullptr : &*found;
  }

 private:
  Json fields_;
  mutable std::set<std::string, std::less<>> asked_;
};

}  // namespace rushes::server::imtalker
