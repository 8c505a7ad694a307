#include "rushes/media/pcm.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

#include "rushes/base/error.h"

namespace rushes::media {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

std::string lower(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word;
}

int64_t parameter(std::string_view name, std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc{} && end == text.data() + text.size(), ErrorCode::invalid_argument,
          "the Content-Type's {} must be an integer (got '{}')", name, text.substr(0, 32));
  return value;
}

float sample(const uint8_t* bytes, PcmEncoding encoding) {
  switch (encoding) {
    case PcmEncoding::u8: return static_cast<float>(bytes[0] - 128) / 128.0f;
    case PcmEncoding::s24le:
    case PcmEncoding::s32le: {
      uint32_t high = 0;  // of 32 bits
      for (int64_t i = 0; i < sample_bytes(encoding); ++i) high = high >> 8 | static_cast<uint32_t>(bytes[i]) << 24;
      return static_cast<float>(static_cast<int32_t>(high) / 2147483648.0);
    }
    case PcmEncoding::s16le:
      return static_cast<float>(static_cast<int16_t>(static_cast<uint16_t>(bytes[0] | bytes[1] << 8))) / 32768.0f;
    case PcmEncoding::s16be:
      return static_cast<float>(static_cast<int16_t>(static_cast<uint16_t>(bytes[1] | bytes[0] << 8))) / 32768.0f;
    case PcmEncoding::f32le: {
      const uint32_t bits = static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
                            static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
      return std::bit_cast<float>(bits);  // it may be anything
    }
  }
  return 0;
}

}  // namespace

void check_pcm(const Pcm& pcm) {
  require(pcm.hz >= kLeastPcmHz && pcm.hz <= kMostPcmHz, ErrorCode::invalid_argument,
          "rate must be from {} to {} Hz (got {})", kLeastPcmHz, kMostPcmHz, pcm.hz);
  require(pcm.channels >= 1 && pcm.channels <= kMostPcmChannels, ErrorCode::invalid_argument,
          "channels must be from 1 to {} (got {})", kMostPcmChannels, pcm.channels);
}

std::optional<Pcm> pcm_of_media_type(std::string_view content_type, const Pcm& usual) {
  const std::string type = lower(trimmed(content_type.substr(0, content_type.find(';'))));
  Pcm pcm = usual;
  if (type == "audio/l16")
    pcm = {.encoding = PcmEncoding::s16be, .hz = 44'100, .channels = 1};
  else if (type != "audio/pcm")
    return std::nullopt;
  for (std::size_t at = content_type.find(';'); at != std::string_view::npos;) {
    const std::size_t next = content_type.find(';', at + 1);
    const std::string_view field = content_type.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
    const std::size_t equals = field.find('=');
    const std::string name = lower(trimmed(field.substr(0, equals)));
    const std::string_view text =
        equals == std::string_view::npos ? std::string_view{} : trimmed(field.substr(equals + 1));
    if (name == "rate") pcm.hz = parameter(name, text);
    if (name == "channels") pcm.channels = parameter(name, text);
    at = next;
  }
  check_pcm(pcm);
  return pcm;
}

void require_no_text(std::span<const uint8_t> piece, std::size_t least) {
  const auto looked_at = piece.first(std::min<std::size_t>(piece.size(), 256));
  const bool is_text = std::all_of(looked_at.begin(), looked_at.end(), [](uint8_t byte) {
    return (byte >= 0x20 && byte < 0x7f) || (byte >= '\t' && byte <= '\r');
  });
  require(!is_text || piece.size() < least, ErrorCode::unsupported,
          "the piece is neither an audio file nor samples, but text");
}

DecodedAudio decode_pcm(std::span<const uint8_t> bytes, const Pcm& pcm) {
  PcmPieces pieces;
  DecodedAudio audio = pieces.feed(bytes, pcm);
  const DecodedAudio rest = pieces.finish();
  audio.samples.insert(audio.samples.end(), rest.samples.begin(), rest.samples.end());
  return audio;
}

DecodedAudio PcmPieces::feed(std::span<const uint8_t> piece, const Pcm& pcm) {
  if (pcm_ != pcm) {
    finish();
    pcm_ = pcm;
    downmix_.emplace(pcm.channels, pcm.hz);
  }
  std::vector<uint8_t> joined;
  if (!begun_.empty()) {
    joined = std::exchange(begun_, {});
    joined.insert(joined.end(), piece.begin(), piece.end());
    piece = joined;
  }
  const auto frame = static_cast<std::size_t>(pcm.frame_bytes()), step = frame / static_cast<std::size_t>(pcm.channels);
  const std::size_t whole = piece.size() - piece.size() % frame;
  begun_.assign(piece.begin() + static_cast<std::ptrdiff_t>(whole), piece.end());
  DecodedAudio audio{.hz = pcm.hz};
  std::vector<float> samples;
  samples.reserve(whole / step);
  bool all_sound = true;
  for (std::size_t at = 0; at < whole; at += step) {
    const float value = sample(piece.data() + at, pcm.encoding);
    all_sound = all_sound && is_sound(value);
    samples.push_back(is_sound(value) ? value : 0.0f);
  }
  if (!all_sound) audio.warnings.push_back(no_sound_warning());
  downmix_->feed(samples, audio.samples);
  if (downmix_->cancels()) audio.warnings.push_back(cancelling_warning(pcm.channels));
  return audio;
}

DecodedAudio PcmPieces::finish() {
  DecodedAudio audio;
  begun_.clear();
  if (!pcm_) return audio;
  audio.hz = pcm_->hz;
  downmix_->flush(audio.samples);
  pcm_.reset();
  return audio;
}

}  // namespace rushes::media
