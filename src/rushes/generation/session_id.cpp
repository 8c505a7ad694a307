#include <sys/random.h>

#include <algorithm>
#include <array>

#include "rushes/generation/session.h"

namespace rushes::generation {

SessionId SessionId::random() {
  std::array<unsigned char, 16> bits;
  require(getrandom(bits.data(), bits.size(), 0) == static_cast<ssize_t>(bits.size()), ErrorCode::internal,
          "the system could not provide random bytes for a session id");
  std::string text;
  for (const unsigned char byte : bits) text += fmt::format("{:02x}", byte);
  return SessionId(std::move(text));
}

SessionId SessionId::parse(std::string_view text) {
  const bool well_formed = text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
                             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                           });
  require(well_formed, ErrorCode::invalid_argument,
          "a session id has 32 lower-case hexadecimal digits, as in the response that created the session");
  return SessionId(std::string(text));
}

}  // namespace rushes::generation
