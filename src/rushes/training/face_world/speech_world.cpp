#include "rushes/training/face_world/speech_world.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "rushes/audio/espeak.h"
#include "rushes/audio/resample.h"
#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

struct Mouth {
  float jaw, width, rounding;
  Viseme viseme;
};

/// Where a phoneme begins and, for diphthongs, ends. By the first letters of espeak-ng's names (Kirshenbaum's).
struct Shape {
  std::string_view name;
  Mouth from, to;
};
constexpr Mouth kRest{0, 0, 0, Viseme::silence}, kClosed{0, 0, 0.1f, Viseme::closed},
    kLipTeeth{0.1f, 0.1f, 0, Viseme::lip_teeth}, kTongueTeeth{0.22f, 0.15f, 0, Viseme::tongue_teeth},
    kTongue{0.2f, 0.15f, 0, Viseme::tongue}, kHiss{0.12f, 0.3f, 0, Viseme::hiss},
    kHush{0.18f, -0.3f, 0.55f, Viseme::hiss}, kBack{0.3f, 0.05f, 0, Viseme::back},
    kR{0.25f, -0.2f, 0.45f, Viseme::rounded}, kW{0.15f, -0.5f, 0.95f, Viseme::pursed},
    kY{0.2f, 0.6f, 0, Viseme::spread}, kAh{0.95f, 0.05f, 0.05f, Viseme::open}, kA{0.85f, 0.3f, 0, Viseme::open},
    kUh{0.65f, 0, 0, Viseme::open}, kSchwa{0.42f, 0, 0.05f, Viseme::middle}, kEr{0.42f, -0.1f, 0.3f, Viseme::middle},
    kE{0.6f, 0.4f, 0, Viseme::middle}, kI{0.35f, 0.5f, 0, Viseme::spread}, kEe{0.28f, 0.95f, 0, Viseme::spread},
    kOh{0.7f, -0.3f, 0.55f, Viseme::rounded}, kO{0.5f, -0.4f, 0.75f, Viseme::rounded},
    kU{0.35f, -0.3f, 0.65f, Viseme::rounded}, kOo{0.24f, -0.6f, 1.0f, Viseme::pursed};
constexpr Shape kShapes[] = {  // longer names first
    {"aI", kA, kI},
    {"aU", kA, kU},
    {"OI", kOh, kI},
    {"oU", kO, kU},
    {"eI", kE, kI},
    {"i@", kEe, kSchwa},
    {"e@", kE, kSchwa},
    {"U@", kU, kSchwa},
    {"A@", kAh, kSchwa},
    {"O@", kOh, kSchwa},
    {"o@", kOh, kSchwa},
    {"tS", kHush, kHush},
    {"dZ", kHush, kHush},
    {"a#", kSchwa, kSchwa},
    {"aa", kAh, kAh},
    {"I#", kI, kI},
    {"I2", kI, kI},
    {"_", kRest, kRest},
    {"p", kClosed, kClosed},
    {"b", kClosed, kClosed},
    {"m", kClosed, kClosed},
    {"f", kLipTeeth, kLipTeeth},
    {"v", kLipTeeth, kLipTeeth},
    {"T", kTongueTeeth, kTongueTeeth},
    {"D", kTongueTeeth, kTongueTeeth},
    {"t", kTongue, kTongue},
    {"d", kTongue, kTongue},
    {"n", kTongue, kTongue},
    {"l", kTongueTeeth, kTongueTeeth},
    {"s", kHiss, kHiss},
    {"z", kHiss, kHiss},
    {"S", kHush, kHush},
    {"Z", kHush, kHush},
    {"k", kBack, kBack},
    {"g", kBack, kBack},
    {"N", kBack, kBack},
    {"h", kBack, kBack},
    {"r", kR, kR},
    {"w", kW, kW},
    {"j", kY, kY},
    {"A", kAh, kAh},
    {"a", kA, kA},
    {"V", kUh, kUh},
    {"0", kAh, kAh},
    {"O", kOh, kOh},
    {"o", kO, kO},
    {"E", kE, kE},
    {"e", kE, kE},
    {"I", kI, kI},
    {"i", kEe, kEe},
    {"U", kU, kU},
    {"u", kOo, kOo},
    {"3", kEr, kEr},
    {"@", kSchwa, kSchwa}};

