// rushes._core: the engine for Python. Names and defaults are those of the C++ side; python/rushes adds what reads
// better in Python. The lock is released wherever something is computed or waited for.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "arrays.h"
#include "generation.h"
#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/base/log.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/image.h"
#include "rushes/media/video_output.h"
#include "rushes/text/prompt.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushes::python {
namespace {

using generation::FrameBlock;
using generation::Request;
using generation::VideoFormat;
using Pixels = nb::ndarray<const uint8_t, nb::shape<-1, -1, -1, 3>, nb::c_contig, nb::device::cpu>;
using NoLock = nb::call_guard<nb::gil_scoped_release>;

using Samples = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::shared_ptr<const uint8_t> copy_of(const uint8_t* pixels, std::size_t bytes) {
  const auto copy = std::make_shared<std::vector<uint8_t>>(pixels, pixels + bytes);
  return {copy, copy->data()};
}

/// A Python value as an option's. Throws TypeError for what none can be.
OptionValue option_value(const std::string& name, nb::handle value) {
  if (value.is_none()) return {};
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::int_>(value)) return nb::cast<int64_t>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  if (nb::isinstance<nb::sequence>(value)) return nb::cast<std::vector<double>>(value);
  throw nb::type_error((name + " must be a bool, a number, a string or a list of numbers").c_str());
}

/// Those that are not None.
Options options_of(const nb::kwargs& named) {
  Options options;
  for (const auto& [key, value] : named) {
    const auto name = nb::cast<std::string>(key);
    if (OptionValue given = option_value(name, value); !std::holds_alternative<std::monostate>(given))
      options.set(name, std::move(given));
  }
  return options;
}

/// What a Python call names of a request; what the model allows is checked by the model.
Request make_request(
    std::vector<std::string> prompts, const nb::int_& seed, std::optional<int64_t> segments,
    std::optional<int64_t> video_frames, std::optional<int64_t> width, std::optional<int64_t> height,
    std::optional<double> fps,
    const std::optional<nb::ndarray<const uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>>& image,
    const nb::kwargs& options) {
  Request request;
  request.prompts = std::move(prompts);
  request.seed = generation::parse_seed(nb::cast<std::string>(nb::str(seed)));
  request.segments = segments;
  request.video_frames = video_frames;
  request.width = width;
  request.height = height;
  request.fps = fps;
  if (image)
    request.image = Image{.rgb = copy_of(image->data(), image->size()),
                          .height = static_cast<int64_t>(image->shape(0)),
                          .width = static_cast<int64_t>(image->shape(1))};
  request.options = options_of(options);
  return request;
}

double seconds(std::chrono::microseconds time) { return std::chrono::duration<double>(time).count(); }

/// A video file, pipe, folder of pictures or live stream that frames are written to.
class VideoWriter {
 public:
  VideoWriter(const std::string& target, int64_t width, int64_t height, double fps, int quality,
              const std::string& format, bool silent_audio, int64_t audio_hz)
      : width_(width),
        height_(height),
        output_(media::open_video_output({.target = target,
                                          .container = media::choose_container(target, format),
                                          .width = width,
                                          .height = height,
                                          .fps = fps,
                                          .quality = quality,
                                          .audio_hz = audio_hz,
                                          .silent_audio = silent_audio})) {}
  bool write(const Pixels& frames, const std::optional<Samples>& audio) {
    require(frames.shape(1) == static_cast<std::size_t>(height_) && frames.shape(2) == static_cast<std::size_t>(width_),
            ErrorCode::invalid_argument, "the frames are {}x{}, but this video is {}x{}", frames.shape(2),
            frames.shape(1), width_, height_);
    require(output_ != nullptr, ErrorCode::conflict, "the video is closed");
    const std::span<const float> sound = audio ? std::span(audio->data(), audio->size()) : std::span<const float>();
    const nb::gil_scoped_release unlocked;
    return output_->write(frames.data(), static_cast<int64_t>(frames.shape(0)), sound) == media::Reader::present;
  }
  void close() {
    if (const auto output = std::move(output_)) output->finish();
  }
  double encode_seconds() const { return output_ ? seconds(output_->times().encode) : 0; }
  double deliver_seconds() const { return output_ ? seconds(output_->times().deliver) : 0; }

 private:
  int64_t width_, height_;
  std::unique_ptr<media::VideoOutput> output_;
};

