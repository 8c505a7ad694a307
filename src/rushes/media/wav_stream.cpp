#include "rushes/media/wav_stream.h"

#include <algorithm>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/media/audio_formats.h"
#include "rushes/media/byte_order.h"

namespace rushes::media {
namespace {

constexpr std::size_t kChunkHead = 8, kFileHead = 12;
/// That files have behind their samples. Not just any four letters: samples may look like that.
constexpr std::string_view kChunks[] = {"LIST", "INFO", "id3 ", "ID3 ", "bext", "iXML", "axml", "cue ",
                                        "fact", "smpl", "inst", "acid", "plst", "note", "labl", "ltxt",
                                        "PEAK", "cart", "chna", "umid", "minf", "elm1", "regn", "strc",
                                        "levl", "afsp", "DISP", "_PMX", "JUNK", "junk", "PAD ", "FLLR"};

/// Fewer printable bytes may well be samples: of 8 bits, half a wave of a deep voice.
std::size_t least_text(const Pcm& pcm) { return pcm.encoding == PcmEncoding::u8 ? 256 : 8; }

/// As far as there are bytes.
bool agrees(std::span<const uint8_t> bytes, std::size_t at, std::string_view mark) {
  if (at >= bytes.size()) return true;
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  const auto count = static_cast<std::ptrdiff_t>(std::min(mark.size(), bytes.size() - at));
  return std::equal(begin, begin + count, mark.begin());
}

bool may_be_chunk(std::span<const uint8_t> bytes, std::size_t at = 0) {
  return std::any_of(std::begin(kChunks), std::end(kChunks),
                     [&](std::string_view name) { return agrees(bytes, at, name); });
}

/// Of any format.
bool may_be_file(std::span<const uint8_t> bytes) {
  return audio_format_of(bytes, Sure::no).has_value() || may_begin_format(bytes);
}

DecodedAudio joined(DecodedAudio first, const DecodedAudio& second) {
  first.samples.insert(first.samples.end(), second.samples.begin(), second.samples.end());
  first.warnings.insert(first.warnings.end(), second.warnings.begin(), second.warnings.end());
  return first;
}

/// Of the content of a WAV file's chunk "fmt " (Microsoft, WAVEFORMATEX and WAVEFORMATEXTENSIBLE).
std::optional<Pcm> pcm_of_wav(std::span<const uint8_t> format) {
  constexpr uint32_t kInteger = 1, kFloat = 3, kExtensible = 0xfffe;
  if (format.size() < 16) return std::nullopt;
  uint32_t tag = little_endian<uint32_t>(format, 0, 2);
  if (tag == kExtensible && format.size() >= 26) tag = little_endian<uint32_t>(format, 24, 2);
  const uint32_t bits = little_endian<uint32_t>(format, 14, 2), frame_bytes = little_endian<uint32_t>(format, 12, 2);
  Pcm pcm{.hz = little_endian<uint32_t>(format, 4, 4), .channels = little_endian<uint32_t>(format, 2, 2)};
  if (tag == kFloat && bits == 32)
    pcm.encoding = PcmEncoding::f32le;
  else if (tag == kInteger && bits == 8)
    pcm.encoding = PcmEncoding::u8;
  else if (tag == kInteger && bits == 24)
    pcm.encoding = PcmEncoding::s24le;
  else if (tag == kInteger && bits == 32)
    pcm.encoding = PcmEncoding::s32le;
  else if (tag != kInteger || bits != 16)
    return std::nullopt;
  const bool usual = pcm.hz >= kLeastPcmHz && pcm.hz <= kMostPcmHz && pcm.channels >= 1 &&
                     pcm.channels <= kMostPcmChannels && pcm.frame_bytes() == frame_bytes;
  return usual ? std::optional(pcm) : std::nullopt;
}

}  // namespace

std::optional<WavHeader> wav_header(std::span<const uint8_t> file) {
  constexpr std::size_t kMostBytes = 64 << 10, kMostFormatBytes = 40;
  if (agrees(file, 0, "RIFX")) return WavHeader{};  // its samples are not Pcm
  WavHeader header{.bytes = kFileHead};
  while (header.bytes <= kMostBytes) {
    const std::size_t at = header.bytes + kChunkHead;
    if (at > file.size()) return std::nullopt;
    header.bytes = at;
    const std::size_t size = little_endian<uint32_t>(file, at - 4, 4);
    if (agrees(file, at - kChunkHead, "data")) {
      header.data_bytes = static_cast<int64_t>(size);
      return header;
    }
    if (agrees(file, at - kChunkHead, "fmt ")) {
      const std::size_t format_bytes = std::min(size, kMostFormatBytes);
      if (at + format_bytes > file.size()) return std::nullopt;
      header.pcm = pcm_of_wav(file.subspan(at, format_bytes));
    }
    header.bytes += size + size % 2;
  }
  return WavHeader{};
}

std::span<const uint8_t> behind_wav(std::span<const uint8_t> file) {
  const std::optional<WavHeader> header = wav_header(file);
  if (!header || header->data_bytes <= 0) return {};
  std::size_t at = header->bytes, size = static_cast<std::size_t>(header->data_bytes);
  for (;;) {
    at += size;
    if (at < file.size() && size % 2 != 0 && file[at] == 0) ++at;
    if (at + kChunkHead > file.size()) return {};
    const auto rest = file.subspan(at);
    if (!may_be_chunk(rest)) return rest;
    size = little_endian<std::size_t>(rest, 4, 4);
    at += kChunkHead;
  }
}

WavStream::WavStream(const WavHeader& header, const AudioLimits& limits)
    : pcm_(header.pcm.value()),
      limits_(limits),
      place_(header.data_bytes > 0 ? Place::samples : Place::between),
      left_(header.data_bytes),
      is_odd_(header.data_bytes % 2 != 0) {}

WavStream::Fed WavStream::feed(std::span<const uint8_t> piece) {
  const double frames = static_cast<double>(piece.size()) / static_cast<double>(pcm_.frame_bytes());
  require(frames <= limits_.max_seconds * static_cast<double>(pcm_.hz) &&
              frames <= static_cast<double>(limits_.max_samples),
          ErrorCode::too_large, "the audio is longer than {} s or has more than {} samples; send it in pieces",
          limits_.max_seconds, limits_.max_samples);
  if (limits_.admit) limits_.admit(static_cast<int64_t>(frames * sizeof(float)));
  if (place_ == Place::samples) require_no_text(piece, least_text(pcm_));
  Fed fed{{.samples = {}, .hz = pcm_.hz}, {}};
  while (!piece.empty()) {
    if (place_ == Place::between && !leave_gap(piece)) {
      // The byte that pads is dropped once it is known that it is one: as samples that go on, it counts.
      const auto behind_padding = piece.subspan(padding(piece));
      fed.rest = audio_format_of(behind_padding, Sure::no) ? behind_padding : piece;
      break;
    }
    const auto now =
        piece.first(static_cast<std::size_t>(std::min<int64_t>(left_, static_cast<int64_t>(piece.size()))));
    if (place_ == Place::samples) fed.audio = joined(std::move(fed.audio), samples_.feed(now, pcm_));
    piece = piece.subspan(now.size());
    if (left_ != kNoEnd) left_ -= static_cast<int64_t>(now.size());
    if (left_ == 0) place_ = Place::between;
  }
  return fed;
}

DecodedAudio WavStream::finish(std::span<const uint8_t> rest) {
  DecodedAudio audio{.samples = {}, .hz = pcm_.hz};
  if (!may_be_chunk(rest, padding(rest))) audio = samples_.feed(rest, pcm_);
  return joined(std::move(audio), samples_.finish());
}

std::size_t WavStream::padding(std::span<const uint8_t> piece) const {
  return is_odd_ && !piece.empty() && piece[0] == 0 ? 1 : 0;
}

/// What comes behind samples or a chunk. False: another file, or too little to tell.
bool WavStream::leave_gap(std::span<const uint8_t> piece) {
  const std::size_t begin = padding(piece);
  if (may_be_chunk(piece, begin)) {
    if (piece.size() < begin + kChunkHead) return false;
    const auto size = static_cast<int64_t>(little_endian<uint32_t>(piece, begin + 4, 4));
    place_ = Place::chunk;
    left_ = static_cast<int64_t>(begin + kChunkHead) + size + size % 2;
  } else if (may_be_file(piece) || may_be_file(piece.subspan(begin))) {
    return false;
  } else {
    require_no_text(piece, least_text(pcm_));
    place_ = Place::samples;
    left_ = kNoEnd;
  }
  is_odd_ = false;
  return true;
}

}  // namespace rushes::media
