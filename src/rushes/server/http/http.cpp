#include "rushes/server/http/http.h"

#include <boost/url/encode.hpp>
#include <boost/url/pct_string_view.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <charconv>
#include <limits>

#include "rushes/server/http/conditions.h"
#include "rushes/server/http/retry_after.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server {

namespace urls = boost::urls;

std::string_view Request::header(std::string_view lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view{} : std::string_view(found->second);
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::nullopt : std::optional(found->second);
}

const std::string& Request::path_value(std::string_view name) const {
  const auto found = path_values.find(name);
  RUSHES_ASSERT(found != path_values.end());
  return found->second;
}

int http_status(ErrorCode code, std::span<const ErrorCode> failures) {
  if (std::find(failures.begin(), failures.end(), code) != failures.end()) return 500;
  switch (code) {
    case ErrorCode::invalid_argument: return 400;
    case ErrorCode::not_found: return 404;
    case ErrorCode::conflict: return 409;
    case ErrorCode::too_large: return 413;
    case ErrorCode::unsupported: return 415;
    case ErrorCode::corrupt_data: return 422;
    case ErrorCode::exhausted: return 429;
    case ErrorCode::unavailable: return 503;
    case ErrorCode::cancelled: return 503;
    case ErrorCode::internal: return 500;
  }
  return 500;
}

Response json_response(int status, const Json& value) {
  Response response;
  response.status = status;
  response.headers.emplace_back("Cache-Control", "no-store");
  // Messages may quote what a client sent; bytes that are not UTF-8 become U+FFFD instead of an exception.
  response.body = value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

Response error_response(int status, std::string_view code, std::string_view message) {
  return json_response(status, {{"error", {{"code", code}, {"message", message}}}});
}

Response error_response(const Error& error) {
  Response response = error_response(http_status(error.code()), name(error.code()), error.what());
  add_retry_after(response, error);
  return response;
}

void add_retry_after(Response& response, const Error& error) {
  if (response.status == 429 || response.status == 503)
    response.headers.emplace_back("Retry-After", std::to_string(retry_after(error)));
}

std::string percent_encode(std::string_view text) { return urls::encode(text, urls::unreserved_chars); }

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  // Boost.URL has nothing against NUL bytes; a file's name with one is another name to the system.
  if (text.find('\0') != std::string_view::npos || text.find("%00") != std::string_view::npos) return std::nullopt;
  const auto encoded = urls::make_pct_string_view(text);
  if (!encoded) return std::nullopt;
  urls::encoding_opts options;
  options.space_as_plus = plus_is_space;
  return encoded->decode(options);
}

// Not urls::parse_query(), which refuses what people type and browsers send: letters beyond ASCII, '|', '"'.
Values parse_query(std::string_view query) {
  // Far more than any address or form has, and few enough to be read between two pieces of somebody's video.
  constexpr std::size_t kMaxPairs = 1000, kMaxBytes = 1 << 20;
  require(query.size() <= kMaxBytes, ErrorCode::too_large, "the fields have {} bytes in all; at most {} are allowed",
          query.size(), kMaxBytes);
  Values values;
  for (std::size_t pairs = 0; !query.empty();) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    require(++pairs <= kMaxPairs, ErrorCode::too_large, "there are more than {} fields", kMaxPairs);
    const std::size_t equals = pair.find('=');
    auto key = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1), true);
    require(key && value, ErrorCode::invalid_argument,
            "the query '{}' has a '%' without two hexadecimal digits behind it, or a NUL byte (%00)",
            pair.substr(0, 64));
    values.insert_or_assign(std::move(*key), std::move(*value));
  }
  return values;
}

