// rushes foresee and rushes describe: a picture and a question to words on the terminal, as they come, and a video that
// grows beside them.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "commands.h"
#include "log_options.h"
#include "model_options.h"
#include "option_flags.h"
#include "output.h"
#include "recording.h"
#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/generation/registry.h"
#include "rushes/media/video_output.h"
#include "rushes/text/white_space.h"
#include "terminal.h"

namespace rushes::app {
namespace {

using generation::Modality;
using generation::Request;

struct Options {
  generation::ModelOptions model;
  Request request;
  std::vector<std::string> earlier, question;
  std::string picture, output = "foresee.mp4", format = "auto";
  Quality quality;
  int threads = 0;
  bool quiet = false;
};

generation::ModelOptions model_options(const Options& options) {
  generation::ModelOptions model = options.model;
  model.path = answering_model(model.path);
  require(!model.path.empty(), ErrorCode::invalid_argument,
          "there is no model that answers in words: give one with --model or RUSHES_FORESEE_MODEL");
  return model;
}

Request make_request(const Options& options, const std::string& model) {
  Request request = options.request;
  // A blank one asks nothing, as none: the model has a question of its own.
  const std::string question = fmt::format("{}", fmt::join(options.question, " "));
  if (!text::strip(question).empty()) request.prompts = {question};
  for (const std::string& earlier : options.earlier) request.earlier_images.push_back(read_picture(earlier, model));
  request.image = read_picture(options.picture, model);
  return request;
}

std::shared_ptr<const generation::Model> load(const Options& options, const generation::ModelOptions& model,
                                              const Request& request) {
  check_request(request, model);
  use_threads(options.threads, model);
  return generation::load_model(model);
}

/// What one half could not do, told when the other is complete.
class Failures {
 public:
  void add(const generation::TrackFailed& failed) { failed_ = failed; }
  void tell() const {
    if (failed_) fail(failed_->code, "{}: {}", name(failed_->track), failed_->message);
  }

 private:
  std::optional<generation::TrackFailed> failed_;
};

void describe(const Options& options) {
  require(options.request.options.get<std::string>("tracks").value_or("text") == "text", ErrorCode::unsupported,
          "rushes describe writes words alone; rushes foresee is the command for a video");
  const generation::ModelOptions named = model_options(options);
  Request request = make_request(options, named.path);
  request.options.set("tracks", "text");
  const auto model = load(options, named, request);
  auto plan = checked_plan(*model, request);
  const auto generator = model->start(std::move(plan));
  for (generation::StepResult result; result.outcome == generation::StepOutcome::again;) {
    base::interruption_point();
    result = generator->step({});
    for (const generation::Event& event : result.events)
      if (const auto* chunk = std::get_if<generation::TextChunk>(&event))
        print_words(stdout, chunk->last ? chunk->utf8 + "\n" : chunk->utf8);
  }
}

void foresee(const Options& options) {
  check_output(options.output, options.format, Folders::are_refused);
  const generation::ModelOptions named = model_options(options);
  const Request request = make_request(options, named.path);
  const auto model = load(options, named, request);
  auto plan = checked_plan(*model, request);
  const generation::VideoFormat format = plan->format();
  require(format.video_frames != 0, ErrorCode::unsupported, "{}; rushes describe is the command for words alone",
          model->capabilities().yields.has(Modality::video) ? "tracks text makes no video: leave it out for one"
                                                            : "this model has no video model and makes no video");
  const std::vector<media::VideoOutputOptions> targets{
      {.target = options.output,
       .container = media::choose_container(options.output, options.format),
       .width = format.width,
       .height = format.height,
       .fps = format.fps,
       .quality = options.quality.value}};
  if (options.quality.is_given) print_ignored_quality(targets);
  const auto output = open_outputs(targets);
  const auto generator = model->start(std::move(plan));
  Failures failures;
  Recorded recorded;
  {
    // Frames on standard output leave standard error to the words. On a terminal the line of progress would be written
    // into them.
    std::FILE* const words = options.output == "-" ? stderr : stdout;
    ProgressPrinter printer(format, options.quiet || words == stderr || isatty(STDOUT_FILENO) != 0);
    recorded = record(*generator, *output,
                      {.on_progress = [&](const Progress& p) { printer.show(p); },
                       .on_text = [&](std::string_view text) { print_words(words, text); },
                       .on_track_failed = [&](const generation::TrackFailed& failed) { failures.add(failed); }});
  }
  failures.tell();
  if (recorded.end == RecordingEnd::stopped)
    fail(ErrorCode::cancelled, "stopped after {} of {} frames", recorded.progress.video_frames,
         format.video_frames.value_or(0));
  if (!options.quiet) print_summary(recorded, options.output, format.fps);
}

void add_question(CLI::App& command, Options& options) {
  command
      .add_option("--image,--image_path,--image-path", options.earlier,
                  "a picture that was shown before PICTURE; repeatable, oldest first")
      ->allow_extra_args(false);
  add_seed_option(command, options.request.seed, "random seed; the same seed gives the same words and the same video");
  add_model_options(command, options.model);
  add_threads_option(command, options.threads, "all; one for models under 64 MiB");
  add_option_flags(command, options.request.options, answers_about_pictures);
}

/// PICTURE "question": the picture is the newest of all.
void add_positionals(CLI::App& command, Options& options, const char* question_doc) {
  command.add_option("PICTURE", options.picture, "picture: JPEG, PNG or WebP")->required();
  command.add_option("QUESTION,--prompt", options.question, question_doc);
}

}  // namespace

void add_describe(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("describe", "Answer a question about a picture in words, printed as they come");
  add_positionals(*command, *options, "question about the picture");
  add_quiet_flag(*command, options->quiet);
  add_question(*command, *options);
  command->callback([options] { describe(*options); });
}

void add_foresee(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "foresee", "Tell in words and show in a video what will happen in a picture; both grow at the same time");
  add_positionals(*command, *options, "question about what will happen, or what the video is to show");
  command->add_option("-o,--output", options->output, "output: out.mp4, out.y4m, out.rgb or frames_%05d.png")
      ->capture_default_str();
  command->add_option("--format", options->format, "output format: auto, mp4, y4m, rgb24 or png")
      ->capture_default_str();
  command->add_option("--frames", options->request.video_frames, "length of the video in frames")
      ->check(CLI::Range(1, 100'000));
  command->add_option("--width", options->request.width, "pixels");
  command->add_option("--height", options->request.height, "pixels");
  command->add_option("--fps", options->request.fps, "video frames per second");
  add_quality_option(*command, options->quality);
  add_quiet_flag(*command, options->quiet);
  add_question(*command, *options);
  command->callback([options] { foresee(*options); });
}

}  // namespace rushes::app