void add_model(nb::module_& module) {
  nb::class_<VideoFormat>(module, "Format", "The format of a generation's video, known before its first step.")
      .def_ro("width", &VideoFormat::width)
      .def_ro("height", &VideoFormat::height)
      .def_ro("fps", &VideoFormat::fps)
      .def_ro("video_frames", &VideoFormat::video_frames, "The total number of frames; None: endless.")
      .def_ro("segments", &VideoFormat::segments, "0: endless.")
      .def_ro("blocks_per_segment", &VideoFormat::blocks_per_segment)
      .def_ro("blocks_per_later_segment", &VideoFormat::blocks_per_later_segment)
      .def_ro("audio_hz", &VideoFormat::audio_hz, "Of the sound that comes with the frames; 0: the video is silent.")
      .def_ro("speech_hz", &VideoFormat::speech_hz, "Of the speech that the model takes; 0: it takes none.");
  nb::class_<generation::Ignored>(module, "Ignored", "What was given and has no effect, and why.")
      .def_ro("field", &generation::Ignored::field)
      .def_ro("reason", &generation::Ignored::reason)
      .def("__repr__", [](const generation::Ignored& ignored) {
        return fmt::format("<rushes.Ignored {}: {}>", ignored.field, ignored.reason);
      });
  nb::class_<generation::ModelPart>(module, "Network", "One network of a model.")
      .def_ro("role", &generation::ModelPart::role)
      .def_ro("type", &generation::ModelPart::type)
      .def_ro("parameters", &generation::ModelPart::parameters);
  nb::class_<FrameBlock>(module, "Block", "Consecutive frames of the video that the model generated together.")
      .def_prop_ro("frames", &frames_of, nb::rv_policy::automatic,
                   "uint8 [frames, height, width, 3], RGB; the model's own memory, not a copy.")
      .def("__dlpack__",
           [](nb::handle self, const nb::kwargs& how) { return self.attr("frames").attr("__dlpack__")(**how); })
      .def("__dlpack_device__", [](nb::handle self) { return self.attr("frames").attr("__dlpack_device__")(); })
      .def("__len__", [](const FrameBlock& block) { return block.video_frames; })
      .def_prop_ro(
          "audio",
          [](const FrameBlock& block) {
            return block.audio.samples ? std::optional(sound_of(block.audio.samples)) : std::nullopt;
          },
          nb::rv_policy::automatic, "The sound of its frames, float32 [samples] at Format.audio_hz; None: it has none.")
      .def_ro("fps", &FrameBlock::fps)
      .def_ro("first_frame", &FrameBlock::first_video_frame,
              "Index of its first frame in the video: time = first_frame / fps.")
      .def_ro("segment", &FrameBlock::segment)
      .def_ro("block", &FrameBlock::block, "Index of the block within the segment.")
      .def_ro("latent_frames", &FrameBlock::latent_frames)
      .def_ro("prompt", &FrameBlock::prompt)
      .def_prop_ro("text_seconds", [](const FrameBlock& block) { return seconds(block.times.text); })
      .def_prop_ro("denoise_seconds", [](const FrameBlock& block) { return seconds(block.times.denoise); })
      .def_prop_ro("decode_seconds", [](const FrameBlock& block) { return seconds(block.times.decode); })
      .def("__repr__", [](const FrameBlock& block) {
        return fmt::format("<rushes.Block {}.{}: frames {} to {}, {}x{}>", block.segment, block.block,
                           block.first_video_frame, block.first_video_frame + block.video_frames - 1, block.width,
                           block.height);
      });
  nb::class_<Model>(module, "Model", "A loaded model; any number of generations share it.")
      .def(
          "__init__",
          [](Model* self, const std::string& path, const std::string& checkpoint, bool use_ema,
             const std::string& dtype, const std::string& device, const std::string& decoder,
             const std::string& sampler, bool strict, int threads) {
            new (self) Model({.path = path,
                              .checkpoint = checkpoint,
                              .use_ema = use_ema,
                              .dtype = dtype,
                              .device = device,
                              .decoder = decoder,
                              .sampler = sampler,
                              .strict = strict},
                             threads);
          },
          "path"_a, nb::kw_only(), "checkpoint"_a = "", "use_ema"_a = false, "dtype"_a = "auto", "device"_a = "cpu",
          "decoder"_a = "auto", "sampler"_a = "auto", "strict"_a = false, "threads"_a = 0, NoLock())
      .def_prop_ro("name", [](const Model& self) { return self.get().card().name; })
      .def_prop_ro("description", [](const Model& self) { return self.get().card().description; })
      .def_prop_ro("assumptions", [](const Model& self) { return self.get().card().assumptions; })
      .def_prop_ro("networks", [](const Model& self) { return self.get().card().networks; })
      .def_prop_ro("words", [](const Model& self) { return self.get().card().words.phrases; })
      .def_prop_ro("options",
                   [](const Model& self) {
                     std::map<std::string, std::string> options;
                     for (const OptionField& field : self.get().options())
                       options[field.name] = field.doc + "; " + field.allowed();
                     return options;
                   })
      .def_prop_ro("load_seconds", [](const Model& self) { return seconds(self.load_time()); })
      .def(
          "read_image",
          [](const Model& self, const std::string& path) { return image_of(path, self.get().capabilities().pictures); },
          "path"_a, "Reads a JPEG, PNG or WebP file as uint8 [H, W, 3], within the limits of the model's family.");
  nb::class_<Request>(module, "Request", "What to generate; None means the model's default.")
      .def(nb::new_(&make_request), "prompts"_a, nb::kw_only(), "seed"_a = 0, "segments"_a = nb::none(),
           "video_frames"_a = nb::none(), "width"_a = nb::none(), "height"_a = nb::none(), "fps"_a = nb::none(),
           "image"_a = nb::none(), "options"_a)
      .def(
          "plan", [](const Request& self, const Model& model) { return model.get().plan(self)->format(); }, "model"_a,
          "The format of the resulting video. Raises InvalidArgument with the field and its allowed values.");
}

