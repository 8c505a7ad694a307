// How Foresight's clients name a prediction and its video: a UUID, which is the session's id with hyphens.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/generation/session.h"

namespace rushes::server::foresight {

/// "d92451f4-f878-491b-9d7b-ea67a3a501cf".
inline std::string uuid_of(const generation::SessionId& id) {
  std::string text = id.text();
  for (const std::size_t at : {20u, 16u, 12u, 8u}) text.insert(at, "-");
  return text;
}

/// Nothing: that names no session, whatever sessions there are. Hyphens may stand anywhere.
inline std::optional<generation::SessionId> session_named(std::string_view uuid) {
  std::string digits(uuid.substr(0, 100));
  std::erase(digits, '-');
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (digits.size() != 32 || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  return generation::SessionId::parse(digits);
}

/// Where the file is, by either of the published protocols.
inline std::string video_url(const generation::SessionId& id) { return "/api/videos/" + uuid_of(id) + ".mp4"; }
inline std::string chat_video_url(const generation::SessionId& id) {
  return "/api/static/video_" + uuid_of(id) + ".mp4";
}

}  // namespace rushes::server::foresight