const Shape& shape_of(std::string_view phoneme) {
  for (const Shape& shape : kShapes)
    if (phoneme.starts_with(shape.name)) return shape;
  static constexpr Shape kOther{"", kSchwa, kSchwa};
  return kOther;
}

/// Mouth at 200 per second: each phoneme's shape, smoothed as lips and jaw are (both move before the sound does, and
/// a neighbour's shape colours a phoneme), then taken at the middle of each video frame.
void add_mouth(SpeechClip& clip, const std::vector<audio::SpokenPhoneme>& phonemes, int64_t video_frames) {
  constexpr double kSteps = 200, kLead = 0.02;  // seconds
  constexpr int kSpread = 6;                    // steps: standard deviation of the smoothing
  const auto steps = static_cast<int64_t>(kSteps * static_cast<double>(video_frames) / 25) + 1;
  std::vector<Mouth> track(static_cast<std::size_t>(steps), kRest);
  for (std::size_t i = 0; i < phonemes.size(); ++i) {
    const Shape& shape = shape_of(phonemes[i].name);
    const double begin = phonemes[i].seconds - kLead,
                 end = i + 1 < phonemes.size() ? phonemes[i + 1].seconds - kLead : begin + 0.1;
    for (auto step = std::max<int64_t>(0, static_cast<int64_t>(begin * kSteps));
         step < std::min(steps, static_cast<int64_t>(end * kSteps)); ++step) {
      const auto t = static_cast<float>((static_cast<double>(step) / kSteps - begin) / (end - begin));
      const auto blend = [&](float a, float b) { return a + t * (b - a); };
      track[static_cast<std::size_t>(step)] = {
          blend(shape.from.jaw, shape.to.jaw), blend(shape.from.width, shape.to.width),
          blend(shape.from.rounding, shape.to.rounding), t < 0.5f ? shape.from.viseme : shape.to.viseme};
    }
  }
  clip.mouth = at::empty({video_frames, 3}, at::kFloat);
  clip.visemes = at::empty({video_frames}, at::kLong);
  for (int64_t frame = 0; frame < video_frames; ++frame) {
    const auto middle = static_cast<int64_t>(kSteps * (static_cast<double>(frame) + 0.5) / 25);
    float jaw = 0, width = 0, rounding = 0, total = 0;
    for (int64_t step = middle - 3 * kSpread; step <= middle + 3 * kSpread; ++step) {
      const auto offset = static_cast<float>(step - middle) / kSpread;
      const float weight = std::exp(-0.5f * offset * offset);
      const Mouth& mouth = track[static_cast<std::size_t>(std::clamp<int64_t>(step, 0, steps - 1))];
      jaw += weight * mouth.jaw, width += weight * mouth.width, rounding += weight * mouth.rounding, total += weight;
    }
    float* row = clip.mouth.data_ptr<float>() + 3 * frame;
    row[0] = jaw / total, row[1] = width / total, row[2] = rounding / total;
    clip.visemes.data_ptr<int64_t>()[frame] =
        static_cast<int64_t>(track[static_cast<std::size_t>(std::min(middle, steps - 1))].viseme);
  }
}

SpeechClip clip_of(const audio::SpokenText& spoken, std::string text) {
  SpeechClip clip;
  clip.text = std::move(text);
  const std::vector<float> samples = audio::resample(spoken.samples, spoken.hz, kSpeechRate);
  const auto video_frames = static_cast<int64_t>((samples.size() + kSamplesPerFrame - 1) / kSamplesPerFrame);
  clip.wave = at::zeros({std::max<int64_t>(video_frames, 1) * kSamplesPerFrame}, at::kFloat);
  std::copy(samples.begin(), samples.end(), clip.wave.data_ptr<float>());
  add_mouth(clip, spoken.phonemes, std::max<int64_t>(video_frames, 1));
  return clip;
}

