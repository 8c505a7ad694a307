#include "rushes/server/check_options.h"

#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "rushes/base/error.h"
#include "rushes/server/http/access.h"

namespace rushes::server {
namespace {

bool is_origin(std::string_view text) {
  if (text == "*" || text == "null") return true;
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->host().empty() || url->host().find('*') != std::string::npos || url->has_userinfo() ||
      url->has_query() || url->has_fragment())
    return false;
  return url->encoded_path().empty() || url->encoded_path() == "/";
}

void require_folder(const std::filesystem::path& folder, const char* setting) {
  std::error_code ignored;
  require(folder.empty() || std::filesystem::is_directory(folder, ignored), ErrorCode::invalid_argument,
          "{}: there is no folder {}", setting, folder.string());
}

}  // namespace

void check_options(const ServerOptions& options) {
  for (const std::string& origin : options.access.allow_origins)
    require(is_origin(origin), ErrorCode::invalid_argument,
            "--allow-origin '{}' must be an origin such as https://example.org, or * for all of them", origin);
  for (const std::string& host : options.push_hosts)
    require(host == "*" || is_host(host), ErrorCode::invalid_argument,
            "--allow-push '{}' must be the name or the address of a host, or *", host);
  for (const std::string& address : options.webrtc.addresses) {
    boost::system::error_code error;
    boost::asio::ip::make_address(address, error);
    require(!error, ErrorCode::invalid_argument, "--webrtc-address '{}' must be a numeric address, e.g. 192.0.2.7",
            address);
  }
  require_folder(options.chat.static_directory, "--static-dir");
  if (!options.assistant.url.empty()) {
    const auto url = boost::urls::parse_uri(options.assistant.url);
    require(url.has_value() && (url->scheme() == "http" || url->scheme() == "https"), ErrorCode::invalid_argument,
            "--assistant '{}' must be an address that begins with http:// or https://", options.assistant.url);
  }
}

}  // namespace rushes::server
