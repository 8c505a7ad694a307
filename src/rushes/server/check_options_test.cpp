#include "rushes/server/check_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::server {
namespace {

std::string complaint(const std::function<void(ServerOptions&)>& change) {
  ServerOptions options;
  change(options);
  try {
    check_options(options);
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
}

TEST(CheckOptions, takes_what_the_documents_show) {
  EXPECT_EQ(complaint([](ServerOptions& options) {
              options.access.allow_origins = {"https://example.org", "http://[::1]:5173/", "*", "null"};
              options.push_hosts = {"live.example.org", "192.0.2.7", "*"};
              options.webrtc.addresses = {"192.0.2.7", "::1"};
              options.assistant.url = "https://example.org/v1";
            }),
            "");
}

TEST(CheckOptions, names_the_setting_and_the_value_that_nothing_could_come_of) {
  const auto origin = [](const char* text) {
    return complaint([=](ServerOptions& options) { options.access.allow_origins = {text}; });
  };
  for (const char* wrong :
       {"example.org", "https://", "https://example.org/page", "https://u:p@example.org", "https://*.example.org", ""})
    EXPECT_THAT(origin(wrong), testing::HasSubstr(std::string("--allow-origin '") + wrong + "'"));
  EXPECT_THAT(complaint([](ServerOptions& options) { options.push_hosts = {"rtmp://a/b"}; }),
              testing::HasSubstr("--allow-push 'rtmp://a/b'"));
  EXPECT_THAT(complaint([](ServerOptions& options) { options.webrtc.addresses = {"example.org"}; }),
              testing::HasSubstr("--webrtc-address 'example.org'"));
  EXPECT_THAT(complaint([](ServerOptions& options) { options.chat.static_directory = "/nonexistent/static"; }),
              testing::HasSubstr("--static-dir: there is no folder /nonexistent/static"));
  EXPECT_THAT(complaint([](ServerOptions& options) { options.assistant.url = "ftp://example.org"; }),
              testing::HasSubstr("--assistant 'ftp://example.org'"));
}

}  // namespace
}  // namespace rushes::server