void add_generation(nb::module_& module) {
  using profiling::ProfilerOptions;
  nb::class_<ProfilerOptions>(module, "ProfilerOptions", "Options for measuring a generation.")
      .def(
          "__init__",
          [](ProfilerOptions* self, double gpu_interval, double cpu_interval, bool monitor_gpu, bool monitor_cpu,
             bool real_time_display, double display_interval, std::size_t max_samples,
             std::map<std::string, std::string> tags, const std::string& id) {
            ProfilerOptions options{.gpu_interval = std::chrono::duration<double>(gpu_interval),
                                    .cpu_interval = std::chrono::duration<double>(cpu_interval),
                                    .monitor_gpu = monitor_gpu,
                                    .monitor_cpu = monitor_cpu,
                                    .real_time_display = real_time_display,
                                    .display_interval = std::chrono::duration<double>(display_interval),
                                    .max_samples = max_samples,
                                    .tags = std::move(tags),
                                    .id = id};
            options.validate();
            new (self) ProfilerOptions(std::move(options));
          },
          nb::kw_only(), "gpu_interval"_a = 0.5, "cpu_interval"_a = 1.0, "monitor_gpu"_a = true, "monitor_cpu"_a = true,
          "real_time_display"_a = false, "display_interval"_a = 5.0, "max_samples"_a = 10'000,
          "tags"_a = std::map<std::string, std::string>{}, "id"_a = "");
  nb::class_<Generation>(module, "Generation", "A video that is being generated.")
      .def(
          "__init__",
          [](Generation* self, std::shared_ptr<const Model> model, const Request& request,
             const std::optional<ProfilerOptions>& profiler) {
            new (self) Generation(std::move(model), request, profiler);
          },
          "model"_a, "request"_a, "profiler"_a = nb::none(), NoLock())
      .def("next", &Generation::next, "wait"_a = true, NoLock(),
           "The next block; None at the end. Waits where the model waits for speech, unless told not to. Callable from "
           "any thread, but from one at a time.")
      .def_prop_ro("waits_for_speech", &Generation::waits_for_speech)
      .def("set_prompt", &Generation::set_prompt, "prompt"_a,
           "Sets the prompt from the next block on. Callable from any thread.")
      .def(
          "set_options", [](Generation& self, const nb::kwargs& options) { self.set_options(options_of(options)); },
          "options"_a, "Changes options that are live, from the next frame on. Callable from any thread.")
      .def(
          "feed_speech",
          [](Generation& self, const Samples& samples, int64_t hz, bool ends) {
            const std::span<const float> heard(samples.data(), samples.size());
            const nb::gil_scoped_release unlocked;
            self.feed_speech(heard, hz, ends);
          },
          "samples"_a, "hz"_a, "ends"_a = false,
          "More speech, float32 [samples], one channel. With ends it is shown to its end without waiting for more. "
          "Callable from any thread.")
      .def("end_speech", &Generation::end_speech, NoLock(), "Nothing follows. Callable from any thread.")
      .def("without_speech", &Generation::without_speech, NoLock(),
           "Nothing is said at all. Raises InvalidArgument where the model shows nothing then.")
      .def("stop", &Generation::stop, "Stops before the next step. Callable from any thread.")
      .def("fork", &Generation::fork, NoLock(), "A copy that continues independently from the next block border.")
      .def_prop_ro("format", &Generation::format)
      .def_prop_ro("ignored", &Generation::ignored, "What of the request was taken and has no effect.")
      .def_prop_ro("warnings", &Generation::warnings, "What is done as it was asked for, and may disappoint.")
      .def_prop_ro("unknown_words", &Generation::unknown_words,
                   "Words of the newest prompts that the model was not trained with.")
      .def_prop_ro("text", &Generation::text, "What the model has said so far.")
      .def_prop_ro("failed_tracks", &Generation::failed_tracks,
                   "Of a model of words and video: which half failed, and why, while the other went on.")
      .def_prop_ro("stopped", &Generation::stopped)
      .def_prop_ro("bytes", &Generation::bytes, NoLock(), "Memory of the caches, in bytes.")
      .def(
          "report_output",
          [](Generation& self, const FrameBlock& block, double encode, double deliver) {
            const auto time = [](double value) {
              return std::chrono::duration_cast<profiling::Microseconds>(std::chrono::duration<double>(value));
            };
            if (encode > 0) self.report(profiling::Stage::encode, block, time(encode));
            self.report(profiling::Stage::deliver, block, time(deliver));
          },
          "block"_a, "encode_seconds"_a, "deliver_seconds"_a,
          "Reports to the profile the time that an output took for a block.")
      .def(
          "write_profile",
          [](Generation& self, const std::string& directory, const std::string& format, bool raw_data) {
            std::vector<std::string> names;
            for (const auto& file : self.write_profile(
                     {.directory = directory, .format = profiling::parse_report_format(format), .raw_data = raw_data}))
              names.push_back(file.string());
            return names;
          },
          "directory"_a, "format"_a = "both", "raw_data"_a = false, NoLock(),
          "Ends the measurement and returns the written files. An empty directory writes none.")
      .def_prop_ro("profile_json", &Generation::profile_json);
}

