#include "rushes/server/http/conditions.h"

#include <gtest/gtest.h>

#include "rushes/server/http/date.h"

namespace rushes::server {
namespace {

Request request(const char* name, const char* value) {
  Request asked;
  asked.headers[name] = value;
  return asked;
}

TEST(Conditions, tell_who_has_a_file_already_and_who_has_another_state_of_it) {
  const FileState state{.tag = "a-5", .modified = "Mon, 30 Nov 2026 04:00:00 GMT"};
  const auto status = [&](const Request& asked) {
    const auto answer = answer_without_file(asked, state);
    return answer ? answer->status : 200;
  };
  for (const char* same : {"\"a-5\"", "W/\"a-5\"", "\"b\", \"a-5\"", "*"})
    EXPECT_EQ(status(request("if-none-match", same)), 304) << same;
  for (const char* other : {"\"a\"", "a-5", "", "\"b\", \"c\""})
    EXPECT_EQ(status(request("if-none-match", other)), 200) << other;
  for (const char* same : {"\"a-5\"", "\"b\", \"a-5\"", "*"}) EXPECT_EQ(status(request("if-match", same)), 200) << same;
  for (const char* other : {"W/\"a-5\"", "\"b\"", "a-5", ""})
    EXPECT_EQ(status(request("if-match", other)), 412) << other;
  EXPECT_EQ(status(request("if-modified-since", "Mon, 30 Nov 2026 04:00:00 GMT")), 304);
  EXPECT_EQ(status(request("if-modified-since", "Mon, 30 Nov 2026 03:59:59 GMT")), 200);
  EXPECT_EQ(status(request("if-modified-since", "yesterday")), 200);
  Request both = request("if-none-match", "\"b\"");
  both.headers["if-modified-since"] = state.modified;
  EXPECT_EQ(status(both), 200) << "the tag is what counts";
  EXPECT_FALSE(has_another(request("range", "bytes=0-1"), state));
  EXPECT_FALSE(has_another(request("if-range", "\"a-5\""), state));
  EXPECT_FALSE(has_another(request("if-range", "Mon, 30 Nov 2026 04:00:00 GMT"), state));
  EXPECT_TRUE(has_another(request("if-range", "\"a-4\""), state));
  EXPECT_TRUE(has_another(request("if-range", "Mon, 30 Nov 2026 04:00:01 GMT"), state));
  EXPECT_TRUE(has_another(request("if-range", "\"\""), {})) << "a file without a tag";
  EXPECT_EQ(http_date(std::chrono::system_clock::time_point(std::chrono::seconds(784'111'777))),
            "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(Conditions, are_met_by_a_file_of_its_state_and_by_one_without_a_state_only_where_any_will_do) {
  constexpr const char* kBefore = "Mon, 30 Nov 2026 03:59:59 GMT";
  constexpr const char* kThen = "Mon, 30 Nov 2026 04:00:00 GMT";
  const FileState whole{.tag = "a-5", .modified = kThen}, tagged{.tag = "a-5"}, dated{.modified = kThen}, none{};
  const struct {
    const char *name, *value;
    int whole, tagged, dated, none;
  } cases[] = {{"if-match", "\"a-5\"", 200, 200, 412, 412},
               {"if-match", "\"x\"", 412, 412, 412, 412},
               {"if-match", "\"\"", 412, 412, 412, 412},
               {"if-match", "*", 200, 200, 200, 200},
               {"if-none-match", "\"x\"", 200, 200, 200, 200},
               {"if-none-match", "\"\"", 200, 200, 200, 200},
               {"if-none-match", "*", 304, 304, 304, 304},
               {"if-unmodified-since", kThen, 200, 200, 200, 200},
               {"if-unmodified-since", kBefore, 412, 200, 412, 200},
               {"if-unmodified-since", "Monday, 30-Nov-26 03:59:59 GMT", 412, 200, 412, 200},
               {"if-unmodified-since", "Mon Nov 30 03:59:59 2026", 412, 200, 412, 200},
               {"if-unmodified-since", "Mon, 30 Nov 2026 03:59:59 GMT or so", 200, 200, 200, 200},
               {"if-unmodified-since", "yesterday", 200, 200, 200, 200},
               {"if-modified-since", kThen, 304, 200, 304, 200},
               {"if-modified-since", kBefore, 200, 200, 200, 200}};
  for (const auto& each : cases) {
    SCOPED_TRACE(std::string(each.name) + ": " + each.value);
    const auto status = [&](const FileState& state) {
      const auto answer = answer_without_file(request(each.name, each.value), state);
      return answer ? answer->status : 200;
    };
    EXPECT_EQ(status(whole), each.whole);
    EXPECT_EQ(status(tagged), each.tagged);
    EXPECT_EQ(status(dated), each.dated);
    EXPECT_EQ(status(none), each.none);
  }
  Request both = request("if-match", "\"a-5\"");
  both.headers["if-unmodified-since"] = kBefore;
  EXPECT_FALSE(answer_without_file(both, whole)) << "the tag is what counts";
  both.headers["if-none-match"] = "\"a-5\"";
  EXPECT_EQ(answer_without_file(both, whole).value().status, 304);
  both.headers["if-match"] = "\"x\"";
  EXPECT_EQ(answer_without_file(both, whole).value().status, 412) << "If-Match comes first";
  for (const auto& [name, value] : answer_without_file(request("if-none-match", "*"), none).value().headers)
    EXPECT_NE(name, "ETag") << value;
}

}  // namespace
}  // namespace rushes::server
