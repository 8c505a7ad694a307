#include "rushes/server/http/multipart.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::server {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=AaB03x";

TEST(Multipart, gives_fields_and_files_in_their_order) {
  const std::string body =
      "--AaB03x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na red circle\r\n"
      "--AaB03x  \r\ncontent-disposition: form-data; filename=\"a \\\"b\\\".png\"; name=picture\r\nContent-Type: "
      "image/png\r\n\r\n"
      "\x89PNG\r\n--AaB03\r\n--AaB03x--\r\nepilogue";
  const auto parts = parse_multipart(kType, body);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "prompt");
  EXPECT_EQ(parts[0].content, "a red circle");
  EXPECT_FALSE(parts[0].file_name);
  EXPECT_EQ(parts[1].name, "picture");
  EXPECT_EQ(*parts[1].file_name, "a \"b\".png");
  EXPECT_EQ(parts[1].content_type, "image/png");
  EXPECT_EQ(parts[1].content, "\x89PNG\r\n--AaB03");
}

TEST(Multipart, takes_a_quoted_boundary_a_preamble_and_empty_contents) {
  const auto parts =
      parse_multipart("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"a b\"",
                      "preamble\r\n--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--a b--");
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].content, "");
  EXPECT_TRUE(parse_multipart(kType, "--AaB03x--\r\n").empty());
}

TEST(Multipart, says_what_is_wrong_with_a_body) {
  struct Case {
    const char *type, *body, *words;
  };
  const Case kCases[] = {
      {"multipart/form-data", "", "boundary"},
      {"multipart/form-data; boundary=", "", "boundary"},
      {"multipart/form-data; boundary=\"x", "", "no closing quote"},
      {kType, "", "not in the body"},
      {kType, "--AaB03x", "line break"},
      {kType, "--AaB03xyz\r\n", "line break"},
      {kType, "--AaB03x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue", "cut off"},
      {kType, "--AaB03x\r\nno header\r\n--AaB03x--", "does not end"},
      {kType, "--AaB03x\r\nno header\r\n\r\nx\r\n--AaB03x--", "no colon"},
      {kType, "--AaB03x\r\nContent-Type: text/plain\r\n\r\nx\r\n--AaB03x--", "Content-Disposition"},
      {kType, "--AaB03x\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--AaB03x--", "Content-Disposition"},
  };
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.body);
    try {
      parse_multipart(each.type, each.body);
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(each.words), std::string::npos) << error.what();
    }
  }
}

TEST(Multipart, refuses_more_parts_than_any_form_has) {
  std::string body;
  for (std::size_t i = 0; i <= kMaxFormParts; ++i)
    body += "\r\n--AaB03x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx";
  EXPECT_THROW(parse_multipart(kType, body + "\r\n--AaB03x--"), Error);
}

}  // namespace
}  // namespace rushes::server
