// rushes generate: prompts to a video file that can be played while it grows, or to frames in a pipe or in pictures.
#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "commands.h"
#include "model_options.h"
#include "profiling_options.h"
#include "recording.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/generator.h"
#include "rushes/media/image.h"
#include "rushes/media/rtmp_output.h"
#include "rushes/media/video_output.h"
#include "terminal.h"
#include "video_name.h"

namespace rushes::app {
namespace {

using generation::VideoFormat;
using generation::VideoRequest;

struct Options {
  generation::ModelOptions model;
  VideoRequest request;
  std::vector<std::string> prompts;
  std::optional<int64_t> latent_frames;  // num_output_frames
  ProfilingOptions profiling;
  std::string size, image, output = "rushes.mp4", format = "auto", steps_list;
  int quality = 20, threads = 0;
  bool quiet = false;
};

// The reference's key and argument for a line of prompts.
constexpr char kPromptSeparator = ';';
constexpr std::size_t kMaxPromptBytes = 64 << 10;  // beyond this it is a file given by mistake

std::string_view trim(std::string_view text) {
  const auto space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::vector<std::string> split_prompts(const std::vector<std::string>& given) {
  std::vector<std::string> prompts;
  for (std::string_view rest : given) {
    require(rest.size() <= kMaxPromptBytes, ErrorCode::invalid_argument, "prompt: {} bytes, at most {} are taken",
            rest.size(), kMaxPromptBytes);
    for (;;) {
      const std::size_t end = rest.find(kPromptSeparator);
      if (const auto prompt = trim(rest.substr(0, end)); !prompt.empty()) prompts.emplace_back(prompt);
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  require(!prompts.empty(), ErrorCode::invalid_argument,
          "prompt: empty; say what the video shows, e.g. rushes generate \"a red circle moves right\"");
  return prompts;
}

/// "832x480" or, as the reference writes it, "832*480": width, then height.
void parse_size(std::string_view text, VideoRequest& request) {
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

std::vector<double> parse_step_list(std::string_view text) {
  std::vector<double> steps;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find(',');
    const auto word = trim(rest.substr(0, end));
    double value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require(error == std::errc{} && stop == word.data() + word.size(), ErrorCode::invalid_argument,
            "denoising_step_list must be numbers between commas, e.g. 1000,750,500,250 (got '{}')", text);
    steps.push_back(value);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return steps;
}

/// The request in the generator's words; what the model allows is checked by the model.
VideoRequest make_request(const Options& options, bool segments_given) {
  VideoRequest request = options.request;
  request.prompts = split_prompts(options.prompts);
  if (!options.size.empty()) parse_size(options.size, request);
  if (!options.steps_list.empty()) request.denoising_steps = parse_step_list(options.steps_list);
  if (options.latent_frames) {
    require(!request.segment_latent_frames || request.segment_latent_frames == options.latent_frames,
            ErrorCode::invalid_argument,
            "num_output_frames ({}) and segment_length ({}) both say how long a segment is; give one",
            *options.latent_frames, request.segment_latent_frames.value_or(0));
    request.segment_latent_frames = options.latent_frames;
  }
  // As many segments as prompts, so that each prompt is seen.
  if (!segments_given && !request.video_frames) request.segments = static_cast<int64_t>(request.prompts.size());
  if (!options.image.empty()) {
    media::Image image = media::read_image(options.image);
    request.image = VideoRequest::Image{.rgb = std::move(image.rgb), .height = image.height, .width = image.width};
  }
  return request;
}

bool names_directory(const std::string& target) {
  std::error_code status;
  if (media::is_rtmp(target)) return false;
  return target.ends_with('/') || (target != "-" && std::filesystem::is_directory(target, status));
}

/// Where and as what the video goes; a directory gets an MP4 named by its prompt, unless pictures are asked for.
media::VideoOutputOptions output_options(const Options& options, const VideoRequest& request,
                                         const VideoFormat& format) {
  std::string target = options.output;
  if (names_directory(target) && options.format != "png") {
    std::error_code status;
    std::filesystem::create_directories(target, status);
    require(!status, ErrorCode::invalid_argument, "cannot create the folder {}: {}", target, status.message());
    target = (std::filesystem::path(target) / video_name(request.prompts.front(), 0, options.model.use_ema)).string();
  }
  return {.target = target,
          .container = media::choose_container(target, options.format),
          .width = format.width,
          .height = format.height,
          .fps = format.fps,
          .quality = options.quality};
}

void run(const Options& options, bool segments_given) {
  const VideoRequest request = make_request(options, segments_given);
  const std::atomic<bool>& stop = catch_stop_signals();
  generation::ModelOptions model_options = options.model;
  if (model_options.path.empty()) model_options.path = default_model();
  use_threads(options.threads, model_options);
  const auto load_start = std::chrono::steady_clock::now();
  const auto model = generation::load_model(model_options);
  const auto load_time =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - load_start);
  const VideoFormat format = model->plan(request);  // before the output is touched: a bad value must not empty a file
  const auto output_to = output_options(options, request, format);
  const auto output = media::open_video_output(output_to);
  const auto profiler = start_profiler(options.profiling, *model, model_options, request, load_time);
  auto generator = model->start(request);
  if (profiler) generator = profiling::profiled(std::move(generator), profiler);
  Recorded recorded;
  {
    ProgressPrinter printer(format, options.quiet);
    recorded = record(*generator, *output,
                      {.max_video_frames = request.video_frames,
                       .on_progress = [&](const Progress& p) { printer.show(p); },
                       .stop = &stop,
                       .profiler = profiler.get()});
  }
  if (profiler) write_profile(*profiler, options.profiling);
  if (!options.quiet) print_summary(recorded, output_to.target, output_to.fps);
  if (recorded.end == RecordingEnd::stopped)
    fail(ErrorCode::cancelled, "stopped; {} frames are complete", recorded.progress.video_frames);
}

void add_request_options(CLI::App& command, Options& options) {
  VideoRequest& request = options.request;
  command.add_option("--negative-prompt,--negative_prompt", request.negative_prompt,
                     "what to steer away from; many-step solvers only");
  command.add_option("--image,--image_path,--image-path", options.image, "first frame: JPEG, PNG or WebP");
  command.add_option("--seed", request.seed, "the same seed gives the same video")->capture_default_str();
  command.add_option("--frames", request.video_frames, "length in video frames, instead of --segments")
      ->check(CLI::Range(1, 100'000'000));
  command.add_option("--num_output_frames,--num-output-frames", options.latent_frames,
                     "length of a segment in latent frames, as --segment-length");
  command.add_option("--segment-length,--segment_length", request.segment_latent_frames,
                     "latent frames of a segment (each but the first becomes 4 video frames)");
  command.add_option("--overlap,--overlap_frames,--overlap-frames", request.overlap_latent_frames,
                     "latent frames that a segment takes over from the one before");
  command.add_option("--size", options.size, "WIDTHxHEIGHT in pixels");
  command.add_option("--fps", request.fps, "video frames per second");
  command.add_option("--steps", request.steps, "denoising steps");
  command.add_option("--denoising-step-list,--denoising_step_list", options.steps_list,
                     "timesteps instead of --steps, e.g. 1000,750,500,250");
  command.add_option("--solver", request.solver, "few_step, unipc, dpm++ or euler");
  command.add_option("--guidance,--guidance_scale,--guidance-scale", request.guidance_scale,
                     "classifier-free guidance; many-step solvers only");
  command.add_option("--shift,--timestep_shift,--timestep-shift", request.timestep_shift,
                     "shift of the noise schedule");
}

void add_output_options(CLI::App& command, Options& options) {
  command
      .add_option("-o,--output,--output_folder,--output-folder", options.output,
                  "out.mp4, out.y4m, out.rgb, frames_%05d.png, a folder/, rtmp://host/application/stream, or - for "
                  "standard output")
      ->capture_default_str();
  command.add_option("--format", options.format, "auto (by the name; y4m for -), mp4, y4m, rgb24 or png")
      ->capture_default_str();
  command.add_option("--quality", options.quality, "of H.264: 0 (lossless) to 51")
      ->check(CLI::Range(0, 51))
      ->capture_default_str();
  command.add_flag("-q,--quiet", options.quiet, "no progress");
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("generate", "Make a video from prompts; the file can be played while it grows");
  command
      ->add_option("PROMPT,--prompt", options->prompts,
                   "what the video shows; several (or one with ';' between them) take turns, a segment each")
      ->required();
  CLI::Option* segments = command->add_option("--segments,--num_segments,--num-segments", options->request.segments,
                                              "how many segments (default: one for each prompt; 0: until stopped)");
  add_request_options(*command, *options);
  add_output_options(*command, *options);
  add_model_options(*command, options->model);
  add_threads_option(*command, options->threads, "all; one for models under 64 MiB");
  add_profiling_options(*command, options->profiling);
  command->callback([options, segments] { run(*options, segments->count() > 0); });
}

}  // namespace rushes::app
