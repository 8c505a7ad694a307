// JSON schemas of requests, made of the lists of their fields: those that all families share, and the options of the
// models that a server has.
#pragma once
#include <span>

#include "rushes/base/options.h"
#include "rushes/server/http/http.h"
#include "rushes/server/sessions/served_models.h"

namespace rushes::server {

/// What a field takes: type, limits, default, description.
Json field_schema(const OptionField& field);

enum class SeedMay { be_random, be_named_only };  // -1: random

/// `written` with the properties that follow from the lists: the seed, those of request_fields() that `names` has, and
/// the options of the models. Where two models have different options of one name, either is allowed.
Json with_fields(Json written, SeedMay seed, std::span<const std::string_view> names,
                 const std::vector<ServedModels::Status>& models);

}  // namespace rushes::server
