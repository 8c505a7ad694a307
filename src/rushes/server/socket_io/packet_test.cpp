// The formats of Engine.IO and Socket.IO as tables: bytes in, packets out, and back.
#include "rushes/server/socket_io/packet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/server/socket_io/engine_packet.h"

namespace rushes::server::socket_io {
namespace {

using testing::HasSubstr;

std::string line(const EnginePacket& packet) {
  return std::string(packet.is_binary ? "b" : "") + static_cast<char>(packet.type) + ":" + std::string(packet.data);
}

TEST(EnginePacket, a_body_of_polling_has_one_or_more_between_separators) {
  const struct {
    const char* body;
    std::vector<std::string> packets;
  } kBodies[] = {
      {"2probe", {"2:probe"}},
      {"40", {"4:0"}},
      {"42[\"a\"]\x1e"
       "3\x1e"
       "41",
       {"4:2[\"a\"]", "3:", "4:1"}},
      {"4hello\x1e"
       "bAQID",
       {"4:hello", "b4:AQID"}},
      {"1", {"1:"}},
      {"42[\"caf\xc3\xa9\"]", {"4:2[\"caf\xc3\xa9\"]"}},
  };
  for (const auto& [body, wanted] : kBodies) {
    SCOPED_TRACE(body);
    std::vector<std::string> lines;
    for (const EnginePacket& packet : split_payload(body)) lines.push_back(line(packet));
    EXPECT_EQ(lines, wanted);
  }
}

TEST(EnginePacket, what_is_none_is_refused_with_what_was_expected) {
  const struct {
    std::string body, words;
  } kBodies[] = {{"", "is empty"},
                 {"4a\x1e", "is empty"},
                 {"\x1e", "is empty"},
                 {"7", "begins with the byte 55"},
                 {"\xff", "begins with the byte 255"},
                 {"4\x1ehello", "begins with the byte 104"}};
  for (const auto& [body, words] : kBodies) {
    SCOPED_TRACE(body);
    try {
      split_payload(body);
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  }
  std::string many = "2";
  for (std::size_t i = 1; i < kMostPackets; ++i)
    many +=
        "\x1e"
        "2";
  EXPECT_EQ(split_payload(many).size(), kMostPackets);
  EXPECT_THROW(split_payload(many + "\x1e"
                                    "2"),
               Error);
}

TEST(Packet, names_its_type_namespace_number_and_data) {
  const struct {
    const char* text;
    PacketType type;
    const char* name_space;
    std::optional<int64_t> id;
    const char* data;
  } kPackets[] = {{"0", PacketType::connect, "/", {}, "null"},
                  {"0{\"token\":\"x\"}", PacketType::connect, "/", {}, R"({"token":"x"})"},
                  {"0/admin,", PacketType::connect, "/admin", {}, "null"},
                  {"0/admin", PacketType::connect, "/admin", {}, "null"},
                  {"0/admin?token=1,{}", PacketType::connect, "/admin", {}, "{}"},
                  {"1", PacketType::disconnect, "/", {}, "null"},
                  {"1/admin,", PacketType::disconnect, "/admin", {}, "null"},
                  {"2[\"hey\",1]", PacketType::event, "/", {}, R"(["hey",1])"},
                  {"212[\"hey\"]", PacketType::event, "/", 12, R"(["hey"])"},
                  {"2/admin,456[\"hey\",{\"a\":[]}]", PacketType::event, "/admin", 456, R"(["hey",{"a":[]}])"},
                  {"30[]", PacketType::ack, "/", 0, "[]"},
                  {"4{\"message\":\"no\"}", PacketType::connect_error, "/", {}, R"({"message":"no"})"}};
  for (const auto& [text, type, name_space, id, data] : kPackets) {
    SCOPED_TRACE(text);
    const Packet packet = parse_packet(text);
    EXPECT_EQ(packet.type, type);
    EXPECT_EQ(packet.name_space, name_space);
    EXPECT_EQ(packet.id, id);
    EXPECT_EQ(packet.data.dump(), data);
    const Packet again = parse_packet(text_of(packet));
    EXPECT_EQ(again.data, packet.data);
    EXPECT_EQ(again.name_space, packet.name_space);
    EXPECT_EQ(again.id, packet.id);
  }
}

TEST(Packet, what_does_not_fit_its_type_is_refused) {
  const struct {
    std::string text;
    ErrorCode code;
  } kPackets[] = {{"", ErrorCode::invalid_argument},
                  {"9", ErrorCode::invalid_argument},
                  {"0[]", ErrorCode::invalid_argument},
                  {"2", ErrorCode::invalid_argument},
                  {"2{}", ErrorCode::invalid_argument},
                  {"2[]", ErrorCode::invalid_argument},
                  {"2[1]", ErrorCode::invalid_argument},
                  {"2[\"connect\"]", ErrorCode::invalid_argument},
                  {"2[\"a\"", ErrorCode::invalid_argument},
                  {"2[\"\xff\"]", ErrorCode::invalid_argument},
                  {"299999999999999999999[\"a\"]", ErrorCode::invalid_argument},
                  {"3[]", ErrorCode::invalid_argument},
                  {"1{}", ErrorCode::invalid_argument},
                  {"2[\"a\"," + std::string(200, '[') + std::string(200, ']') + "]", ErrorCode::invalid_argument},
                  {"51-[\"a\",{\"_placeholder\":true,\"num\":0}]", ErrorCode::unsupported}};
  for (const auto& [text, code] : kPackets) {
    SCOPED_TRACE(text.substr(0, 40));
    try {
      parse_packet(text);
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
    }
  }
}

TEST(Packet, events_are_compact_json_in_ascii) {
  EXPECT_EQ(event_packet("video_frame", {{"a", 1}, {"b", "caf\xc3\xa9"}}),
            "42[\"video_frame\",{\"a\":1,\"b\":\"caf\\u00e9\"}]");
  EXPECT_EQ(text_of({.type = PacketType::ack, .id = 7, .data = Json::array()}), "37[]");
  EXPECT_EQ(text_of({.type = PacketType::connect_error, .name_space = "/x", .data = {{"message", "no"}}}),
            "4/x,{\"message\":\"no\"}");
}

}  // namespace
}  // namespace rushes::server::socket_io
