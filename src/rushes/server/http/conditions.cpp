#include "rushes/server/http/conditions.h"

#include <fmt/format.h>

#include <ctime>

#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

enum class Comparison { strong, weak };  // RFC 9110, 8.8.3.2

/// "W/"a", "b"" names the tag, if there is one; "*" names any state.
bool lists(std::string_view header, std::string_view tag, Comparison comparison) {
  while (!header.empty()) {
    std::string_view each = take_element(header);
    if (each == "*") return true;
    if (comparison == Comparison::weak && each.starts_with("W/")) each.remove_prefix(2);
    if (!tag.empty() && each == fmt::format("\"{}\"", tag)) return true;
  }
  return false;
}

/// In one of the forms of RFC 9110, 5.6.7.
std::optional<std::time_t> time_of(std::string_view date) {
  const std::string text(trim(date));
  for (const char* form : {"%a, %d %b %Y %T GMT", "%A, %d-%b-%y %T GMT", "%a %b %e %T %Y"}) {
    std::tm parts{};
    if (const char* end = ::strptime(text.c_str(), form, &parts); end && !*end) return ::timegm(&parts);
  }
  return std::nullopt;
}

/// Nothing: it is in a state that If-Match, or without it If-Unmodified-Since, allows.
std::optional<Response> refused(const Request& request, const FileState& state) {
  const auto refuse = [](const char* words) { return error_response(412, "precondition_failed", words); };
  if (request.headers.contains("if-match")) {
    if (lists(request.header("if-match"), state.tag, Comparison::strong)) return std::nullopt;
    return refuse("the file is not in a state that If-Match names");
  }
  const auto since = time_of(request.header("if-unmodified-since")), modified = time_of(state.modified);
  if (!since || !modified || *modified <= *since) return std::nullopt;
  return refuse("the file has changed since the time that If-Unmodified-Since names");
}

bool has_it_already(const Request& request, const FileState& state) {
  if (request.headers.contains("if-none-match"))
    return lists(request.header("if-none-match"), state.tag, Comparison::weak);
  const auto since = time_of(request.header("if-modified-since")), modified = time_of(state.modified);
  return since && modified && *since >= *modified;
}

}  // namespace

std::optional<Response> answer_without_file(const Request& request, const FileState& state) {
  if (auto response = refused(request, state)) return response;
  if (!has_it_already(request, state)) return std::nullopt;
  Response response;
  response.status = 304;
  if (!state.tag.empty()) response.headers.emplace_back("ETag", fmt::format("\"{}\"", state.tag));
  if (!state.modified.empty()) response.headers.emplace_back("Last-Modified", state.modified);
  return response;
}

bool has_another(const Request& request, const FileState& state) {
  const std::string_view known = trim(request.header("if-range"));
  if (known.empty()) return false;
  const bool has_tag = !state.tag.empty() && known == fmt::format("\"{}\"", state.tag);
  return !has_tag && (state.modified.empty() || known != state.modified);
}

}  // namespace rushes::server
