// rushes serve: the server with its web page, until Ctrl-C.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "commands.h"
#include "model_options.h"
#include "option_flags.h"
#include "profiled_model.h"
#include "prompt_options.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/delivery/sinks/recording.h"
#include "rushes/generation/registry.h"
#include "rushes/generation/working_memory.h"
#include "rushes/server/server.h"
#include "serve_settings.h"
#include "settings.h"

namespace rushes::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  generation::ModelOptions model;
  server::ServerOptions server;
  std::string host, data_directory, web_root, token_file, assistant_key_file;
  std::optional<int> port;
  int64_t max_data_gib = 16, max_upload_mib = 512, max_input_mib = 1024, max_memory_mib = 0;
  std::vector<std::string> models;
  double idle_minutes = 15, idle_model_minutes = 15, silent_minutes = 10, drain_seconds = 10, keep_alive_seconds = 15;
  int threads = 0;
  int64_t lanes = 0;
  std::string talk_model, talk_mode = "aligned";
  PromptArguments prompts;    // of the session that begins with the server
  generation::Request first;  // what runs from the start, if it has a prompt
  int64_t samples = 1;
  ProfilingOptions profiling;  // of those sessions
  std::vector<std::string> aliases;
};

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
}

/// The first with all options of models, the others with those that fit any; then the other ones that are shipped.
std::vector<server::ModelSource> model_sources(const Options& options) {
  std::vector<server::ModelSource> sources;
  generation::ModelOptions model = options.model;
  for (const std::string& path : options.models) {
    model.path = path;
    sources.push_back(model_source(model));
    model.checkpoint.clear();  // of the first model's transformer
    model.configuration.clear();
  }
  const std::string wanted = talk_model(options.talk_model);
  const auto add = [&](const std::string& path, bool at_start) {
    model.path = path;
    server::ModelSource source = model_source(model);
    std::error_code ignored;
    const auto is_there = [&](const server::ModelSource& other) { return other.name == source.name; };
    const auto is_same = [&](const std::string& named) {
      return named == path || fs::equivalent(named, path, ignored);
    };
    if (std::any_of(options.models.begin(), options.models.end(), is_same)) return;
    // What was named goes before what is shipped under the same name.
    if (options.talk_model.empty() && std::any_of(sources.begin(), sources.end(), is_there)) return;
    source.at_start = at_start;
    sources.push_back(std::move(source));
  };
  if (!wanted.empty() && wanted != "none") add(wanted, true);
  // The other ones are there to be chosen, and loaded when somebody does.
  if (options.talk_model.empty())
    for (const std::string& path : shipped_companions()) add(path, false);
  return sources;
}

/// The sessions that begin with the server are the first that the model starts.
void measure_first_sessions(server::ModelSource& source, const Options& options) {
  source.load = [load = source.load, options] {
    const auto begin = std::chrono::steady_clock::now();
    auto model = load();
    const auto time = std::chrono::duration_cast<profiling::Microseconds>(std::chrono::steady_clock::now() - begin);
    return profiled_model(std::move(model), options.profiling, options.model, options.first, options.samples, time);
  };
}

/// --host and --port as an address of --listen.
std::string one_address(const std::string& host, std::optional<int> port) {
  const std::string address = host.empty() ? "127.0.0.1" : host;
  const bool is_bare_ipv6 = address.find(':') != std::string::npos && !address.starts_with('[');
  return fmt::format("{}:{}", is_bare_ipv6 ? fmt::format("[{}]", address) : address, port.value_or(8000));
}

const auto kCores = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));

