// Requests and answers as plain values: what a route sees. The wire is in connection.cpp.
#pragma once
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/base/readable_file.h"

namespace rushes::server {

namespace net = boost::asio;
using Json = nlohmann::ordered_json;

using Values = std::map<std::string, std::string, std::less<>>;

struct Request {
  std::string method;  // upper case, as sent; HEAD arrives as GET with `head` set
  bool head = false;
  std::string path;        // as sent, without the query and the base path
  std::string query_text;  // as sent
  Values query;            // decoded
  Values headers;          // names in lower case
  Values path_values;      // what the route's {names} stand for, decoded
  std::string body;
  // As the client sees this server, possibly through a proxy (forwarded.h).
  std::string base_path;        // "" or "/rushes"
  std::string scheme = "http";  // or "https"
  std::string public_host;      // "example.org:8000"
  bool lost_port = false;       // a proxy has left the port out of Host

  /// Empty if there is none.
  std::string_view header(std::string_view lower_case_name) const;
  std::optional<std::string> query_value(std::string_view name) const;
  const std::string& path_value(std::string_view name) const;
  /// The client's address of a path of this server, which begins with '/' and is percent-encoded.
  std::string address(std::string_view of_path) const { return base_path + std::string(of_path); }
  /// The same with scheme and host.
  std::string whole_address(std::string_view of_path) const {
    return scheme + "://" + public_host + base_path + std::string(of_path);
  }
};

/// A part of a file, sent piece by piece.
struct FileRange {
  std::shared_ptr<const ReadableFile> file;
  int64_t offset = 0, size = 0;
};

/// Bytes that others send too, or a part of them: they go to the socket without a copy.
struct SharedRange {
  SharedRange(std::shared_ptr<const std::vector<uint8_t>> all)  // NOLINT: a whole is a range
      : bytes(std::move(all)), size(bytes->size()) {}
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes->data()) + offset, size}; }

  std::shared_ptr<const std::vector<uint8_t>> bytes;
  std::size_t offset = 0, size = 0;
};

/// A body that comes into being while it is sent.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// The next piece, or null after the last one. Waits on the server's thread without blocking it.
  virtual net::awaitable<std::shared_ptr<const std::vector<uint8_t>>> next() = 0;
  /// Bytes that say nothing in the format of the body, sent while it is silent, so that no proxy takes it for dead;
  /// called while next() waits. Empty: the format has none.
  virtual std::string keep_alive() { return {}; }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::variant<std::string, FileRange, SharedRange, std::unique_ptr<BodySource>> body;

  /// The name as it was given.
  bool has_header(std::string_view name) const {
    return std::any_of(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  }
};

Response json_response(int status, const Json& value);
/// {"error": {"code": "not_found", "message": ...}} with the status of the code.
Response error_response(const Error& error);
Response error_response(int status, std::string_view code, std::string_view message);
/// The one table of error codes and HTTP statuses. 500 for `failures`: what the published server of a protocol answers
/// so, such as a picture that cannot be read.
int http_status(ErrorCode code, std::span<const ErrorCode> failures = {});
/// When to ask again, where the status is one that passes: 429 or 503.
void add_retry_after(Response& response, const Error& error);

/// Percent-encodes all but letters, digits, '-', '.', '_' and '~': a part of a path, or a value of a query.
std::string percent_encode(std::string_view text);
/// Percent-decodes. Nothing: a '%' is not followed by two hexadecimal digits, or a NUL byte would come out.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// "a=1&b=2"; later ones win. Throws Error(invalid_argument) for broken escapes.
Values parse_query(std::string_view query);

struct ByteRange {
  int64_t first, last;
};

struct FileState {
  std::string tag = {};       // without quotes; empty: it has none
  std::string modified = {};  // http_date(); empty: nobody is told
};

/// 206, 416 or 200 with all but the body, and which of `size` bytes that is to be. As file_response().
std::pair<Response, ByteRange> range_response(const Request& request, int64_t size, std::string content_type,
                                              const FileState& state = {});

/// The answer with the bytes that a Range header asks for: 206, or 416, or all of it (no, or no single, byte range; an
/// If-Range header that names another state of the file).
Response file_response(const Request& request, const std::filesystem::path& path, std::string content_type);
/// The same of the first `size` bytes of a file that is open. `state` is what preconditions and If-Range are about:
/// 304 and 412 have no file.
Response file_response(const Request& request, std::shared_ptr<const ReadableFile> file, int64_t size,
                       std::string content_type, const FileState& state = {});

/// The same of bytes in memory.
Response bytes_response(const Request& request, SharedRange bytes, std::string content_type);

/// The same of a file that still grows and has `so_far` bytes: the range that exists, of an unknown total. Nothing: all
/// of it is asked for, or its end, which is not known.
std::optional<Response> growing_file_response(const Request& request, std::shared_ptr<const ReadableFile> file,
                                              int64_t so_far, std::string content_type, const FileState& state = {});

}  // namespace rushes::server
