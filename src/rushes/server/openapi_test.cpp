#include "rushes/server/openapi.h"

#include <gtest/gtest.h>

#include <set>

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
  for (const std::string& route : routes) EXPECT_TRUE(documented.erase(route)) << route << " stands not in openapi.cpp";
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

}  // namespace
}  // namespace rushes::server
