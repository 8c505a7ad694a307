#include "rushes/server/http/multipart.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

constexpr std::size_t kMaxBoundaryBytes = 70;  // RFC 2046, 5.1.1

/// Takes `"quoted \" text"` or a bare token off the front; what follows a token begins with ';' or is empty.
std::string take_value(std::string_view& text) {
  std::string value;
  if (!text.starts_with('"')) {
    const std::string_view token = text.substr(0, text.find(';'));
    text.remove_prefix(token.size());
    return std::string(trim(token));
  }
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    // Browsers send a path's backslashes as they are; only an escaped quote or backslash is one character.
    if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) ++at;
    value += text[at];
  }
  require(at < text.size(), ErrorCode::invalid_argument, "multipart: a quoted value has no closing quote");
  text.remove_prefix(at + 1);
  return value;
}

/// A parameter of `type; name=value; name="value"`; nothing if it is not there.
std::optional<std::string> parameter(std::string_view field, std::string_view wanted) {
  field.remove_prefix(std::min(field.find(';'), field.size()));
  while (!field.empty()) {
    field.remove_prefix(1);
    const std::size_t equals = field.find_first_of("=;");
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string name = lower_case(trim(field.substr(0, equals)));
    const bool has_value = field[equals] == '=';
    field.remove_prefix(equals + (has_value ? 1 : 0));
    if (!has_value) continue;
    field.remove_prefix(std::min(field.find_first_not_of(" \t"), field.size()));
    std::string value = take_value(field);
    if (name == wanted) return value;
    field.remove_prefix(std::min(field.find(';'), field.size()));
  }
  return std::nullopt;
}

std::string boundary_of(std::string_view content_type) {
  const auto boundary = parameter(content_type, "boundary");
  require(boundary && !boundary->empty() && boundary->size() <= kMaxBoundaryBytes, ErrorCode::invalid_argument,
          "the Content-Type of a form needs a boundary of 1 to {} characters: multipart/form-data; boundary=...",
          kMaxBoundaryBytes);
  return *boundary;
}

void read_header_line(std::string_view line, FormPart& part, bool& is_form_data) {
  const std::size_t colon = line.find(':');
  require(colon != std::string_view::npos, ErrorCode::invalid_argument,
          "multipart: a header line of part {} has no colon", part.name);
  const std::string name = lower_case(trim(line.substr(0, colon)));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "content-type") part.content_type = std::string(value);
  if (name != "content-disposition") return;
  is_form_data = media_type(value) == "form-data";
  part.name = parameter(value, "name").value_or("");
  part.file_name = parameter(value, "filename");
}

/// From the first header line to the end of the content.
FormPart parse_part(std::string_view text) {
  FormPart part;
  bool is_form_data = false;
  std::size_t used = 0;
  for (;;) {
    const std::size_t end = text.find("\r\n");
    require(end != std::string_view::npos && used + end <= kMaxPartHeaderBytes, ErrorCode::invalid_argument,
            "multipart: the header of a part does not end within {} bytes", kMaxPartHeaderBytes);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    used += end + 2;
    if (line.empty()) break;
    read_header_line(line, part, is_form_data);
  }
  require(is_form_data && !part.name.empty(), ErrorCode::invalid_argument,
          "multipart: each part needs a header line such as Content-Disposition: form-data; name=\"prompt\"");
  part.content = text;
  return part;
}

}  // namespace

std::string media_type(std::string_view content_type) {
  return lower_case(trim(content_type.substr(0, content_type.find(';'))));
}

std::vector<FormPart> parse_multipart(std::string_view content_type, std::string_view body) {
  const std::string delimiter = "\r\n--" + boundary_of(content_type);
  // The first delimiter may stand at the very start, without the line break that belongs to the later ones.
  std::size_t at = 0;
  if (body.starts_with(std::string_view(delimiter).substr(2))) {
    at = delimiter.size() - 2;
  } else {
    at = body.find(delimiter);
    require(at != std::string_view::npos, ErrorCode::invalid_argument,
            "multipart: the boundary of the Content-Type is not in the body");
    at += delimiter.size();
  }
  std::vector<FormPart> parts;
  for (;;) {
    body.remove_prefix(at);
    if (body.starts_with("--")) return parts;
    const std::size_t line_end = body.find("\r\n");
    require(line_end != std::string_view::npos && trim(body.substr(0, line_end)).empty(), ErrorCode::invalid_argument,
            "multipart: a boundary must be followed by a line break, or by '--' at the end");
    require(parts.size() < kMaxFormParts, ErrorCode::too_large, "the form has more than {} parts", kMaxFormParts);
    body.remove_prefix(line_end + 2);
    at = body.find(delimiter);
    require(at != std::string_view::npos, ErrorCode::invalid_argument,
            "multipart: part {} has no closing boundary; the body is cut off", parts.size() + 1);
    parts.push_back(parse_part(body.substr(0, at)));
    at += delimiter.size();
  }
}

}  // namespace rushes::server
