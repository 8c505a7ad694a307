#include "rushes/media/face_finder.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "rushes/base/log.h"
#include "rushes/media/libav.h"

extern char** environ;  // NOLINT: POSIX names it so

namespace rushes::media {
namespace {

namespace fs = std::filesystem;

// Larger pictures are searched smaller: it takes as long as there are pixels, and a portrait's face is large.
constexpr int64_t kSearchedSide = 480;
constexpr const char* kProgram = "rushes-find-face";
constexpr const char* kCascade = "/usr/share/opencv4/haarcascades/haarcascade_frontalface_alt2.xml";
constexpr timeval kPatience{30, 0};  // bounds failures only

/// Beside the running program, else where it was built; empty if it is nowhere.
fs::path program() {
  static const fs::path found = [] {
    std::error_code missing;
    const fs::path self = fs::read_symlink("/proc/self/exe", missing);
    for (const fs::path& place :
         {self.parent_path() / kProgram, fs::path(RUSHES_BUILD_DIR) / "apps/find_face" / kProgram})
      if (fs::is_regular_file(place, missing) && fs::exists(kCascade, missing)) return place;
    return fs::path();
  }();
  return found;
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

/// Runs the program with `input`; what it writes, or nothing if it fails or takes too long.
std::optional<std::string> ask(const std::string& input) {
  // A socket instead of two pipes: it has time limits, and a child that has died costs an error, no signal.
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return std::nullopt;
  Descriptor ours(ends[0]), theirs(ends[1]);
  for (const int limit : {SO_SNDTIMEO, SO_RCVTIMEO})
    ::setsockopt(ours.get(), SOL_SOCKET, limit, &kPatience, sizeof kPatience);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO})
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), stream);
  std::string path = program().string();
  char* arguments[] = {path.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  theirs.close();
  if (failed != 0) return std::nullopt;

  std::string answer;
  ssize_t count = 1;
  for (std::string_view left = input; !left.empty() && count > 0; left.remove_prefix(static_cast<std::size_t>(count)))
    if ((count = ::send(ours.get(), left.data(), left.size(), MSG_NOSIGNAL)) <= 0) break;
  char piece[64];
  while (count > 0 && (count = ::recv(ours.get(), piece, sizeof piece, 0)) > 0)
    answer.append(piece, static_cast<std::size_t>(count));
  const bool complete = count == 0;
  if (!complete) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (!complete || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return answer;
}

/// Grey, with sides of at most kSearchedSide, as the program reads it.
std::string to_search(const Image& picture, int64_t width, int64_t height) {
  std::string text = fmt::format("{} {}\n", width, height);
  const std::size_t head = text.size();
  text.resize(head + static_cast<std::size_t>(width * height));
  const auto scaler = libav::owned(sws_getContext(static_cast<int>(picture.width), static_cast<int>(picture.height),
                                                  AV_PIX_FMT_RGB24, static_cast<int>(width), static_cast<int>(height),
                                                  AV_PIX_FMT_GRAY8, SWS_AREA, nullptr, nullptr, nullptr),
                                   "image scaler");
  const uint8_t* from[] = {picture.rgb.get()};
  const int from_stride[] = {static_cast<int>(3 * picture.width)}, to_stride[] = {static_cast<int>(width)};
  // Some of libswscale's inner loops write beyond a row's end; its last row has no next one.
  std::vector<uint8_t> grey(static_cast<std::size_t>(width * height) + 64);
  uint8_t* to[] = {grey.data()};
  sws_scale(scaler.get(), from, from_stride, 0, static_cast<int>(picture.height), to, to_stride);
  std::copy_n(grey.begin(), width * height, text.begin() + static_cast<std::ptrdiff_t>(head));
  return text;
}

}  // namespace

bool can_find_faces() { return !program().empty(); }

std::vector<FoundFace> find_faces(const Image& picture) {
  if (!can_find_faces() || picture.height < 1 || picture.width < 1) return {};
  const double scale =
      std::min(1.0, static_cast<double>(kSearchedSide) / static_cast<double>(std::max(picture.height, picture.width)));
  const auto scaled = [&](int64_t side) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(side) * scale));
  };
  const auto answer = ask(to_search(picture, scaled(picture.width), scaled(picture.height)));
  if (!answer) log::warning("{} failed; the image is used without cropping", kProgram);
  std::vector<FoundFace> faces;
  std::istringstream lines(answer.value_or(""));
  for (int x = 0, y = 0, width = 0, height = 0; lines >> x >> y >> width >> height;)
    faces.push_back({.x1 = x / scale, .y1 = y / scale, .x2 = (x + width) / scale, .y2 = (y + height) / scale});
  return faces;
}

std::vector<FoundFace> faces_of_portrait(const Image& picture, int64_t model_side, Crop crop, Look look) {
  const bool is_square = picture.height == picture.width;
  if (is_square && picture.height == model_side && look == Look::if_not_framed) return {};
  auto faces = find_faces(picture);
  require(!faces.empty() || is_square || crop == Crop::no || !can_find_faces(), ErrorCode::invalid_argument,
          "no face was found in the {}x{} image; use an image that shows a face from the front, evenly lit and not "
          "small, say where it is (face=x1,y1,x2,y2), cut a square around the face yourself, or turn cropping off "
          "(crop=false)",
          picture.width, picture.height);
  return faces;
}

}  // namespace rushes::media
