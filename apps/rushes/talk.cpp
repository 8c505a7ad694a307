// rushes talk: a portrait and speech to a video of the person speaking, from a file or while the speech comes in.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "commands.h"
#include "model_options.h"
#include "recording.h"
#include "rushes/audio/stream_resampler.h"
#include "rushes/base/error.h"
#include "rushes/delivery/driving_file.h"
#include "rushes/generation/load_talk_model.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/face_finder.h"
#include "rushes/media/image.h"
#include "rushes/media/video_output.h"
#include "terminal.h"

namespace rushes::app {
namespace {

using generation::Inbox;
using generation::TalkOptions;
using generation::VideoRequest;

constexpr double kFileChunk = 2.0;  // a file is there as a whole: large steps are the fastest
constexpr double kLiveChunk = 0.2;

struct Options {
  generation::ModelOptions model;
  VideoRequest request;
  TalkOptions talk;
  std::string image, audio, video, output = "talk.mp4", format = "auto", mode = "aligned";
  std::vector<double> pose, gaze;
  int64_t rate = 16'000, channels = 1;
  int quality = 20, threads = 0;
  bool live = false, no_crop = false, quiet = false;
};

template <std::size_t N>
std::optional<std::array<double, N>> numbers(const std::vector<double>& given) {
  if (given.empty()) return std::nullopt;
  std::array<double, N> values{};
  std::copy_n(given.begin(), N, values.begin());
  return values;
}

VideoRequest make_request(const Options& options) {
  VideoRequest request = options.request;
  media::Image image = media::read_image(options.image);
  request.image = VideoRequest::Image{.rgb = std::move(image.rgb), .height = image.height, .width = image.width};
  TalkOptions talk = options.talk;
  talk.mode = options.mode == "reference" ? TalkOptions::Mode::reference : TalkOptions::Mode::aligned;
  talk.crop = !options.no_crop;
  talk.pose = numbers<3>(options.pose);
  talk.gaze = numbers<2>(options.gaze);
  if (!talk.chunk_seconds) talk.chunk_seconds = options.live ? kLiveChunk : kFileChunk;
  request.talk = talk;
  return request;
}

/// For models without a face detector.
void look_for_face(VideoRequest& request, const generation::Model& model) {
  const VideoRequest::Image& image = *request.image;
  VideoRequest cropped = request;
  cropped.talk->crop = true;
  const auto face =
      media::face_of_portrait({.height = image.height, .width = image.width, .rgb = image.rgb},
                              model.plan(cropped).width, request.talk->crop ? media::Crop::yes : media::Crop::no);
  if (face) request.talk->face = {face->x1, face->y1, face->x2, face->y2};
}

/// All of a file at once.
std::function<Inbox()> speech_from_file(const Options& options, int64_t speech_hz) {
  const media::DecodedAudio audio = media::read_audio(options.audio);
  require(!audio.samples.empty(), ErrorCode::invalid_argument, "{} has no sound in it", options.audio);
  audio::StreamResampler resampler(audio.hz, speech_hz);
  auto speech = std::make_shared<std::vector<float>>(resampler.feed(audio.samples));
  const std::vector<float> rest = resampler.flush();
  speech->insert(speech->end(), rest.begin(), rest.end());
  return [speech] { return Inbox{.prompt = {}, .speech = std::move(*speech), .end_of_speech = true}; };
}

/// Bare PCM from standard input, as it comes.
class LiveSpeech {
 public:
  LiveSpeech(const Options& options, int64_t speech_hz, const std::atomic<bool>& stop)
      : hz_(options.rate), channels_(options.channels), stop_(stop), resampler_(options.rate, speech_hz) {}

  /// Waits for the next piece.
  Inbox next() {
    Inbox inbox;
    if (!wait()) {
      inbox.end_of_speech = true;
      return inbox;
    }
    uint8_t piece[1 << 15];
    const ssize_t count = ::read(STDIN_FILENO, piece, sizeof piece);
    require(count >= 0 || errno == EINTR || errno == EAGAIN, ErrorCode::unavailable, "reading standard input: {}",
            std::strerror(errno));
    if (count == 0) {
      inbox.speech = resampler_.flush();
      inbox.end_of_speech = true;
    } else if (count > 0) {
      bytes_.insert(bytes_.end(), piece, piece + count);
      const std::size_t whole =
          bytes_.size() / static_cast<std::size_t>(2 * channels_) * static_cast<std::size_t>(2 * channels_);
      inbox.speech = resampler_.feed(media::decode_pcm16(std::span(bytes_).first(whole), hz_, channels_).samples);
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(whole));
    }
    return inbox;
  }

 private:
  /// False when the user wants to stop.
  bool wait() const {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (!stop_) {
      if (::poll(&input, 1, 100) > 0) return true;
    }
    return false;
  }

