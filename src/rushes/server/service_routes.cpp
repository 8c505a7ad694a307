#include "rushes/server/service_routes.h"

#include <unistd.h>

#include <fstream>

#include "rushes/server/api/native/session_request.h"
#include "rushes/server/openapi.h"
#include "rushes/text/prompt.h"

namespace rushes::server {
namespace {

double seconds(std::chrono::microseconds time) { return static_cast<double>(time.count()) * 1e-6; }

class MetricsText {
 public:
  template <typename Value>
  MetricsText& add(std::string_view name, std::string_view type, std::string_view help, Value value) {
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
    return *this;
  }
  /// Several values of one metric, told apart by a label.
  template <typename Pairs>
  MetricsText& add(std::string_view name, std::string_view type, std::string_view help, std::string_view label,
                   const Pairs& pairs) {
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
    for (const auto& [key, value] : pairs) text_ += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, key, value);
    return *this;
  }
  MetricsText& add_histogram(std::string_view name, std::string_view help,
                             const generation::LatencyHistogram& histogram) {
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
    int64_t below = 0;
    for (std::size_t i = 0; i < histogram.kBoundsSeconds.size(); ++i)
      text_ +=
          fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, histogram.kBoundsSeconds[i], below += histogram.counts[i]);
    below += histogram.counts.back();
    text_ +=
        fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, below, histogram.sum_seconds);
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_talks(MetricsText& text, const TalkTable& talks) {
  std::map<std::string_view, int64_t> states;
  for (const auto status : {TalkSession::Status::waiting_for_audio, TalkSession::Status::processing,
                            TalkSession::Status::complete, TalkSession::Status::error})
    states[name(status)] = 0;
  for (const auto& [id, session] : talks.all()) ++states[name(session.status())];
  text.add("rushes_talk_sessions", "gauge", "Talking heads that the server knows.", "state", states)
      .add("rushes_talk_peers", "gauge", "Viewers and callers by WebRTC.", talks.peers());
}

Json props(const SessionTable& sessions, const std::string& version) {
  const SessionLimits& limits = sessions.limits();
  Json models = Json::array();
  for (const ModelShelf::Status& model : sessions.models().all())
    models.push_back({{"name", model.name}, {"state", name(model.state)}});
  return {{"version", version},
          {"model", {{"name", sessions.model().card().name}, {"description", sessions.model().card().description}}},
          {"models", std::move(models)},
          {"limits",
           {{"max_sessions", limits.max_running},
            {"max_queued", limits.max_queued},
            {"max_kept", limits.max_kept},
            {"max_data_bytes", limits.max_data_bytes},
            {"max_pixels", limits.max_pixels},
            {"max_video_seconds", limits.max_video_seconds},
            {"max_prompt_bytes", text::kMaxPromptBytes},
            {"max_prompts", generation::kMaxPrompts},
            {"max_image_bytes", kMaxImageBytes},
            {"max_request_bytes", kMaxCreateBytes}}}};
}

}  // namespace

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::string metrics_text(const Service& service, const SessionTable& sessions, const TalkTable* talks) {
  std::map<std::string_view, int64_t> states;
  for (const auto state : generation::kSessionStates) states[name(state)] = 0;
  for (const Entry& entry : sessions.all()) ++states[name(entry.session->status().state)];
  const generation::WorkerStatus worker = sessions.worker_status();
  const Counters& counters = service.counters;
  std::map<std::string, int> models;
  for (const ModelShelf::Status& model : sessions.models().all())
    models[model.name] = model.state == ModelShelf::State::loaded;
  const SessionTable::Totals totals = sessions.totals();
  const std::map<std::string_view, double> stages{{"text", seconds(worker.stages.text)},
                                                  {"denoise", seconds(worker.stages.denoise)},
                                                  {"decode", seconds(worker.stages.decode)},
                                                  {"encode", seconds(totals.encode_time)}};
  MetricsText text;
  text.add("rushes_sessions", "gauge", "Sessions that the server knows.", "state", states)
      .add("rushes_model_loaded", "gauge", "Models that are in memory.", "model", models)
      .add("rushes_sessions_created_total", "counter", "Sessions started.", sessions.created())
      .add("rushes_blocks_total", "counter", "Video blocks generated.", worker.blocks)
      .add("rushes_steps_total", "counter", "Units of work done.", worker.steps)
      .add("rushes_device_busy_seconds_total", "counter", "Time spent in the model.",
           static_cast<double>(worker.busy.count()) * 1e-6)
      .add("rushes_generator_bytes", "gauge", "Memory of all sessions' caches.", worker.generator_bytes)
      .add("rushes_shared_forwards_total", "counter", "Forwards that several sessions shared.", worker.shared_forwards)
      .add("rushes_video_frames_total", "counter", "Video frames generated.", worker.video_frames)
      .add("rushes_stage_seconds_total", "counter", "Time that blocks took, by stage.", "stage", stages)
      .add_histogram("rushes_first_block_seconds", "From a session's creation to its first block of frames.",
                     worker.first_block)
      .add("rushes_encoded_bytes_total", "counter", "Video encoded.", totals.encoded_bytes)
      .add("rushes_fragments_skipped_total", "counter", "Blocks that viewers missed for being slow.",
           totals.skipped_fragments)
      .add("rushes_viewers_by_kind", "gauge", "Open WebSockets and growing downloads.", "kind",
           counters.viewers_by_kind)
      .add("rushes_sent_bytes_total", "counter", "Bodies and messages sent.", counters.bytes_sent)
      .add("rushes_queue_sessions", "gauge", "Sessions that wait for their first step.",
           states[name(generation::SessionState::queued)])
      .add("rushes_http_answers_total", "counter", "Answers sent.", "status", counters.answers)
      .add("rushes_connections", "gauge", "Open connections.", counters.connections)
      .add("rushes_connections_refused_total", "counter", "Connections beyond the limit.", counters.connections_refused)
      .add("rushes_viewers", "gauge", "Open WebSockets.", counters.viewers)
      .add("rushes_viewers_dropped_total", "counter", "Viewers closed for not reading.", counters.viewers_dropped)
      .add("process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
  if (talks) add_talks(text, *talks);
  return text.text();
}

void add_service_routes(Service& service, const SessionTable& sessions, const TalkTable* talks, std::string version) {
  const auto get = [&](std::string path, Route::Access access, std::function<Response(const Request&)> answer) {
    Route route;
    route.method = "GET";
    route.pattern = std::move(path);
    route.access = access;
    route.answer = std::move(answer);
    service.router.add(std::move(route));
  };
  get("/openapi.json", Route::Access::open,
      [&service, version](const Request&) { return json_response(200, openapi_document(version, service.router)); });
  get("/health", Route::Access::open, [](const Request&) { return json_response(200, {{"status", "ok"}}); });
  get("/ready", Route::Access::open, [&service](const Request&) {
    return service.draining ? json_response(503, {{"status", "draining"}}) : json_response(200, {{"status", "ready"}});
  });
  get("/props", Route::Access::token, [&sessions, version = std::move(version)](const Request&) {
    return json_response(200, props(sessions, version));
  });
  get("/metrics", Route::Access::token, [&service, &sessions, talks](const Request&) {
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_text(service, sessions, talks);
    return response;
  });
}

}  // namespace rushes::server
