// The files of the web page, from one folder and nowhere else.
#pragma once
#include <filesystem>
#include <optional>

#include "rushes/server/http/http.h"

namespace rushes::server {

/// The answer for a path below `root`: "/" is index.html, and so is "/s/ID", the page that shows a session. 404 for
/// what is missing, hidden, not a plain file, or outside of `root` by any spelling or link. `no_page`: whether "/"
/// without an index.html is answered by saying how to get one.
enum class NoPage { explained, not_found };
Response serve_static(const std::filesystem::path& root, const Request& request, NoPage no_page = NoPage::explained);

/// By the file name's ending; application/octet-stream if unknown.
std::string_view mime_type(const std::filesystem::path& path);

/// The file that a path names, if it may be served: percent-decoded, from '/' at the root on.
std::optional<std::filesystem::path> static_file(const std::filesystem::path& root, std::string_view path);

}  // namespace rushes::server
