#include "rushes/server/http/conditions.h"

#include <fmt/format.h>

#include <ctime>

#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

enum class Comparison { strong, weak };  // RFC 9110, 8.8.3.2

/// "W/"a", "b"" or "*" names the tag.
bool lists(std::string_view header, std::string_view tag, Comparison comparison) {
  while (!header.empty()) {
    std::string_view each = take_element(header);
    if (each == "*") return true;
    if (comparison == Comparison::weak && each.starts_with("W/")) each.remove_prefix(2);
    if (each.size() >= 2 && each.front() == '"' && each.back() == '"' && each.substr(1, each.size() - 2) == tag)
      return true;
  }
  return false;
}

std::optional<std::time_t> time_of(std::string_view date) {
  std::tm parts{};
  const char* end = ::strptime(std::string(date).c_str(), "%a, %d %b %Y %T GMT", &parts);
  return end ? std::optional(::timegm(&parts)) : std::nullopt;
}

bool has_it_already(const Request& request, const FileState& state) {
  if (request.headers.contains("if-none-match"))
    return lists(request.header("if-none-match"), state.tag, Comparison::weak);
  const auto since = time_of(request.header("if-modified-since")), modified = time_of(state.modified);
  return since && modified && *since >= *modified;
}

}  // namespace

std::optional<Response> answer_without_file(const Request& request, const FileState& state) {
  if (state.tag.empty()) return std::nullopt;
  if (request.headers.contains("if-match") && !lists(request.header("if-match"), state.tag, Comparison::strong))
    return error_response(412, "precondition_failed", "the file is not in a state that If-Match names");
  if (!has_it_already(request, state)) return std::nullopt;
  Response response;
  response.status = 304;
  response.headers.emplace_back("ETag", fmt::format("\"{}\"", state.tag));
  if (!state.modified.empty()) response.headers.emplace_back("Last-Modified", state.modified);
  return response;
}

bool has_another(const Request& request, const FileState& state) {
  const std::string_view known = trim(request.header("if-range"));
  if (known.empty()) return false;
  return known != fmt::format("\"{}\"", state.tag) && (state.modified.empty() || known != state.modified);
}

}  // namespace rushes::server
