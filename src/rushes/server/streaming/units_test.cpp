// The server's plain functions, without a socket.
#include <gtest/gtest.h>

#include <array>

#include "rushes/generation/drawing_model.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/http/access.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/http.h"

namespace rushes::server {
namespace {

TEST(ParseQuery, refuses_more_fields_than_anybody_has) {
  std::string many, large = "a=";
  for (int i = 0; i < 1001; ++i) many += "&" + std::to_string(i) + "=";
  large.resize((1 << 20) + 1, 'x');
  for (const std::string& query : {many, large})
    EXPECT_EQ(http_status([&] {
                try {
                  parse_query(query);
                } catch (const Error& error) {
                  return error.code();
                }
                return ErrorCode::internal;
              }()),
              413);
  EXPECT_EQ(parse_query(many.substr(0, many.rfind('&'))).size(), 1000u);
}

TEST(HttpStatus, is_an_error_for_every_code) {
  for (const ErrorCode code : {ErrorCode::invalid_argument, ErrorCode::not_found, ErrorCode::conflict,
                               ErrorCode::too_large, ErrorCode::unsupported, ErrorCode::corrupt_data,
                               ErrorCode::exhausted, ErrorCode::unavailable, ErrorCode::cancelled, ErrorCode::internal})
    EXPECT_GE(http_status(code), 400);
  for (const ErrorCode code : {ErrorCode::corrupt_data, ErrorCode::exhausted})
    EXPECT_EQ(http_status(code, std::array{ErrorCode::unsupported, ErrorCode::corrupt_data}),
              code == ErrorCode::exhausted ? 429 : 500);
}

TEST(ErrorResponse, survives_bytes_that_are_no_text) {
  const Response response = error_response(Error(ErrorCode::not_found, "no \xff\xfe here"));
  EXPECT_NE(std::get<std::string>(response.body).find("\xef\xbf\xbd"), std::string::npos);
}

TEST(BytesResponse, sends_the_bytes_that_all_share_or_a_part_of_them) {
  const auto bytes = std::make_shared<const std::vector<uint8_t>>(std::vector<uint8_t>{'a', 'b', 'c', 'd'});
  struct Case {
    const char* range;
    int status;
    const char* body;
  };
  for (const Case& c :
       {Case{"", 200, "abcd"}, Case{"bytes=1-2", 206, "bc"}, Case{"bytes=3-", 206, "d"}, Case{"bytes=-3", 206, "bcd"},
        Case{"bytes=0-99999999999999999999999", 206, "abcd"}, Case{"bytes=1-9223372036854775808", 206, "bcd"},
        Case{"bytes=-99999999999999999999999", 206, "abcd"}, Case{"bytes=0--0", 200, "abcd"},
        Case{"bytes=0-99999999999999999999999x", 200, "abcd"}}) {
    SCOPED_TRACE(c.range);
    Request request;
    if (*c.range) request.headers["range"] = c.range;
    const Response response = bytes_response(request, bytes, "video/mp2t");
    EXPECT_EQ(response.status, c.status);
    EXPECT_EQ(std::get<SharedRange>(response.body).bytes, bytes);
    EXPECT_EQ(std::get<SharedRange>(response.body).view(), c.body);
  }
  Request beyond;
  for (const char* range : {"bytes=4-", "bytes=99999999999999999999999-"}) {
    beyond.headers["range"] = range;
    EXPECT_EQ(bytes_response(beyond, bytes, "video/mp2t").status, 416) << range;
  }
}

TEST(BytesResponse, without_a_tag_meets_only_conditions_that_any_state_meets) {
  const auto bytes = std::make_shared<const std::vector<uint8_t>>(std::vector<uint8_t>{'a', 'b', 'c', 'd'});
  for (const auto& [match, status] : {std::pair{"\"x\"", 412}, {"*", 206}}) {
    Request request;
    request.headers["range"] = "bytes=1-2";
    request.headers["if-match"] = match;
    EXPECT_EQ(bytes_response(request, bytes, "video/mp2t").status, status) << match;
  }
}

TEST(LoopbackHost, is_known_by_name_and_number_only) {
  for (const char* host :
       {"localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:80", "127.8.9.1", "[::1]", "[::1]:8000"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"", "evil.example", "127.0.0.1.evil.example", "127.evil", "localhost.evil", "[::2]",
                           "10.0.0.1", "[::1", "127.1.2.x"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

TEST(Base64, decodes_with_and_without_padding) {
  for (const auto& [text, bytes] : {std::pair<const char*, const char*>{"", ""},
                                    {"Zg==", "f"},
                                    {"Zg", "f"},
                                    {"Zm8=", "fo"},
                                    {"Zm9v", "foo"},
                                    {"Zm9vYmFy", "foobar"},
                                    {"data:image/png;base64,Zm9v", "foo"}})
    EXPECT_EQ(decode_base64("image", text), bytes) << text;
  for (const char* bad : {"Z", "Zm9vY", "Zm 9", "Z===", "=", "data:image/png;base64"})
    if (std::string_view(bad) != "=") {
      EXPECT_THROW(decode_base64("image", bad), Error) << bad;
    }
}

const generation::Model& model() {
  static const generation::DrawingModel drawing;
  return drawing;
}

TEST(SessionRequest, takes_over_every_field) {
  const auto request = parse_session_request(
      R"({"prompts": ["a", "b;c"], "seed": 5, "segments": 3, "segment_length": 21, "overlap": 3, "frames": 100,
    "steps": 4, "width": 64, "height": 48, "fps": 12.5, "denoising_steps": [1000, 500.5], "solver": "unipc", "guidance_scale": 3, "timestep_shift": 5.0,
    "negative_prompt": "blur", "model": "drawing"})",
      model());
  EXPECT_EQ(request.prompts, (std::vector<std::string>{"a", "b;c"}));
  EXPECT_EQ(request.seed, 5u);
  EXPECT_EQ(request.segments, 3);
  EXPECT_EQ(request.options.get<int64_t>("segment_length"), 21);
  EXPECT_EQ(request.options.get<int64_t>("overlap"), 3);
  EXPECT_EQ(request.video_frames, 100);
  EXPECT_EQ(request.options.get<int64_t>("steps"), 4);
  EXPECT_EQ(request.width, 64);
  EXPECT_EQ(request.height, 48);
  EXPECT_EQ(request.fps, 12.5);
  EXPECT_EQ(request.options.get<std::vector<double>>("denoising_steps"), (std::vector<double>{1000, 500.5}));
  EXPECT_EQ(request.options.get<std::string>("solver"), "unipc");
  EXPECT_EQ(request.options.get<int64_t>("guidance_scale"), 3);
  EXPECT_EQ(request.options.get<double>("timestep_shift"), 5);
  EXPECT_EQ(request.options.get<std::string>("negative_prompt"), "blur");
}

TEST(SessionRequest, splits_a_prompt_line_into_a_segment_each) {
  const auto request = parse_session_request(R"({"prompt": "a red circle; a blue square ;"})", model());
  EXPECT_EQ(request.prompts, (std::vector<std::string>{"a red circle", "a blue square"}));
  EXPECT_EQ(generation::segments_of(request), 2);
  EXPECT_EQ(parse_session_request(R"({"prompt": "a;b", "segments": 5})", model()).segments, 5);
  EXPECT_EQ(parse_session_request(R"({"prompt": "Tom &amp; Jerry \\; friends"})", model()).prompts,
            (std::vector<std::string>{"Tom &amp; Jerry ; friends"}));
}

TEST(SessionRequest, decodes_a_picture) {
  // 1x1 red PNG.
  const auto request = parse_session_request(
      R"({"prompt": "a", "image": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"})",
      model());
  ASSERT_TRUE(request.image);
  EXPECT_EQ(request.image->width, 1);
  EXPECT_EQ(request.image->height, 1);
  EXPECT_EQ(request.image->rgb.get()[0], 255);
  EXPECT_EQ(request.image->rgb.get()[1], 0);
}

}  // namespace
}  // namespace rushes::server
