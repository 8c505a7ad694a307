#include "serve_settings.h"

#include <fmt/ranges.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "option_flags.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/registry.h"

namespace rushes::app {

namespace fs = std::filesystem;

namespace {

/// The page beside the installed program, else that of the sources.
fs::path default_web_root() {
  std::error_code status;
  const fs::path program = fs::read_symlink("/proc/self/exe", status);
  const fs::path installed = program.parent_path().parent_path() / "share/rushes/web";
  return fs::is_directory(installed, status) ? installed : fs::path(RUSHES_SOURCE_DIR) / "web/dist";
}

}  // namespace

fs::path web_root(const std::string& given) {
  std::error_code ignored;
  if (given.empty()) {
    fs::path page = default_web_root();
    if (!fs::is_directory(page, ignored))
      log::warning("there is no page in {}: the API is served alone; tools/setup run builds the page", page.string());
    return page;
  }
  require(fs::is_directory(given, ignored), ErrorCode::invalid_argument, "--web-root: there is no folder {}", given);
  return given;
}

void check_models(const std::vector<std::string>& folders) {
  std::error_code ignored;
  for (const std::string& folder : folders)
    require(folder.starts_with("random") || fs::is_directory(folder, ignored), ErrorCode::not_found,
            "there is no model folder '{}'", folder);
}

std::vector<std::string> read_tokens(const std::string& path) {
  std::ifstream file(path);
  require(file.is_open(), ErrorCode::invalid_argument, "the file of tokens {} cannot be read", path);
  std::vector<std::string> tokens;
  for (std::string line; std::getline(file, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty() && line.front() != '#') tokens.push_back(line);
  }
  require(!tokens.empty(), ErrorCode::invalid_argument, "the file of tokens {} has none; write one token per line",
          path);
  return tokens;
}

void allow_many_connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

namespace {

std::vector<OptionField> options_before_loading(const generation::Family& family, const fs::path& folder) {
  std::error_code missing;
  try {
    if (family.options_of && fs::is_directory(folder, missing)) return family.options_of(folder);
  } catch (const std::exception&) {  // loading says what is wrong with it
  }
  return {family.options().begin(), family.options().end()};
}

}  // namespace

server::ModelSource model_source(const generation::ModelOptions& model) {
  const fs::path folder = fs::path(model.path).lexically_normal();
  server::ModelSource source{.name = (folder.has_filename() ? folder : folder.parent_path()).filename().string(),
                             .load = [model] { return generation::load_model(model); }};
  std::error_code missing;
  // What it can do is told before it is loaded, so that it can be chosen.
  if (const generation::Family* family = generation::family_of(model.path)) {
    source.family = family->name;
    source.capabilities = family->capabilities;
    source.options = options_before_loading(*family, folder);
    source.trained_for = manifest_trained_for(folder);
    source.words = manifest_words(folder);
    if (family->format_of && fs::is_directory(folder, missing))
      source.format = [family, folder](const generation::Request& request) {
        return family->format_of(folder, request);
      };
  }
  if (fs::is_directory(folder / "examples", missing)) source.examples = folder / "examples";
  return source;
}

std::pair<std::string, std::string> parse_alias(const std::string& text) {
  const std::size_t equals = text.find('=');
  require(equals != std::string::npos && equals > 0 && equals + 1 < text.size(), ErrorCode::invalid_argument,
          "--alias '{}' must be ALIAS=MODEL, e.g. sora-2=rushes-shapes", text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::optional<std::string> manifest_name(const fs::path& folder) {
  try {
    return YAML::Load(manifest_text(folder))["name"].as<std::string>();
  } catch (const std::exception&) {  // loading says what is wrong with it
    return std::nullopt;
  }
}

void check_aliases(const server::ModelAliases& aliases, const std::vector<server::ModelSource>& sources,
                   const std::optional<std::string>& first) {
  if (!first) return;
  std::set<std::string> names{*first};
  for (std::size_t i = 1; i < sources.size(); ++i) names.insert(sources[i].name);
  for (const auto& [alias, model] : aliases)
    require(names.contains(model), ErrorCode::invalid_argument,
            "--alias {}={}: there is no model '{}'; this server has {}", alias, model, model, fmt::join(names, ", "));
}

void check_answers(const server::ChatOptions& chat) {
  if (chat.defaults.empty()) return;
  const auto fields = generation::family_options(answers_about_pictures);
  for (const auto& [name, value] : chat.defaults) {
    if (name == "size") continue;  // width and height in one text
    const auto is_named = [&name = name](const OptionField& field) { return find_field({&field, 1}, name) != nullptr; };
    const OptionField* known = find_field(generation::request_fields(), name);
    std::vector<std::string> names;
    for (const auto& option : fields) {
      names.push_back(option.field->name);
      if (is_named(*option.field)) known = option.field;
    }
    require(known != nullptr, ErrorCode::invalid_argument,
            "--answer {}={}: answers have no option '{}'; they have frames, fps, width, height, {}", name, value, name,
            fmt::join(names, ", "));
    checked({{known->name, parse_option(*known, value)}}, {known, 1});
  }
}

void add_frame_stream_settings(CLI::App& command, server::FrameStreamOptions& streams) {
  command
      .add_option("--file-root", streams.file_root,
                  "folder below which clients can name speech and pictures by their paths")
      ->type_name("DIRECTORY")
      ->check(CLI::ExistingDirectory)
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

void add_chat_settings(CLI::App& command, server::ChatOptions& chat) {
  command.add_option("--static-dir", chat.static_directory, "folder whose files are served under /static")
      ->type_name("DIRECTORY");
  command
      .add_option_function<std::vector<std::string>>(
          "--answer",
          [&chat](const std::vector<std::string>& given) {
            chat.defaults.clear();
            for (const std::string& each : given) {
              const std::size_t equals = each.find('=');
              require(equals != std::string::npos && equals > 0, ErrorCode::invalid_argument,
                      "--answer '{}' must be OPTION=VALUE, e.g. steps=20", each);
              chat.defaults.emplace_back(each.substr(0, equals), each.substr(equals + 1));
            }
          },
          "what answers to questions about pictures are made with where the question does not say, e.g. steps=20 or "
          "frames=30; repeatable")
      ->type_name("OPTION=VALUE");
  const auto seconds = [&command](const char* name, std::chrono::milliseconds& to, const char* help) {
    command
        .add_option_function<double>(
            name,
            [&to](double given) {
              to = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(given));
            },
            help)
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, 1e9))
        ->default_str(std::to_string(to.count() / 1000));
  };
  seconds("--absence-seconds", chat.absence,
          "stop a prediction that is not nearly done when those who followed it have been away for this time");
  seconds("--kept-seconds", chat.kept,
          "delete predictions and their videos when they have not been used for this time");
  command
      .add_option_function<int64_t>(
          "--max-message-mib", [&chat](int64_t mib) { chat.message_bytes = static_cast<std::size_t>(mib) << 20; },
          "maximum size of a question over a WebSocket, with its pictures")
      ->check(CLI::Range(1, 1024))
      ->default_str(std::to_string(chat.message_bytes >> 20));
}

void add_assistant_settings(CLI::App& command, server::AssistantOptions& assistant, std::string& key_file) {
  command
      .add_option("--assistant", assistant.url,
                  "address of a speech model that answers what is said to an avatar, e.g. https://example.org/v1: a "
                  "chat completion with sound in and out; empty: none, the avatar says it itself")
      ->type_name("URL");
  command.add_option("--assistant-model", assistant.model, "that model's name")->type_name("NAME");
  command.add_option("--assistant-voice", assistant.voice, "voice of its answers")
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option("--assistant-key-file", key_file,
                  "file with its key; without it, the environment's RUSHES_ASSISTANT_KEY is used")
      ->type_name("FILE");
}

void complete_assistant(server::AssistantOptions& assistant, const std::string& key_file) {
  if (assistant.url.empty()) return;
  require(!assistant.model.empty(), ErrorCode::invalid_argument, "--assistant needs --assistant-model");
  const char* key = std::getenv("RUSHES_ASSISTANT_KEY");
  if (!key_file.empty())
    assistant.key = read_tokens(key_file).front();
  else if (key)
    assistant.key = key;
}

void add_viewer_settings(CLI::App& command, server::ServerOptions& server, double& keep_alive_seconds,
                         int64_t& max_upload_mib) {
  command
      .add_option("--max-connections", server.connections.connections,
                  "maximum number of connections at a time; more are answered with 503")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--keep-alive-seconds", keep_alive_seconds,
                  "send something in an open stream after this time of silence, so that no proxy closes it")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command
      .add_option("--max-upload-mib", max_upload_mib,
                  "maximum memory of all request bodies together until they are answered; more are answered with 503")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--webrtc-address", server.webrtc.addresses,
                  "address of this machine that WebRTC viewers connect to; repeatable")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command
      .add_option("--max-webrtc-viewers", server.webrtc.viewers,
                  "maximum number of WebRTC viewers at a time; more are answered with 503")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  command
      .add_option("--max-webrtc-sources", server.webrtc.sources,
                  "maximum number of RTP streams that a WebRTC peer may send; packets of others are dropped")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
}

}  // namespace rushes::app
