#include "rushes/server/http/route_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/scratch_folder.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Route route_of(const std::string& pattern, const std::string& says) {
  Route route;
  route.method = "GET";
  route.pattern = pattern;
  route.answer = [says](const Request&) { return json_response(200, says); };
  return route;
}

RouteSet set_of(const std::string& name, const std::vector<std::string>& patterns) {
  RouteSet set{name, {}};
  for (const std::string& pattern : patterns) set.routes.add(route_of(pattern, name));
  return set;
}

std::vector<RouteSet> table() {
  std::vector<RouteSet> table{set_of("native", {"/v1/sessions"}), set_of("a", {"/generate", "/a/{id}"}),
                              set_of("b", {"/b", "/generate"}), set_of("c", {"/a/{name}", "/c"}), set_of("d", {"/b"})};
  Route health = route_of("/health", "native");
  health.yields = true;
  table[0].routes.add(std::move(health));
  table[3].routes.add(route_of("/health", "c"));
  return table;
}

/// The set that a path belongs to.
std::string owner(const ServedRoutes& served, const std::string& path) {
  for (const auto& known : served.router.routes())
    if (known.route.pattern == path) return known.set;
  return "";
}

TEST(ChooseRoutes, serves_without_names_each_set_as_a_whole_that_fits_to_those_before_it) {
  const auto sets = table();
  const ServedRoutes served = choose_routes(sets, {});
  EXPECT_THAT(served.sets, ElementsAre("native", "a", "d"));
  EXPECT_THAT(served.left_out,
              ElementsAre(AllOf(HasSubstr("the API b is not served here"), HasSubstr("GET /generate belongs to a"),
                                HasSubstr("--listen ADDRESS:PORT=b")),
                          AllOf(HasSubstr("the API c is not served here"), HasSubstr("GET /a/{id} belongs to a"))));
  EXPECT_EQ(owner(served, "/generate"), "a");
  EXPECT_EQ(owner(served, "/b"), "d");  // b is left out whole, so that its path is free
  EXPECT_EQ(owner(served, "/health"), "native");
}

TEST(ChooseRoutes, serves_the_first_set_and_those_that_are_named) {
  const auto sets = table();
  const ServedRoutes served = choose_routes(sets, {"c", "b"});
  EXPECT_THAT(served.sets, ElementsAre("native", "b", "c"));
  EXPECT_THAT(served.left_out, IsEmpty());
  EXPECT_EQ(owner(served, "/v1/sessions"), "native");
  EXPECT_EQ(owner(served, "/a/{name}"), "c");
  EXPECT_EQ(owner(served, "/health"), "c");  // native's gives way
  EXPECT_THAT(choose_routes(sets, {"native"}).sets, ElementsAre("native"));
}

TEST(ChooseRoutes, serves_some_routes_only_where_their_set_is_named) {
  auto sets = table();
  RouteSet e = set_of("e", {"/e"});
  Route root = route_of("/generate", "e");
  root.when_named = true;
  e.routes.add(std::move(root));
  Route health = route_of("/health", "e");
  health.when_named = true;
  e.routes.add(std::move(health));
  e.routes.rephrase([](const Request&, Response& refusal) { refusal = json_response(404, "e knows it not"); });
  sets.push_back(std::move(e));
  const ServedRoutes everything = choose_routes(sets, {}), named = choose_routes(sets, {"e"});
  EXPECT_THAT(everything.sets, ElementsAre("native", "a", "d", "e"));
  EXPECT_EQ(owner(everything, "/generate"), "a");
  EXPECT_EQ(owner(everything, "/e"), "e");
  EXPECT_EQ(owner(everything, "/health"), "native") << "which gives way to none that is not served";
  EXPECT_EQ(owner(named, "/health"), "e");
  EXPECT_FALSE(everything.router.rephrase());
  EXPECT_EQ(owner(named, "/generate"), "e");
  EXPECT_TRUE(named.router.rephrase());
}

TEST(ChooseRoutes, refuses_names_that_it_does_not_know_and_sets_with_a_route_in_common) {
  const auto sets = table();
  const struct {
    std::vector<std::string> names;
    std::vector<const char*> words;
  } kWrong[] = {{{"a", "b"}, {"/generate of a", "/generate of b", "GET"}},
                {{"a", "c"}, {"/a/{id} of a", "/a/{name} of c"}},
                {{"e"}, {"no API 'e'", "native, a, b, c, d"}}};
  for (const auto& [names, words] : kWrong) try {
      choose_routes(sets, names);
      ADD_FAILURE() << names.back();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      for (const char* word : words) EXPECT_THAT(error.what(), HasSubstr(word));
    }
}

TEST(Listeners, serve_the_native_api_and_those_that_are_named_with_their_address) {
  const ScratchFolder directory;
  ServerOptions options;
  options.data_directory = directory.path;
  options.listen = {"127.0.0.1:0", "127.0.0.1:0=openai", "127.0.0.1:0=imtalker,vllm_omni", "127.0.0.1:0=native"};
  auto server = std::make_unique<Server>(options, std::make_shared<generation::DrawingModel>());
  const std::vector<uint16_t> ports = server->ports();
  std::thread running([&] { server->run(); });
  const struct {
    const char* path;
    std::vector<bool> served;  // by each of the listeners
  } kPaths[] = {{"/health", {true, true, true, true}},
                {"/v1/sessions", {true, true, true, true}},
                {"/v1/videos", {true, true, false, false}},
                {"/v1/realtime/video", {true, false, true, false}},
                {"/api/outputs", {true, false, true, false}}};
  for (const auto& [path, served] : kPaths)
    for (std::size_t i = 0; i < ports.size(); ++i) {
      EXPECT_EQ(TestClient(ports[i]).request("GET", path).status != 404, served[i])
          << path << " at " << options.listen[i];
      const auto document = TestClient(ports[i]).request("GET", "/openapi.json").json();
      EXPECT_EQ(document["paths"].contains(path), served[i]) << path << " at " << options.listen[i];
    }
  server->stop();
  running.join();
  server.reset();
}

TEST(Listeners, end_the_start_with_an_api_that_does_not_exist) {
  EXPECT_THROW(RunningServer([](ServerOptions& options) { options.listen = {"127.0.0.1:0=openay"}; }), Error);
}

}  // namespace
}  // namespace rushes::server
