// rushes generate: prompts to a video file that can be played while it grows, or to frames in a pipe or in pictures.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "commands.h"
#include "log_options.h"
#include "model_options.h"
#include "option_flags.h"
#include "output.h"
#include "profiling_options.h"
#include "prompt_options.h"
#include "recording.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/registry.h"
#include "rushes/media/rtmp_output.h"
#include "rushes/media/video_output.h"
#include "rushes/text/prompt.h"
#include "terminal.h"

namespace rushes::app {
namespace {

using generation::Request;
using generation::VideoFormat;

struct Options {
  generation::ModelOptions model;
  Request request;
  PromptArguments prompts;
  ProfilingOptions profiling;
  std::vector<std::string> outputs{"rushes.mp4"};
  std::string size, image, format = "auto";
  Quality quality;
  int threads = 0;
  bool quiet = false, silent_audio = true;
};

/// "832x480" or, as the reference writes it, "832*480": width, then height.
void parse_size(std::string_view text, Request& request) {
  const std::size_t cross = text.find_first_of("x*X");
  const auto number = [&](std::string_view digits) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    require(error == std::errc{} && end == digits.data() + digits.size() && value > 0, ErrorCode::invalid_argument,
            "size must be WIDTHxHEIGHT, e.g. 832x480 (got '{}')", text);
    return value;
  };
  require(cross != std::string_view::npos, ErrorCode::invalid_argument,
          "size must be WIDTHxHEIGHT, e.g. 832x480 (got '{}')", text);
  request.width = number(text.substr(0, cross));
  request.height = number(text.substr(cross + 1));
}

/// The request in the generator's words; what the model allows is checked by the model.
Request make_request(Options& options, const std::string& model) {
  Request request = options.request;
  request.prompts = prompts_of(options.prompts);
  if (!options.quiet) print_prompts(options.prompts, request.prompts);
  if (!options.size.empty()) parse_size(options.size, request);
  if (!options.image.empty()) request.image = read_picture(options.image, model);
  return request;
}

/// Where and as what the video goes; a directory gets an MP4 named by its prompt, unless pictures are asked for.
media::VideoOutputOptions output_options(const Options& options, std::string target, const Request& request,
                                         const VideoFormat& format) {
  if (names_directory(target) && options.format != "png") {
    std::error_code status;
    std::filesystem::create_directories(target, status);
    require(!status, ErrorCode::invalid_argument, "cannot create the folder {}: {}", target, status.message());
    const std::string name =
        text::output_file_name({.prompt = request.prompts.front(), .use_ema = options.model.use_ema});
    target = (std::filesystem::path(target) / name).string();
  }
  return {.target = target,
          .container = media::choose_container(target, options.format),
          .width = format.width,
          .height = format.height,
          .fps = format.fps,
          .quality = options.quality.value,
          .audio_hz = format.audio_hz,
          .silent_audio = options.silent_audio};
}

/// What a model says goes to standard output, unless the frames do.
void print_text(std::string_view text, const std::vector<media::VideoOutputOptions>& targets) {
  const bool frames =
      std::any_of(targets.begin(), targets.end(), [](const auto& target) { return target.target == "-"; });
  print_words(frames ? stderr : stdout, text);
}

/// The other half goes on.
void print_failed(const generation::TrackFailed& failed) {
  say("warning: {}: {}\n", name(failed.track), failed.message);
}

/// What a model hears that would take speech: this command has none.
generation::Inbox no_speech() { return {.end_of_speech = true}; }

void run(Options& options) {
  for (const std::string& output : options.outputs) check_output(output, options.format);
  check_profiling(options.profiling);
  ignore_closed_pipes();
  generation::ModelOptions model_options = options.model;
  if (model_options.path.empty()) model_options.path = default_model();
  const Request request = make_request(options, model_options.path);
  check_request(request, model_options);
  use_threads(options.threads, model_options);
  const auto load_start = std::chrono::steady_clock::now();
  const auto model = generation::load_model(model_options);
  const auto load_time =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - load_start);
  auto plan = checked_plan(*model, request);
  const VideoFormat format = plan->format();  // before the output is touched: a bad value must not empty a file
  if (const auto& use = plan->image_use; use && use->shown)
    log::info("image {}x{}, fit {}: its part [{:.0f}, {:.0f}, {:.0f}, {:.0f}] is the first frame, {}x{}", use->width,
              use->height, use->fit, (*use->shown)[0], (*use->shown)[1], (*use->shown)[2], (*use->shown)[3],
              format.width, format.height);
  std::vector<media::VideoOutputOptions> targets;
  for (const std::string& output : options.outputs) targets.push_back(output_options(options, output, request, format));
  if (options.quality.is_given) print_ignored_quality(targets);
  const auto output = open_outputs(targets);
  const auto profiler = start_profiler(options.profiling, *model, model_options, request, load_time);
  auto generator = model->start(std::move(plan));
  if (profiler) generator = profiling::profiled(std::move(generator), profiler);
  Recorded recorded;
  {
    ProgressPrinter printer(format, options.quiet);
    recorded = record(*generator, *output,
                      {.max_video_frames = request.video_frames,
                       .on_progress = [&](const Progress& p) { printer.show(p); },
                       .on_text = [&](std::string_view text) { print_text(text, targets); },
                       .on_track_failed = print_failed,
                       .input = format.speech_hz > 0 ? no_speech : std::function<generation::Inbox()>(),
                       .profiler = profiler.get()});
  }
  if (profiler) write_profile(*profiler, options.profiling);
  if (!options.quiet) print_summary(recorded, targets.front().target, format.fps);
  if (recorded.end == RecordingEnd::stopped)
    fail(ErrorCode::cancelled, "stopped after {} complete frames", recorded.progress.video_frames);
}

