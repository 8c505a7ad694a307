#include "rushes/server/api/native/service_routes.h"

#include <unistd.h>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <charconv>
#include <fstream>
#include <limits>

#include "rushes/base/instruction_set.h"
#include "rushes/base/log_tail.h"
#include "rushes/server/api/apis.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/api/openapi.h"
#include "rushes/server/http/date.h"
#include "rushes/text/prompt.h"

namespace rushes::server {
namespace {

double seconds(std::chrono::microseconds time) { return static_cast<double>(time.count()) * 1e-6; }

using prometheus::MetricType;

/// Figures of this moment, one family of the client library's after the other.
class Metrics {
 public:
  Metrics& add(std::string name, MetricType type, std::string help, double value) {
    family(std::move(name), type, std::move(help)).push_back(metric(type, value));
    return *this;
  }
  /// Several values of one metric, told apart by a label.
  template <typename Pairs>
  Metrics& add(std::string name, MetricType type, std::string help, const char* label, const Pairs& pairs) {
    auto& metrics = family(std::move(name), type, std::move(help));
    for (const auto& [key, value] : pairs) {
      metrics.push_back(metric(type, static_cast<double>(value)));
      metrics.back().label.push_back({label, fmt::format("{}", key)});
    }
    return *this;
  }
  /// What is told by labels alone.
  Metrics& add_info(std::string name, std::string help, std::vector<std::pair<std::string, std::string>> labels) {
    auto& only = family(std::move(name), MetricType::Gauge, std::move(help)).emplace_back(metric(MetricType::Gauge, 1));
    for (auto& [label, value] : labels) only.label.push_back({std::move(label), std::move(value)});
    return *this;
  }
  Metrics& add(std::string name, std::string help, const generation::LatencyHistogram& histogram) {
    prometheus::ClientMetric metric;
    uint64_t below = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      below += static_cast<uint64_t>(histogram.counts[i]);
      const double bound =
          i < histogram.kBoundsSeconds.size() ? histogram.kBoundsSeconds[i] : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({below, bound});
    }
    metric.histogram.sample_count = below;
    metric.histogram.sample_sum = histogram.sum_seconds;
    family(std::move(name), MetricType::Histogram, std::move(help)).push_back(std::move(metric));
    return *this;
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::ClientMetric>& family(std::string name, MetricType type, std::string help) {
    return families_.emplace_back(prometheus::MetricFamily{std::move(name), std::move(help), type, {}}).metric;
  }
  static prometheus::ClientMetric metric(MetricType type, double value) {
    prometheus::ClientMetric metric;
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    return metric;
  }

