// rushes serve: the server with its web page, until Ctrl-C.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "commands.h"
#include "model_options.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/delivery/recording.h"
#include "rushes/generation/load_talk_model.h"
#include "rushes/server/server.h"

namespace rushes::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  generation::ModelOptions model;
  server::ServerOptions server;
  std::string data_directory, web_root;
  int64_t max_data_gib = 16;
  int threads = 0;
  std::string talk_model, talk_mode = "aligned";
  generation::VideoRequest first;  // what runs from the start, if it has a prompt
  int64_t samples = 1;
};

/// The page beside the installed program, else that of the sources.
fs::path default_web_root() {
  std::error_code status;
  const fs::path program = fs::read_symlink("/proc/self/exe", status);
  const fs::path installed = program.parent_path().parent_path() / "share/rushes/web";
  return fs::is_directory(installed, status) ? installed : fs::path(RUSHES_SOURCE_DIR) / "web/dist";
}

void run(Options options) {
  if (options.model.path.empty()) options.model.path = default_model();
  use_threads(options.threads, options.model);
  server::ServerOptions& server = options.server;
  server.data_directory = options.data_directory.empty() ? delivery::default_data_directory() / "recordings"
                                                         : fs::path(options.data_directory);
  server.web_root = options.web_root.empty() ? default_web_root() : fs::path(options.web_root);
  server.sessions.max_data_bytes = options.max_data_gib << 30;
  server.handle_signals = true;
  server.version = RUSHES_VERSION;
  auto model = generation::load_model(options.model);
  log::info("model {}: {}", model->name(), model->description());
  options.model.path = options.talk_model.empty() ? default_talk_model() : options.talk_model;
  if (!options.model.path.empty() && options.model.path != "none")
    server.talk_model = generation::load_talk_model(options.model);
  if (options.talk_mode == "reference") server.talk_mode = generation::TalkOptions::Mode::reference;
  for (int64_t sample = 0; !options.first.prompts.empty() && sample < options.samples; ++sample) {
    server.start_with.push_back(options.first);
    server.start_with.back().seed += sample;
  }
  server::Server serving(server, std::move(model));
  for (const std::string& url : serving.urls()) std::printf("rushes serves at %s\n", url.c_str());
  std::fflush(stdout);
  serving.run();
  log::info("stopped");
}

}  // namespace

void add_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  server::ServerOptions& server = options->server;
  CLI::App* command =
      app.add_subcommand("serve", "Serve the web page and the API: videos that are watched while they are generated");
  add_model_options(*command, options->model);
  add_threads_option(*command, options->threads);
  command->add_option(
      "--talk-model", options->talk_model,
      "of talking heads: model directory, or none (default: $RUSHES_TALK_MODEL, else the shipped model)");
  command
      ->add_option("--talk-mode", options->talk_mode,
                   "of sessions that say nothing: aligned, or reference as the published server")
      ->check(CLI::IsMember({"aligned", "reference"}))
      ->capture_default_str();
  command->add_option("--listen", server.listen, "ADDRESS:PORT; may be given several times, port 0 takes a free one")
      ->envname("RUSHES_LISTEN")
      ->capture_default_str();
  command->add_option("--data-dir", options->data_directory,
                      "where recordings are kept (default: $XDG_DATA_HOME/rushes/recordings)");
  command->add_option("--web-root", options->web_root, "the page's files (default: those built with the program)");
  command
      ->add_option("--max-sessions", server.sessions.max_running, "sessions that run at a time; more are answered 429")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--max-kept", server.sessions.max_kept, "sessions that are remembered with their recordings")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--max-data-gib", options->max_data_gib, "for all recordings; the oldest make room")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--max-connections", server.connections.connections, "clients at a time")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--token", server.access.token,
                   "every API call must bring it (Authorization: Bearer TOKEN, or ?token=)")
      ->envname("RUSHES_TOKEN");
  command->add_flag("--no-auth", server.access.no_auth, "let everybody in who can reach the address");
  command->add_option("--allow-origin", server.access.allow_origins,
                      "pages of this origin may call, e.g. https://example.org; may be given several times");
  command->add_option("--allow-push", server.push_hosts,
                      "host that RTMP may be pushed to, * for any (this machine always); may be given several times");
  command
      ->add_option("--webrtc-address", server.webrtc.addresses,
                   "address of this machine that WebRTC viewers are sent to; may be given several times")
      ->capture_default_str();
  command->add_option("--max-webrtc-viewers", server.webrtc.viewers, "at a time; more are answered 503")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  generation::VideoRequest& first = options->first;
  CLI::Option* prompt = command->add_option("--prompt", first.prompts,
                                            "start with a session that shows this; several take turns, a segment each");
  command->add_option("--segments", first.segments, "of that session; 0: until stopped")
      ->needs(prompt)
      ->capture_default_str();
  command->add_option("--segment-length", first.segment_latent_frames, "of that session, in latent frames")
      ->needs(prompt);
  command->add_option("--overlap", first.overlap_latent_frames, "of that session, in latent frames")->needs(prompt);
  command->add_option("--seed", first.seed, "of that session")->needs(prompt)->capture_default_str();
  command->add_option("--samples", options->samples, "such sessions, with seeds that follow each other")
      ->needs(prompt)
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
