#include "rushes/server/api/request_schema.h"

#include <limits>

#include "rushes/generation/request.h"

namespace rushes::server {
namespace {

/// 240, not 240.0.
Json plain(double number) {
  const auto whole = static_cast<int64_t>(number);
  return static_cast<double>(whole) == number ? Json(whole) : Json(number);
}

Json range_schema(const OptionField& field, const char* type) {
  return {{"type", type}, {"minimum", plain(field.least)}, {"maximum", plain(field.most)}};
}

void add(Json& properties, const OptionField& field) {
  Json schema = field_schema(field);
  Json& known = properties[field.name];
  if (known.is_null()) {
    known = std::move(schema);
  } else if (known.contains("anyOf")) {
    for (const Json& each : known["anyOf"])
      if (each == schema) return;
    known["anyOf"].push_back(std::move(schema));
  } else if (known != schema) {
    known = {{"anyOf", Json::array({known, std::move(schema)})}};
  }
}

}  // namespace

Json field_schema(const OptionField& field) {
  Json schema;
  switch (field.type) {
    case OptionType::boolean: schema = {{"type", "boolean"}}; break;
    case OptionType::integer: schema = range_schema(field, "integer"); break;
    case OptionType::number: schema = range_schema(field, "number"); break;
    case OptionType::text: schema = {{"type", "string"}, {"maxLength", plain(field.most)}}; break;
    case OptionType::choice: schema = {{"enum", field.choices}}; break;
    case OptionType::numbers:
      schema = {{"type", "array"},
                {"items", range_schema(field, "number")},
                {"minItems", field.least_count},
                {"maxItems", field.most_count}};
      break;
  }
  schema["description"] = field.doc;
  std::visit(
      [&](const auto& standard) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(standard)>, std::monostate>) schema["default"] = standard;
      },
      field.standard);
  return schema;
}

Json with_fields(Json written, SeedMay seed, std::span<const std::string_view> names,
                 const std::vector<ServedModels::Status>& models) {
  Json& properties = written["properties"];
  properties["seed"] = {{"type", "integer"},
                        {"minimum", seed == SeedMay::be_random ? -1 : 0},
                        {"maximum", std::numeric_limits<uint64_t>::max()},
                        {"description", seed == SeedMay::be_random ? "-1, or none: random; the answer tells it"
                                                                   : "the same seed and request give the same video"}};
  if (seed == SeedMay::be_named_only) properties["seed"]["default"] = 0;
  for (const std::string_view name : names) add(properties, generation::request_field(name));
  for (const ServedModels::Status& model : models)
    for (const OptionField& field : model.options) add(properties, field);
  return written;
}

}  // namespace rushes::server