  std::vector<prometheus::MetricFamily> families_;
};

Json props(const SessionStore& sessions, const std::string& version) {
  const SessionLimits& limits = sessions.limits();
  Json models = Json::array();
  for (const ServedModels::Status& model : sessions.models().all())
    models.push_back({{"name", model.name}, {"state", name(model.state)}});
  return {{"version", version},
          {"model", {{"name", sessions.model().card().name}, {"description", sessions.model().card().description}}},
          {"models", std::move(models)},
          {"limits",
           {{"max_sessions", limits.max_running},
            {"max_queued", limits.max_queued},
            {"max_kept", limits.max_kept},
            {"max_waiting", limits.max_waiting},
            {"max_data_bytes", limits.max_data_bytes},
            {"max_input_bytes", limits.max_input_bytes},
            {"max_working_bytes", limits.max_working_bytes},
            {"max_pixels", limits.max_pixels},
            {"max_video_seconds", limits.max_video_seconds},
            {"max_prompt_bytes", text::kMaxPromptBytes},
            {"max_prompts", generation::kMaxPrompts},
            {"max_image_bytes", kMaxImageBytes},
            {"max_request_bytes", kMaxCreateBytes}}}};
}

// GET /v1/log?after=N: the newest lines of the log, or of these what came after line N.
Response get_log(const Request& request) {
  const std::string text = request.query_value("after").value_or("0");
  int64_t after = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), after);
  require(error == std::errc{} && end == text.data() + text.size() && after >= 0, ErrorCode::invalid_argument,
          "after must be the number of a line (got '{}')", text.substr(0, 32));
  Json lines = Json::array();
  for (log::TailLine& line : log::lines_after(after))
    lines.push_back({{"number", line.number},
                     {"time", timestamp(line.at)},
                     {"level", log::name(line.level)},
                     {"message", std::move(line.text)}});
  return json_response(200, {{"lines", std::move(lines)}});
}

}  // namespace

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::string metrics_text(const Service& service, const SessionStore& sessions, const WebRtcLimits& webrtc,
                         const std::string& version) {
  std::map<std::string_view, int64_t> states;
  for (const auto state : generation::kSessionStates) states[name(state)] = 0;
  for (const Hosted& entry : sessions.all()) ++states[name(entry.session->status().state)];
  const generation::WorkerStatus worker = sessions.worker_status();
  const Counters& counters = service.counters;
  std::map<std::string, int> models;
  for (const ServedModels::Status& model : sessions.models().all())
    models[model.name] = model.state == ServedModels::State::loaded;
  const SessionStore::Totals totals = sessions.totals();
  const std::map<std::string_view, double> stages{{"text", seconds(worker.stages.text)},
                                                  {"denoise", seconds(worker.stages.denoise)},
                                                  {"decode", seconds(worker.stages.decode)},
                                                  {"encode", seconds(totals.encode_time)}};
  std::map<std::string_view, int64_t> ended;
  for (const auto reason : generation::kEndReasons) ended[name(reason)] = 0;
  for (const auto& [reason, count] : worker.ended) ended[name(reason)] = count;
  Metrics metrics;
  metrics
      .add_info("rushes_build_info", "This program: its version, and the instruction set that it computes with.",
                {{"version", version}, {"instruction_set", std::string(name(instruction_set()))}})
      .add("rushes_sessions", MetricType::Gauge, "Sessions that the server knows.", "state", states)
      .add("rushes_model_loaded", MetricType::Gauge, "Models that are in memory.", "model", models)
      .add("rushes_sessions_created_total", MetricType::Counter, "Sessions started.", sessions.created())
      .add("rushes_sessions_ended_total", MetricType::Counter, "Sessions that have ended, by reason.", "reason", ended)
      .add("rushes_queue_wait_seconds", "Time from a session's creation to its first turn.", worker.queue_wait)
      .add("rushes_blocks_total", MetricType::Counter, "Video blocks generated.", worker.blocks)
      .add("rushes_replayed_blocks_total", MetricType::Counter, "Blocks that were made again, for forks.",
           worker.replayed_blocks)
      .add("rushes_steps_total", MetricType::Counter, "Units of work done.", worker.steps)
      .add("rushes_device_busy_seconds_total", MetricType::Counter, "Time spent in the model.", seconds(worker.busy))
      .add("rushes_device_lanes", MetricType::Gauge, "Turns that the device can take at the same time.",
           sessions.models().worker().lanes())
      .add("rushes_generator_bytes", MetricType::Gauge, "Memory of all sessions' caches.", worker.generator_bytes)
      .add("rushes_shared_forwards_total", MetricType::Counter, "Forwards that several sessions shared.",
           worker.shared_forwards)
      .add("rushes_video_frames_total", MetricType::Counter, "Video frames generated.", worker.video_frames)
      .add("rushes_stage_seconds_total", MetricType::Counter, "Time spent on blocks, by stage.", "stage", stages)
      .add("rushes_first_block_seconds", "Time from a session's creation to its first block of frames.",
           worker.first_block)
      .add("rushes_encoded_bytes_total", MetricType::Counter, "Video encoded.", totals.encoded_bytes)
      .add("rushes_fragments_skipped_total", MetricType::Counter, "Blocks that slow viewers missed.",
           totals.skipped_fragments)
      .add("rushes_viewers_by_kind", MetricType::Gauge, "Open WebSockets and live downloads.", "kind",
           counters.viewers_by_kind)
      .add("rushes_sent_bytes_total", MetricType::Counter, "Bodies and messages sent.", counters.bytes_sent)
      .add("rushes_queue_sessions", MetricType::Gauge, "Sessions that wait for a turn.",
           states[name(generation::SessionState::queued)])
      .add("rushes_http_answers_total", MetricType::Counter, "Responses sent.", "status", counters.answers)
      .add("rushes_connections", MetricType::Gauge, "Open connections.", counters.connections)
      .add("rushes_connections_refused_total", MetricType::Counter, "Connections refused because of the limit.",
           counters.connections_refused)
      .add("rushes_upload_bytes", MetricType::Gauge, "Request bodies in memory.", service.uploads.memory().used())
      .add("rushes_uploads_refused_total", MetricType::Counter, "Request bodies for which there was no room.",
           service.uploads.memory().refused())
      .add("rushes_uploads_interrupted_total", MetricType::Counter,
           "Request bodies that were ended, as they made no progress and others needed the room.",
           service.uploads.interrupted())
      .add("rushes_input_bytes", MetricType::Gauge, "Decoded pictures, videos and speech of sessions in memory.",
           sessions.inputs().used())
      .add("rushes_inputs_refused_total", MetricType::Counter,
           "Pictures, videos and pieces of speech for which there was no room.", sessions.inputs().refused())
      .add("rushes_sessions_displaced_total", MetricType::Counter,
           "Sessions waiting for speech that were stopped to make room for others.", sessions.displaced())
      .add("rushes_webrtc_dropped_packets_total", MetricType::Counter,
           "Packets of WebRTC peers that send more streams than they may.", *webrtc.use->dropped_packets)
      .add("rushes_recordings_bytes", MetricType::Gauge, "Disk space of the recordings.", sessions.recorded_bytes())
      .add("rushes_recordings_max_bytes", MetricType::Gauge, "Disk space that recordings may have.",
           sessions.limits().max_data_bytes)
      .add("rushes_disk_free_bytes", MetricType::Gauge, "Disk space that is left where the recordings are.",
           sessions.free_bytes())
      .add("rushes_catalogue_waiting", MetricType::Gauge,
           "Sessions whose newest state the catalogue does not yet have.", sessions.catalogue_waiting())
      .add("rushes_recordings_unreadable", MetricType::Gauge,
           "Recordings of earlier processes that cannot be used, and are left unchanged.", sessions.unreadable())
      .add("rushes_viewers", MetricType::Gauge, "Open WebSockets.", counters.viewers)
      .add("rushes_viewers_dropped_total", MetricType::Counter, "Viewers disconnected because they stopped reading.",
           counters.viewers_dropped)
      .add("process_resident_memory_bytes", MetricType::Gauge, "Resident memory.", resident_bytes());
  return metrics.text();
}