void add_output(nb::module_& module) {
  nb::class_<VideoWriter>(module, "VideoWriter",
                          "Writes frames to a growing MP4, .y4m, .rgb, numbered PNGs or rtmp://...")
      .def(nb::init<const std::string&, int64_t, int64_t, double, int, const std::string&, bool, int64_t>(), "target"_a,
           nb::kw_only(), "width"_a, "height"_a, "fps"_a = 16.0, "quality"_a = 20, "format"_a = "auto",
           "silent_audio"_a = true, "audio_hz"_a = 0, NoLock())
      .def("write", &VideoWriter::write, "frames"_a, "audio"_a = nb::none(),
           "Writes frames uint8 [T, H, W, 3] and their sound, float32 [samples] at audio_hz. Returns False if the "
           "reader is gone.")
      .def("close", &VideoWriter::close, NoLock())
      .def_prop_ro("encode_seconds", &VideoWriter::encode_seconds)
      .def_prop_ro("deliver_seconds", &VideoWriter::deliver_seconds);
}

void add_functions(nb::module_& module) {
  module.def(
      "prompts_of_line", [](const std::string& line) { return text::prompts_of_line(line); }, "line"_a,
      "The prompts between the semicolons of a line, as the command line and the server take them.");
  module.def(
      "set_log_level", [](const std::string& word) { log::set_level(log::parse_level(word)); }, "level"_a,
      "Sets the log level: debug, info, warning, error or off.");
  module.def(
      "read_image", [](const std::string& path) { return image_of(path, {}); }, "path"_a,
      "Reads a JPEG, PNG or WebP file as uint8 [H, W, 3].");
  module.def(
      "read_audio",
      [](const std::string& path) {
        media::DecodedAudio audio = [&] {
          const nb::gil_scoped_release unlocked;
          return media::read_audio(path);
        }();
        for (const std::string& warning : audio.warnings) log::warning("{}: {}", path, warning);
        const int64_t hz = audio.hz;
        return nb::make_tuple(sound_of(std::make_shared<const std::vector<float>>(std::move(audio.samples))), hz);
      },
      "path"_a,
      nb::sig("def read_audio(path: str) -> tuple[Annotated[NDArray[numpy.float32], dict(shape=(None,))], int]"),
      "Reads a file of sound as float32 [samples], one channel, and its rate.");
  module.def(
      "benchmark_json",
      [](const std::string& directory) {
        return profiling::benchmark_results(profiling::newest_report(directory)).dump();
      },
      "directory"_a, "The benchmark numbers of the newest profiling report in a folder, as JSON.");
  module.def(
      "benchmark_markdown",
      [](const std::string& directory) {
        return profiling::benchmark_markdown(profiling::benchmark_results(profiling::newest_report(directory)));
      },
      "directory"_a);
  module.attr("__version__") = RUSHES_VERSION;
  module.attr("TORCH_VERSION") = RUSHES_TORCH_VERSION;
}

}  // namespace

void add_errors(nb::module_& module);       // errors.cpp
void add_interactive(nb::module_& module);  // interactive.cpp

}  // namespace rushes::python

NB_MODULE(_core, module) {
  module.doc() = "The engine of rushes.";
  rushes::log::set_level(rushes::log::Level::warning);  // a library does not chat
  rushes::python::add_errors(module);
  rushes::instruction_set();  // a wrong RUSHES_ISA is told here
  rushes::python::add_model(module);
  rushes::python::add_generation(module);
  rushes::python::add_output(module);
  rushes::python::add_functions(module);
  rushes::python::add_interactive(module);
}
