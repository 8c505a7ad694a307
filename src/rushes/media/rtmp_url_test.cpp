#include "rushes/media/flv_publisher.h"

#include <gtest/gtest.h>

#include <optional>

#include "rushes/base/error.h"

namespace rushes::media {
namespace {

std::optional<RtmpUrl> parsed(const std::string& text) {
  try {
    return RtmpUrl::parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << text;
    return std::nullopt;
  }
}

TEST(RtmpUrl, hands_over_what_it_has_understood) {
  const struct {
    const char *text, *host, *handed_over;
  } cases[] = {
      {"rtmp://127.0.0.1/app/x", "127.0.0.1", "rtmp://127.0.0.1/app/x"},
      {"RTMP://Live.Example.ORG:01936/app/x", "live.example.org", "rtmp://Live.Example.ORG:1936/app/x"},
      {"rtmp://a%40b:w%2ford@host/app/x", "host", "rtmp://a%40b:w%2ford@host/app/x"},
      {"rtmp://127.0.0.1@127.0.0.2/app/x", "127.0.0.2", "rtmp://127.0.0.1@127.0.0.2/app/x"},
      {"rtmps://[0:0::1]:443/app/inst/mp4:x", "::1", "rtmps://[::1]:443/app/inst/mp4:x"},
      {"rtmp://host/app/key?a=1&b=x@y/z?", "host", "rtmp://host/app/key?a=1&b=x@y/z?"},
      {"rtmp://host/app?tenant=1/key", "host", "rtmp://host/app?tenant=1/key"},
  };
  for (const auto& each : cases) {
    const auto url = parsed(each.text);
    ASSERT_TRUE(url) << each.text;
    EXPECT_EQ(url->host, each.host) << each.text;
    EXPECT_EQ(url->text, each.handed_over);
  }
}

TEST(RtmpUrl, refuses_addresses_that_programs_read_differently) {
  for (const char* wrong : {"rtmp://bad?@127.0.0.1/app/x",
                            "rtmp://bad#@127.0.0.1/app/x",
                            "rtmp://bad?@[::1]/app/x",
                            "rtmp://bad:1?@127.0.0.1/app/x",
                            "rtmp://bad\\@127.0.0.1/app/x",
                            "rtmp://a@bad@127.0.0.1/app/x",
                            "rtmp://127.0.0.1%2f@bad/app/x#",
                            "rtmp://127.0.0.1%00bad/app/x",
                            "rtmp://%3127.0.0.1/app/x",
                            "rtmp://[::1%25eth0]/app/x",
                            "rtmp://[v1.x]/app/x",
                            "rtmp://[::1]bad/app/x",
                            "rtmp://ho,st/app/x",
                            "rtmp://host:0/app/x",
                            "rtmp://host:/app/x",
                            "rtmp://host:65536/app/x",
                            "rtmp://host/app/x#y",
                            "rtmp://host/app/../x y",
                            "rtmp://host//x",
                            "rtmp:/host/app/x",
                            "rtmp:host/app/x",
                            "rtmp,live=1://host/app/x"})
    EXPECT_FALSE(parsed(wrong)) << wrong;
}

}  // namespace
}  // namespace rushes::media
