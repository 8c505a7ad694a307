#include "rushes/media/video_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/image.h"
#include "rushes/media/raw_video.h"
#include "rushes/media/recorded_file.h"
#include "rushes/media/rtmp_output.h"
#include "rushes/media/video_encoder.h"

namespace rushes::media {
namespace {

/// A file, pipe or standard output, with each failure to write told apart.
class ByteSink {
 public:
  explicit ByteSink(std::string target) : target_(std::move(target)) {
    if (target_ == "-") {
      descriptor_ = STDOUT_FILENO;
      require(!isatty(descriptor_), ErrorCode::invalid_argument,
              "standard output is a terminal; pipe it into another program, as in `... -o - | ffplay -`, or name a "
              "file with -o");
      return;
    }
    descriptor_ = ::open(target_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(ErrorCode::invalid_argument, "cannot write {}: {}", target_, std::strerror(errno));
  }
  ~ByteSink() {
    if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
  }
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;

  Reader write(std::span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        if (errno == EPIPE) return Reader::gone;
        const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
        fail(full ? ErrorCode::exhausted : ErrorCode::unavailable, "writing {}: {}",
             target_ == "-" ? "standard output" : target_, std::strerror(errno));
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return Reader::present;
  }

 private:
  std::string target_;
  int descriptor_ = -1;
};

/// Grows as fragments, which play wherever the process is ended; finish() makes a plain MP4 of a file.
class Mp4Output final : public VideoOutput {
 public:
  explicit Mp4Output(const VideoOutputOptions& options)
      : options_(options),
        encoder_({.width = options.width, .height = options.height, .fps = options.fps, .quality = options.quality}),
        audio_(options.audio_hz > 0 ? std::optional<AudioEncoder>(options.audio_hz) : std::nullopt),
        fragments_(encoder_.track(), audio_ ? std::optional(audio_->track()) : std::nullopt),
        sink_(options.target) {
    reader_ = sink_.write(fragments_.init_segment());
  }

  Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float> audio) override {
    const auto frame_bytes = static_cast<std::size_t>(options_.width * options_.height * 3);
    const auto units = timed(times_.encode, [&] {
      std::vector<AccessUnit> encoded;
      for (int64_t i = 0; i < video_frames; ++i)
        for (AccessUnit& unit :
             encoder_.encode(rgb + static_cast<std::size_t>(i) * frame_bytes, frame_time(next_frame_ + i, options_.fps),
                             i == 0 ? Key::forced : Key::automatic))
          encoded.push_back(std::move(unit));
      return encoded;
    });
    next_frame_ += video_frames;
    const auto heard =
        audio_ ? timed(times_.encode, [&] { return audio_->encode(audio, 0); }) : std::vector<AccessUnit>();
    return timed(times_.deliver, [&] { return put(units, heard); });
  }

  void finish() override {
    put(encoder_.flush(), audio_ ? audio_->flush() : std::vector<AccessUnit>());
    if (reader_ == Reader::present && options_.target != "-") finish_mp4(options_.target);
  }

 private:
  Reader put(const std::vector<AccessUnit>& units, const std::vector<AccessUnit>& audio) {
    if (reader_ == Reader::present) reader_ = sink_.write(fragments_.fragment(units, audio));
    return reader_;
  }

  VideoOutputOptions options_;
  VideoEncoder encoder_;
  std::optional<AudioEncoder> audio_;
  FragmentWriter fragments_;
  ByteSink sink_;
  Reader reader_ = Reader::present;
  int64_t next_frame_ = 0;
};

class Y4mOutput final : public VideoOutput {
 public:
  explicit Y4mOutput(const VideoOutputOptions& options)
      : frame_bytes_(static_cast<std::size_t>(options.width * options.height * 3)),
        writer_(options.width, options.height, options.fps),
        sink_(options.target) {
    const std::string header = writer_.header();
    reader_ = sink_.write({reinterpret_cast<const uint8_t*>(header.data()), header.size()});
  }
  Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float>) override {
    for (int64_t i = 0; i < video_frames && reader_ == Reader::present; ++i) {
      const auto frame =
          timed(times_.encode, [&] { return writer_.frame(rgb + static_cast<std::size_t>(i) * frame_bytes_); });
      reader_ = timed(times_.deliver, [&] { return sink_.write(frame); });
    }
    return reader_;
  }
  void finish() override {}

 private:
  std::size_t frame_bytes_;
  Y4mWriter writer_;
  ByteSink sink_;
  Reader reader_ = Reader::present;
};

class RgbOutput final : public VideoOutput {
 public:
  explicit RgbOutput(const VideoOutputOptions& options)
      : frame_bytes_(static_cast<std::size_t>(options.width * options.height * 3)), sink_(options.target) {}
  Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float>) override {
    return timed(times_.deliver, [&] {
      return sink_.write({rgb, static_cast<std::size_t>(video_frames) * frame_bytes_});
    });
  }
  void finish() override {}

