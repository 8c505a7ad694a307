// rushes talk and rushes avatar: a portrait, or words, and speech to a video of the person speaking, from a file or
// while the speech comes in.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "commands.h"
#include "log_options.h"
#include "model_options.h"
#include "option_flags.h"
#include "output.h"
#include "prompt_options.h"
#include "recording.h"
#include "rushes/audio/stream_resampler.h"
#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/base/log.h"
#include "rushes/generation/registry.h"
#include "rushes/ingest/driving_file.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/pcm.h"
#include "rushes/media/video_output.h"
#include "terminal.h"

namespace rushes::app {
namespace {

using generation::Inbox;
using generation::Request;

constexpr double kFileChunk = 2.0;  // a file is there as a whole: large steps are the fastest
constexpr double kLiveChunk = 0.2;

/// What the commands differ in.
struct Command {
  const char* name;
  const char* doc;
  const char* model_flags;
  const char* model_doc;
  std::string (*model)(const std::string& named);  // that is meant
  bool (*families)(const generation::Family&);     // whose options are flags
  const char* output;
  bool takes_text;  // a prompt, and no need for a portrait or speech
};

struct Options {
  const Command* command = nullptr;
  generation::ModelOptions model;
  PromptArguments prompts;
  Request request;
  std::string image, audio, video, output, format = "auto";
  int64_t rate = 16'000, channels = 1;
  Quality quality;
  int threads = 0;
  bool live = false, quiet = false, silent_audio = true, rate_given = false, channels_given = false;
};

/// `model`: its family knows in which pieces it hears, or not.
Request make_request(Options& options, const std::string& model) {
  Request request = options.request;
  if (!options.prompts.empty()) {
    request.prompts = prompts_of(options.prompts);
    if (!options.quiet) print_prompts(options.prompts, request.prompts);
  }
  if (!options.image.empty()) request.image = read_picture(options.image, model);  // else an avatar
  const generation::Family* family = generation::family_of(model);
  const bool in_chunks = !family || find_field(family->options(), "chunk_duration");
  if (in_chunks && options.video.empty() && !request.options.has("chunk_duration"))
    request.options.set("chunk_duration", options.live ? kLiveChunk : kFileChunk);
  return request;
}

media::DecodedAudio read_speech(const std::string& file) {
  media::DecodedAudio audio = media::read_audio(file);
  require(!audio.samples.empty(), ErrorCode::invalid_argument, "{} has no audio", file);
  for (const std::string& warning : audio.warnings) log::warning("{}: {}", file, warning);
  return audio;
}

/// All of a file at once.
std::function<Inbox()> speech_from_file(const media::DecodedAudio& audio, int64_t speech_hz) {
  audio::StreamResampler resampler(audio.hz, speech_hz);
  auto speech = std::make_shared<std::vector<float>>(resampler.feed(audio.samples));
  const std::vector<float> rest = resampler.flush();
  speech->insert(speech->end(), rest.begin(), rest.end());
  return [speech] { return Inbox{.prompt = {}, .speech = std::move(*speech), .end_of_speech = true}; };
}

/// Bare PCM from standard input, as it comes.
class LiveSpeech {
 public:
  LiveSpeech(const Options& options, int64_t speech_hz)
      : hz_(options.rate), channels_(options.channels), resampler_(options.rate, speech_hz) {}

  /// Waits for the next piece.
  Inbox next() {
    Inbox inbox;
    for (pollfd input{STDIN_FILENO, POLLIN, 0}; ::poll(&input, 1, 100) <= 0;) base::interruption_point();
    uint8_t piece[1 << 15];
    const ssize_t count = ::read(STDIN_FILENO, piece, sizeof piece);
    if (count < 0 && errno != EINTR && errno != EAGAIN)
      fail(ErrorCode::unavailable, "reading standard input: {}", std::strerror(errno));
    if (count == 0) {
      inbox.speech = resampler_.flush();
      inbox.end_of_speech = true;
    } else if (count > 0) {
      bytes_.insert(bytes_.end(), piece, piece + count);
      const std::size_t whole =
          bytes_.size() / static_cast<std::size_t>(2 * channels_) * static_cast<std::size_t>(2 * channels_);
      inbox.speech = resampler_.feed(
          media::decode_pcm(std::span(bytes_).first(whole), {.hz = hz_, .channels = channels_}).samples);
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(whole));
    }
    return inbox;
  }