void add_request_options(CLI::App& command, Options& options) {
  Request& request = options.request;
  command.add_option("--image,--image_path,--image-path", options.image,
                     "image that becomes the first frame: JPEG, PNG or WebP");
  add_seed_option(command, request.seed, "random seed; the same seed gives the same video");
  command.add_option("--frames", request.video_frames, "length of the video in frames, instead of --segments")
      ->check(CLI::Range(1, 100'000'000));
  command.add_option("--size", options.size, "size of the video, WIDTHxHEIGHT in pixels");
  command.add_option("--fps", request.fps, "video frames per second");
}

void add_output_options(CLI::App& command, Options& options) {
  command
      .add_option("-o,--output,--output_folder,--output-folder", options.outputs,
                  "output: out.mp4, out.y4m, out.rgb, frames_%05d.png, a folder/, rtmp://host/application/stream, or - "
                  "for standard output; repeatable: the video goes to each")
      ->allow_extra_args(false)
      ->capture_default_str();
  command
      .add_option("--format", options.format,
                  "output format: auto (by the name of the output; y4m for -), mp4, y4m, rgb24 or png")
      ->capture_default_str();
  add_quality_option(command, options.quality);
  add_silent_audio_option(command, options.silent_audio);
  add_quiet_flag(command, options.quiet);
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("generate", "Generate a video from prompts; the file can be played while it grows");
  add_prompt_options(*command, options->prompts, "--prompt",
                     "description of the video, in quotes or as words; several prompts, each in quotes (or one string "
                     "with ';' between them), apply in turn, one per segment; '\\;' is a semicolon in a prompt, as is "
                     "one in quotes",
                     /*by_position=*/true);
  command->add_option("--segments,--num_segments,--num-segments", options->request.segments,
                      "number of segments (default: one for each prompt; 0: until stopped)");
  add_request_options(*command, *options);
  add_output_options(*command, *options);
  add_model_options(*command, options->model);
  add_threads_option(*command, options->threads, "all; one for models under 64 MiB");
  add_profiling_options(*command, options->profiling);
  add_option_flags(*command, options->request.options, takes_text);
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
