// rushes stream: the command lines of Inferix's scripts, word for word, as calls of `rushes serve` and `rushes
// generate`.
//   --rtmp_url                      a live stream to that server
//   --output_folder, no backend     a file for each prompt, as run_self_forcing
//   else                            the server with its page, one session already running
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "commands.h"
#include "option_flags.h"
#include "rushes/base/error.h"
#include "rushes/text/prompt.h"

namespace rushes::app {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

struct Options {
  std::string config, default_config, checkpoint, prompt, backend, rtmp_url, output_folder, image;
  std::string segment_length, overlap, frames, profile_directory = "./profiling_results", threads, device;
  std::string streaming_mode = "auto", memory_mode, vae_chunk_size, quantization, apply_policy = "next_segment";
  std::string profiling_config, rtmp_fps, host = "127.0.0.1";
  uint64_t seed = 0;
  std::optional<int64_t> segments;
  int64_t samples = 1, port = 8000, ulysses = 1, ring = 1;
  bool use_ema = false, profiling = false, image_to_video = false, shipped_model = false, ignored = false,
       no_auth = false, save_with_index = false, no_quantize = false, profile_directory_given = false;
};

YAML::Node read_config(const std::string& file) {
  try {
    YAML::Node config = YAML::LoadFile(file);
    require(config.IsMap(), ErrorCode::invalid_argument, "{} must be a mapping of keys to values", file);
    return config;
  } catch (const YAML::BadFile&) {
    fail(ErrorCode::invalid_argument, "config file not found: {}", file);
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_argument, "{} is not valid YAML: {}", file, error.what());
  }
}

/// The value of `key` in the first of the files that has it.
YAML::Node value(const std::vector<YAML::Node>& configs, const char* key) {
  for (const YAML::Node& config : configs)
    if (const YAML::Node found = config[key]) return found;
  return YAML::Node(YAML::NodeType::Undefined);
}

void expect(const std::vector<YAML::Node>& configs, const char* key, const std::string& wanted) {
  const YAML::Node found = value(configs, key);
  require(!found || !found.IsScalar() || found.as<std::string>() == wanted, ErrorCode::unsupported,
          "config: {} {} is not supported; the model has {}", key, found ? found.as<std::string>() : "", wanted);
}

/// What the configuration and the checkpoint say of the model, as arguments. Keys of the training are ignored.
void add_model(const Options& options, Arguments& arguments, bool with_sampling) {
  std::vector<YAML::Node> configs{read_config(options.config)};
  if (!options.default_config.empty()) configs.push_back(read_config(options.default_config));
  const YAML::Node named = value(configs, "model_path");
  const std::string path = named ? named.as<std::string>() : "weights/Wan2.1-T2V-1.3B";
  const bool there = fs::is_directory(path) && (options.checkpoint.empty() || fs::exists(options.checkpoint));
  if (!there) {
    require(options.shipped_model, ErrorCode::not_found,
            "model_path {} or checkpoint_path {} does not exist; give existing paths, or give --shipped-model to use "
            "the model that comes with rushes",
            path, options.checkpoint);
    return;  // with its own sampling: the configuration is another model's
  }
  arguments.insert(arguments.end(), {"--model", path});
  if (!options.checkpoint.empty()) arguments.insert(arguments.end(), {"--checkpoint", options.checkpoint});
  expect(configs, "num_frame_per_block", "3");
  expect(configs, "independent_first_frame", "false");
  expect(configs, "context_noise", "0");
  std::string steps;
  for (const YAML::Node& step : value(configs, "denoising_step_list"))
    if (step.as<double>() > 0) steps += (steps.empty() ? "" : ",") + step.as<std::string>();
  if (!steps.empty()) arguments.insert(arguments.end(), {"--sampler", "few_step"});
  if (!with_sampling) return;
  if (!steps.empty()) arguments.insert(arguments.end(), {"--denoising-step-list", steps});
  if (const YAML::Node shift = value(configs, "timestep_shift"))
    arguments.insert(arguments.end(), {"--shift", shift.as<std::string>()});
}

