#include "rushes/media/flv_publisher.h"

#include <algorithm>
// The library's own sources: one file of the program includes them instead of linking it.
#include <boost/url/src.hpp>
#include <cctype>

#include "rushes/base/error.h"

namespace rushes::media {
namespace {

namespace urls = boost::urls;

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr const char* kForm = "rtmp://host[:port]/application/stream";

std::string text_of(boost::core::string_view view) { return {view.data(), view.size()}; }

/// Escapes are refused: FFmpeg and resolvers take a host's name as it stands.
std::string host_of(const urls::url_view& url) {
  if (url.host_type() == urls::host_type::ipv6) return text_of(url.host_ipv6_address().to_string());
  std::string host = text_of(url.encoded_host());
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; };
  require(!host.empty() && std::all_of(host.begin(), host.end(), is_plain), ErrorCode::invalid_argument,
          "the RTMP address must be of the form {}, with a name or an IP address as host", kForm);
  return host;
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

RtmpUrl RtmpUrl::parse(std::string_view text) {
  require(text.size() <= kMaxUrlBytes, ErrorCode::invalid_argument,
          "the RTMP address has {} bytes; at most {} are allowed", text.size(), kMaxUrlBytes);
  for (const unsigned char c : text)
    require(c > 0x20 && c < 0x7f, ErrorCode::invalid_argument,
            "the RTMP address must be of the form {}, without spaces and control characters", kForm);
  const auto parsed = urls::parse_uri({text.data(), text.size()});
  require(parsed.has_value(), ErrorCode::invalid_argument,
          "the RTMP address must be of the form {} (RFC 3986; write other characters as %41)", kForm);
  const urls::url_view& url = *parsed;
  const std::string scheme = lower_case(text_of(url.scheme()));
  const std::string path = text_of(url.encoded_path());
  // Boost 1.81 ends a host at any character that cannot be of one, and takes the rest for a path.
  require((scheme == "rtmp" || scheme == "rtmps") && url.has_authority() && !url.has_fragment() && path.size() > 1 &&
              path[0] == '/' && path[1] != '/',
          ErrorCode::invalid_argument, "the RTMP address must be of the form {}", kForm);
  require(!url.has_port() || url.port_number() > 0, ErrorCode::invalid_argument,
          "the RTMP address has the port '{}'; allowed are 1 to 65535", text_of(url.port()));
  RtmpUrl understood;
  const std::string host = host_of(url);
  std::string place = url.host_type() == urls::host_type::ipv6 ? "[" + host + "]" : host;
  if (url.has_port()) place += ":" + std::to_string(url.port_number());
  const std::string user = url.has_userinfo() ? text_of(url.encoded_userinfo()) + "@" : "";
  const std::string query = url.has_query() ? "?" + text_of(url.encoded_query()) : "";
  understood.host = lower_case(host);
  understood.tcp = url.has_port() ? place : place + (scheme == "rtmps" ? ":443" : ":1935");
  understood.text = scheme + "://" + user + place + path + query;
  understood.shown = fmt::format("{}://{}/{}/...", scheme, place, path.substr(1, path.find('/', 1) - 1));
  return understood;
}

}  // namespace rushes::media
