#include "rushes/training/omniavatar/shipped_avatar.h"

#include <cmath>

#include "rushes/models/omniavatar/speech_conditioner.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/train_unigram.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/omniavatar/avatar_world.h"
#include "rushes/training/wan/shipped_model.h"

namespace rushes::training {
namespace {

// So that prompts outside the grammar split into something better than letters.
constexpr std::string_view kOrdinaryWords =
    "the of and to in is you that it he she was for on are as with his her they at be this have from or one by word "
    "not what all were we when your can said there use an each which how their if will up other about out many then "
    "a realistic video of young old girl boy face head eyes mouth smile voice news host teacher doctor room studio "
    "office street light bright standing sitting directly camera gentle serious excited hands moves slowly quickly";

constexpr std::array<int64_t, 12> kCounts{kNouns,    kSkins,  kHairs + 1, kCuts,  2,         2,
                                          kGarments, kCloths, kWalls,     kMoods, kGestures, kFramings};

std::vector<int64_t> classes_of(const SpeakerLabels& l) {
  const auto number = [](auto value) { return static_cast<int64_t>(value); };
  return {number(l.noun),    number(l.skin),    l.cut == Cut::bald ? kHairs : number(l.hair),
          number(l.cut),     l.beard ? 1 : 0,   l.glasses ? 1 : 0,
          number(l.garment), number(l.cloth),   number(l.wall),
          number(l.mood),    number(l.gesture), number(l.framing)};
}

void linear(std::map<std::string, at::Tensor>& tensors, const std::string& key, int64_t out, int64_t in, double gain) {
  tensors[key + ".weight"] = at::randn({out, in}, at::kFloat) * (gain / std::sqrt(static_cast<double>(in)));
  tensors[key + ".bias"] = at::zeros({out}, at::kFloat);
}

}  // namespace

wan::TinyAutoencoderConfig avatar_autoencoder() {
  wan::TinyAutoencoderConfig config;
  config.decoder_widths = {64, 48, 32, 16};
  config.encoder_width = 32;
  config.latent_channels = 16;
  return config;
}

wan::Umt5Config avatar_text_encoder() {
  wan::Umt5Config config = shipped_text_encoder();
  config.vocab = kAvatarVocabulary;
  config.text_len = 48;
  return config;
}

omniavatar::TransformerConfig avatar_transformer() {
  omniavatar::TransformerConfig config;
  config.wan.dim = 192;
  config.wan.ffn_dim = 512;
  config.wan.num_heads = 4;
  config.wan.num_layers = 6;
  config.wan.out_dim = avatar_autoencoder().latent_channels;
  config.wan.in_dim = 2 * config.wan.out_dim + 1;
  config.wan.freq_dim = 64;
  config.wan.text_dim = avatar_text_encoder().dim;
  config.wan.text_len = avatar_text_encoder().text_len;
  config.speech.feature_dim = omniavatar::speech_feature_dim(avatar_speech_encoder());
  return config;
}

wav2vec::Config avatar_speech_encoder() { return shipped_audio_encoder(); }

omniavatar::Defaults avatar_defaults() {
  omniavatar::Defaults defaults = omniavatar::published_defaults(omniavatar::Sampler::causal);
  defaults.fps = kAvatarFps;
  defaults.height = defaults.width = kAvatarSide;
  defaults.max_hw = 0;
  defaults.num_frame_per_block = kAvatarBlock;
  defaults.window = kAvatarWindow;
  defaults.own_reference = true;  // AvatarPool::make()
  return defaults;
}

std::map<std::string, at::Tensor> fresh_avatar() {
  const omniavatar::TransformerConfig config = avatar_transformer();
  std::map<std::string, at::Tensor> all, transformer = fresh_transformer(config.wan);
  const omniavatar::SpeechConfig& speech = config.speech;
  linear(transformer, "audio_proj.proj", speech.hidden_size, speech.group * speech.feature_dim, 1);
  transformer["audio_proj.norm_out.weight"] = at::ones({speech.hidden_size}, at::kFloat);
  transformer["audio_proj.norm_out.bias"] = at::zeros({speech.hidden_size}, at::kFloat);
  for (int64_t j = 0; j < config.speech_layers(); ++j)
    linear(transformer, "audio_cond_projs." + std::to_string(j), config.wan.dim, speech.hidden_size, 0.5);
  for (auto& [key, value] : fresh_text_encoder(avatar_text_encoder())) all["text." + key] = value;
  for (auto& [key, value] : transformer) all["transformer." + key] = value;
  // Names what a caption says. Trains the text encoder, does not ship.
  all["probe.weight"] = fresh_probe(kCounts, avatar_text_encoder().dim);
  return all;
}

std::unique_ptr<const text::Tokenizer> avatar_tokenizer(const std::filesystem::path& file, uint64_t seed) {
  if (!std::filesystem::exists(file)) {
    std::filesystem::create_directories(file.parent_path());
    std::vector<std::string> sentences;
    for (uint64_t i = 0; i < 4000; ++i) sentences.push_back(make_speaker(seed, i, Split::train).caption);
    for (int i = 0; i < 40; ++i) sentences.emplace_back(kOrdinaryWords);
    text::train_unigram(sentences, kAvatarVocabulary, file);
  }
  return text::load_tokenizer(file);
}

CaptionWorld captions_of_speakers(uint64_t seed) {
  return {.counts = {kCounts.begin(), kCounts.end()}, .caption = [seed](uint64_t index) {
            const Speaker speaker = make_speaker(seed ^ 0x7e47, index, Split::train);
            return CaptionWorld::Caption{speaker_caption(speaker.labels, /*has_portrait=*/false, index),
                                         classes_of(speaker.labels)};
          }};
}

}  // namespace rushes::training
