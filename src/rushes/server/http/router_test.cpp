#include "rushes/server/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace rushes::server {
namespace {

Router router_of(const std::vector<std::pair<std::string, std::string>>& routes) {
  Router router;
  for (const auto& [method, pattern] : routes) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    router.add(std::move(route));
  }
  return router;
}

std::string pattern_for(const Router& router, std::string_view path) {
  const Router::Match match = router.match("GET", path);
  return match.route ? match.route->pattern : "";
}

TEST(PercentDecode, reverses_escapes_and_refuses_broken_ones) {
  EXPECT_EQ(percent_decode("a%20b+c"), "a b+c");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("%41%7e"), "A~");
  EXPECT_EQ(percent_decode("%2541"), "%41");
  EXPECT_EQ(percent_decode(""), "");
  for (const char* broken : {"%", "%4", "%zz", "a%0", "%00", "%-1"}) EXPECT_FALSE(percent_decode(broken)) << broken;
  EXPECT_FALSE(percent_decode(std::string_view("a\0b", 3)));
}

TEST(PercentEncode, is_what_decoding_reverses) {
  EXPECT_EQ(percent_encode("a b&c"), "a%20b%26c");
  EXPECT_EQ(percent_encode("Zoë/1.png"), "Zo%C3%AB%2F1.png");
  for (const char* text : {"", "a+b", "100%", "ü ?#[]", "%41"})
    EXPECT_EQ(percent_decode(percent_encode(text)), text) << text;
}

TEST(ParseQuery, splits_and_decodes) {
  const Values values = parse_query("a=1&b=%20x&&c&a=2");
  EXPECT_EQ(values, (Values{{"a", "2"}, {"b", " x"}, {"c", ""}}));
  EXPECT_EQ(parse_query("text=ü|\"x\"&v=1=2&n+m=%2B"), (Values{{"n m", "+"}, {"text", "ü|\"x\""}, {"v", "1=2"}}));
  EXPECT_THROW(parse_query("a=%"), Error);
  EXPECT_THROW(parse_query("%0=1"), Error);
}

TEST(Router, fits_whole_parts_only) {
  const Router router = router_of({{"GET", "/"}, {"GET", "/v1/sessions/{id}"}, {"GET", "/v1/sessions/{id}/stop"}});
  EXPECT_EQ(router.match("GET", "/v1/sessions/abc/stop").path_values, (Values{{"id", "abc"}}));
  EXPECT_EQ(pattern_for(router, "/"), "/");
  for (const char* path : {"", "//", "/v1/sessions", "/v1/sessions/", "/v1/sessions/abc/", "/v1/sessions/a/b",
                           "v1/sessions/abc", "/v1/sessionsx/abc"})
    EXPECT_EQ(pattern_for(router, path), "") << path;
}

TEST(Router, decodes_each_part_once_and_keeps_an_encoded_slash_within_it) {
  const Router router = router_of({{"GET", "/v1/models/{model}"}});
  const struct {
    const char *path, *model;
  } kPaths[] = {{"/v1/models/my%20model", "my model"},
                {"/v1/models/mod%C3%A8le", "modèle"},
                {"/v1/models/modèle", "modèle"},
                {"/v1/models/a+b", "a+b"},
                {"/v1/models/a%2Fb", "a/b"},
                {"/v1/models/100%2525", "100%25"},
                {"/%76%31/models/x", "x"}};
  for (const auto& [path, model] : kPaths)
    EXPECT_EQ(router.match("GET", path).path_values, (Values{{"model", model}})) << path;
  for (const char* broken : {"/v1/models/%", "/v1/models/%zz", "/v1/models/a%00", "/v1%2Fmodels/x", "/v1/models/%2"})
    EXPECT_EQ(router.match("GET", broken).route, nullptr) << broken;
}

TEST(Router, prefers_literals_to_names_in_whatever_order_they_were_added) {
  std::vector<std::pair<std::string, std::string>> routes{{"GET", "/a/{x}"},   {"GET", "/a/b"},
                                                          {"GET", "/{x}/b"},   {"GET", "/{x}/{y}"},
                                                          {"GET", "/a/{x}/c"}, {"GET", "/a/b/{x}"}};
  const struct {
    const char *path, *pattern;
  } kPaths[] = {{"/a/b", "/a/b"},       {"/a/z", "/a/{x}"},     {"/z/b", "/{x}/b"},    {"/z/z", "/{x}/{y}"},
                {"/a/b/c", "/a/b/{x}"}, {"/a/z/c", "/a/{x}/c"}, {"/a/b/z", "/a/b/{x}"}};
  std::sort(routes.begin(), routes.end());
  do {
    const Router router = router_of(routes);
    for (const auto& [path, pattern] : kPaths) ASSERT_EQ(pattern_for(router, path), pattern) << path;
  } while (std::next_permutation(routes.begin(), routes.end()));
}

TEST(Router, goes_on_to_a_name_where_the_literal_does_not_take_the_method) {
  const Router router = router_of({{"GET", "/a/b"}, {"POST", "/a/{x}"}, {"DELETE", "/a/{x}"}});
  EXPECT_EQ(router.match("POST", "/a/b").path_values, (Values{{"x", "b"}}));
  EXPECT_EQ(router.match("PUT", "/a/b").allowed, "GET, HEAD, POST, DELETE");
  EXPECT_EQ(router.match("GET", "/a/c").allowed, "POST, DELETE");
}

TEST(Router, refuses_a_second_route_of_one_method_and_path_and_names_both) {
  const struct {
    const char *first, *second;
    bool is_one_path;
  } kPairs[] = {{"/health", "/health", true},
                {"/v1/sessions/{id}", "/v1/sessions/{session}", true},
                {"/hls/{id}/{file}", "/hls/{session_id}/{hls_file}", true},
                {"/v1/{x}", "/v1/x", false},
                {"/v1/{x}", "/v1/{x}/y", false},
                {"/v1/{x}/b", "/v1/a/{y}", false}};
  for (const auto& [first, second, is_one_path] : kPairs) {
    SCOPED_TRACE(second);
    EXPECT_NO_THROW(router_of({{"GET", first}, {"POST", second}}));
    if (!is_one_path) {
      EXPECT_NO_THROW(router_of({{"GET", first}, {"GET", second}}));
      continue;
    }
    try {
      router_of({{"GET", first}, {"GET", second}});
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), testing::HasSubstr(std::string("GET requests: ") + first + " and " + second));
    }
  }
}

TEST(Route, is_of_the_kind_that_its_last_fixed_part_names) {
  for (const auto& [pattern, kind] : {std::pair("/v1/sessions/{id}/video", "video"),
                                      {"/v1/sessions/{id}/hls/{file}", "hls"},
                                      {"/ws/{client_id}", "ws"},
                                      {"/socket.io/", "socket.io"}})
    EXPECT_EQ(Route({.method = "GET", .pattern = pattern}).kind(), kind);
}

}  // namespace
}  // namespace rushes::server
