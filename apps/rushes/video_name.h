// How a video's file is called where only a folder is named.
#pragma once
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

namespace rushes::app {

/// The reference's file name for a prompt in an output folder: its first 50 characters, what is neither letter, digit,
/// space, '_' nor '-' as '_'. Bytes beyond ASCII are taken as letters.
inline std::string video_name(std::string_view prompt, int64_t sample, bool use_ema) {
  std::string name;
  std::size_t characters = 0;
  for (const char c : prompt) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80 && ++characters > 50) break;
    name += byte >= 0x80 || std::isalnum(byte) || c == ' ' || c == '_' || c == '-' ? c : '_';
  }
  const std::size_t first = name.find_first_not_of('_');
  name = first == std::string::npos ? std::string("video") : name.substr(first, name.find_last_not_of('_') - first + 1);
  return name + "-" + std::to_string(sample) + "_" + (use_ema ? "ema" : "regular") + ".mp4";
}

}  // namespace rushes::app
