#include "rushes/server/api/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "rushes/server/api/apis.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
using nlohmann::json;

TEST(OpenApi, documents_every_route_and_nothing_else) {
  RunningServer server;
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.data_directory = server.directory() / "other";
  const auto routes = Server(options, std::make_shared<generation::DrawingModel>()).routes();
  const json document = server.request("GET", "/openapi.json").json();
  std::set<std::string> documented;
  for (const auto& [path, operations] : document.at("paths").items())
    for (const auto& [method, operation] : operations.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(c));
      documented.insert(upper + " " + path);
    }
  for (const std::string& route : routes)
    EXPECT_TRUE(documented.erase(route)) << route << " is not described in an openapi.json";
  for (const std::string& left : documented) ADD_FAILURE() << left << " is documented but does not exist";
}

TEST(OpenApi, refers_to_nothing_that_is_missing) {
  RunningServer server;
  const json document = server.request("GET", "/openapi.json").json();
  EXPECT_EQ(document["openapi"], "3.1.0");
  int references = 0;
  const std::function<void(const json&)> walk = [&](const json& value) {
    if (value.is_object() && value.contains("$ref")) {
      ++references;
      EXPECT_TRUE(document.contains(json::json_pointer(value["$ref"].get<std::string>().substr(1)))) << value;
    }
    if (value.is_structured())
      for (const json& each : value) walk(each);
  };
  walk(document);
  EXPECT_GT(references, 50);
}

TEST(OpenApi, has_each_name_of_a_schema_or_parameter_in_one_family) {
  std::map<std::string, std::string_view> owners;
  for (const Api& api : apis()) {
    const json parsed = json::parse(api.openapi);
    for (const char* section : {"schemas", "parameters", "examples"}) {
      const json entries = parsed.value(section, json::object());
      for (const auto& [name, value] : entries.items()) {
        const auto [owner, is_new] = owners.emplace(std::string(section) + "/" + name, api.name);
        EXPECT_TRUE(is_new) << name << " is in " << owner->second << " and in " << api.name;
      }
    }
  }
  EXPECT_GT(owners.size(), 50u);
}

TEST(OpenApi, says_what_each_operation_is_for_and_shows_what_it_is_sent) {
  RunningServer server;
  const json document = server.request("GET", "/openapi.json").json();
  int bodies = 0;
  for (const auto& [path, operations] : document.at("paths").items())
    for (const auto& [method, operation] : operations.items()) {
      EXPECT_GT(operation.value("summary", "").size() + operation.value("description", "").size(), 0u)
          << method << " " << path;
      const json body = operation.value("requestBody", json::object()).value("content", json::object());
      for (const auto& [type, content] : body.items()) {
        ++bodies;
        EXPECT_TRUE(content.contains("example")) << method << " " << path << " as " << type;
      }
    }
  EXPECT_GT(bodies, 20);
}

TEST(OpenApi, describes_what_its_router_serves_and_takes_schemas_that_are_known_later) {
  Router router;
  Route route;
  route.method = "POST";
  route.pattern = "/v1/sessions";
  router.add(route, "native");
  const Json document = openapi_document("1", router, {{"SessionRequest", {{"const", 7}}}});
  ASSERT_EQ(document["paths"].size(), 1u);
  EXPECT_EQ(document["components"]["schemas"]["SessionRequest"], (Json{{"const", 7}}));
  EXPECT_TRUE(document["components"]["schemas"].contains("Session"));
  EXPECT_FALSE(document["components"]["schemas"].contains("Video"));  // of the OpenAI API
  route.pattern = "/v1/videos";
  router.add(route, "openai");
  EXPECT_TRUE(openapi_document("1", router)["components"]["schemas"].contains("Video"));
}

}  // namespace
}  // namespace rushes::server
