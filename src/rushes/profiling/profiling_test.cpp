#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/profiling/profiled_generator.h"
#include "rushes/profiling/report.h"

namespace rushes::profiling {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

/// One event a step, as the Wan generator: a prompt, two denoising steps, the pictures, the re-run; the second segment
/// begins with a context pass.
class ScriptedGenerator final : public generation::Generator, public generation::DescribesSteps {
 public:
  generation::VideoFormat format() const override { return {.height = 16, .width = 16, .video_frames = 21 + 12}; }
  generation::StepResult step(const generation::Inbox&) override {
    using namespace generation;
    const auto progress = [](int64_t segment, int64_t block, int64_t step) {
      return BlockProgress{.segment = segment, .block = block, .step = step, .steps = 2};
    };
    const auto frames = [](int64_t segment, int64_t block, int64_t count) {
      FrameBlock made;
      made.video_frames = count;
      made.latent_frames = 3;
      made.segment = segment;
      made.block = block;
      return made;
    };
    const std::vector<std::vector<Event>> script = {{PromptApplied{"a", 0, 0}},
                                                    {progress(0, 0, 1)},
                                                    {progress(0, 0, 2)},
                                                    {frames(0, 0, 9)},
                                                    {},
                                                    {progress(0, 1, 1)},
                                                    {progress(0, 1, 2)},
                                                    {frames(0, 1, 12)},
                                                    {},
                                                    {progress(1, 0, 1)},
                                                    {progress(1, 0, 2)},
                                                    {frames(1, 0, 12)}};
    generation::StepResult result{StepOutcome::again, script.at(at_)};
    if (!result.events.empty())
      if (const auto* denoised = std::get_if<BlockProgress>(&result.events[0]))
        newest_ = {.latent_frames = 3, .timestep = denoised->step == 1 ? 1000.0 : 500.0};
    if (++at_ == script.size()) result.outcome = StepOutcome::finished;
    return result;
  }
  bool at_block_border() const override { return at_ == 0 || at_ == 1 || at_ == 5 || at_ == 8; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<ScriptedGenerator>(*this); }
  int64_t bytes() const override { return 4096; }
  Step newest_step() const override { return newest_; }

 private:
  std::size_t at_ = 0;
  Step newest_;
};

Profile profile_of_script() {
  const auto profiler = std::make_shared<Profiler>(ProfilerOptions{.tags = {{"mode", "t2v"}}, .id = "t2v_generation"});
  const auto generator = profiled(std::make_unique<ScriptedGenerator>(), profiler);
  const generation::DrawingModel model;
  profiler->describe(model, generator->format(), 3.0, "2.11.0", "0.1", milliseconds{5});
  profiler->start();
  while (generator->step({}).outcome != generation::StepOutcome::finished) {}
  return profiler->finish();
}

TEST(ProfiledGenerator, names_each_step_by_what_came_of_it) {
  std::vector<std::string> stages;
  for (const Span& span : profile_of_script().spans)
    stages.push_back(fmt::format("{} {}.{}", name(span.stage), span.segment, span.block));
  EXPECT_THAT(stages, testing::ElementsAre("load_checkpoint -1.-1", "text 0.0", "denoise 0.0", "denoise 0.0",
                                           "decode 0.0", "rerun 0.0", "denoise 0.1", "denoise 0.1", "decode 0.1",
                                           "context 1.0", "denoise 1.0", "denoise 1.0", "decode 1.0"));
}

/// Words between the parts of a denoising step.
class PartedGenerator final : public generation::Generator, public generation::WorksInParts {
 public:
  generation::VideoFormat format() const override { return {.height = 16, .width = 16, .video_frames = 9}; }
  generation::StepResult step(const generation::Inbox&) override {
    using namespace generation;
    const std::vector<std::vector<Event>> script = {{TextChunk{.utf8 = "a"}},
                                                    {PromptApplied{"a", 0, 0}},
                                                    {},
                                                    {TextChunk{.utf8 = "b"}},
                                                    {},
                                                    {BlockProgress{.step = 1, .steps = 1}}};
    generation::StepResult result{StepOutcome::again, script.at(at_)};
    was_part_ = result.events.empty();
    if (++at_ == script.size()) result.outcome = StepOutcome::finished;
    return result;
  }
  bool at_block_border() const override { return true; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<PartedGenerator>(*this); }
  int64_t bytes() const override { return 0; }
  bool was_part() const override { return was_part_; }