  int64_t hz_, channels_;
  const std::atomic<bool>& stop_;
  audio::StreamResampler resampler_;
  std::vector<uint8_t> bytes_;
};

void run(const Options& options) {
  require(options.live + !options.audio.empty() + !options.video.empty() == 1, ErrorCode::invalid_argument,
          "say what moves the portrait: --audio FILE, --live for bare PCM from standard input, or --video FILE (one of "
          "them)");
  require(!options.live || !isatty(STDIN_FILENO), ErrorCode::invalid_argument,
          "standard input is a terminal; pipe speech into it, e.g. arecord -f S16_LE -r 16000 -t raw | rushes talk "
          "--live ...");
  const std::atomic<bool>& stop = catch_stop_signals();
  VideoRequest request = make_request(options);
  generation::ModelOptions model_options = options.model;
  if (model_options.path.empty()) model_options.path = default_talk_model();
  require(!model_options.path.empty(), ErrorCode::invalid_argument,
          "no talking-head model: name a model directory with --model or RUSHES_TALK_MODEL");
  use_threads(options.threads);
  const auto model = generation::load_talk_model(model_options);
  if (!model->finds_faces()) look_for_face(request, *model);
  if (!options.video.empty()) delivery::drive(request, *model, media::read_video_file(options.video));
  const generation::VideoFormat format = model->plan(request);  // before the output is touched
  std::shared_ptr<LiveSpeech> live;
  std::function<Inbox()> input;
  if (options.live) {
    live = std::make_shared<LiveSpeech>(options, format.speech_hz, stop);
    input = [live] { return live->next(); };
  } else if (options.video.empty()) {
    input = speech_from_file(options, format.speech_hz);
  }
  const auto output = media::open_video_output({.target = options.output,
                                                .container = media::choose_container(options.output, options.format),
                                                .width = format.width,
                                                .height = format.height,
                                                .fps = format.fps,
                                                .quality = options.quality,
                                                .sound_hz = format.sound_hz});
  const auto generator = model->start(request);
  Recorded recorded;
  {
    ProgressPrinter printer(format, options.quiet);
    recorded = record(*generator, *output,
                      {.on_progress = [&](const Progress& p) { printer.show(p); }, .input = input, .stop = &stop});
  }
  if (!options.quiet) print_summary(recorded, options.output, format.fps);
  if (recorded.end == RecordingEnd::stopped)
    fail(ErrorCode::cancelled, "stopped; {} frames are complete", recorded.progress.video_frames);
}

}  // namespace

void add_talk(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "talk", "Make a portrait talk: a picture and speech to a video, also while the speech comes in");
  VideoRequest& request = options->request;
  request.seed = 42;
  command->add_option("--model,--talk-model", options->model.path,
                      "model directory (default: $RUSHES_TALK_MODEL, else the shipped model)");
  command->add_option("--image,-i", options->image, "the portrait: JPEG, PNG or WebP")->required();
  command->add_option("--audio,-a", options->audio, "the speech: WAV, MP3, FLAC, Ogg, WebM or MP4");
  command->add_option("--video,-v", options->video,
                      "instead of speech: a video whose face moves the portrait, with its length and sound; MP4, WebM, "
                      "Matroska, AVI or MPEG-TS");
  command->add_flag("--live", options->live,
                    "take the speech from standard input as it comes: bare PCM, signed 16 bit, little-endian");
  command->add_option("--rate", options->rate, "sampling rate of --live")
      ->check(CLI::Range(1000, 768'000))
      ->capture_default_str();
  command->add_option("--channels", options->channels, "channels of --live")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  command
      ->add_option("-o,--output", options->output,
                   "an .mp4 with sound; or frames without: .y4m, .rgb, .png, - for standard output")
      ->capture_default_str();
  command->add_option("--format", options->format, "auto, mp4, y4m, rgb24 or png")->capture_default_str();
  command->add_option("--seed", request.seed, "the same seed gives the same video")->capture_default_str();
  command->add_option("--nfe,--steps", request.steps,
                      "time points of the solver, one more than its steps (default: the model's)");
  command->add_option("--cfg-scale,--cfg_scale", request.guidance_scale,
                      "how strongly the mouth follows the speech (default: the model's)");
  command->add_option("--pose,--pose_style", options->pose, "head pose, held throughout: PITCH YAW ROLL")
      ->expected(3)
      ->delimiter(',');
  command->add_option("--gaze,--gaze_style", options->gaze, "direction of the eyes, held throughout: X Y")
      ->expected(2)
      ->delimiter(',');
  command->add_option("--chunk,--chunk_duration", options->talk.chunk_seconds,
                      "seconds of speech that become motion at once (default: 2, with --live 0.2)");
  command
      ->add_option("--crop-scale,--crop_scale", options->talk.crop_scale,
                   "half the face's square, in sides of the face that was found")
      ->capture_default_str();
  command->add_flag("--no-crop", options->no_crop, "show the whole picture, with the face moving in it");
  command
      ->add_option(
          "--mode", options->mode,
          "aligned: 25 frames for each second; reference: overlapping windows without sound, as the published server")
      ->check(CLI::IsMember({"aligned", "reference"}))
      ->capture_default_str();
  command->add_option("--quality", options->quality, "of H.264: 0 is lossless, 51 the worst")
      ->check(CLI::Range(0, 51))
      ->capture_default_str();
  command->add_option("--dtype", options->model.dtype, "auto, float32 or bfloat16")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
  command->add_option("--device", options->model.device, "cpu, cuda, cuda:1, ...")->capture_default_str();
  command->add_flag("-q,--quiet", options->quiet, "no progress");
  add_threads_option(*command, options->threads, "all");
  command->callback([options] { run(*options); });
}

}  // namespace rushes::app
