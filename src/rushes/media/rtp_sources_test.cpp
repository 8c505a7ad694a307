#include "rushes/media/rtp_sources.h"

#include <gtest/gtest.h>

#include <string>

namespace rushes::media {
namespace {

std::vector<uint8_t> packet(uint8_t first, uint8_t second, uint32_t source, bool is_rtcp) {
  std::vector<uint8_t> bytes(is_rtcp ? 4 : 8, 0);
  bytes[0] = first;
  bytes[1] = second;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(source >> shift));
  return bytes;
}

TEST(RtpSources, are_found_in_rtp_and_in_rtcp) {
  const struct {
    const char* name;
    std::vector<uint8_t> bytes;
    std::optional<uint32_t> source;
  } cases[] = {{"RTP", packet(0x80, 111, 0x12345678, false), 0x12345678},
               {"RTP with marker", packet(0xb0, 0x80 | 96, 7, false), 7},
               {"RTCP sender report", packet(0x80, 200, 0xfffffffe, true), 0xfffffffe},
               {"RTCP feedback", packet(0x81, 205, 9, true), 9},
               {"DTLS", packet(22, 254, 1, false), std::nullopt},
               {"STUN", packet(0, 1, 1, false), std::nullopt},
               {"cut off", {0x80, 111, 0, 0, 0, 0, 0, 0, 1, 2, 3}, std::nullopt},
               {"nothing", {}, std::nullopt}};
  for (const auto& each : cases) EXPECT_EQ(source_of(each.bytes), each.source) << each.name;
}

TEST(RtpSources, beyond_the_first_few_are_dropped_and_counted) {
  const auto dropped = std::make_shared<std::atomic<int64_t>>(0);
  RtpSources sources(2, dropped);
  for (int round = 0; round < 2; ++round)
    for (uint32_t source = 1; source <= 300; ++source) {
      EXPECT_EQ(sources.takes(packet(0x80, 111, source, false)), source <= 2);
      EXPECT_EQ(sources.takes(packet(0x80, 201, source, true)), source <= 2);
    }
  EXPECT_EQ(*dropped, 2 * 2 * 298);
  EXPECT_TRUE(sources.takes(packet(22, 254, 0, false)));  // DTLS has no source
  EXPECT_FALSE(sources.takes(std::vector<uint8_t>{0x80, 111}));
}

}  // namespace
}  // namespace rushes::media
