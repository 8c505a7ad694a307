#include "rushes/base/log_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rushes/base/error.h"

namespace rushes::log {
namespace {

using Json = nlohmann::json;

/// What `write` puts on standard error in JSON.
Json written(const std::function<void()>& write) {
  testing::internal::CaptureStderr();
  set_format(Format::json);
  write();
  set_format(Format::text);
  return Json::parse(testing::internal::GetCapturedStderr());
}

TEST(LogFormat, json_lines_have_time_level_message_and_the_fields_as_members) {
  const Json line = written([] {
    write(Level::warning, "a \"quoted\"\nline", {{"event", "ended"}, {"frames", int64_t{84}}, {"fps", 16.5}});
  });
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "a \"quoted\"\nline");
  EXPECT_EQ(line["event"], "ended");
  EXPECT_EQ(line["frames"], 84);
  EXPECT_EQ(line["fps"], 16.5);
  EXPECT_EQ(line["time"].get<std::string>().substr(10, 1), "T");
}

TEST(LogFormat, json_lines_about_a_session_have_its_id) {
  const std::string id = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(written([&] { error("session {}: the device is out of memory", id); })["session"], id);
  for (const char* other : {"session 12: x", "sessions", "session 0123456789abcdef0123456789abcdef0: x"})
    EXPECT_FALSE(written([&] { error("{}", other); }).contains("session")) << other;
}

TEST(LogFormat, text_lines_are_the_message_alone) {
  testing::internal::CaptureStderr();
  write(Level::info, "session ended", {{"frames", int64_t{84}}});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find(" info session ended\n"), std::string::npos) << line;
  EXPECT_EQ(line.find("84"), std::string::npos);
}

TEST(LogFormat, bytes_that_are_not_utf8_do_not_break_a_json_line) {
  EXPECT_EQ(written([] { error("file \xff"); })["level"], "error");
}

TEST(LogFormat, refuses_other_words_with_the_list) {
  EXPECT_EQ(parse_format("json"), Format::json);
  EXPECT_EQ(parse_format("text"), Format::text);
  EXPECT_THROW(parse_format("xml"), Error);
}

}  // namespace
}  // namespace rushes::log
