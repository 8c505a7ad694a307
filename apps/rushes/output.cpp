#include "output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "rushes/base/error.h"
#include "rushes/media/flv_publisher.h"
#include "rushes/media/rtmp_output.h"

namespace rushes::app {
namespace {

namespace fs = std::filesystem;
using media::Reader;

/// The first is what the command is for: a file beside a live stream is whole although the stream's server has gone.
class Outputs final : public media::VideoOutput {
 public:
  explicit Outputs(std::vector<std::unique_ptr<VideoOutput>> outputs) : outputs_(std::move(outputs)) {}

  Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float> audio) override {
    for (std::size_t i = outputs_.size(); i-- > 0;) {
      const Reader reader = outputs_[i]->write(rgb, video_frames, audio);
      if (i == 0) return count(reader);
    }
    return Reader::gone;
  }
  void finish() override {
    for (std::size_t i = outputs_.size(); i-- > 0;) outputs_[i]->finish();
    count(Reader::present);
  }

 private:
  Reader count(Reader reader) {
    times_ = {};
    for (const auto& output : outputs_) {
      times_.encode += output->times().encode;
      times_.deliver += output->times().deliver;
    }
    return reader;
  }

  std::vector<std::unique_ptr<VideoOutput>> outputs_;
};

}  // namespace

bool names_directory(const std::string& target) {
  std::error_code status;
  if (media::is_rtmp(target)) return false;
  return target.ends_with('/') || (target != "-" && fs::is_directory(target, status));
}

void check_output(const std::string& target, const std::string& format) {
  if (names_directory(target)) return;
  switch (media::choose_container(target, format)) {
    case media::VideoContainer::rtmp: media::RtmpUrl::parse(target); return;
    case media::VideoContainer::png: media::numbered(target, 0); return;  // its folder is made
    default: break;
  }
  if (target == "-") return;
  const fs::path folder = fs::path(target).has_parent_path() ? fs::path(target).parent_path() : fs::path(".");
  std::error_code status;
  const fs::path written = fs::exists(target, status) ? fs::path(target) : folder;
  require(::access(written.c_str(), W_OK) == 0, ErrorCode::invalid_argument, "cannot write {}: {}", target,
          std::strerror(errno));
}

std::unique_ptr<media::VideoOutput> open_outputs(const std::vector<media::VideoOutputOptions>& targets) {
  std::vector<std::unique_ptr<media::VideoOutput>> outputs;
  for (const media::VideoOutputOptions& target : targets) outputs.push_back(media::open_video_output(target));
  if (outputs.size() == 1) return std::move(outputs.front());
  return std::make_unique<Outputs>(std::move(outputs));
}

}  // namespace rushes::app
