// Bodies of type multipart/form-data (RFC 7578 over RFC 2046), as browsers and HTTP libraries send forms with files. No
// nested multiparts and no transfer encodings: RFC 7578 asks senders for neither.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::server {

struct FormPart {
  std::string name;
  std::optional<std::string> file_name;  // given: a file; never to be used as a path
  std::string content_type;              // as sent; empty if not
  std::string_view content;              // within the body
};

inline constexpr std::size_t kMaxFormParts = 64;
inline constexpr std::size_t kMaxPartHeaderBytes = 4 << 10;

/// The type without its parameters, in lower case: "multipart/form-data".
std::string media_type(std::string_view content_type);

/// The parts in their order; they point into `body`. Throws Error(invalid_argument) for a Content-Type without a usable
/// boundary, for a body that does not follow it to its closing delimiter, and for parts without a name.
std::vector<FormPart> parse_multipart(std::string_view content_type, std::string_view body);

}  // namespace rushes::server
