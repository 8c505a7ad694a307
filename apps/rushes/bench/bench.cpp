// rushes bench: the machine's peak, each hot operation beside libtorch's own, the model end to end.
#include "bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "model_options.h"
#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/tensor/ops.h"

namespace rushes::app {
namespace {

using json = nlohmann::ordered_json;

struct Options {
  bench::Setup setup;
  generation::ModelOptions model;
  std::string dtype = "bfloat16", json_path;
  int threads = 0;
};

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

json document(const Options& options, const bench::Report& report) {
  json result;
  result["machine"] = {{"cpu", cpu_name()},
                       {"instructions", name(instruction_set())},
                       {"threads", at::get_num_threads()},
                       {"device", report.setup().device.str()},
                       {"float32_gflops", report.peak.float32_gflops},
                       {"bfloat16_gflops", report.peak.bfloat16_gflops},
                       {"copy_gbps", report.peak.copy_gbps}};
  result["dtype"] = options.dtype;
  result["quick"] = report.setup().quick;
  result["operations"] = json::array();
  for (const bench::Measured& operation : report.operations) {
    json entry{
        {"name", operation.name}, {"flop", operation.flop}, {"bytes", operation.bytes}, {"candidates", json::array()}};
    for (const bench::Figures& figures : operation.candidates)
      entry["candidates"].push_back({{"name", figures.name},
                                     {"seconds", figures.seconds},
                                     {operation.flop > 0 ? "gflops" : "gbps", figures.rate},
                                     {"share_of_peak", figures.share_of_peak},
                                     {"times_rushes", figures.times_first},
                                     {"tensor_bytes", figures.tensor_bytes},
                                     {"difference", figures.difference}});
    result["operations"].push_back(std::move(entry));
  }
  for (const bench::BesideFigures& figures : report.beside)
    result["text_beside_video"].push_back({{"name", figures.name},
                                           {"words", figures.words},
                                           {"words_per_second_alone", figures.words_per_second_alone},
                                           {"words_per_second_beside", figures.words_per_second_beside},
                                           {"longest_wait_alone", figures.longest_wait_alone},
                                           {"longest_wait_beside", figures.longest_wait_beside},
                                           {"first_word_seconds", figures.first_word_seconds},
                                           {"first_frame_seconds", figures.first_frame_seconds},
                                           {"video_seconds_alone", figures.video_seconds_alone},
                                           {"video_seconds_beside", figures.video_seconds_beside}});
  if (report.model) {
    const bench::ModelFigures& model = *report.model;
    result["model"] = {{"name", model.name},
                       {"height", model.height},
                       {"width", model.width},
                       {"video_frames", model.video_frames},
                       {"load_seconds", model.load_seconds},
                       {"first_frame_seconds", model.first_frame_seconds},
                       {"cold_first_frame_seconds", model.cold_first_frame_seconds},
                       {"video_fps", model.video_fps},
                       {"playback_fps", model.playback_fps},
                       {"peak_resident_bytes", model.peak_resident_bytes},
                       {"peak_tensor_bytes", model.peak_tensor_bytes}};
  }
  return result;
}

void run(Options options) {
  const c10::InferenceMode inference;
  if (options.threads > 0) at::set_num_threads(options.threads);
  try {
    options.setup.device = at::Device(options.model.device);
  } catch (const c10::Error&) {
    fail(ErrorCode::invalid_argument, "--device '{}' is not a device; use cpu, cuda or cuda:0", options.model.device);
  }
  options.setup.dtype = options.dtype == "float32" ? at::kFloat : at::kBFloat16;
  if (options.setup.quick) options.setup.rounds = 3, options.setup.seconds_per_operation = 5;
  std::ofstream file;  // before minutes of work: an unwritable path should cost nothing
  if (!options.json_path.empty()) {
    file.open(options.json_path);
    require(file.good(), ErrorCode::invalid_argument, "--json '{}' cannot be written", options.json_path);
  }
  at::manual_seed(1);
  fmt::print("{} ({}), {} threads; device {}, {}\n", cpu_name(), name(instruction_set()), at::get_num_threads(),
             options.setup.device.str(), options.dtype);
  bench::Report report(options.setup);
  report.measure_peak();
  bench::bench_attention(report);
  bench::bench_linear(report);
  bench::bench_passes(report);
  bench::bench_layer(report);
  bench::bench_language(report);
  bench::bench_vae(report);
  bench::bench_ltx(report);
  bench::bench_foresight(report, options.model);
  bench::bench_talk(report);
  bench::bench_portrait(report);
  if (report.wants("model end to end")) {
    if (options.model.path.empty()) options.model.path = default_model();
    use_threads(options.threads, options.model);  // after everything else: a small model has one core
    bench::bench_model(report, options.model);
  }
  require(!report.operations.empty() || !report.beside.empty() || report.model, ErrorCode::invalid_argument,
          "--filter matches no measurement; use words like self-attention, linear, norm, layer, Qwen, VAE, Foresight, "
          "IMTalker, model");
  if (file.is_open()) {
    file << document(options, report).dump(2) << '\n';
    require(file.flush().good(), ErrorCode::exhausted, "--json '{}' could not be written", options.json_path);
  }
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure this machine, the operations of the models on it, and one model end to end");
  command->add_option("--filter", options->setup.filters,
                      "run only measurements whose name has one of these words, e.g. self-attention, layer, VAE, "
                      "Foresight, IMTalker, model");
  command->add_flag("--quick", options->setup.quick,
                    "use smaller shapes and few repetitions; takes about half a minute");
  command->add_option("--json", options->json_path, "write all results as JSON to this file");
  command->add_option("--dtype", options->dtype, "data type of the operations; the model chooses its own")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  command->add_option("--device", options->model.device, "cpu, cuda, cuda:1, ...")->capture_default_str();
  command->add_option("--model", options->model.path,
                      "model directory (default: $RUSHES_MODEL, else the shipped model)");
  add_threads_option(*command, options->threads, "all; one for models under 64 MiB");
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