void run(Options options) {
  if (options.models.empty()) options.models.push_back(default_model());
  for (std::string& path : options.models) path = named_model(path);
  options.model.path = options.models.front();
  require(!options.prompts.empty() || options.first.options.empty(), ErrorCode::invalid_argument,
          "{} is an option of the session that --prompt starts; give --prompt",
          options.first.options.empty() ? "" : "--" + options.first.options.values().begin()->first);
  if (!options.prompts.empty()) {
    options.first.prompts = prompts_of(options.prompts);
    print_prompts(options.prompts, options.first.prompts);
  }
  if (!options.host.empty() || options.port) options.server.listen = {one_address(options.host, options.port)};
  check_request(options.first, options.model);
  std::vector<std::string> folders = options.models;
  if (!options.talk_model.empty() && options.talk_model != "none") folders.push_back(talk_model(options.talk_model));
  check_models(folders);
  check_answers(options.server.chat);
  check_profiling(options.profiling);
  use_threads(options.threads, options.model);
  server::ServerOptions& server = options.server;
  server.data_directory = options.data_directory.empty() ? delivery::default_data_directory() / "recordings"
                                                         : fs::path(options.data_directory);
  server.web_root = web_root(options.web_root);
  server.sessions.max_data_bytes = options.max_data_gib << 30;
  server.connections.upload_bytes = options.max_upload_mib << 20;
  server.sessions.max_input_bytes = options.max_input_mib << 20;
  server.sessions.max_working_bytes =
      options.max_memory_mib > 0 ? options.max_memory_mib << 20 : generation::memory_of_machine() / 4 * 3;
  server.sessions.silence = milliseconds(60 * options.silent_minutes);
  server.sessions.idle = milliseconds(60 * options.idle_minutes);
  server.sessions.idle_model = milliseconds(60 * options.idle_model_minutes);
  server.drain = milliseconds(options.drain_seconds);
  server.connections.keep_alive = milliseconds(options.keep_alive_seconds);
  server.sessions.lanes = options.lanes > 0 ? options.lanes : options.model.device == "cpu" ? kCores : 1;
  if (!options.token_file.empty())
    for (std::string& token : read_tokens(options.token_file)) server.access.tokens.push_back(std::move(token));
  complete_assistant(server.assistant, options.assistant_key_file);
  allow_many_connections();
  server.handle_signals = true;
  server.version = RUSHES_VERSION;
  auto sources = model_sources(options);
  if (options.profiling.enabled) measure_first_sessions(sources.front(), options);
  for (const std::string& alias : options.aliases) server.aliases.push_back(parse_alias(alias));
  check_aliases(server.aliases, sources, manifest_name(options.models.front()));
  server.head_mode = options.talk_mode;
  for (int64_t sample = 0; !options.first.prompts.empty() && sample < options.samples; ++sample) {
    server.start_with.push_back(options.first);
    server.start_with.back().seed += static_cast<uint64_t>(sample);
  }
  server::Server serving(server, std::move(sources));
  for (const std::string& url : serving.urls()) std::printf("rushes serves at %s\n", url.c_str());
  std::fflush(stdout);
  serving.run();
  const bool all_has_ended = serving.finish(std::chrono::milliseconds(500));
  log::info("stopped");
  if (all_has_ended) return;
  std::fflush(stdout);
  std::_Exit(0);  // without the work of clients who have left
}

const CLI::Range kCount(1, 1'000'000);