 private:
  std::size_t frame_bytes_;
  ByteSink sink_;
};

class PngOutput final : public VideoOutput {
 public:
  explicit PngOutput(const VideoOutputOptions& options) : options_(options) {
    std::error_code status;
    if (!options_.target.ends_with(".png"))
      options_.target = (std::filesystem::path(options_.target) / "frame_%05d.png").string();
    const auto folder = std::filesystem::path(numbered(options_.target, 0)).parent_path();
    if (folder.empty()) return;
    std::filesystem::create_directory(folder, status);
    require(std::filesystem::is_directory(folder), ErrorCode::invalid_argument, "cannot write images to {}: {}",
            folder.string(), status ? status.message() : "not a directory");
    if (::access(folder.c_str(), W_OK) != 0)
      fail(ErrorCode::invalid_argument, "cannot write images to {}: {}", folder.string(), std::strerror(errno));
  }
  Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float>) override {
    const auto frame_bytes = static_cast<std::size_t>(options_.width * options_.height * 3);
    for (int64_t i = 0; i < video_frames; ++i) {
      const Bytes png = timed(times_.encode, [&] {
        return encode_png(rgb + static_cast<std::size_t>(i) * frame_bytes, options_.width, options_.height);
      });
      const auto deliver = [&] { return ByteSink(numbered(options_.target, next_frame_++)).write(png); };
      if (timed(times_.deliver, deliver) == Reader::gone) return Reader::gone;
    }
    return Reader::present;
  }
  void finish() override {}

 private:
  VideoOutputOptions options_;
  int64_t next_frame_ = 0;
};

}  // namespace

VideoContainer choose_container(std::string_view target, std::string_view format) {
  require(!target.empty(), ErrorCode::invalid_argument,
          "the output has no name; give a file name, or - for standard output");
  if (is_rtmp(target)) {
    require(format == "auto", ErrorCode::invalid_argument,
            "an RTMP server always receives FLV with H.264; omit --format");
    return VideoContainer::rtmp;
  }
  if (format == "auto") {
    if (target == "-") return VideoContainer::y4m;
    const std::string ending = std::filesystem::path(target).extension().string();
    if (ending == ".mp4" || ending == ".m4v") return VideoContainer::mp4;
    if (ending == ".y4m") return VideoContainer::y4m;
    if (ending == ".rgb" || ending == ".raw") return VideoContainer::rgb24;
    if (ending == ".png") return VideoContainer::png;
    fail(ErrorCode::invalid_argument,
         "the output '{}' does not end with .mp4, .y4m, .rgb or .png; give --format mp4, y4m, rgb24 or png", target);
  }
  if (format == "mp4") return VideoContainer::mp4;
  if (format == "y4m") return VideoContainer::y4m;
  if (format == "rgb24") return VideoContainer::rgb24;
  if (format == "png") return VideoContainer::png;
  fail(ErrorCode::invalid_argument, "format must be auto, mp4, y4m, rgb24 or png (got '{}')", format);
}

std::unique_ptr<VideoOutput> open_video_output(const VideoOutputOptions& options) {
  switch (options.container) {
    case VideoContainer::mp4: return std::make_unique<Mp4Output>(options);
    case VideoContainer::y4m: return std::make_unique<Y4mOutput>(options);
    case VideoContainer::rgb24: return std::make_unique<RgbOutput>(options);
    case VideoContainer::png: return std::make_unique<PngOutput>(options);
    case VideoContainer::rtmp: return open_rtmp_output(options);
  }
  fail(ErrorCode::internal, "unknown container");
}

std::string numbered(std::string_view pattern, int64_t number) {
  const auto refuse = [&]() {
    fail(ErrorCode::invalid_argument,
         "the image name '{}' needs exactly one number field such as %05d; without one each frame would overwrite the "
         "previous one",
         pattern);
  };
  const std::size_t percent = pattern.find('%');
  if (percent == std::string_view::npos) refuse();
  std::size_t at = percent + 1, width = 0;
  const bool zeros = at < pattern.size() && pattern[at] == '0';
  while (at < pattern.size() && pattern[at] >= '0' && pattern[at] <= '9' && width < 100)
    width = width * 10 + static_cast<std::size_t>(pattern[at++] - '0');
  if (at >= pattern.size() || pattern[at] != 'd' || width > 18 || (width > 0 && !zeros) ||
      pattern.find('%', at) != std::string_view::npos)
    refuse();
  return fmt::format("{}{:0{}}{}", pattern.substr(0, percent), number, width, pattern.substr(at + 1));
}

}  // namespace rushes::media
