// Questions and answers of the Foresight world, and the reader that measures answers. The wording of an answer follows
// its question, so that a small model need not guess it.
#include <fmt/format.h>

#include <algorithm>

#include "rushes/training/foresight/foresight_world.h"

namespace rushes::training {
namespace {

/// How an answer begins, and whether it says "slides" or "will slide".
enum class Opening : int8_t { there_is, i_see, plain };
struct Manner {
  Opening opening = Opening::there_is;
  bool future = false;
};
struct Question {
  std::string_view text;
  Manner manner;
};

constexpr Manner kNow{}, kWill{Opening::there_is, true}, kSeen{Opening::i_see}, kPlain{Opening::plain};
constexpr std::array<Question, 20> kQuestions{{{"What will happen?", kWill},
                                               {"What happens next?", kNow},
                                               {"What do you see?", kSeen},
                                               {"", kNow},
                                               {"What will happen next?", kWill},
                                               {"What is going to happen?", kWill},
                                               {"What happens?", kNow},
                                               {"What comes next?", kNow},
                                               {"Describe this image.", kPlain},
                                               {"Describe the picture.", kPlain},
                                               {"What is in the picture?", kSeen},
                                               {"What can you see in this picture?", kSeen},
                                               {"Tell me what will happen.", kWill},
                                               {"Predict what happens next.", kNow},
                                               {"What do you think will happen?", kWill},
                                               {"what will happen next", kWill},
                                               {"what happens", kNow},
                                               {"what do you see", kSeen},
                                               {"Where does it go?", kNow},
                                               {"What will it do?", kWill}}};

// {} is what is pushed, then where.
constexpr std::array<std::string_view, 9> kPushes{"What happens if I push {} {}?",
                                                  "What will happen if I push {} {}?",
                                                  "What happens when I move {} {}?",
                                                  "I push {} {}. What happens?",
                                                  "Push {} {}.",
                                                  "What if I push {} {}?",
                                                  "what happens if i push {} {}",
                                                  "Move {} {}.",
                                                  "What will happen when {} is pushed {}?"};
constexpr std::array<std::string_view, 6> kTurns{
    "What happens if I turn {}?", "What will happen if I spin {}?", "Spin {}.", "Turn {}.",
    "What if I spin {}?",         "what happens if i turn {}"};
constexpr std::array<std::array<std::string_view, 3>, 4> kPushedWays{{{"to the left", "left", "leftwards"},
                                                                      {"to the right", "right", "rightwards"},
                                                                      {"up", "upwards", "to the top"},
                                                                      {"down", "downwards", "to the bottom"}}};
constexpr std::array<std::string_view, 4> kWays{"to the left", "to the right", "up", "down"};

constexpr std::string_view noun(Shape shape) {
  switch (shape) {
    case Shape::circle: return "ball";
    case Shape::square: return "square";
    case Shape::triangle: return "triangle";
    case Shape::star: return "star";
    case Shape::ring: return "ring";
    default: return "heart";
  }
}

std::string bare(const Thing& thing) { return fmt::format("{} {}", name(thing.colour), noun(thing.shape)); }

std::string with_article(const Thing& thing) {
  return fmt::format("{} {}", thing.colour == Colour::orange ? "an" : "a", bare(thing));
}

std::string sight(const ForesightLabels& labels, Opening opening) {
  std::string things = with_article(labels.things[0]);
  if (labels.things.size() > 1) things += " and " + with_article(labels.things[1]);
  const std::string where = labels.floor ? fmt::format("above a {} floor", name(*labels.floor))
                                         : fmt::format("on a {} ground", name(labels.ground));
  switch (opening) {
    case Opening::there_is: return fmt::format("There is {} {}.", things, where);
    case Opening::i_see: return fmt::format("I see {} {}.", things, where);
    case Opening::plain: break;
  }
  things[0] = 'A';
  return fmt::format("{} {}.", things, where);
}

std::string outlook(const ForesightLabels& labels, bool future) {
  const bool is_pair = labels.things.size() > 1;
  switch (labels.outcome) {
    case Outcome::fall: return future ? "It will fall to the floor and bounce." : "It falls and bounces.";
    case Outcome::spin: return future ? "It will spin around." : "It spins around.";
    case Outcome::stay:
      if (is_pair) return future ? "They will stay where they are." : "They stay where they are.";
      return future ? "It will stay where it is." : "It stays where it is.";
    case Outcome::hit:
      return future ? fmt::format("The {} will hit the {} and push it away.", bare(labels.things[0]),
                                  bare(labels.things[1]))
                    : fmt::format("The {} hits the {}, which slides away.", bare(labels.things[0]),
                                  bare(labels.things[1]));
    default: break;
  }
  const std::string_view way = kWays[static_cast<std::size_t>(labels.outcome)];
  if (labels.cue == Cue::trail) return fmt::format("{} {}.", future ? "It will keep moving" : "It keeps moving", way);
  return fmt::format("{} {}.", future ? "It will slide" : "It slides", way);
}

std::string fill_in(std::string_view pattern, const std::string& thing, std::string_view way) {
  return fmt::format(fmt::runtime(pattern), thing, way);
}

ForesightWords instruction(const ForesightLabels& labels, Random& random) {
  const Thing& own = labels.things[0];
  const std::array<std::string, 4> names{"it", "it", fmt::format("the {}", noun(own.shape)), "the " + bare(own)};
  const std::string& thing = random.pick(names);
  const std::string there = sight(labels, Opening::there_is);
  if (labels.outcome == Outcome::spin)
    return {fill_in(random.pick(kTurns), thing, ""), there + " If you turn it, it spins around."};
  const auto way = static_cast<std::size_t>(labels.outcome);
  return {fill_in(random.pick(kPushes), thing, random.pick(kPushedWays[way])),
          fmt::format("{} If you push it, it slides {}.", there, kWays[way])};
}

template <typename E>
std::optional<E> named(std::string_view word, int count) {
  for (int i = 0; i < count; ++i)
    if (name(static_cast<E>(i)) == word) return static_cast<E>(i);
  return {};
}

std::optional<Shape> shape_named(std::string_view word) {
  const auto* found = std::ranges::find_if(kForesightShapes, [&](Shape shape) { return noun(shape) == word; });
  return found == kForesightShapes.end() ? std::nullopt : std::optional(*found);
}

std::optional<Outcome> outcome_named(const std::vector<std::string>& words) {
  const auto says = [&](std::initializer_list<std::string_view> any) {
    return std::ranges::any_of(words, [&](const std::string& word) { return std::ranges::count(any, word) > 0; });
  };
  if (says({"hit", "hits"})) return Outcome::hit;  // before "slides away"
  if (says({"fall", "falls"})) return Outcome::fall;
  if (says({"spin", "spins"})) return Outcome::spin;
  if (says({"stay", "stays"})) return Outcome::stay;
  if (!says({"slide", "slides", "moving"})) return {};
  for (const std::string& word : words)
    if (const auto way = named<Outcome>(word, 4)) return way;
  return {};
}

}  // namespace

ForesightWords make_foresight_words(const ForesightLabels& labels, Random& random) {
  if (labels.instructed) return instruction(labels, random);
  // The first ones are what people ask most.
  const Question& question =
      random.below(2) == 0 ? kQuestions[static_cast<std::size_t>(random.below(4))] : random.pick(kQuestions);
  return {std::string(question.text),
          fmt::format("{} {}", sight(labels, question.manner.opening), outlook(labels, question.manner.future))};
}

KnownWords foresight_known_words() {
  KnownWords words;
  const auto add_pattern = [&](std::string_view pattern) {
    while (!pattern.empty()) {
      const std::string_view piece = pattern.substr(0, pattern.find("{}"));
      pattern.remove_prefix(std::min(pattern.size(), piece.size() + 2));
      const std::size_t begin = piece.find_first_not_of(" .?");
      if (begin != std::string_view::npos) words.add(piece.substr(begin, piece.find_last_not_of(" .?") + 1 - begin));
    }
  };
  for (const Question& question : kQuestions) add_pattern(question.text);
  for (const std::string_view pattern : kPushes) add_pattern(pattern);
  for (const std::string_view pattern : kTurns) add_pattern(pattern);
  for (const char* word : {"it", "the"}) words.add(word);
  for (int i = 0; i < kColours; ++i) words.add(name(static_cast<Colour>(i)));
  for (const Shape shape : kForesightShapes) words.add(noun(shape));
  words.add_all(kPushedWays);
  for (int i = 0; i < kGrounds; ++i) words.add(name(static_cast<Ground>(i)));
  // Answers: one of each outcome, alone and of two things, in each manner.
  ForesightLabels labels{.things = {{Shape::circle, Colour::red}, {Shape::star, Colour::orange}}};
  const auto add_words = [&](const std::string& text) {
    for (const std::string& word : words_in(text)) words.add(word);
  };
  for (const Opening opening : {Opening::there_is, Opening::i_see, Opening::plain})
    for (const std::optional<Ground> floor : {std::optional<Ground>(), std::optional(Ground::grey)}) {
      labels.floor = floor;
      add_words(sight(labels, opening));
    }
  for (const Cue cue : {Cue::none, Cue::trail})
    for (int outcome = 0; outcome < kOutcomes; ++outcome)
      for (const bool future : {false, true})
        for (const bool is_pair : {true, false}) {
          ForesightLabels each = labels;
          each.cue = cue;
          each.outcome = static_cast<Outcome>(outcome);
          if (!is_pair && each.outcome != Outcome::hit) each.things.pop_back();
          add_words(outlook(each, future));
        }
  add_words("If you turn it, push it");
  return words;
}

AnswerReading read_answer(std::string_view text) {
  const std::vector<std::string> words = words_in(text);
  AnswerReading reading;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i + 1] == "ground") reading.ground = named<Ground>(words[i], kGrounds);
    if (words[i + 1] == "floor" && words[i] != "the") reading.floor = named<Ground>(words[i], kGrounds);
    const auto colour = named<Colour>(words[i], kColours);
    const auto shape = shape_named(words[i + 1]);
    if (!colour || !shape) continue;
    const Thing thing{*shape, *colour};
    if (std::ranges::find(reading.things, thing) == reading.things.end()) reading.things.push_back(thing);
  }
  reading.outcome = outcome_named(words);
  return reading;
}

}  // namespace rushes::training
