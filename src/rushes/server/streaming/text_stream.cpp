#include "rushes/server/streaming/text_stream.h"

#include <boost/asio/this_coro.hpp>
#include <charconv>

#include "rushes/server/api/native/session_json.h"
#include "rushes/server/http/base64.h"

namespace rushes::server {
namespace {

double seconds(media::Pts time) { return static_cast<double>(time.count()) / media::Pts::period::den; }

}  // namespace

std::string TextPosition::text() const { return fmt::format("{}.{}", fragment, sequence); }

TextPosition TextPosition::parse(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto number = [&](std::string_view digits) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    require(error == std::errc{} && end == digits.data() + digits.size() && value >= 0 && dot != std::string_view::npos,
            ErrorCode::invalid_argument, "Last-Event-ID must be one that this server sent, e.g. 12.80 (got '{}')",
            text.substr(0, 64));
    return value;
  };
  return {.fragment = number(text.substr(0, dot)),
          .sequence = number(dot == std::string_view::npos ? std::string_view{} : text.substr(dot + 1))};
}

TextStream::TextStream(const Hosted& entry, TextStreamOptions options)
    : session_(entry.session), video_(entry.video), options_(options) {}
TextStream::~TextStream() = default;

std::string TextStream::message(std::string_view type, const Json& json) const {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (options_.format == TextFormat::ndjson) return text + "\n";
  return fmt::format("event: {}\nid: {}\ndata: {}\n\n", type, options_.position.text(), text);
}

std::optional<std::string> TextStream::poll() {
  while (const generation::EventPtr event = events_->poll()) {
    if (event->sequence < options_.position.sequence) continue;
    options_.position.sequence = event->sequence + 1;
    const Json json = event_json(*event);
    return message(json["type"].get<std::string>(), json);
  }
  if (!viewer_) return std::nullopt;
  if (!std::exchange(told_init_, true))
    return message(
        "init",
        {{"type", "init"}, {"mime_type", video_->mime_type()}, {"data", encode_base64(*video_->init_segment())}});
  const auto gop = viewer_->poll();
  if (!gop) return std::nullopt;
  options_.position.fragment = gop->index + 1;
  return message("fragment", {{"type", "fragment"},
                              {"index", gop->index},
                              {"pts_s", seconds(gop->begin)},
                              {"duration_s", seconds(gop->duration)},
                              {"data", encode_base64(*gop->fragment)}});
}

net::awaitable<std::shared_ptr<const std::vector<uint8_t>>> TextStream::next() {
  if (!events_) {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    wakeup_ = std::make_shared<Wakeup>(executor);
    using generation::Stream;
    events_ = session_->stream().subscribe(Stream::Role::observer,
                                           options_.from_newest ? Stream::From::newest_block : Stream::From::start,
                                           wakeup_->notifier());
    if (options_.video)
      viewer_ = options_.from_newest ? video_->watch(delivery::EncodedStream::From::newest, wakeup_->notifier())
                                     : video_->watch_from(options_.position.fragment, wakeup_->notifier());
  }
  for (;;) {
    const bool over = events_->ended() && (!viewer_ || viewer_->ended());  // asked first, so that nothing is missed
    if (const auto text = poll()) co_return std::make_shared<const std::vector<uint8_t>>(text->begin(), text->end());
    if (over) co_return nullptr;
    co_await wakeup_->wait();
  }
}

}  // namespace rushes::server
