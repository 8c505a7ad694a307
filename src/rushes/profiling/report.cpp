#include "rushes/profiling/report.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "rushes/base/error.h"
#include "rushes/profiling/report_parts.h"

namespace rushes::profiling {
namespace {

namespace fs = std::filesystem;

std::string time_text(std::chrono::system_clock::time_point time, const char* format) {
  const std::time_t at = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  char text[40];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

Json stage_analysis(const Profile& profile) {
  std::map<Stage, std::vector<double>> times;
  double total = 0;
  for (const Span& span : profile.spans) {
    times[span.stage].push_back(seconds(span.duration));
    total += seconds(span.duration);
  }
  Json stages = Json::object(), bottlenecks = Json::array();
  for (const auto& [stage, durations] : times) {
    const Summary s = summary(durations);
    const double percent = 100 * ratio(s.sum, total);
    stages[std::string(name(stage))] = {{"total_time", s.sum},
                                        {"call_count", durations.size()},
                                        {"avg_time", s.mean},
                                        {"min_time", s.low},
                                        {"max_time", s.high},
                                        {"percentage", percent},
                                        {"metadata", {{"beside_model", beside_model(stage)}}}};
    if (percent > 30) bottlenecks.push_back({{"stage", name(stage)}, {"time", s.sum}, {"percentage", percent}});
  }
  return {{"total_stages", stages.size()},
          {"total_time", total},
          {"stages", std::move(stages)},
          {"bottlenecks", std::move(bottlenecks)}};
}

Json events(const Profile& profile) {
  Json all = Json::array();
  for (const Span& span : profile.spans) {
    Json event{{"timestamp", seconds(span.start)}, {"stage", name(span.stage)}, {"duration_ms", ms(span.duration)}};
    if (span.block >= 0) {
      event["segment"] = span.segment;
      event["block"] = span.block;
    }
    if (span.stage == Stage::denoise) event["step"] = span.step;
    all.push_back(std::move(event));
  }
  return all;
}

/// What left the encoder, block by block. Blocks that are made and not yet delivered are the buffer.
Json streaming_analysis(const Profile& profile) {
  Json sent = Json::array();
  std::map<std::pair<int64_t, int64_t>, Microseconds> encoded;
  std::vector<double> encode_ms, deliver_ms;
  for (const Span& span : profile.spans) {
    const std::pair place{span.segment, span.block};
    if (span.stage == Stage::encode) encoded[place] += span.duration;
    if (span.stage != Stage::deliver) continue;
    const Microseconds end = span.start + span.duration;
    int64_t made = 0;
    for (const Span& other : profile.spans)
      if (other.stage == Stage::decode && other.start + other.duration <= end) ++made;
    encode_ms.push_back(ms(encoded[place]));
    deliver_ms.push_back(ms(span.duration));
    sent.push_back({{"timestamp", seconds(end)},
                    {"batch_size", span.video_frames},
                    {"encoding_time_ms", ms(encoded[place])},
                    {"network_latency_ms", ms(span.duration)},
                    {"buffer_occupancy", std::max<int64_t>(0, made - static_cast<int64_t>(sent.size()) - 1)}});
  }
  Json analysis{{"total_batches", sent.size()},
                {"total_frames", 0},
                {"avg_encoding_time_ms", summary(encode_ms).mean},
                {"max_encoding_time_ms", summary(encode_ms).high},
                {"avg_network_latency_ms", summary(deliver_ms).mean},
                {"max_network_latency_ms", summary(deliver_ms).high},
                {"dropped_frames", profile.dropped_frames}};
  int64_t frames = 0;
  for (const Json& batch : sent) frames += batch.at("batch_size").get<int64_t>();
  analysis["total_frames"] = frames;
  analysis["first_frame_s"] = profile.first_frame ? Json(seconds(*profile.first_frame)) : Json(nullptr);
  analysis["events"] = std::move(sent);
  return analysis;
}

Json diffusion_analysis(const Profile& profile) {
  Json steps = Json::array();
  std::vector<Span> denoising;
  for (const Span& span : profile.spans) {
    if (span.stage != Stage::denoise) continue;
    denoising.push_back(span);
    steps.push_back({{"step", span.step},
                     {"timestep", span.timestep / 1000},
                     {"block_size", span.latent_frames},
                     {"computation_time_ms", ms(span.duration)},
                     {"guidance_scale", profile.guidance_scale},
                     {"segment", span.segment},
                     {"block", span.block}});
  }
  const auto time = summary(denoising, [](const Span& span) { return ms(span.duration); });
  const auto timestep = summary(denoising, [](const Span& span) { return span.timestep / 1000; });
  const auto size = summary(denoising, [](const Span& span) { return static_cast<double>(span.latent_frames); });
  const auto frames = static_cast<double>(video_frames_of(profile));
  return {{"total_steps", steps.size()},
          {"total_computation_time_ms", time.sum},
          {"avg_computation_time_ms", time.mean},
          {"avg_step_time_ms", time.mean},
          {"min_computation_time_ms", time.low},
          {"max_computation_time_ms", time.high},
          {"avg_timestep", timestep.mean},
          {"min_timestep", timestep.low},
          {"max_timestep", timestep.high},
          {"avg_block_size", size.mean},
          {"min_block_size", size.low},
          {"max_block_size", size.high},
          {"total_frames", video_frames_of(profile)},
          {"fps", ratio(frames, seconds(profile.duration))},
          {"bps", ratio(static_cast<double>(blocks_of(profile).size()), seconds(profile.duration))},
          {"steps", std::move(steps)}};
}

Json block_analysis(const Profile& profile) {
  const std::vector<BlockProfile> blocks = blocks_of(profile);
  Json list = Json::array();
  for (const BlockProfile& block : blocks)
    list.push_back({{"segment", block.segment},
                    {"block_index", block.block},
                    {"block_size", block.latent_frames},
                    {"video_frames", block.video_frames},
                    {"steps", block.steps},
                    {"computation_time_ms", ms(block.model_time())},
                    {"text_ms", ms(block.text)},
                    {"context_ms", ms(block.context)},
                    {"denoise_ms", ms(block.denoise)},
                    {"rerun_ms", ms(block.rerun)},
                    {"decode_ms", ms(block.decode)},
                    {"encode_ms", ms(block.encode)},
                    {"deliver_ms", ms(block.deliver)},
                    {"start_s", seconds(block.start)},
                    {"memory_usage_mb", block.memory_mb}});
  const auto time = summary(blocks, [](const BlockProfile& block) { return ms(block.model_time()); });
  const auto memory = summary(blocks, [](const BlockProfile& block) { return block.memory_mb; });
  const auto frames = static_cast<double>(video_frames_of(profile));
  return {{"total_blocks", blocks.size()},
          {"total_computation_time_ms", time.sum},
          {"avg_computation_time_ms", time.mean},
          {"min_computation_time_ms", time.low},
          {"max_computation_time_ms", time.high},
          {"avg_memory_usage_mb", memory.mean},
          {"peak_memory_usage_mb", memory.high},
          {"min_memory_usage_mb", memory.low},
          {"total_frames", video_frames_of(profile)},
          {"fps", ratio(frames, time.sum / 1e3)},
          {"bps", ratio(static_cast<double>(blocks.size()), seconds(profile.duration))},
          {"blocks", std::move(list)}};
}

Json segment_analysis(const Profile& profile) {
  const std::vector<SegmentProfile> segments = segments_of(profile);
  Json list = Json::array();
  for (const SegmentProfile& segment : segments)
    list.push_back({{"segment", segment.segment},
                    {"blocks", segment.blocks},
                    {"video_frames", segment.video_frames},
                    {"duration_s", seconds(segment.duration())}});
  const auto time = summary(segments, [](const SegmentProfile& segment) { return seconds(segment.duration()); });
  return {{"num_segments", segments.size()},
          {"avg_segment_time_s", time.mean},
          {"min_segment_time_s", time.low},
          {"max_segment_time_s", time.high},
          {"segments", std::move(list)}};
}

Json model_analysis(const Profile& profile) {
  Json models = Json::array();
  int64_t total = 0;
  for (const generation::ModelPart& part : profile.networks) {
    total += part.parameters;
    models.push_back({{"model_name", part.type}, {"parameters_count", part.parameters}, {"model_type", part.role}});
  }
  const auto count = static_cast<double>(total);
  return {{"models", std::move(models)},
          {"total_parameters", total},
          {"total_parameters_readable",
           total >= 1'000'000'000 ? fmt::format("{:.2f}B", count / 1e9) : fmt::format("{:.2f}M", count / 1e6)}};
}

Json cache_analysis(const Profile& profile) {
  int64_t peak = 0;
  Json timeline = Json::array();
  for (const Span& span : profile.spans) {
    if (span.stage != Stage::decode) continue;
    peak = std::max(peak, span.cache_bytes);
    timeline.push_back({{"timestamp", seconds(span.start + span.duration)}, {"cache_size", span.cache_bytes}});
  }
  return {{"peak_cache_size", peak}, {"timeline", std::move(timeline)}};
}

Json recommendations(const Profile& profile) {
  Json all = Json::array();
  const auto say = [&](const char* category, const char* priority, std::string issue, const char* suggestion) {
    all.push_back(
        {{"category", category}, {"priority", priority}, {"issue", std::move(issue)}, {"suggestion", suggestion}});
  };
  const double fps = ratio(static_cast<double>(video_frames_of(profile)), seconds(profile.duration));
  std::map<Stage, double> time;
  for (const Span& span : profile.spans) time[span.stage] += seconds(span.duration);
  const double model =
      time[Stage::text] + time[Stage::context] + time[Stage::denoise] + time[Stage::rerun] + time[Stage::decode];
  if (video_frames_of(profile) > 0 && fps < profile.format.fps)
    say("throughput", "high",
        fmt::format("{:.1f} frames per second are generated, {:.1f} are played", fps, profile.format.fps),
        "use fewer denoising steps, a smaller size or a faster device");
  if (time[Stage::decode] > 0.5 * model)
    say("decode", "medium",
        fmt::format("decoding takes {:.0f} % of the model's time", 100 * ratio(time[Stage::decode], model)),
        "try --decoder tiny if the model has a tiny decoder");
  if (time[Stage::encode] + time[Stage::deliver] > model)
    say("delivery", "high", "encoding and delivery take longer than the model",
        "use a lower --quality, or a faster disk or network");
  return all;
}

Json system_info(const Profile& profile) {
  const System& system = profile.system;
  std::string gpus;
  for (const std::string& gpu : system.gpu_names) gpus += (gpus.empty() ? "" : ", ") + gpu;
  return {{"gpu_name", gpus.empty() ? "none" : gpus},
          {"gpu_memory_total", system.gpu_memory_total_mb},
          {"gpu_memory_total_gb", system.gpu_memory_total_mb / 1024},
          {"cuda_version", system.cuda_version.empty() ? "none" : system.cuda_version},
          {"pytorch_version", system.torch_version},
          {"rushes_version", system.rushes_version},
          {"device", profile.on_gpu ? "gpu" : "cpu"},
          {"cpu_name", system.cpu_name},
          {"cpu_count", system.cpu_count},
          {"memory_total_mb", system.memory_total_mb}};
}

void write(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  out.flush();
  require(out.good(), ErrorCode::unavailable, "cannot write {}: {}", file.string(), std::strerror(errno));
}

/// Tags, of which numbers are numbers.
Json tags_of(const Profile& profile) {
  Json tags = Json::object();
  for (const auto& [key, text] : profile.tags) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc{} && std::to_string(number) == text;
    tags[key] = is_number ? Json(number) : Json(text);
  }
  return tags;
}

/// A session's id as part of a file name.
std::string file_safe(std::string id) {
  for (char& c : id)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '_';
  return id;
}

}  // namespace

Json report_json(const Profile& profile) {
  Json gpu = gpu_metrics(profile), cpu = cpu_metrics(profile);
  const auto ended = profile.started + profile.duration;
  constexpr const char* kIso = "%Y-%m-%dT%H:%M:%SZ";
  Json report;
  report["session_info"] = {{"id", profile.id},
                            {"start_time", time_text(profile.started, kIso)},
                            {"end_time", time_text(ended, kIso)},
                            {"duration", seconds(profile.duration)},
                            {"tags", tags_of(profile)},
                            {"model", profile.model},
                            {"width", profile.format.width},
                            {"height", profile.format.height},
                            {"fps", profile.format.fps},
                            {"generated_at", time_text(std::chrono::system_clock::now(), kIso)}};
  // As Inferix's extract_streaming_metrics.py looks for them.
  report["timestamp"] = report["session_info"]["end_time"];
  report["session"] = {{"duration", seconds(profile.duration)}, {"tags", tags_of(profile)}};
  report["system_info"] = system_info(profile);
  report["summary"] = run_summary(gpu, cpu);
  report["summary"]["video_frames"] = video_frames_of(profile);
  report["summary"]["fps"] = ratio(static_cast<double>(video_frames_of(profile)), seconds(profile.duration));
  report["summary"]["first_frame_s"] = profile.first_frame ? Json(seconds(*profile.first_frame)) : Json(nullptr);
  report["summary"]["peak_memory_mb"] = profile.peak_memory_mb;
  report["stage_analysis"] = stage_analysis(profile);
  report["diffusion_analysis"] = diffusion_analysis(profile);
  report["block_analysis"] = block_analysis(profile);
  report["segment_analysis"] = segment_analysis(profile);
  report["model_analysis"] = model_analysis(profile);
  report["streaming_analysis"] = streaming_analysis(profile);
  const auto& stages = report["stage_analysis"]["stages"];
  report["computation_analysis"] = {
      {"total_computation_time_ms", report["block_analysis"]["total_computation_time_ms"]}, {"stages", stages}};
  report["memory_analysis"] = {{"peak_memory_mb", profile.peak_memory_mb},
                               {"of", profile.on_gpu ? "device" : "process"}};
  report["cache_analysis"] = cache_analysis(profile);
  report["gpu_metrics"] = std::move(gpu);
  report["cpu_metrics"] = std::move(cpu);
  report["recommendations"] = recommendations(profile);
  report["events"] = events(profile);
  return report;
}

std::vector<fs::path> write_reports(const Profile& profile, const ReportOptions& options) {
  std::error_code status;
  fs::create_directories(options.directory, status);
  require(fs::is_directory(options.directory), ErrorCode::unavailable, "cannot create the folder {}: {}",
          options.directory.string(), status ? status.message() : "a file with this name exists");
  const std::string mark = file_safe(profile.id) + "_" + time_text(profile.started + profile.duration, "%Y%m%d_%H%M%S");
  const Json report = report_json(profile);
  std::vector<fs::path> written;
  const auto put = [&](const fs::path& file, const std::string& text) {
    written.push_back(options.directory / file);
    fs::create_directories(written.back().parent_path(), status);
    write(written.back(), text);
  };
  if (options.format != ReportFormat::json) put("profiling_report_" + mark + ".html", report_html(profile, report));
  put(fs::path("traces") / ("trace_" + mark + ".json"), trace_json(profile).dump());
  if (options.raw_data) {
    const Json raw{{"session_id", profile.id},
                   {"gpu_samples", report.at("gpu_metrics").at("timeline")},
                   {"cpu_samples", report.at("cpu_metrics").at("timeline")},
                   {"events", report.at("events")}};
    put("raw_profiling_data_" + mark + ".json", raw.dump());
    fs::last_write_time(written.back(), fs::file_time_type::clock::now() - std::chrono::seconds(1), status);
  }
  // Inferix's tools take the newest JSON file of the folder for the report.
  if (options.format != ReportFormat::html) put("profiling_report_" + mark + ".json", report.dump(1));
  return written;
}

}  // namespace rushes::profiling
