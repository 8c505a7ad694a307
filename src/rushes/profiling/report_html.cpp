// The report as one page: its plots are SVG in the text, so that it can be mailed and opened anywhere.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rushes/profiling/report.h"

namespace rushes::profiling {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kWidth = 960;  // of a plot, in its own units

double seconds(Microseconds time) { return static_cast<double>(time.count()) / 1e6; }
double ms(Microseconds time) { return static_cast<double>(time.count()) / 1e3; }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

const char* colour(Stage stage) {
  switch (stage) {
    case Stage::load: return "#999999";
    case Stage::text: return "#b07aa1";
    case Stage::context: return "#9c755f";
    case Stage::denoise: return "#4e79a7";
    case Stage::rerun: return "#76b7b2";
    case Stage::decode: return "#f28e2b";
    case Stage::encode: return "#59a14f";
    case Stage::deliver: return "#edc948";
  }
  return "#000";
}

constexpr Stage kPlotted[] = {Stage::text,   Stage::context, Stage::denoise, Stage::rerun,
                              Stage::decode, Stage::encode,  Stage::deliver};

std::string legend() {
  std::string out = "<p class=\"legend\">";
  for (const Stage stage : kPlotted)
    out += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", colour(stage), name(stage));
  return out + "</p>";
}

/// Value of any kind as a table cell.
std::string cell(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  if (value.is_string()) return escaped(value.get<std::string>());
  if (value.is_null()) return "–";
  return escaped(value.dump());
}

/// The plain values of an object as a two-column table; lists and objects are left to the JSON.
std::string table(const Json& object) {
  std::string out = "<table>";
  for (const auto& [key, value] : object.items())
    if (value.is_primitive()) out += fmt::format("<tr><th>{}</th><td>{}</td></tr>", escaped(key), cell(value));
  return out + "</table>";
}

/// A list of flat objects as a table with a head, the first `limit` of them.
std::string rows(const Json& list, std::size_t limit = 200) {
  if (list.empty()) return "<p>none</p>";
  std::string out = "<div class=\"wide\"><table><tr>";
  for (const auto& [key, value] : list.front().items()) out += fmt::format("<th>{}</th>", escaped(key));
  out += "</tr>";
  for (std::size_t i = 0; i < std::min(limit, list.size()); ++i) {
    out += "<tr>";
    for (const auto& [key, value] : list[i].items()) out += "<td>" + cell(value) + "</td>";
    out += "</tr>";
  }
  out += "</table></div>";
  if (list.size() > limit) out += fmt::format("<p>{} more are in the JSON report</p>", list.size() - limit);
  return out;
}

std::string svg(double height, const std::string& body) {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\">{}</svg>", kWidth, height, body);
}

std::string label(double x, double y, const std::string& text, const char* anchor = "start") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", x, y, anchor, escaped(text));
}

/// Timeline: the model's work above, encoding and delivery below.
std::string time_line(const Profile& profile) {
  constexpr double kLeft = 60, kLane = 34, kHeight = 100;
  const double total = std::max(1e-6, seconds(profile.duration)), scale = (kWidth - kLeft - 10) / total;
  std::string body = label(0, 30, "model") + label(0, 30 + kLane, "output");
  for (const Span& span : profile.spans) {
    if (span.start < Microseconds{0}) continue;
    const double x = kLeft + seconds(span.start) * scale, width = std::max(0.3, seconds(span.duration) * scale);
    body += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"26\" fill=\"{}\"><title>{} · segment {} · block {} · "
        "{:.2f} "
        "ms</title></rect>",
        x, beside_model(span.stage) ? 12 + kLane : 12.0, width, colour(span.stage), name(span.stage), span.segment,
        span.block, ms(span.duration));
  }
  for (int tick = 0; tick <= 5; ++tick)
    body += label(kLeft + tick * total / 5 * scale, kHeight - 8, fmt::format("{:.2f} s", tick * total / 5),
                  tick == 5 ? "end" : "start");
  return svg(kHeight, body);
}

/// A bar a block, its stages on top of each other.
std::string block_bars(const Profile& profile) {
  constexpr double kLeft = 60, kHeight = 220, kBottom = 24;
  const std::vector<BlockProfile> blocks = blocks_of(profile);
  if (blocks.empty()) return "<p>no block was completed</p>";
  double highest = 1e-6;
  const auto total = [](const BlockProfile& block) { return ms(block.model_time() + block.encode + block.deliver); };
  for (const BlockProfile& block : blocks) highest = std::max(highest, total(block));
  const double step = (kWidth - kLeft - 10) / static_cast<double>(blocks.size()),
               scale = (kHeight - kBottom - 14) / highest;
  std::string body = label(0, 14, fmt::format("{:.1f} ms", highest)) + label(0, kHeight - kBottom, "0");
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const BlockProfile& block = blocks[i];
    double y = kHeight - kBottom;
    const std::pair<Stage, Microseconds> parts[] = {{Stage::text, block.text},       {Stage::context, block.context},
                                                    {Stage::denoise, block.denoise}, {Stage::rerun, block.rerun},
                                                    {Stage::decode, block.decode},   {Stage::encode, block.encode},
                                                    {Stage::deliver, block.deliver}};
    for (const auto& [stage, time] : parts) {
      const double height = ms(time) * scale;
      y -= height;
      body += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"><title>segment {} · block {} "
          "· {}: "
          "{:.2f} ms</title></rect>",
          kLeft + static_cast<double>(i) * step, y, std::max(0.3, step * 0.85), height, colour(stage), block.segment,
          block.block, name(stage), ms(time));
    }
  }
  body += label(kLeft, kHeight - 6, "first block") + label(kWidth - 10, kHeight - 6, "last block", "end");
  return svg(kHeight, body);
}