 private:
  int64_t hz_, channels_;
  audio::StreamResampler resampler_;
  std::vector<uint8_t> bytes_;
};

bool has_speech(const Options& options) { return options.live || !options.audio.empty(); }

/// A video moves the portrait of some models, and is the speaker of others; options may make a video silent.
void check_speech(const Options& options, const generation::VideoFormat& format) {
  const bool takes_speech = format.speech_hz > 0;
  require(takes_speech || !has_speech(options) || !options.video.empty(), ErrorCode::invalid_argument,
          "a video with these options is silent; leave out --silent, or the speech (--audio, --live)");
  if (options.video.empty()) return;
  require(takes_speech || !has_speech(options), ErrorCode::invalid_argument,
          "with this model the face in the video moves the portrait; give either speech or --video");
  require(!takes_speech || has_speech(options), ErrorCode::invalid_argument,
          "with this model the video shows the speaker; give speech too: --audio FILE or --live");
}

void check_inputs(const Options& options) {
  require(!options.live || options.audio.empty(), ErrorCode::invalid_argument,
          "give --audio FILE or --live (raw PCM from standard input), not both");
  require(options.command->takes_text || has_speech(options) || !options.video.empty(), ErrorCode::invalid_argument,
          "give speech, --audio FILE or --live (raw PCM from standard input), or --video FILE");
  // A model that has portraits of its own, or shows a video of the speaker, is asked for them.
  require(options.command->takes_text || !options.image.empty() || !options.video.empty() ||
              options.request.options.has("avatar"),
          ErrorCode::invalid_argument, "image is missing; give a portrait: --image FILE");
  require(!options.live || !isatty(STDIN_FILENO), ErrorCode::invalid_argument,
          "standard input is a terminal; pipe speech into it, e.g. arecord -f S16_LE -r 16000 -t raw | rushes {} "
          "--live ...",
          options.command->name);
}

void run(Options& options) {
  check_inputs(options);
  ignore_closed_pipes();
  check_output(options.output, options.format, Folders::are_refused);
  constexpr const char* kOfFile = "a file says its own; it belongs to --live";
  if (!options.live && options.rate_given) print_ignored({{"--rate", kOfFile}});
  if (!options.live && options.channels_given) print_ignored({{"--channels", kOfFile}});
  generation::ModelOptions model_options = options.model;
  model_options.path = options.command->model(model_options.path);
  Request request = make_request(options, model_options.path);
  require(!model_options.path.empty(), ErrorCode::invalid_argument,
          "there is no model to {}: give a model directory with --model",
          options.command->takes_text ? "make avatars" : "make a portrait talk");
  check_request(request, model_options);
  // Before the model is loaded, which may take minutes: a file may not be there.
  media::DecodedAudio speech;
  std::shared_ptr<const media::Bytes> video;
  if (!options.audio.empty()) speech = read_speech(options.audio);
  if (!options.video.empty()) video = media::read_video_file(options.video);
  use_threads(options.threads);
  const auto model = generation::load_model(model_options);
  require(model->capabilities().feeds.has(generation::Modality::audio), ErrorCode::unsupported,
          "'{}' is a model of the family {}, which does not accept speech; use rushes generate", model->card().name,
          model->card().family);
  ingest::find_faces(request, *model);
  if (video) ingest::drive(request, *model, std::move(video));
  auto plan = checked_plan(*model, request);
  const generation::VideoFormat format = plan->format();  // before the output is touched
  check_speech(options, format);
  std::shared_ptr<LiveSpeech> live;
  std::function<Inbox()> input;
  if (options.live) {
    live = std::make_shared<LiveSpeech>(options, format.speech_hz);
    input = [live] { return live->next(); };
  } else if (!options.audio.empty()) {
    input = speech_from_file(speech, format.speech_hz);
  } else if (options.video.empty()) {
    input = [] { return Inbox{.end_of_speech = true}; };
  }
  const media::VideoOutputOptions target{.target = options.output,
                                         .container = media::choose_container(options.output, options.format),
                                         .width = format.width,
                                         .height = format.height,
                                         .fps = format.fps,
                                         .quality = options.quality.value,
                                         .audio_hz = format.audio_hz,
                                         .silent_audio = options.silent_audio};
  if (options.quality.is_given) print_ignored_quality({target});
  const auto output = media::open_video_output(target);
  const auto generator = model->start(std::move(plan));
  Recorded recorded;
  {
    ProgressPrinter printer(format, options.quiet);
    recorded =
        record(*generator, *output, {.on_progress = [&](const Progress& p) { printer.show(p); }, .input = input});
  }
  if (!options.quiet) print_summary(recorded, options.output, format.fps);
  if (recorded.end == RecordingEnd::stopped)
    fail(ErrorCode::cancelled, "stopped after {} complete frames", recorded.progress.video_frames);
}

constexpr Command kTalk{
    .name = "talk",
    .doc = "Generate a talking-head video from a portrait and speech, also while the speech arrives",
    .model_flags = "--model,--talk-model",
    .model_doc = "model directory (default: $RUSHES_TALK_MODEL, else the shipped model)",
    .model = talk_model,
    .families = is_fed_audio_alone,
    .output = "talk.mp4",
    .takes_text = false};

constexpr Command kAvatar{
    .name = "avatar",
    .doc = "Generate a video of a speaker from words, a portrait and speech, also while the speech arrives",
    .model_flags = "--model,--avatar-model",
    .model_doc = "model directory (default: $RUSHES_AVATAR_MODEL, else the shipped model)",
    .model = avatar_model,
    .families = is_prompted_and_fed_audio,
    .output = "avatar.mp4",
    .takes_text = true};

void add_inputs(CLI::App& command, Options& options) {
  if (options.command->takes_text) {
    add_prompt_options(command, options.prompts, "--prompt,-p",
                       "text: who is seen, and how, in quotes or as words; models of segments take several",
                       /*by_position=*/true);
    for (const std::string_view name : {"height", "width", "frames"}) {
      const OptionField& field = generation::request_field(name);
      std::optional<int64_t>& value = name == "height"  ? options.request.height
                                      : name == "width" ? options.request.width
                                                        : options.request.video_frames;
      const bool is_side = name != "frames";
      command.add_option("--" + field.name, value,
                         field.doc + (is_side ? " (default: as the image's proportions choose, or the model's own)"
                                              : " (default: as long as the speech)"));
    }
  }
  command.add_option("--image,-i", options.image, "portrait: JPEG, PNG or WebP");
  command.add_option("--audio,-a", options.audio, "speech: WAV, MP3, FLAC, Ogg, WebM, MP4 and other formats");
  if (!options.command->takes_text)
    command.add_option(
        "--video,-v", options.video,
        "MP4, WebM, Matroska, AVI or MPEG-TS: a driving video, instead of speech: its face moves the "
        "portrait, and the output has its length and audio; with models that show a video of the speaker, "
        "that one, instead of --image");
  command.add_flag("--live", options.live,
                   "read speech from standard input as it arrives: raw PCM, signed 16-bit, little-endian");
  command.add_option("--rate", options.rate, "sampling rate of --live, in Hz")
      ->check(CLI::Range(1000, 768'000))
      ->each([&options](const std::string&) { options.rate_given = true; })
      ->capture_default_str();
  command.add_option("--channels", options.channels, "number of channels of --live")
      ->check(CLI::Range(1, 32))
      ->each([&options](const std::string&) { options.channels_given = true; })
      ->capture_default_str();
}

void add_command(CLI::App& app, const Command& kind) {
  auto options = std::make_shared<Options>();
  options->command = &kind;
  options->output = kind.output;
  CLI::App* command = app.add_subcommand(kind.name, kind.doc);
  Request& request = options->request;
  request.seed = 42;
  command->add_option(kind.model_flags, options->model.path, kind.model_doc);
  add_inputs(*command, *options);
  command
      ->add_option(
          "-o,--output", options->output,
          "output: .mp4 or an address rtmp://host/application/stream with audio, or frames without audio: .y4m, "
          ".rgb, .png, - for standard output")
      ->capture_default_str();
  command->add_option("--format", options->format, "output format: auto, mp4, y4m, rgb24 or png")
      ->capture_default_str();
  add_silent_audio_option(*command, options->silent_audio);
  add_seed_option(*command, request.seed, "random seed; the same seed gives the same video");
  add_quality_option(*command, options->quality);
  command->add_option("--dtype", options->model.dtype, "data type of the weights: auto, float32 or bfloat16")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
  command->add_option("--device", options->model.device, "device: cpu, cuda, cuda:1, ...")->capture_default_str();
  add_quiet_flag(*command, options->quiet);
  add_threads_option(*command, options->threads, "all");
  add_option_flags(*command, request.options, kind.families);
  command->callback([options] { run(*options); });
}

}  // namespace

void add_talk(CLI::App& app) { add_command(app, kTalk); }
void add_avatar(CLI::App& app) { add_command(app, kAvatar); }

}  // namespace rushes::app
