#include "rushes/server/api/native/dialects.h"

#include <fmt/format.h>

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
            ErrorCode::invalid_argument, "Last-Event-ID must be an id that this server sent, e.g. 12.80 (got '{}')",
            text.substr(0, 64));
    return value;
  };
  return {.fragment = number(text.substr(0, dot)),
          .sequence = number(dot == std::string_view::npos ? std::string_view{} : text.substr(dot + 1))};
}

Message EventsDialect::message(Json json) const {
  std::string type = json["type"].get<std::string>();
  return {.body = std::move(json), .event = std::move(type), .id = position_.text()};
}

std::vector<Message> EventsDialect::begin(const Hosted& hosted) {
  if (video_ == Video::none) return {};
  return just(message({{"type", "init"},
                       {"mime_type", hosted.video->mime_type()},
                       {"data", encode_base64(*hosted.video->init_segment())}}));
}

std::vector<Message> EventsDialect::on(const StreamItem& item) {
  if (const auto* event = std::get_if<generation::EventPtr>(&item)) {
    if ((*event)->sequence < position_.sequence) return {};
    position_.sequence = (*event)->sequence + 1;
    return just(message(event_json(**event)));
  }
  const delivery::Gop& gop = *std::get<delivery::GopPtr>(item);
  position_.fragment = gop.index + 1;
  return just(message({{"type", "fragment"},
                       {"index", gop.index},
                       {"pts_s", seconds(gop.begin)},
                       {"duration_s", seconds(gop.duration)},
                       {"data", encode_base64(*gop.fragment)}}));
}

std::vector<Message> JpegDialect::begin(const Hosted& hosted) {
  const generation::VideoFormat& format = hosted.session->format();
  return just({Json{{"type", "format"},
                    {"width", format.width},
                    {"height", format.height},
                    {"fps", format.fps},
                    {"mime_type", "image/jpeg"}}});
}

std::vector<Message> JpegDialect::on(const StreamItem& item) {
  const auto& frame = std::get<delivery::JpegFrame>(item);
  const bool follows = next_ == frame.index;
  skipped_ += next_ ? frame.index - *next_ : 0;
  next_ = frame.index + 1;
  Json about{{"type", encoding_ == Encoding::base64 ? "frame" : "position"},
             {"index", frame.index},
             {"pts_s", frame.seconds},
             {"skipped", skipped_}};
  std::vector<Message> messages;
  if (encoding_ == Encoding::base64) about["data"] = encode_base64(*frame.bytes);
  if (encoding_ == Encoding::base64 || !follows) messages.push_back({std::move(about)});
  if (encoding_ == Encoding::binary) messages.push_back({frame.bytes});
  return messages;
}

}  // namespace rushes::server
