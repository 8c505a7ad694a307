#include "rushes/server/api/openapi.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "rushes/server/api/apis.h"

namespace rushes::server {
namespace {

const std::map<int, const char*> kStatuses{
    {101, "the connection is now a WebSocket"},
    {200, "done"},
    {201, "created"},
    {202, "accepted; takes effect at the next block"},
    {204, "done; no content"},
    {206, "the requested range"},
    {400, "the request is invalid; the message says why"},
    {401, "the token is missing or wrong"},
    {403, "the Origin or Host header is not allowed"},
    {404, "not found"},
    {405, "the path does not support this method; the Allow header lists the supported ones"},
    {409, "not possible in the current state"},
    {413, "too large"},
    {415, "the format is not supported"},
    {416, "the range is outside of the file"},
    {422, "the image, audio or video is damaged"},
    {426, "connect with Upgrade: websocket"},
    {429, "a limit is reached; try again later"},
    {431, "the header is too large"},
    {500, "internal error"},
    {503, "shutting down, or too many connections"}};

Json reference(const std::string& kind, const std::string& name) {
  return {{"$ref", "#/components/" + kind + "/" + name}};
}

/// A media type, several, or the name of a schema of JSON, each with its example if there is one.
Json content_of(const Json& what, const Json& examples) {
  Json content = Json::object();
  if (what.is_array()) {
    for (const Json& each : what) content.update(content_of(each, examples));
    return content;
  }
  const auto name = what.get<std::string>();
  const bool is_schema = name.find('/') == std::string::npos;
  Json& of_type = content[is_schema ? "application/json" : name] = Json::object();
  if (is_schema) of_type["schema"] = reference("schemas", name);
  if (examples.contains(name)) of_type["example"] = examples[name];
  return content;
}

/// Of a schema as a form.
Json form_of(const std::string& name, const Json& examples) {
  return {{"multipart/form-data", content_of(name, examples)["application/json"]}};
}

Json responses_of(const Json& route, const Json& examples) {
  std::map<int, Json> responses;
  const auto add_error = [&](int status) {
    responses[status] = {{"description", kStatuses.at(status)},
                         {"content", content_of(route.value("error_schema", std::string("Error")), examples)}};
  };
  for (const int status : {400, 401, 403, 405, 413, 431, 503}) add_error(status);
  for (const Json& status : route.value("errors", Json::array())) add_error(status.get<int>());
  if (route.contains("websocket")) {
    add_error(426);
    responses[101] = {{"description", kStatuses.at(101)}};
  }
  const Json successes = route.value("ok", Json::object());
  for (const auto& [text, content] : successes.items()) {
    const int status = std::stoi(text);
    responses[status] = {{"description", kStatuses.at(status)}};
    if (!content.is_null()) responses[status]["content"] = content_of(content, examples);
  }
  Json json = Json::object();
  for (auto& [status, response] : responses) json[std::to_string(status)] = std::move(response);
  return json;
}

/// The names in braces.
Json path_parameters(std::string_view pattern) {
  Json parameters = Json::array();
  for (std::size_t open = pattern.find('{'); open != std::string_view::npos; open = pattern.find('{', open + 1))
    parameters.push_back(
        reference("parameters", std::string(pattern.substr(open + 1, pattern.find('}', open) - open - 1))));
  return parameters;
}

std::string operation_id(std::string_view method, std::string_view pattern) {
  std::string id(method);
  for (const char c : pattern)
    id += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                                                      : '_';
  return id;
}

Json operation_of(std::string_view method, std::string_view pattern, const Json& route, const Json& examples) {
  Json operation{{"operationId", route.value("id", operation_id(method, pattern))},
                 {"tags", Json::array({route["tag"]})},
                 {"summary", route["summary"]}};
  if (route.contains("description")) operation["description"] = route["description"];
  Json parameters = path_parameters(pattern);
  for (const Json& name : route.value("query", Json::array()))
    parameters.push_back(reference("parameters", name.get<std::string>()));
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.contains("body")) {
    const std::string name = route["body"];
    Json content = content_of(name, examples);
    if (route.contains("form")) content.update(form_of(name, examples));
    operation["requestBody"] = {{"required", name != "Fork"}, {"content", std::move(content)}};
  }
  if (route.contains("form_body"))
    operation["requestBody"] = {{"required", true}, {"content", form_of(route["form_body"], examples)}};
  if (route.contains("binary"))
    operation["requestBody"] = {{"required", true}, {"content", content_of("application/octet-stream", examples)}};
  if (route.contains("sdp"))
    operation["requestBody"] = {{"required", true}, {"content", content_of("application/sdp", examples)}};
  operation["responses"] = responses_of(route, examples);
  return operation;
}

/// Of a set of routes. All are parsed when the first is asked for.
const Json& fragment_of(const std::string& set) {
  static const auto kFragments = [] {
    std::map<std::string, Json> fragments;
    for (const Api& api : apis()) fragments.emplace(api.name, Json::parse(api.openapi));
    return fragments;
  }();
  return kFragments.at(set);
}

/// A section of the fragments of all sets. A name of a schema or a parameter has one meaning; a test looks after it.
Json merged(const std::vector<std::string>& sets, const char* section) {
  Json all = Json::object();
  for (const std::string& set : sets)
    if (const Json& fragment = fragment_of(set); fragment.contains(section)) all.update(fragment[section]);
  return all;
}

}  // namespace