/// Without it each prompt has one.
void add_segments(const Options& options, Arguments& arguments) {
  if (options.segments) arguments.insert(arguments.end(), {"--segments", std::to_string(*options.segments)});
}

void add_if(Arguments& arguments, const char* flag, const std::string& text) {
  if (!text.empty()) arguments.insert(arguments.end(), {flag, text});
}

/// Runs another sub-command of this program.
void call(void (*add)(CLI::App&), Arguments arguments) {
  CLI::App app;
  add(app);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    fail(ErrorCode::invalid_argument, "{}", error.what());
  }
}

/// The keys of `profiling:` that say what is written; what is measured is always everything.
void add_profiling(const Options& options, Arguments& arguments) {
  std::string directory = options.profile_directory;
  arguments.push_back("--enable-profiling");
  if (!options.profiling_config.empty()) {
    const YAML::Node settings = read_config(options.profiling_config)["profiling"];
    require(settings && settings.IsMap(), ErrorCode::invalid_argument, "{} has no key 'profiling' with a mapping",
            options.profiling_config);
    if (settings["output_dir"] && !options.profile_directory_given)
      directory = settings["output_dir"].as<std::string>();
    if (settings["report_format"])
      arguments.insert(arguments.end(), {"--profile-format", settings["report_format"].as<std::string>()});
    if (settings["save_raw_data"] && settings["save_raw_data"].as<bool>()) arguments.push_back("--profile-raw-data");
  }
  arguments.insert(arguments.end(), {"--profile-output-dir", directory});
}

/// `prompt` is a line of them, each for a segment; `seed_offset` is added to the seed.
void generate(const Options& options, const std::string& prompt, const std::vector<std::string>& outputs,
              uint64_t seed_offset) {
  Arguments arguments{"generate", "--prompt", prompt};
  for (const std::string& output : outputs) arguments.insert(arguments.end(), {"-o", output});
  add_model(options, arguments, true);
  arguments.insert(arguments.end(), {"--seed", std::to_string(options.seed + seed_offset)});
  add_segments(options, arguments);
  add_if(arguments, "--segment-length", options.frames.empty() ? options.segment_length : options.frames);
  add_if(arguments, "--overlap", options.overlap);
  add_if(arguments, "--image", options.image);
  add_if(arguments, "--threads", options.threads);
  add_if(arguments, "--device", options.device);
  add_if(arguments, "--fps", options.rtmp_url.empty() ? "" : options.rtmp_fps);
  if (options.use_ema) arguments.push_back("--use-ema");
  if (options.profiling) add_profiling(options, arguments);
  call(add_generate, std::move(arguments));
}

/// A prompt as the only one of a line.
std::string as_line(const std::string& prompt) {
  std::string line;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const std::size_t slashes = std::min(prompt.find_first_not_of('\\', i), prompt.size()) - i;
    if (prompt.substr(i + slashes).starts_with(';')) {
      line.append(2 * slashes + 1, '\\');
      i += slashes;
    }
    line += prompt[i];
  }
  return line;
}

void make_output_folder(const Options& options) {
  std::error_code status;
  fs::create_directories(options.output_folder, status);
  require(!status, ErrorCode::invalid_argument, "cannot create the folder {}: {}", options.output_folder,
          status.message());
}

/// To the server, and under the reference's name to the folder, if there is one.
void generate_live(const Options& options) {
  std::vector<std::string> outputs{options.rtmp_url};
  if (!options.output_folder.empty()) {
    make_output_folder(options);
    outputs.push_back((fs::path(options.output_folder) / "progressive_streaming.mp4").string());
  }
  generate(options, options.prompt, outputs, 0);
}

