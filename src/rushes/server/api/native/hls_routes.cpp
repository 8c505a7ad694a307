#include "rushes/server/api/native/hls_routes.h"

#include <charconv>

#include "rushes/media/fragmented_mp4.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/http/wakeup.h"

namespace rushes::server {
namespace {

using delivery::EncodedStream;
using delivery::HlsFormat;
using delivery::HlsStream;

constexpr std::string_view kFirstLine = "#EXTM3U\n";
constexpr std::string_view kPlaylistType = "application/vnd.apple.mpegurl";

/// Addresses in a playlist are relative and would lose the query, and with it the token that let this client in.
std::string with_token(const std::string& playlist, const Request& request) {
  const auto token = request.query_value("token");
  if (!token) return playlist;
  const std::string query = "?token=" + percent_encode(*token);
  std::string text;
  for (std::string_view rest = playlist; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    constexpr std::string_view kUri = "URI=\"";
    const std::size_t uri = line.starts_with('#') ? line.find(kUri) : std::string_view::npos;
    const std::size_t close = uri == std::string_view::npos ? uri : line.find('"', uri + kUri.size());
    if (close != std::string_view::npos)
      text += fmt::format("{}{}{}\n", line.substr(0, close), query, line.substr(close));
    else
      text += fmt::format("{}{}\n", line, line.starts_with('#') ? "" : query);
  }
  return text;
}

/// A media playlist. It waits for the first segment (players take an empty playlist for an error) or, where the player
/// asks so, for the one that it lacks, which spares it to ask again and again.
class PlaylistBody final : public BodySource {
 public:
  PlaylistBody(const Hosted& entry, const Request& request, HlsFormat format, bool from_start, int64_t segment,
               std::optional<int64_t> part)
      : video_(entry.video),
        hls_(entry.sinks->hls()),
        request_(request),
        format_(format),
        from_start_(from_start),
        segment_(segment),
        part_(part) {}

  net::awaitable<std::shared_ptr<const media::Bytes>> next() override {
    if (sent_) co_return nullptr;
    if (!ready()) {
      const net::any_io_executor executor = co_await net::this_coro::executor;
      const auto wakeup = std::make_shared<Wakeup>(executor);
      const auto viewer = video_->watch(EncodedStream::From::newest, wakeup->notifier());
      while (!ready()) co_await wakeup->wait();
    }
    sent_ = true;
    const std::string text = with_token(hls_->playlist(format_, from_start_), request_);
    const std::size_t told = begun_ ? kFirstLine.size() : 0;
    co_return std::make_shared<const media::Bytes>(text.begin() + static_cast<std::ptrdiff_t>(told), text.end());
  }
  /// The line that every playlist begins with, then empty ones, which players ignore.
  std::string keep_alive() override { return std::exchange(begun_, true) ? "\n" : std::string(kFirstLine); }

 private:
  bool ready() const { return hls_->has(segment_, part_); }

  const std::shared_ptr<EncodedStream> video_;
  const std::shared_ptr<HlsStream> hls_;
  const Request request_;
  const HlsFormat format_;
  const bool from_start_;
  const int64_t segment_;  // that it waits for, or for this part of it
  const std::optional<int64_t> part_;
  bool begun_ = false, sent_ = false;
};

/// A part that players are told to ask for before it exists. Empty if the video ends without it.
class NextPartBody final : public BodySource {
 public:
  NextPartBody(std::shared_ptr<EncodedStream> video, int64_t number) : video_(std::move(video)), number_(number) {}

  net::awaitable<std::shared_ptr<const media::Bytes>> next() override {
    if (sent_) co_return nullptr;
    sent_ = true;
    const net::any_io_executor executor = co_await net::this_coro::executor;
    const auto wakeup = std::make_shared<Wakeup>(executor);
    const auto viewer = video_->watch(EncodedStream::From::newest, wakeup->notifier());
    for (;;) {
      const bool ended = video_->status().ended;  // asked first, so that nothing is missed
      if (const auto gop = video_->gop(number_)) co_return gop->fragment;
      if (ended) co_return nullptr;
      co_await wakeup->wait();
    }
  }
  std::string keep_alive() override { return std::string(media::kEmptyBox); }