void add_served_models(CLI::App& command, Options& options) {
  add_model_options(command, options.model);
  command.remove_option(command.get_option("--model"));
  command
      .add_option("--model,--model_path,--model-path", options.models,
                  "model directory; repeatable: the first model is loaded at once and is the default, the others are "
                  "loaded when a session asks for them (default: $RUSHES_MODEL, else the shipped model)")
      ->type_name("DIRECTORY");
  command
      .add_option("--idle-model-minutes", options.idle_model_minutes,
                  "unload a model, except the first, when no session has used it for this time; 0: never")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

void add_alias_setting(CLI::App& command, Options& options) {
  command
      .add_option("--alias", options.aliases,
                  "another name for a model, for clients whose models are called otherwise, e.g. "
                  "sora-2=rushes-shapes; repeatable")
      ->type_name("ALIAS=MODEL");
}

void add_talk_settings(CLI::App& command, Options& options) {
  command
      .add_option("--talk-model", options.talk_model,
                  "model directory for talking heads, or none (default: $RUSHES_TALK_MODEL, else the shipped model)")
      ->type_name("DIRECTORY");
  command
      .add_option("--talk-mode", options.talk_mode,
                  "mode of talking-head sessions that do not set one: aligned, or reference like the published server")
      ->check(CLI::IsMember({"aligned", "reference"}))
      ->capture_default_str();
}

/// Sessions that begin with the server.
void add_first_session(CLI::App& command, Options& options) {
  generation::Request& first = options.first;
  CLI::Option* prompt = add_prompt_options(
      command, options.prompts, "--prompt",
      "start a session with this prompt; several (or one string with ';' between them) apply in turn, one per segment",
      /*by_position=*/false);
  command.add_option("--segments", first.segments, "number of segments of that session; 0: until stopped")
      ->needs(prompt)
      ->capture_default_str();
  add_seed_option(command, first.seed, "random seed of that session")->needs(prompt);
  command.add_option("--samples", options.samples, "number of such sessions, with consecutive seeds")
      ->needs(prompt)
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_profiling_options(command, options.profiling);
  command.get_option("--enable-profiling")->needs(prompt);
}

void add_place_settings(CLI::App& command, Options& options) {
  CLI::Option* listen =
      command
          .add_option("--listen", options.server.listen,
                      "address to listen at; repeatable; port 0 chooses a free port; with API names, as in --listen "
                      "8080=openai,imtalker, only these APIs and the native one are served there")
          ->type_name("ADDRESS:PORT[=API,...]")
          ->capture_default_str();
  command.add_option("--host", options.host, "the address alone, with the usual port or that of --port")
      ->type_name("ADDRESS")
      ->excludes(listen);
  command.add_option("--port", options.port, "the port alone, with the usual address or that of --host")
      ->check(CLI::Range(0, 65535))
      ->excludes(listen);
  command
      .add_option("--data-dir", options.data_directory,
                  "folder for recordings and their catalogue, for one server at a time (default: "
                  "$XDG_DATA_HOME/rushes/recordings)")
      ->type_name("DIRECTORY");
  command
      .add_option("--web-root", options.web_root,
                  "folder with the page's files (default: the page built with the program)")
      ->type_name("DIRECTORY");
  command
      .add_option("--drain-timeout", options.drain_seconds,
                  "time for running blocks to complete after SIGTERM or Ctrl-C; a second signal exits at once")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
}

void add_access_settings(CLI::App& command, Options& options) {
  server::AccessOptions& access = options.server.access;
  command
      .add_option("--token", access.tokens,
                  "token that API calls must send (Authorization: Bearer TOKEN, or ?token=); repeatable")
      ->type_name("TOKEN");
  command
      .add_option("--token-file", options.token_file,
                  "file with one token per line; these do not appear in the list of processes")
      ->type_name("FILE");
  command.add_flag("--no-auth", access.no_auth,
                   "accept calls without a token from any machine that can reach the address");
  command
      .add_option("--allow-origin", access.allow_origins,
                  "origin whose pages can call the API, e.g. https://example.org, or * for any; repeatable")
      ->type_name("ORIGIN");
  server::ProxyOptions& proxy = options.server.proxy;
  command
      .add_option("--base-path", proxy.base_path,
                  "path below which a reverse proxy serves this server, e.g. /rushes; a proxy can send "
                  "X-Forwarded-Prefix instead")
      ->type_name("PATH");
  command
      .add_option("--trusted-proxy", proxy.trusted,
                  "address or network of reverse proxies whose X-Forwarded-Prefix, -Host, -Port and -Proto are used, "
                  "or none; repeatable")
      ->type_name("ADDRESS[/BITS]")
      ->capture_default_str();
  command
      .add_option("--allow-push", options.server.push_hosts,
                  "host to which sessions can push RTMP, or * for any (this machine is always allowed); repeatable")
      ->type_name("HOST");
}

void add_session_limits(CLI::App& command, Options& options) {
  server::SessionLimits& limits = options.server.sessions;
  command.add_option("--max-sessions", limits.max_running, "maximum number of sessions that share the model at a time")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command
      .add_option("--max-queued", limits.max_queued,
                  "maximum number of further sessions that wait for a free place; more are answered with 429")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  command
      .add_option("--max-waiting", limits.max_waiting,
                  "maximum number of sessions that wait for speech; for one more, the one that is missed least ends")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command
      .add_option("--silent-minutes", options.silent_minutes,
                  "stop sessions that wait for their first speech after this time without viewers; 0: never")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command
      .add_option("--max-runs", options.server.head_runs,
                  "maximum number of recordings of one talking head's name; the oldest are deleted")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      .add_option("--max-memory-mib", options.max_memory_mib,
                  "maximum memory that all sessions need together to compute on the CPU: a request that needs more "
                  "is answered with 413, and one that does not fit beside the others waits; 0: three quarters of "
                  "this computer's")
      ->check(CLI::Range(0, 100'000'000))
      ->capture_default_str();
  command
      .add_option("--max-input-mib", options.max_input_mib,
                  "maximum memory of the decoded images, videos and speech of all sessions; more are answered with 429")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--max-kept", limits.max_kept, "maximum number of sessions that are kept with their recordings")
      ->check(kCount)
      ->capture_default_str();
  command
      .add_option("--max-data-gib", options.max_data_gib,
                  "maximum size of all recordings; the oldest are deleted to make room")
      ->check(kCount)
      ->capture_default_str();
  command.add_option("--max-pixels", limits.max_pixels, "maximum width times height of a video")
      ->check(CLI::Range(int64_t{256}, int64_t{1} << 28))
      ->capture_default_str();
  command
      .add_option("--max-video-seconds", limits.max_video_seconds,
                  "maximum duration of a video; an endless video is stopped there; 0: no limit")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  command
      .add_option("--idle-minutes", options.idle_minutes,
                  "stop endless and paused sessions after this time without viewers; 0: never")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

}  // namespace

void add_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "serve", "Serve the web page and the API, for videos that are watched while they are generated");
  const auto group = [command](const char* name) { command->option_defaults()->group(name); };
  add_config_option(*command);
  group("Model");
  add_served_models(*command, *options);
  add_alias_setting(*command, *options);
  add_threads_option(*command, options->threads, "all; one for models under 64 MiB");
  command
      ->add_option(
          "--lanes", options->lanes,
          "number of sessions of small models that run at the same time (default: one for each CPU core; 1 on a GPU)")
      ->check(CLI::Range(1, 64));
  add_talk_settings(*command, *options);
  add_first_session(*command, *options);
  group("Place");
  add_place_settings(*command, *options);
  group("Access");
  add_access_settings(*command, *options);
  group("Sessions");
  add_session_limits(*command, *options);
  group("Viewers");
  add_viewer_settings(*command, options->server, options->keep_alive_seconds, options->max_upload_mib);
  group("Frame streams");
  add_frame_stream_settings(*command, options->server.frame_streams);
  group("Predictions");
  add_chat_settings(*command, options->server.chat);
  group("Assistant");
  add_assistant_settings(*command, options->server.assistant, options->assistant_key_file);
  add_option_flags(*command, options->first.options, takes_text);
  command->callback([options, command] {
    complete_options(*command);
    run(*options);
  });
}

}  // namespace rushes::app