 private:
  std::size_t at_ = 0;
  bool was_part_ = false;
};

TEST(ProfiledGenerator, counts_a_step_that_was_done_in_parts_as_one) {
  const auto profiler = std::make_shared<Profiler>(ProfilerOptions{});
  const auto generator = profiled(std::make_unique<PartedGenerator>(), profiler);
  profiler->start();
  while (generator->step({}).outcome != generation::StepOutcome::finished) {}
  std::vector<std::string> stages;
  for (const Span& span : profiler->finish().spans) stages.emplace_back(name(span.stage));
  EXPECT_THAT(stages, testing::ElementsAre("text", "text", "text", "denoise"));
}

TEST(ProfiledGenerator, leaves_the_video_as_it_is) {
  generation::Request request;
  request.prompts = {"bars"};
  const generation::DrawingModel model;
  const auto plain = start(model, request);
  const auto measured = profiled(start(model, request), std::make_shared<Profiler>(ProfilerOptions{}));
  for (;;) {
    const auto a = plain->step({}), b = measured->step({});
    ASSERT_EQ(a.events.size(), b.events.size());
    if (a.outcome == generation::StepOutcome::finished) break;
  }
  EXPECT_EQ(plain->at_block_border(), measured->at_block_border());
}

TEST(Report, counts_what_was_made_and_divides_by_all_of_the_time) {
  Profile profile = profile_of_script();
  profile.duration = std::chrono::seconds{3};
  const Json report = report_json(profile);
  EXPECT_EQ(report["diffusion_analysis"]["total_steps"], 6);
  EXPECT_EQ(report["diffusion_analysis"]["avg_timestep"], 0.75);
  EXPECT_EQ(report["diffusion_analysis"]["avg_block_size"], 3.0);
  EXPECT_EQ(report["block_analysis"]["total_blocks"], 3);
  EXPECT_EQ(report["block_analysis"]["total_frames"], 33);
  EXPECT_EQ(report["segment_analysis"]["num_segments"], 2);
  EXPECT_EQ(report["summary"]["fps"], 11.0);
  EXPECT_EQ(report["cache_analysis"]["peak_cache_size"], 4096);
  EXPECT_EQ(report["session_info"]["tags"]["mode"], "t2v");
  EXPECT_EQ(report["stage_analysis"]["stages"]["load_checkpoint"]["total_time"], 0.005);
}

TEST(Benchmark, has_exactly_the_documented_fields) {
  const Json results = benchmark_results(report_json(profile_of_script()));
  const auto keys = [](const Json& object) {
    std::vector<std::string> names;
    for (const auto& [key, value] : object.items()) names.push_back(key);
    return names;
  };
  using testing::ElementsAre;
  EXPECT_THAT(keys(results), ElementsAre("timestamp", "system_info", "block_level", "segment_level", "overall"));
  EXPECT_THAT(keys(results["system_info"]),
              ElementsAre("gpu_name", "gpu_memory_total", "cuda_version", "pytorch_version"));
  EXPECT_THAT(keys(results["block_level"]),
              ElementsAre("total_steps", "avg_block_size", "fps", "bps", "avg_step_time_ms", "total_blocks",
                          "block_fps", "peak_memory_mb", "avg_block_time_ms"));
  EXPECT_THAT(keys(results["segment_level"]), ElementsAre("avg_segment_time_s", "num_segments"));
  EXPECT_THAT(keys(results["overall"]), ElementsAre("total_duration_s", "peak_memory_mb", "avg_gpu_utilization",
                                                    "peak_temperature_c", "throughput_fps"));
  EXPECT_THAT(benchmark_markdown(results), testing::HasSubstr("**Total segments**: 2"));
}

TEST(Trace, has_a_track_for_the_model_and_one_for_the_output) {
  Profile profile = profile_of_script();
  Span span;
  span.stage = Stage::encode;
  span.segment = span.block = 0;
  profile.spans.push_back(span);
  std::set<int> tracks;
  const Json trace = trace_json(profile);
  for (const Json& event : trace["traceEvents"])
    if (event["ph"] == "X") tracks.insert(event["tid"].get<int>());
  EXPECT_THAT(tracks, testing::ElementsAre(1, 2));
}

TEST(WriteReports, are_found_again_and_load_nothing_from_elsewhere) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("rushes_profiling_test_{}", ::getpid());
  const auto files = write_reports(profile_of_script(), {.directory = folder, .raw_data = true});
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(newest_report(folder)["block_analysis"]["total_blocks"], 3);
  std::ifstream in(files[0]);
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  EXPECT_THAT(page, testing::HasSubstr("<svg"));
  EXPECT_THAT(page, testing::Not(testing::ContainsRegex("https?://")));
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("<script")));
  std::filesystem::remove_all(folder);
}

/// As Inferix's extract_streaming_metrics.py does it.
TEST(WriteReports, leave_the_report_as_the_newest_json_file_with_what_the_tools_of_inferix_read) {
  const ScratchFolder folder;
  Profile profile = profile_of_script();
  profile.tags["num_segments"] = "2";
  for (const ReportFormat format : {ReportFormat::json, ReportFormat::both}) {
    write_reports(profile, {.directory = folder.path, .format = format, .raw_data = true});
    std::vector<std::filesystem::directory_entry> files;
    for (const auto& file : std::filesystem::directory_iterator(folder.path))
      if (file.path().extension() == ".json") files.push_back(file);
    const auto newest = *std::max_element(files.begin(), files.end(), [](const auto& a, const auto& b) {
      return a.last_write_time() < b.last_write_time();
    });
    std::ifstream in(newest.path());
    const Json report = Json::parse(in);
    EXPECT_THAT(report["timestamp"].get<std::string>(), testing::EndsWith("Z"));
    EXPECT_TRUE(report["system_info"]["gpu_memory_total_gb"].is_number());
    for (const char* key : {"total_steps", "avg_block_size", "fps", "bps", "avg_step_time_ms"})
      EXPECT_TRUE(report["diffusion_analysis"][key].is_number()) << key;
    for (const char* key : {"total_blocks", "fps", "peak_memory_usage_mb", "avg_computation_time_ms"})
      EXPECT_TRUE(report["block_analysis"][key].is_number()) << key;
    EXPECT_GT(report["session"]["duration"].get<double>(), 0);
    EXPECT_EQ(report["session"]["tags"]["num_segments"], 2);
    EXPECT_EQ(report["session"]["tags"]["mode"], "t2v");
    for (const char* key : {"peak_memory_mb", "avg_utilization", "peak_temperature"})
      EXPECT_TRUE(report["gpu_metrics"][key].is_number()) << key;
  }
}

TEST(NewestReport, says_what_to_do_where_there_is_none) {
  try {
    newest_report("/nonexistent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("--profile-output-dir"));
  }
}

TEST(ProfilerOptions, refuse_intervals_that_are_not_positive) {
  ProfilerOptions options;
  options.cpu_interval = std::chrono::duration<double>(0);
  EXPECT_THROW(Profiler{options}, Error);
}

}  // namespace
}  // namespace rushes::profiling