/// One video for each prompt between ';' and each sample, under the reference's names.
void generate_files(const Options& options) {
  make_output_folder(options);
  int64_t index = 0;
  uint64_t made = 0;
  for (const std::string& prompt : text::prompts_of_line(options.prompt)) {
    for (int64_t sample = 0; sample < options.samples; ++sample) {
      const std::string name = text::output_file_name({.prompt = prompt,
                                                       .prompt_index = index,
                                                       .sample_index = sample,
                                                       .use_ema = options.use_ema,
                                                       .save_with_index = options.save_with_index});
      generate(options, as_line(prompt), {(fs::path(options.output_folder) / name).string()}, made++);
    }
    ++index;
  }
  require(made > 0, ErrorCode::invalid_argument, "No valid prompts provided: --prompt is empty");
}

void serve(const Options& options) {
  Arguments arguments{"serve", "--listen", options.host + ":" + std::to_string(options.port), "--prompt",
                      options.prompt};
  add_model(options, arguments, false);
  arguments.insert(arguments.end(), {"--seed", std::to_string(options.seed)});
  add_segments(options, arguments);
  arguments.insert(arguments.end(), {"--samples", std::to_string(options.samples)});
  add_if(arguments, "--segment-length", options.segment_length);
  add_if(arguments, "--overlap", options.overlap);
  add_if(arguments, "--data-dir", options.output_folder);
  add_if(arguments, "--threads", options.threads);
  add_if(arguments, "--device", options.device);
  if (options.use_ema) arguments.push_back("--use-ema");
  if (options.no_auth) arguments.push_back("--no-auth");
  if (options.profiling) add_profiling(options, arguments);
  call(add_serve, std::move(arguments));
}

void run(const Options& options) {
  require(options.ulysses == 1 && options.ring == 1, ErrorCode::unsupported,
          "ulysses_size and ring_size must be 1 (got {} and {}): rushes runs in one process", options.ulysses,
          options.ring);
  require(options.quantization.empty() || options.no_quantize, ErrorCode::unsupported,
          "quant_type {} is not supported: rushes does not quantise weights; omit it", options.quantization);
  require(!options.image_to_video || !options.image.empty(), ErrorCode::invalid_argument, "--i2v needs --image_path");
  require(options.backend != "rtmp" || !options.rtmp_url.empty(), ErrorCode::invalid_argument,
          "--rtmp_url is required for the rtmp backend, e.g. rtmp://localhost:1935/live/stream");
  if (!options.rtmp_url.empty()) {
    require(options.samples == 1, ErrorCode::unsupported, "num_samples must be 1 for an RTMP stream (got {})",
            options.samples);
    return generate_live(options);
  }
  if (options.backend.empty() && !options.output_folder.empty()) {
    return generate_files(options);
  }
  require(options.image.empty(), ErrorCode::unsupported,
          "image_path cannot be used with the page; choose the image there, or give --output_folder and no backend");
  serve(options);
}

}  // namespace

