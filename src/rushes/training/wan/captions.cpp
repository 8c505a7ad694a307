// The caption grammar of the procedural world. Several wordings and word orders per meaning, so that the text encoder
// has to read and cannot count on places.
#include <array>

#include "rushes/training/wan/world.h"

namespace rushes::training {
namespace {

using Words = std::array<std::string_view, 4>;  // the first is the plain one and the most frequent

constexpr std::array<Words, kShapes> kShapeWords{{{"circle", "disc", "ball", "dot"},
                                                  {"square", "box", "square", "block"},
                                                  {"triangle", "triangle", "triangle", "triangle"},
                                                  {"star", "star", "star", "star"},
                                                  {"ring", "hoop", "ring", "ring"},
                                                  {"plus", "plus sign", "cross", "plus"},
                                                  {"heart", "heart", "heart", "heart"},
                                                  {"moon", "crescent", "half moon", "moon"}}};
constexpr std::array<Words, kColours> kColourWords{{{"red", "red", "crimson", "scarlet"},
                                                    {"orange", "orange", "orange", "amber"},
                                                    {"yellow", "yellow", "golden", "lemon"},
                                                    {"green", "green", "lime", "emerald"},
                                                    {"cyan", "turquoise", "aqua", "cyan"},
                                                    {"blue", "blue", "blue", "azure"},
                                                    {"purple", "violet", "purple", "magenta"},
                                                    {"white", "white", "white", "snowy"}}};
constexpr std::array<Words, kGrounds> kGroundWords{{{"black", "black", "dark", "pitch black"},
                                                    {"grey", "gray", "grey", "stone"},
                                                    {"blue", "navy", "dark blue", "blue"},
                                                    {"green", "dark green", "forest green", "green"},
                                                    {"brown", "brown", "chocolate", "wooden"},
                                                    {"teal", "teal", "petrol", "teal"},
                                                    {"pink", "pink", "rosy", "pink"},
                                                    {"sand", "beige", "sandy", "sand"}}};
constexpr Words kGroundNouns{"background", "ground", "field", "backdrop"};
constexpr Words kVerbs{"moves", "drifts", "slides", "glides"};
constexpr std::array<Words, kDirections> kWays{
    {{"left", "to the left", "leftwards", "left"},
     {"right", "to the right", "rightwards", "right"},
     {"up", "upwards", "up", "to the top"},
     {"down", "downwards", "down", "to the bottom"},
     {"up and left", "diagonally up to the left", "up left", "to the upper left"},
     {"up and right", "diagonally up to the right", "up right", "to the upper right"},
     {"down and left", "diagonally down to the left", "down left", "to the lower left"},
     {"down and right", "diagonally down to the right", "down right", "to the lower right"}}};
constexpr std::array<Words, kMotions - kDirections> kActions{
    {{"", "stands still", "rests", "does not move"},
     {"grows", "gets bigger", "expands", "swells"},
     {"shrinks", "gets smaller", "contracts", "dwindles"},
     {"spins", "rotates", "turns", "whirls"},
     {"bounces", "jumps up and down", "hops", "bounces"},
     {"moves in a circle", "circles around", "moves in circles", "goes round in circles"},
     {"vanishes", "disappears", "fades away", "vanishes"},
     {"appears", "fades in", "shows up", "appears"},
     {"crosses", "passes", "meets", "crosses"},
     {"and", "beside", "next to", "left of"},
     {"above", "over", "on top of", "above"}}};
constexpr Words kTilted{"tilted", "leaning", "slanted", "tilted"};
constexpr std::array<Words, kPaces> kPaceWords{
    {{"slowly", "slowly", "gently", "calmly"}, {"", "", "", ""}, {"quickly", "fast", "rapidly", "quickly"}}};
constexpr std::array<Words, kExtents> kExtentWords{
    {{"small", "little", "tiny", "small"}, {"", "", "", "medium"}, {"big", "large", "huge", "big"}}};

template <std::size_t N, typename E>
std::string_view choose(const std::array<Words, N>& table, E meaning, Random& random) {
  const Words& words = table[static_cast<std::size_t>(meaning)];
  return random.below(2) == 0 ? words[0] : random.pick(words);
}

std::string join(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    if (!text.empty() && part != ",") text += ' ';
    text += part;
  }
  return text;
}

std::string with_article(const std::string& noun) {
  const bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos;
  return (vowel ? "an " : "a ") + noun;
}

std::string thing(const Labels& labels, Random& random) {
  return with_article(
      join({choose(kExtentWords, labels.extent, random), labels.tilted ? random.pick(kTilted) : std::string_view(),
            choose(kColourWords, labels.colour, random), choose(kShapeWords, labels.shape, random)}));
}

std::string action(const Labels& labels, const std::string& second, Random& random) {
  const int number = static_cast<int>(labels.motion) - kDirections;
  if (labels.motion == Motion::beside || labels.motion == Motion::above)
    return join({choose(kActions, number, random), second});
  if (labels.motion == Motion::still) return std::string(choose(kActions, number, random));
  const std::string_view pace = choose(kPaceWords, labels.pace, random);
  const bool pace_first = random.below(2) == 0;
  std::string core;
  if (number < 0)
    core = join({random.pick(kVerbs), choose(kWays, labels.motion, random)});
  else
    core = join({choose(kActions, number, random), second});
  return pace_first ? join({pace, core}) : join({core, pace});
}

}  // namespace

std::string make_caption(const Labels& labels, bool gradient, const Object* second, uint64_t variant) {
  Random random(variant, 7);
  const std::string subject = thing(labels, random);
  std::string other;
  if (second) {
    Labels its = labels;
    its.shape = second->shape, its.colour = second->colour, its.extent = Extent::medium, its.tilted = second->tilted;
    other = thing(its, random);
  }
  const std::string deed = action(labels, other, random);
  // What nobody asks for is black.
  if (labels.ground == Ground::black && !gradient && random.below(3) == 0) return join({subject, deed});
  const std::string ground = with_article(
      join({gradient ? "shaded" : "", choose(kGroundWords, labels.ground, random), random.pick(kGroundNouns)}));
  // "A circle on a ground beside a square" would be read as one thing on another.
  const bool one_phrase = labels.motion == Motion::beside || labels.motion == Motion::above;
  switch (one_phrase ? 3 * random.below(2) : random.below(5)) {
    case 0: return join({subject, deed, "on", ground});
    case 1: return join({subject, deed, "over", ground});
    case 2: return join({subject, "on", ground, deed});
    case 3: return join({"on", ground, ",", subject, deed});
    default: return join({ground, "where", subject, deed});
  }
}

KnownWords caption_words() {
  KnownWords words;
  const auto add = [&](const auto& row) {
    for (const std::string_view word : row) words.add(word);
  };
  add(std::array{"a", "an"});
  words.add_all(kExtentWords);
  add(kTilted);
  words.add_all(kColourWords);
  words.add_all(kShapeWords);
  add(kVerbs);
  words.add_all(kWays);
  words.add_all(kActions);
  words.add_all(kPaceWords);
  add(std::array{"on", "over", "where", "shaded"});
  words.add_all(kGroundWords);
  add(kGroundNouns);
  return words;
}

}  // namespace rushes::training