void require_known_query(std::string_view set, const Route& route, const Request& request) {
  if (request.query.empty() || route.pattern.find("/hls/") != std::string::npos) return;
  const Json& fragment = fragment_of(std::string(set));
  const auto described = fragment["routes"].find(route.method + " " + route.pattern);
  if (described == fragment["routes"].end()) return;
  const std::vector<std::string> sets{std::string(apis().front().name), std::string(set)};
  const Json parameters = merged(sets, "parameters");
  std::vector<std::string> known{"token"};
  for (const Json& parameter : described->value("query", Json::array())) {
    const auto name = parameter.get<std::string>();
    known.push_back(parameters.at(name).value("name", name));
  }
  for (const auto& [name, value] : request.query)
    require(std::find(known.begin(), known.end(), name) != known.end(), ErrorCode::invalid_argument,
            "unknown query parameter {}; the known parameters are: {}", name.substr(0, 64), fmt::join(known, ", "));
}

const Json& written_schema(std::string_view set, const std::string& name) {
  return fragment_of(std::string(set)).at("schemas").at(name);
}

Json openapi_document(std::string_view version, const Router& router, const Json& schemas) {
  std::map<std::string, std::string> set_of;  // of each route
  for (const Router::Known& known : router.routes())
    set_of.emplace(known.route.method + " " + known.route.pattern, known.set);
  std::vector<std::string> sets;
  for (const Api& api : apis())
    if (std::any_of(set_of.begin(), set_of.end(), [&](const auto& each) { return each.second == api.name; }))
      sets.emplace_back(api.name);
  Json paths = Json::object();
  const Json examples = merged(sets, "examples");
  for (const std::string& set : sets)
    for (const auto& [key, route] : fragment_of(set)["routes"].items()) {
      const auto known = set_of.find(key);
      if (known == set_of.end() || known->second != set) continue;
      const std::size_t space = key.find(' ');
      std::string method = key.substr(0, space);
      for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const std::string pattern = key.substr(space + 1);
      paths[pattern][method] = operation_of(method, pattern, route, examples);
    }
  Json parameters = merged(sets, "parameters"), all_schemas = merged(sets, "schemas");
  for (const auto& [name, schema] : schemas.items())
    if (all_schemas.contains(name)) all_schemas[name] = schema;
  for (auto& [name, parameter] : parameters.items())
    if (!parameter.contains("name")) parameter["name"] = name;
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "rushes"},
            {"version", version},
            {"description", "Video that is watched while it is generated."},
            {"license", {{"name", "Apache-2.0"}}}}},
          {"paths", std::move(paths)},
          {"components",
           {{"parameters", std::move(parameters)},
            {"schemas", std::move(all_schemas)},
            {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}},
          {"security", Json::array({Json::object(), Json{{"token", Json::array()}}})}};
}

}  // namespace rushes::server