void add_service_routes(Router& router, const Service& service, const SessionStore& sessions,
                        const WebRtcLimits& webrtc, const std::string& version) {
  const auto get = [&](std::string path, Route::Access access, std::function<Response(const Request&)> answer) {
    Route route;
    route.method = "GET";
    route.pattern = std::move(path);
    route.access = access;
    route.answer = std::move(answer);
    route.yields = route.pattern == "/health";  // load balancers look at the status only, clients of a system at more
    router.add(std::move(route));
  };
  get("/health", Route::Access::open, [](const Request&) { return json_response(200, {{"status", "ok"}}); });
  get("/ready", Route::Access::open, [&service](const Request&) {
    return service.draining ? json_response(503, {{"status", "draining"}}) : json_response(200, {{"status", "ready"}});
  });
  get("/props", Route::Access::token,
      [&sessions, version](const Request&) { return json_response(200, props(sessions, version)); });
  get("/metrics", Route::Access::token, [&service, &sessions, webrtc, version](const Request&) {
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_text(service, sessions, webrtc, version);
    return response;
  });
  get("/v1/log", Route::Access::token, get_log);
}

Route openapi_route(const Router& router, const SessionStore& sessions, std::string version) {
  Route route;
  route.method = "GET";
  route.pattern = "/openapi.json";
  route.access = Route::Access::open;
  route.answer = [&router, &sessions, version = std::move(version)](const Request&) {
    Json schemas = Json::object();
    for (const Api& api : apis())
      if (api.schemas) schemas.update(api.schemas(sessions.models()));
    return json_response(200, openapi_document(version, router, schemas));
  };
  return route;
}

}  // namespace rushes::server
