#include "rushes/base/child_program.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "rushes/base/error.h"

extern char** environ;  // NOLINT: POSIX names it so

namespace rushes {

namespace fs = std::filesystem;

fs::path find_program(const std::string& name, const std::string& folder) {
  std::error_code missing;
  const fs::path self = fs::read_symlink("/proc/self/exe", missing);
  for (const fs::path& place : {self.parent_path() / name, fs::path(RUSHES_BUILD_DIR) / "apps" / folder / name})
    if (fs::is_regular_file(place, missing)) return place;
  return {};
}

ChildProgram::ChildProgram(const fs::path& program, const std::vector<std::string>& arguments,
                           std::chrono::seconds patience) {
  // A socket instead of two pipes: it has time limits, and a child that has died costs an error, not a signal.
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, ErrorCode::unavailable,
          "'{}' cannot be started: no socket", program.string());
  socket_ = ends[0];
  const timeval limit{patience.count(), 0};
  for (const int each : {SO_SNDTIMEO, SO_RCVTIMEO}) ::setsockopt(socket_, SOL_SOCKET, each, &limit, sizeof limit);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO}) ::posix_spawn_file_actions_adddup2(&actions, ends[1], stream);
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const int failed = ::posix_spawn(&child_, words.front().c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed == 0) return;
  ::close(socket_);
  child_ = -1;
  fail(ErrorCode::unavailable, "'{}' cannot be started", program.string());
}

void ChildProgram::kill() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {}
  child_ = -1;
}

ChildProgram::~ChildProgram() {
  kill();
  ::close(socket_);
}

void ChildProgram::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    require(count > 0, ErrorCode::unavailable, "a program that was started does not read any more");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void ChildProgram::read(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    require(count > 0, ErrorCode::unavailable, "a program that was started does not answer");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

bool ChildProgram::read_all(std::string& answer) {
  char piece[256];
  ssize_t count = 1;
  while (count > 0 && (count = ::recv(socket_, piece, sizeof piece, 0)) > 0)
    answer.append(piece, static_cast<std::size_t>(count));
  if (count != 0) {
    kill();
    return false;
  }
  int status = 0;
  const pid_t child = std::exchange(child_, -1);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace rushes
