#include "serve_settings.h"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/registry.h"

namespace rushes::app {

namespace fs = std::filesystem;

std::vector<std::string> read_tokens(const std::string& path) {
  std::ifstream file(path);
  require(file.is_open(), ErrorCode::invalid_argument, "--token-file {} cannot be read", path);
  std::vector<std::string> tokens;
  for (std::string line; std::getline(file, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty() && line.front() != '#') tokens.push_back(line);
  }
  require(!tokens.empty(), ErrorCode::invalid_argument, "--token-file {} has no token; write one token per line", path);
  return tokens;
}

void allow_many_connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

server::ModelSource model_source(const generation::ModelOptions& model) {
  const fs::path folder = fs::path(model.path).lexically_normal();
  server::ModelSource source{.name = (folder.has_filename() ? folder : folder.parent_path()).filename().string(),
                             .load = [model] { return generation::load_model(model); }};
  for (const generation::Family& family : generation::families()) {
    if (!family.recognise(folder)) continue;
    source.family = family.name;
    source.capabilities = family.capabilities;
    source.options.assign(family.options().begin(), family.options().end());
    break;
  }
  std::error_code missing;
  if (fs::is_directory(folder / "examples", missing)) source.examples = folder / "examples";
  return source;
}

std::pair<std::string, std::string> parse_alias(const std::string& text) {
  const std::size_t equals = text.find('=');
  require(equals != std::string::npos && equals > 0 && equals + 1 < text.size(), ErrorCode::invalid_argument,
          "--alias '{}' must be ALIAS=MODEL, e.g. sora-2=rushes-shapes", text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void add_frame_stream_settings(CLI::App& command, server::FrameStreamOptions& streams) {
  command
      .add_option("--file-root", streams.file_root,
                  "folder below which clients can name speech and pictures by their paths")
      ->type_name("DIRECTORY")
      ->capture_default_str();
  command
      .add_option("--stream-queue", streams.queue,
                  "number of messages that can wait for a client; then its session waits, and no frame is dropped")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command.add_flag("--adaptive-quality", streams.adaptive_quality,
                   "lower the quality of frames while many of them wait for their client");
  command.add_flag("--emit-tail,--emit_tail", streams.emit_tail,
                   "send the frames beyond the end of the speech too, as the published server does");
}

}  // namespace rushes::app
