#include <nlohmann/json.hpp>

#include "rushes/profiling/report.h"

namespace rushes::profiling {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kProcess = 1, kModelTrack = 1, kOutputTrack = 2;

Json named(const char* what, int track, const char* text) {
  return {{"name", what}, {"ph", "M"}, {"pid", kProcess}, {"tid", track}, {"args", {{"name", text}}}};
}

Json counter(const char* what, Microseconds at, double value) {
  return {{"name", what}, {"ph", "C"}, {"pid", kProcess}, {"ts", at.count()}, {"args", {{"value", value}}}};
}

}  // namespace

// Trace Event Format, as Perfetto and chrome://tracing read it.
Json trace_json(const Profile& profile) {
  Json events = Json::array({named("process_name", 0, "rushes"), named("thread_name", kModelTrack, "model"),
                             named("thread_name", kOutputTrack, "encode and deliver")});
  for (const Span& span : profile.spans) {
    Json arguments = Json::object();
    if (span.block >= 0) {
      arguments["segment"] = span.segment;
      arguments["block"] = span.block;
    }
    if (span.stage == Stage::denoise) {
      arguments["step"] = span.step;
      arguments["timestep"] = span.timestep;
    }
    if (span.video_frames > 0) arguments["video_frames"] = span.video_frames;
    events.push_back({{"name", name(span.stage)},
                      {"cat", beside_model(span.stage) ? "output" : "model"},
                      {"ph", "X"},
                      {"ts", span.start.count()},
                      {"dur", span.duration.count()},
                      {"pid", kProcess},
                      {"tid", beside_model(span.stage) ? kOutputTrack : kModelTrack},
                      {"args", std::move(arguments)}});
    if (span.stage == Stage::decode) events.push_back(counter("memory MB", span.start + span.duration, span.memory_mb));
  }
  for (const CpuSample& sample : profile.cpu) events.push_back(counter("cpu %", sample.at, sample.usage_percent));
  return {{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}};
}

}  // namespace rushes::profiling