constexpr std::string_view kWords[] = {
    "hello",  "today",  "people", "water",  "mother", "father", "morning",  "evening", "yellow",   "purple", "window",
    "garden", "moon",   "blue",   "food",   "room",   "use",    "you",      "who",     "two",      "beach",  "green",
    "see",    "three",  "key",    "teach",  "please", "car",    "far",      "start",   "calm",     "heart",  "stop",
    "rock",   "body",   "want",   "watch",  "law",    "four",   "more",     "story",   "water",    "cat",    "hand",
    "black",  "happy",  "glad",   "bad",    "man",    "back",   "thank",    "bed",     "red",      "many",   "friend",
    "seven",  "better", "big",    "sit",    "little", "which",  "system",   "city",    "river",    "bird",   "work",
    "first",  "world",  "turn",   "early",  "cup",    "love",   "some",     "under",   "mountain", "house",  "now",
    "about",  "around", "loud",   "time",   "light",  "my",     "fire",     "why",     "high",     "boy",    "voice",
    "choice", "point",  "go",     "home",   "open",   "slow",   "over",     "show",    "day",      "make",   "face",
    "same",   "great",  "maybe",  "baby",   "paper",  "number", "remember", "simple",  "music",    "summer", "before",
    "above",  "leave",  "give",   "very",   "voice",  "five",   "fish",     "fly",     "coffee",   "after",  "off",
    "think",  "three",  "bath",   "mouth",  "this",   "that",   "then",     "other",   "breathe",  "sun",    "sister",
    "seal",   "zoo",    "easy",   "noise",  "ship",   "wash",   "sure",     "vision",  "measure",  "chair",  "teacher",
    "much",   "job",    "page",   "orange", "ready",  "right",  "sorry",    "run",     "wonder",   "week",   "wait",
    "queen",  "yes",    "year",   "young",  "king",   "long",   "sing",     "young",   "good",     "book",   "look",
    "could",  "get",    "again",  "quick",  "hot",    "her",    "behind",   "and",     "the",      "of",     "to",
    "a",      "in",     "is",     "it",     "was",    "for",    "on",       "are",     "with",     "they",   "we"};

constexpr std::array<std::string_view, 64> kVoices{
    "en-us",          "en-us+m1",      "en-us+m2",      "en-us+m3",      "en-us+m4",         "en-us+m5",
    "en-us+m6",       "en-us+m8",      "en-us+f1",      "en-us+f2",      "en-us+f3",         "en-us+f4",
    "en-gb-x-rp",     "en-gb-x-rp+f2", "en-gb-x-rp+m3", "en-us+Alex",    "en-us+Alicia",     "en-us+Andrea",
    "en-us+Andy",     "en-us+Annie",   "en-us+Denis",   "en-us+Diogo",   "en-us+Gene",       "en-us+Henrique",
    "en-us+Hugo",     "en-us+Jacky",   "en-us+Lee",     "en-us+Marco",   "en-us+Mario",      "en-us+Michael",
    "en-us+Mike",     "en-us+adam",    "en-us+anika",   "en-us+antonio", "en-us+aunty",      "en-us+belinda",
    "en-us+benjamin", "en-us+boris",   "en-us+caleb",   "en-us+david",   "en-us+ed",         "en-us+edward",
    "en-us+grandma",  "en-us+grandpa", "en-us+iven",    "en-us+john",    "en-us+kaukovalta", "en-us+klatt",
    "en-us+klatt3",   "en-us+linda",   "en-us+marcelo", "en-us+michel",  "en-us+miguel",     "en-us+norbert",
    "en-us+pablo",    "en-us+paul",    "en-us+pedro",   "en-us+quincy",  "en-us+rob",        "en-us+robert",
    "en-us+sandro",   "en-us+shelby",  "en-us+victor",  "en-us+zac"};
