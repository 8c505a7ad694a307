#include "output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "output_folder.h"
#include "rushes/base/error.h"
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

/// What is in it stays.
void check_file(const fs::path& file, const std::string& target) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  require(opened >= 0, ErrorCode::invalid_argument, "cannot write {}: {}", target, std::strerror(errno));
  ::close(opened);
}

}  // namespace

void add_quality_option(CLI::App& command, Quality& quality) {
  command.add_option("--quality", quality.value, "quality of H.264: 0 (lossless) to 51 (worst)")
      ->check(CLI::Range(0, 51))
      ->each([&quality](const std::string&) { quality.is_given = true; })
      ->capture_default_str();
}

bool names_directory(const std::string& target) {
  std::error_code status;
  if (media::is_rtmp(target)) return false;
  return target.ends_with('/') || (target != "-" && fs::is_directory(target, status));
}

void check_output(const std::string& target, const std::string& format, Folders folders) {
  require(folders == Folders::get_a_file || !names_directory(target), ErrorCode::invalid_argument,
          "the output '{}' is a folder; give the name of a file in it", target);
  const auto container =
      names_directory(target) ? std::nullopt : std::optional(media::choose_container(target, format));
  if (container == media::VideoContainer::rtmp) {
    media::require_rtmp_server(target);
    return;
  }
  if (container == media::VideoContainer::png) media::numbered(target, 0);
  if (target == "-") return;
  const fs::path path = target, folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code status;
  if (!container || container == media::VideoContainer::png)
    check_can_be_made(container ? folder : path, target);  // it will be
  else if (fs::is_regular_file(path, status))
    check_file(path, target);
  else if (fs::exists(path, status))
    require(::access(path.c_str(), W_OK) == 0, ErrorCode::invalid_argument, "cannot write {}: {}", target,
            std::strerror(errno));
  else
    check_writable(folder, target);
}

std::unique_ptr<media::VideoOutput> open_outputs(const std::vector<media::VideoOutputOptions>& targets) {
  std::vector<std::unique_ptr<media::VideoOutput>> outputs;
  for (const media::VideoOutputOptions& target : targets) outputs.push_back(media::open_video_output(target));
  if (outputs.size() == 1) return std::move(outputs.front());
  return std::make_unique<Outputs>(std::move(outputs));
}

}  // namespace rushes::app