 private:
  const std::shared_ptr<EncodedStream> video_;
  const int64_t number_;
  bool sent_ = false;
};

int64_t parse_number(std::string_view what, std::string_view text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc{} && end == text.data() + text.size() && value >= 0, ErrorCode::invalid_argument,
          "{} must be an integer of at least 0 (got '{}')", what, text.substr(0, 32));
  return value;
}

Response get_playlist(const Hosted& entry, const Request& request, HlsFormat format) {
  const std::string from = request.query_value("from").value_or("newest");
  require(from == "start" || from == "newest", ErrorCode::invalid_argument, "from must be start or newest (got '{}')",
          from.substr(0, 32));
  const auto hls = entry.sinks->hls();
  int64_t segment = 0;
  std::optional<int64_t> part;
  if (const auto number = request.query_value("_HLS_msn")) {
    segment = parse_number("_HLS_msn", *number);
    require(segment <= hls->segments() + 1, ErrorCode::invalid_argument,
            "_HLS_msn is {}, but the video has {} segments so far", segment, hls->segments());
  }
  if (const auto number = request.query_value("_HLS_part")) {
    require(request.query_value("_HLS_msn").has_value(), ErrorCode::invalid_argument, "_HLS_part needs _HLS_msn");
    part = parse_number("_HLS_part", *number);
  }
  Response response;
  response.content_type = kPlaylistType;
  response.headers.emplace_back("Cache-Control", "no-store");
  if (hls->has(segment, part))
    response.body = with_token(hls->playlist(format, from == "start"), request);
  else
    response.body = std::make_unique<PlaylistBody>(entry, request, format, from == "start", segment, part);
  return response;
}

Response get_master(const Hosted& entry, const Request& request, HlsFormat format) {
  Response response;
  response.content_type = kPlaylistType;
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body = with_token(entry.sinks->hls()->master(format), request);
  return response;
}

/// Bytes that never change.
Response media_response(const Request& request, delivery::SharedBytes bytes, std::string content_type) {
  Response response = bytes_response(request, std::move(bytes), std::move(content_type));
  if (response.status < 400) response.headers.emplace_back("Cache-Control", "private, max-age=3600, immutable");
  return response;
}

Response get_part(const Hosted& entry, const Request& request, int64_t number) {
  const EncodedStream::Status status = entry.video->status();
  if (status.ended || number != status.gops)
    return media_response(request, entry.sinks->hls()->part(number), "video/iso.segment");
  Response response;
  response.content_type = "video/iso.segment";
  response.body = std::make_unique<NextPartBody>(entry.video, number);
  return response;
}

}  // namespace

// GET /v1/sessions/{id}/hls/{file}: playlists and segments, see docs/api.md.
Response get_hls(const SessionStore& sessions, const Request& request) {
  const Hosted& entry = hosted_of(sessions, request);
  const std::string& file = request.path_value("file");
  if (file == "master.m3u8") return get_master(entry, request, HlsFormat::fmp4);
  if (file == "master_ts.m3u8") return get_master(entry, request, HlsFormat::mpeg_ts);
  if (file == "video.m3u8") return get_playlist(entry, request, HlsFormat::fmp4);
  if (file == "ts.m3u8") return get_playlist(entry, request, HlsFormat::mpeg_ts);
  if (file == "init.mp4") return media_response(request, entry.video->init_segment(), "video/mp4");
  const std::string_view name = file;
  const std::size_t dot = name.find('.');
  const std::string_view ending = dot == std::string_view::npos ? std::string_view{} : name.substr(dot);
  require(ending == ".m4s" || ending == ".ts", ErrorCode::not_found,
          "there is no file hls/{}; try master.m3u8, video.m3u8, ts.m3u8, init.mp4, 0.m4s or 0.ts", name.substr(0, 64));
  if (name.starts_with("part") && ending == ".m4s")
    return get_part(entry, request, parse_number("the part number", name.substr(4, dot - 4)));
  const HlsFormat format = ending == ".ts" ? HlsFormat::mpeg_ts : HlsFormat::fmp4;
  return media_response(request,
                        entry.sinks->hls()->segment(parse_number("the segment number", name.substr(0, dot)), format),
                        format == HlsFormat::mpeg_ts ? "video/mp2t" : "video/iso.segment");
}

}  // namespace rushes::server
