// Fields of the usual kinds, for the lists of options that models have.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "rushes/base/options.h"

namespace rushes::option_fields {

inline OptionField whole(const char* name, const char* doc, OptionValue standard, double least, double most) {
  return {.name = name,
          .type = OptionType::integer,
          .doc = doc,
          .standard = std::move(standard),
          .least = least,
          .most = most};
}

inline OptionField real(const char* name, const char* doc, OptionValue standard, double least, double most) {
  return {.name = name, .doc = doc, .standard = std::move(standard), .least = least, .most = most};
}

inline OptionField flag(const char* name, const char* doc, OptionValue standard) {
  return {.name = name, .type = OptionType::boolean, .doc = doc, .standard = std::move(standard)};
}

inline OptionField also_known_as(OptionField field, std::vector<std::string> aliases) {
  field.aliases = std::move(aliases);
  return field;
}

/// May change while a session runs.
inline OptionField live(OptionField field) {
  field.live = true;
  return field;
}

}  // namespace rushes::option_fields