constexpr std::array<std::string_view, 4> kHeldOutVoices{"en-us+m7", "en-us+f5", "en-us+steph", "en-us+max"};

}  // namespace

SpeechClip speak(uint64_t seed, uint64_t index, Split split, int64_t words) {
  Random random(seed ^ (split == Split::train ? 0x59eec4 : 0x59eec4e1d), index);
  std::string text;
  for (int64_t i = 0; i < words; ++i) {
    text += kWords[static_cast<std::size_t>(random.below(std::size(kWords)))];
    text += i + 1 == words ? "." : random.uniform() < 0.12 ? ", " : random.uniform() < 0.06 ? ". " : " ";
  }
  const std::string_view voice = split == Split::train ? random.pick(kVoices) : random.pick(kHeldOutVoices);
  const auto rate = static_cast<int>(120 + random.below(90)), pitch = static_cast<int>(25 + random.below(50)),
             range = static_cast<int>(25 + random.below(50));
  return clip_of(audio::speak_text(text, {std::string(voice), rate, pitch, range}), text);
}

SpeechClip speak(const std::string& text, const std::string& voice, int words_per_minute, int pitch) {
  return clip_of(audio::speak_text(text, {voice, words_per_minute, pitch, 50}), text);
}

SpeechClip cut(const SpeechClip& clip, int64_t first, int64_t video_frames) {
  const auto part = [&](const at::Tensor& x, int64_t begin, int64_t length) {
    const int64_t from = std::min(begin, x.size(0)), given = std::min(length, x.size(0) - from);
    std::vector<int64_t> missing = x.sizes().vec();
    missing[0] = length - given;
    return at::cat({x.narrow(0, from, given), at::zeros(missing, x.options())});
  };
  return {part(clip.wave, first * kSamplesPerFrame, video_frames * kSamplesPerFrame),
          part(clip.mouth, first, video_frames), part(clip.visemes, first, video_frames), clip.text};
}

SpeechClip roughened(const SpeechClip& clip, Random& random) {
  SpeechClip rough = clip;
  const auto noise = [&](double depth) {
    // Splitmix numbers, so that the clip does not depend on what else drew from the global generator.
    at::Tensor values = at::empty_like(clip.wave);
    auto* out = values.data_ptr<float>();
    const double colour = random.uniform(0, 0.9);
    double before = 0;
    for (int64_t i = 0; i < values.numel(); ++i) {
      before = colour * before + random.uniform(-1, 1);
      out[i] = static_cast<float>(before);
    }
    return values * (depth / (values.square().mean().sqrt().item<double>() + 1e-9));
  };
  const double kind = random.uniform();
  if (kind < 0.08) {  // nobody speaks
    rough.wave = kind < 0.03 ? at::zeros_like(clip.wave) : noise(std::pow(10.0, random.uniform(-4.5, -2.0)));
    rough.mouth = at::zeros_like(clip.mouth);
    rough.visemes = at::zeros_like(clip.visemes);
    return rough;
  }
  if (random.uniform() < 0.3) {  // echo
    const int64_t delay = 160 + random.below(800);
    const at::Tensor late = at::constant_pad_nd(rough.wave.narrow(0, 0, rough.wave.size(0) - delay), {delay, 0});
    rough.wave = rough.wave + random.uniform(0.05, 0.3) * late;
  }
  const double loudness = rough.wave.square().mean().sqrt().item<double>();
  if (random.uniform() < 0.7) rough.wave = rough.wave + noise(loudness * std::pow(10.0, -random.uniform(0.6, 2.2)));
  rough.wave = rough.wave * std::pow(10.0, random.uniform(-0.9, 0.3));
  return rough;
}

}  // namespace rushes::training