void add_stream(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("stream", "Accept the command lines of Inferix's scripts: page, RTMP or files");
  const auto text = [&](const char* flags, std::string& target, const char* help) {
    return command->add_option(flags, target, help);
  };
  text("--config_path,--config-path", options->config, "YAML configuration of Self-Forcing or Inferix")->required();
  text("--default_config_path,--default-config-path", options->default_config,
       "YAML configuration with defaults for the first");
  text("--checkpoint_path,--checkpoint-path", options->checkpoint, "checkpoint, e.g. self_forcing_dmd.pt")->required();
  command
      ->add_option_function<std::vector<std::string>>(
          "--prompt", [options](const auto& words) { options->prompt = fmt::format("{}", fmt::join(words, " ")); },
          "description of the video; ';' stands between several")
      ->required();
  text("--streaming_backend,--streaming-backend", options->backend,
       "gradio, interactive and webrtc serve the page; rtmp pushes to a server")
      ->check(CLI::IsMember({"gradio", "interactive", "webrtc", "rtmp"}));
  text("--rtmp_url,--rtmp-url", options->rtmp_url, "RTMP address: rtmp://host/application/stream");
  text("--rtmp_fps,--rtmp-fps", options->rtmp_fps, "frame rate of the live stream (default: the model's)")
      ->check(CLI::PositiveNumber);
  command->add_option("--port", options->port, "port of the page")->check(CLI::Range(0, 65535))->capture_default_str();
  text("--host", options->host, "address of the page")->capture_default_str();
  command->add_flag("--no-auth", options->no_auth,
                    "accept calls without a token from any machine that can reach the address");
  command->add_option("--num_segments,--num-segments", options->segments,
                      "number of segments (default: one for each prompt; 0: until stopped)");
  text("--segment_length,--segment-length", options->segment_length,
       "latent frames per segment (default: the model's, usually 21)");
  text("--overlap_frames,--overlap-frames", options->overlap,
       "latent frames that segments share (default: the model's, usually 3)");
  text("--num_output_frames,--num-output-frames", options->frames, "length of a file in latent frames");
  command->add_option("--num_samples,--num-samples", options->samples, "number of videos, with consecutive seeds")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_seed_option(*command, options->seed, "random seed; the same seed gives the same video");
  text("--output_folder,--output-folder", options->output_folder,
       "folder for the files; with the page, for its recordings; with RTMP, for the video as well");
  text("--image_path,--image-path", options->image, "image that becomes the first frame of a file");
  command->add_flag("--i2v", options->image_to_video, "use an image as the first frame");
  command->add_flag("--use_ema,--use-ema", options->use_ema, "use the checkpoint's averaged (EMA) weights");
  command->add_flag("--enable_profiling,--enable-profiling", options->profiling,
                    "measure the generation and write reports");
  CLI::Option* directory = text("--profile_output_dir,--profile-output-dir,--profiling_output_dir",
                                options->profile_directory, "folder for the reports")
                               ->capture_default_str();
  text("--threads", options->threads, "CPU cores for the model");
  text("--device", options->device, "device: cpu, cuda, ...");
  command->add_flag("--shipped-model", options->shipped_model,
                    "use the model that comes with rushes if the given files do not exist");
  command->add_option("--ulysses_size", options->ulysses, "must be 1")->capture_default_str();
  const std::string accepted = "accepted for compatibility; has no effect";
  command
      ->add_option("--streaming_mode,--streaming-mode", options->streaming_mode,
                   "accepted for compatibility: each block is always delivered as soon as it is generated")
      ->check(CLI::IsMember({"auto", "true_streaming", "deferred_decode"}));
  command
      ->add_option("--apply_policy,--apply-policy", options->apply_policy,
                   "accepted for compatibility: a prompt always applies at the next block")
      ->check(CLI::IsMember({"next_segment", "next_block"}));
  command->add_option("--memory_mode,--memory-mode", options->memory_mode, accepted)
      ->check(CLI::IsMember({"aggressive", "balanced", "relaxed"}));
  command->add_option("--vae_chunk_size,--vae-chunk-size", options->vae_chunk_size, accepted);
  text("--profiling_config", options->profiling_config,
       "YAML whose key 'profiling' sets the folder and the format of the reports");
  command->add_option("--ring_size", options->ring, "must be 1")->capture_default_str();
  command->add_flag("--save_with_index,--save-with-index", options->save_with_index,
                    "name files by the number of the prompt");
  command->add_option("--quant_type,--quant-type", options->quantization, "not supported; omit it or add --no_quantize")
      ->check(CLI::IsMember({"fp8", "int8"}));
  command->add_flag("--no_quantize,--no-quantize", options->no_quantize,
                    "do not quantise weights, which is the default");
  command->add_flag("--low_memory,--low-memory,--use_memory_manager,--use-memory-manager", options->ignored, accepted);
  command->callback([options, directory] {
    options->profile_directory_given = directory->count() > 0;
    run(*options);
  });
}

}  // namespace rushes::app