namespace {

enum class RangeKind { whole, part, unsatisfiable };

struct AskedRange {
  RangeKind kind;
  ByteRange range;
  bool from_end = false;  // the last N bytes
};

/// What is not a single range of bytes counts as none (RFC 9110, 14.2).
AskedRange parse_range(std::string_view header, int64_t size) {
  const ByteRange whole{0, size - 1};
  constexpr std::string_view kUnit = "bytes=";
  if (!starts_with_name(header, kUnit) || header.find(',') != std::string_view::npos) return {RangeKind::whole, whole};
  header = trim(header.substr(kUnit.size()));
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return {RangeKind::whole, whole};
  const auto number = [](std::string_view digits) -> std::optional<int64_t> {
    constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();  // no file is larger
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) return std::nullopt;
    return static_cast<int64_t>(error == std::errc{} ? std::min(value, kMost) : kMost);
  };
  const std::string_view begin = header.substr(0, dash), end = header.substr(dash + 1);
  const auto first = number(begin), last = number(end);
  if ((!begin.empty() && !first) || (!end.empty() && !last) || (!first && !last)) return {RangeKind::whole, whole};
  if (!first) {
    if (*last == 0 || size == 0) return {RangeKind::unsatisfiable, whole, true};
    return {RangeKind::part, {std::max<int64_t>(0, size - *last), size - 1}, true};
  }
  if (last && *last < *first) return {RangeKind::whole, whole};
  if (*first >= size) return {RangeKind::unsatisfiable, whole};
  return {RangeKind::part, {*first, std::min(last.value_or(size - 1), size - 1)}};
}

}  // namespace

namespace {

void add_state(Response& response, const FileState& state) {
  if (!state.tag.empty()) response.headers.emplace_back("ETag", fmt::format("\"{}\"", state.tag));
  if (!state.modified.empty()) response.headers.emplace_back("Last-Modified", state.modified);
}

}  // namespace

std::pair<Response, ByteRange> range_response(const Request& request, int64_t size, std::string content_type,
                                              const FileState& state) {
  if (auto response = answer_without_file(request, state)) return {std::move(*response), ByteRange{0, -1}};
  const auto [kind, range, from_end] = parse_range(has_another(request, state) ? "" : request.header("range"), size);
  if (kind == RangeKind::unsatisfiable) {
    Response response =
        error_response(416, "invalid_argument", fmt::format("the range is outside of the {} bytes of the file", size));
    response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
    return {std::move(response), range};
  }
  Response response;
  response.content_type = std::move(content_type);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  add_state(response, state);
  if (kind == RangeKind::part) {
    response.status = 206;
    response.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", range.first, range.last, size));
  }
  return {std::move(response), range};
}

Response file_response(const Request& request, const std::filesystem::path& path, std::string content_type) {
  auto file = ReadableFile::open(path);
  const int64_t size = file->size();
  return file_response(request, std::move(file), size, std::move(content_type));
}

Response file_response(const Request& request, std::shared_ptr<const ReadableFile> file, int64_t size,
                       std::string content_type, const FileState& state) {
  auto [response, range] = range_response(request, size, std::move(content_type), state);
  if (response.status < 300) response.body = FileRange{std::move(file), range.first, range.last - range.first + 1};
  return std::move(response);
}

Response bytes_response(const Request& request, SharedRange bytes, std::string content_type) {
  auto [response, range] = range_response(request, static_cast<int64_t>(bytes.size), std::move(content_type));
  if (response.status >= 300) return std::move(response);
  bytes.offset += static_cast<std::size_t>(range.first);
  bytes.size = static_cast<std::size_t>(range.last - range.first + 1);
  response.body = std::move(bytes);
  return std::move(response);
}

std::optional<Response> growing_file_response(const Request& request, std::shared_ptr<const ReadableFile> file,
                                              int64_t so_far, std::string content_type, const FileState& state) {
  if (has_another(request, state)) return std::nullopt;
  const auto [kind, range, from_end] = parse_range(request.header("range"), so_far);
  if (kind == RangeKind::whole || from_end) return std::nullopt;
  if (kind == RangeKind::unsatisfiable) {
    Response response = error_response(
        416, "invalid_argument", fmt::format("the file has {} bytes so far; try again when it has grown", so_far));
    response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", so_far));
    response.headers.emplace_back("Retry-After", "1");
    return response;
  }
  Response response;
  response.status = 206;
  response.content_type = std::move(content_type);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  response.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/*", range.first, range.last));
  add_state(response, state);
  response.body = FileRange{std::move(file), range.first, range.last - range.first + 1};
  return response;
}

}  // namespace rushes::server
