// The captions of drawn speakers: what somebody would ask for, in several wordings and orders.
#include <array>

#include "rushes/training/omniavatar/avatar_world.h"

namespace rushes::training {
namespace {

using Words = std::array<std::string_view, 3>;  // the first is the plain one and the most frequent

constexpr std::array<Words, kNouns> kNounWords{
    {{"man", "man", "guy"}, {"woman", "woman", "lady"}, {"person", "person", "speaker"}}};
constexpr std::array<Words, kSkins> kSkinWords{{{"light skin", "pale skin", "fair skin"},
                                                {"tan skin", "brown skin", "tanned skin"},
                                                {"dark skin", "black skin", "dark skin"}}};
constexpr std::array<Words, kHairs> kHairWords{{{"black", "black", "dark"},
                                                {"brown", "brown", "brunette"},
                                                {"blond", "blonde", "golden"},
                                                {"red", "red", "ginger"},
                                                {"grey", "gray", "white"},
                                                {"purple", "purple", "violet"}}};
constexpr std::array<Words, kCuts> kCutWords{
    {{"bald", "bald", "bald"}, {"short", "short", "neat"}, {"long", "long", "long"}, {"curly", "curly", "frizzy"}}};
constexpr std::array<Words, kGarments> kGarmentWords{{{"t-shirt", "tee", "t-shirt"},
                                                      {"shirt", "shirt", "blouse"},
                                                      {"suit", "suit", "jacket"},
                                                      {"sweater", "striped sweater", "pullover"}}};
constexpr std::array<Words, kCloths> kClothWords{{{"red", "red", "crimson"},
                                                  {"orange", "orange", "amber"},
                                                  {"yellow", "yellow", "golden"},
                                                  {"green", "green", "emerald"},
                                                  {"blue", "blue", "navy"},
                                                  {"purple", "violet", "purple"},
                                                  {"white", "white", "white"},
                                                  {"black", "black", "dark"}}};
constexpr std::array<Words, kWalls> kWallWords{{{"grey", "gray", "grey"},
                                                {"blue", "sky blue", "light blue"},
                                                {"green", "light green", "green"},
                                                {"brown", "wooden", "dark brown"},
                                                {"pink", "pink", "rosy"},
                                                {"teal", "teal", "petrol"},
                                                {"sand", "beige", "sandy"},
                                                {"violet", "purple", "lilac"}}};
constexpr Words kGrounds{"background", "wall", "backdrop"};
constexpr std::array<Words, kMoods> kMoodWords{{{"calm", "calm", "neutral"},
                                                {"happy", "smiling", "cheerful"},
                                                {"sad", "unhappy", "sorrowful"},
                                                {"angry", "furious", "annoyed"},
                                                {"surprised", "astonished", "surprised"}}};
constexpr std::array<Words, kGestures> kGestureWords{{{"holding still", "sitting still", "keeping still"},
                                                      {"nodding", "nodding", "bowing the head"},
                                                      {"shaking the head", "turning the head", "shaking the head"},
                                                      {"looking left", "looking to the left", "facing left"},
                                                      {"looking right", "looking to the right", "facing right"}}};
constexpr std::array<Words, kFramings> kFramingWords{
    {{"a close-up of", "a portrait of", "a close shot of"},
     {"a medium shot of", "the upper body of", "a half-length shot of"}}};
constexpr Words kSpeaking{"speaking", "talking", "speaking to the camera"};

template <std::size_t N, typename E>
std::string word(const std::array<Words, N>& table, E meaning, Random& random) {
  const Words& words = table[static_cast<std::size_t>(meaning)];
  return std::string(random.below(2) == 0 ? words[0] : random.pick(words));
}

std::string with_article(const std::string& noun) {
  return (std::string_view("aeiou").find(noun[0]) != std::string_view::npos ? "an " : "a ") + noun;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty()) text += between;
    text += part;
  }
  return text;
}

}  // namespace

std::string speaker_caption(const SpeakerLabels& l, bool has_portrait, uint64_t variant) {
  Random random(variant, 9);
  // What the portrait shows need not be said, and what nobody sees is seldom asked for.
  const auto said = [&](double share) { return random.uniform() < (has_portrait ? 0.5 * share : share); };
  std::vector<std::string> features;
  const bool bald = l.cut == Cut::bald;
  if (said(0.97) && !bald)
    features.push_back(joined({word(kCutWords, l.cut, random), word(kHairWords, l.hair, random), "hair"}, " "));
  if (l.beard && said(0.97)) features.emplace_back(random.below(3) == 0 ? "a full beard" : "a beard");
  if (l.glasses && said(0.97)) features.emplace_back(random.below(3) == 0 ? "spectacles" : "glasses");
  if (said(0.6)) features.push_back(word(kSkinWords, l.skin, random));
  // Mood and gesture are the caption's even where there is a portrait; calm and still go without saying.
  const std::string mood = l.mood == Mood::calm && random.uniform() < 0.5 ? "" : word(kMoodWords, l.mood, random);
  const std::string gesture =
      l.gesture == Gesture::still && random.uniform() < 0.7 ? "" : word(kGestureWords, l.gesture, random);
  std::string who = joined({mood, bald && said(0.97) ? "bald" : "", word(kNounWords, l.noun, random)}, " ");
  who = with_article(who);
  if (!features.empty()) who += " with " + joined(features, random.below(2) == 0 ? " and " : ", ");
  const std::string clothes =
      said(0.97) ? (random.below(3) == 0 ? "in " : "wearing ") +
                       with_article(word(kClothWords, l.cloth, random) + " " + word(kGarmentWords, l.garment, random))
                 : "";
  const std::string framing = said(0.9) ? word(kFramingWords, l.framing, random) : "";
  const std::string ground =
      said(0.97) ? word(kWallWords, l.wall, random) + " " + std::string(random.pick(kGrounds)) : "";
  const std::string does = joined({random.below(3) == 0 ? "" : std::string(random.pick(kSpeaking)), gesture}, " and ");
  const std::string subject = joined({framing, who}, " ");
  switch (random.below(3)) {
    case 0: return joined({joined({subject, clothes}, " "), does, ground}, ", ");
    case 1:
      return joined(
          {joined({subject, does}, " "), clothes, ground.empty() ? "" : "in front of " + with_article(ground)}, ", ");
    default:
      return joined({joined({subject, clothes, does}, " "), ground.empty() ? "" : "before " + with_article(ground)},
                    " ");
  }
}

KnownWords speaker_words() {
  KnownWords words;
  const auto add = [&](const auto& row) {
    for (const std::string_view word : row) words.add(word);
  };
  words.add_all(kFramingWords);
  add(std::array{"a", "an"});
  words.add_all(kMoodWords);
  words.add_all(kNounWords);
  add(std::array{"with", "and"});
  words.add_all(kCutWords);
  words.add_all(kHairWords);
  add(std::array{"hair", "a full beard", "a beard", "glasses", "spectacles"});
  words.add_all(kSkinWords);
  add(std::array{"wearing", "in"});
  words.add_all(kClothWords);
  words.add_all(kGarmentWords);
  add(kSpeaking);
  words.add_all(kGestureWords);
  add(std::array{"in front of", "before"});
  words.add_all(kWallWords);
  add(kGrounds);
  return words;
}

}  // namespace rushes::training