struct Point {
  double x, y;
};

std::string curve(const std::vector<Point>& points, const std::string& unit, const char* stroke) {
  constexpr double kLeft = 60, kHeight = 160, kBottom = 24;
  if (points.empty()) return "<p>nothing was measured</p>";
  double right = 1e-6, top = 1e-6;
  for (const Point& point : points) {
    right = std::max(right, point.x);
    top = std::max(top, point.y);
  }
  std::string line;
  for (const Point& point : points)
    line += fmt::format("{:.2f},{:.2f} ", kLeft + point.x / right * (kWidth - kLeft - 10),
                        kHeight - kBottom - point.y / top * (kHeight - kBottom - 14));
  return svg(kHeight,
             fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>", line, stroke) +
                 label(0, 14, fmt::format("{:.4g} {}", top, unit)) + label(0, kHeight - kBottom, "0"));
}

std::string step_curve(const Profile& profile) {
  std::vector<Point> points;
  for (const Span& span : profile.spans)
    if (span.stage == Stage::denoise) points.push_back({static_cast<double>(points.size()), ms(span.duration)});
  return curve(points, "ms", "#4e79a7");
}

std::string machine_curves(const Profile& profile) {
  std::vector<Point> cpu, memory, gpu;
  for (const CpuSample& sample : profile.cpu) {
    cpu.push_back({seconds(sample.at), sample.usage_percent});
    memory.push_back({seconds(sample.at), sample.process_memory_mb});
  }
  for (const GpuSample& sample : profile.gpu) {
    double used = 0;
    for (const GpuState& state : sample.gpus) used += state.memory_used_mb;
    gpu.push_back({seconds(sample.at), used});
  }
  std::string out = "<h3>Processor</h3>" + curve(cpu, "%", "#59a14f") + "<h3>Memory of the process</h3>" +
                    curve(memory, "MB", "#e15759");
  if (!gpu.empty()) out += "<h3>Memory of the GPUs</h3>" + curve(gpu, "MB", "#b07aa1");
  return out;
}

std::string section(const char* title, const std::string& body) {
  return fmt::format("<section><h2>{}</h2>{}</section>", title, body);
}

constexpr const char* kHead = R"(<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>rushes profile</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1000px;padding:1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid #ccc}h3{font-size:1rem}
svg{width:100%;height:auto;background:#f7f7f7}svg text{font:12px system-ui,sans-serif;fill:#444}
table{border-collapse:collapse;font-size:.85rem}th,td{padding:.15rem .6rem;text-align:left;border-bottom:1px solid #eee}
.wide{overflow-x:auto;max-height:24rem}.legend span{margin-right:1rem}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}
.big{display:flex;flex-wrap:wrap;gap:1rem}.big div{background:#f2f4f8;padding:.6rem 1rem;border-radius:.4rem}.big b{display:block;font-size:1.3rem}
</style>)";

std::string headline(const Profile& profile, const Json& report) {
  const auto box = [](const std::string& value, const char* what) {
    return fmt::format("<div><b>{}</b>{}</div>", escaped(value), what);
  };
  const Json& summary = report.at("summary");
  std::string out = "<div class=\"big\">";
  out += box(fmt::format("{:.1f}", summary.at("fps").get<double>()), "video frames per second, in total");
  if (profile.first_frame) out += box(fmt::format("{:.0f} ms", ms(*profile.first_frame)), "to the first frame");
  out += box(fmt::format("{:.2f} ms", report.at("diffusion_analysis").at("avg_step_time_ms").get<double>()),
             "per denoising step");
  out +=
      box(fmt::format("{:.1f} ms", report.at("block_analysis").at("avg_computation_time_ms").get<double>()), "a block");
  out += box(fmt::format("{:.0f} MB", profile.peak_memory_mb),
             profile.on_gpu ? "peak device memory" : "peak process memory");
  return out + "</div>";
}

}  // namespace

std::string report_html(const Profile& profile, const Json& report) {
  Json stages = Json::array();
  for (const auto& [stage, values] : report.at("stage_analysis").at("stages").items()) {
    Json row{{"stage", stage}};
    for (const auto& [key, value] : values.items())
      if (value.is_primitive()) row[key] = value;
    stages.push_back(std::move(row));
  }
  const Json& session = report.at("session_info");
  std::string page = kHead;
  page += fmt::format("<h1>{} · {}×{} · {} frames</h1>", escaped(profile.model), profile.format.width,
                      profile.format.height, video_frames_of(profile));
  page +=
      section("Performance summary", headline(profile, report) + "<h3>Timeline</h3>" + legend() + time_line(profile));
  page += section("Diffusion steps", step_curve(profile) + table(report.at("diffusion_analysis")));
  page += section("Models", table(report.at("model_analysis")) + rows(report.at("model_analysis").at("models")));
  page += section("Blocks", legend() + block_bars(profile) + table(report.at("block_analysis")) +
                                rows(report.at("block_analysis").at("blocks")));
  page += section("Segments", rows(report.at("segment_analysis").at("segments")));
  page += section("Streaming", table(report.at("streaming_analysis")));
  page += section("Computation", machine_curves(profile) + table(report.at("computation_analysis")));
  page += section("Cache", table(report.at("cache_analysis")));
  page += section("Recommendations", rows(report.at("recommendations")));
  page += section("Stages", rows(stages));
  page += section("Session information", table(session) + table(session.at("tags")) + table(report.at("system_info")));
  return page + "</html>\n";
}

}  // namespace rushes::profiling
