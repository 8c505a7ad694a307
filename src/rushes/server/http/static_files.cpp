#include "rushes/server/http/static_files.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace rushes::server {
namespace fs = std::filesystem;

std::string_view mime_type(const fs::path& path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".gif", "image/gif"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"},
      {".mp4", "video/mp4"},
      {".wav", "audio/wav"},
      {".mp3", "audio/mpeg"},
      {".flac", "audio/flac"},
      {".ogg", "audio/ogg"},
      {".txt", "text/plain; charset=utf-8"}};
  const std::string extension = path.extension().string();
  for (const auto& [ending, type] : kTypes)
    if (ending == extension) return type;
  return "application/octet-stream";
}

std::optional<fs::path> static_file(const fs::path& root, std::string_view path) {
  if (!path.starts_with('/') || path.find('\\') != std::string_view::npos) return std::nullopt;
  const fs::path relative = path == "/" ? fs::path("index.html") : fs::path(path.substr(1));
  if (relative.is_absolute()) return std::nullopt;
  for (const fs::path& part : relative)
    if (part.empty() || part.string().starts_with('.')) return std::nullopt;  // "..", hidden files, "a//b"
  // Links are followed once, here, and must end below the root.
  std::error_code error;
  const fs::path real_root = fs::canonical(root, error);
  if (error) return std::nullopt;
  const fs::path real = fs::canonical(real_root / relative, error);
  if (error || !fs::is_regular_file(real, error)) return std::nullopt;
  const auto [end, unused] = std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
  return end == real_root.end() ? std::optional(real) : std::nullopt;
}

namespace {

/// A session on the page has the address /s/ID. It is the page itself; what that asks for by relative addresses is then
/// asked for below /s/, too.
std::string_view without_session(std::string_view path) {
  constexpr std::string_view kSessions = "/s/";
  if (!path.starts_with(kSessions) || path == kSessions) return path;
  const std::string_view rest = path.substr(kSessions.size());
  const bool is_id =
      std::all_of(rest.begin(), rest.end(), [](unsigned char c) { return std::isxdigit(c) || c == '-'; });
  return is_id ? "/" : path.substr(kSessions.size() - 1);
}

}  // namespace

Response serve_static(const fs::path& root, const Request& request, NoPage no_page) {
  if (request.path.empty()) {  // the base path itself: the page's addresses are relative to what ends in '/'
    Response response;
    response.status = 308;
    response.content_type = "text/plain; charset=utf-8";
    response.headers.emplace_back("Location",
                                  request.address("/") + (request.query_text.empty() ? "" : "?" + request.query_text));
    return response;
  }
  const std::string_view asked = without_session(request.path);
  const auto path = percent_decode(asked);
  auto file = path ? static_file(root, *path) : std::nullopt;
  if (!file && path) file = static_file(root, *path + ".html");  // /docs, /admin
  if (!file && asked == "/" && no_page == NoPage::explained) {
    Response response;
    response.content_type = "text/plain; charset=utf-8";
    response.body =
        "rushes is running, but its page is not built: run `make run` in the project, or give --web-root.\nThe API is "
        "under /v1; see docs/api.md.\n";
    return response;
  }
  require(file.has_value(), ErrorCode::not_found, "there is nothing at {}", request.path);
  Response response = file_response(request, *file, std::string(mime_type(*file)));
  // The build names assets by their content; the page itself must always be asked for.
  const bool is_asset = asked.starts_with("/assets/") && response.status < 400;
  response.headers.emplace_back("Cache-Control", is_asset ? "public, max-age=31536000, immutable" : "no-cache");
  if (mime_type(*file).starts_with("text/html"))
    response.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:; "
        "connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'");
  return response;
}

}  // namespace rushes::server
