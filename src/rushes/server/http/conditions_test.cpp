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
  EXPECT_FALSE(answer_without_file(request("if-match", "\"b\""), {})) << "a file without a tag has no state";
  EXPECT_FALSE(has_another(request("range", "bytes=0-1"), state));
  EXPECT_FALSE(has_another(request("if-range", "\"a-5\""), state));
  EXPECT_FALSE(has_another(request("if-range", "Mon, 30 Nov 2026 04:00:00 GMT"), state));
  EXPECT_TRUE(has_another(request("if-range", "\"a-4\""), state));
  EXPECT_TRUE(has_another(request("if-range", "Mon, 30 Nov 2026 04:00:01 GMT"), state));
  EXPECT_EQ(http_date(std::chrono::system_clock::time_point(std::chrono::seconds(784'111'777))),
            "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace rushes::server
