#include "rushes/models/qwen/chat_prompt.h"

#include "rushes/base/error.h"
#include "rushes/text/utf8.h"

namespace rushes::qwen {
namespace {

constexpr const char *kTurnStart = "<|im_start|>", *kTurnEnd = "<|im_end|>", *kVisionStart = "<|vision_start|>",
                     *kVisionEnd = "<|vision_end|>", *kImagePad = "<|image_pad|>";

/// The parts of the template in their order: what people wrote and the template's own words to `text`, control tokens
/// to `control`, pictures to `picture`.
template <typename Text, typename Control, typename Picture>
void walk(std::span<const Turn> turns, const Text& text, const Control& control, const Picture& picture) {
  const auto begin = [&](const std::string& role) {
    control(kTurnStart);
    text(role + "\n");
  };
  const auto end = [&] {
    control(kTurnEnd);
    text("\n");
  };
  if (turns.empty() || turns.front().role != "system") {
    begin("system");
    text(kSystemText);
    end();
  }
  for (const Turn& turn : turns) {
    require(turn.role == "system" || turn.role == "user" || turn.role == "assistant", ErrorCode::invalid_argument,
            "the role of a turn must be system, user or assistant, got '{}'", turn.role);
    begin(turn.role);
    for (const ContentPart& part : turn.content) {
      if (const auto* words = std::get_if<std::string>(&part))
        text(*words);
      else
        picture();
    }
    end();
  }
  begin("assistant");
}

}  // namespace

std::vector<Turn> question_about(int64_t pictures, std::string question) {
  Turn turn{"user", {}};
  for (int64_t i = 0; i < pictures; ++i) turn.content.emplace_back(PicturePart());
  turn.content.emplace_back(std::move(question));
  return {std::move(turn)};
}

ChatPrompt::ChatPrompt(const text::ByteLevelBpe& tokenizer) : tokenizer_(tokenizer) {
  const auto find = [&](const char* token) {
    const auto id = tokenizer.find_added(token);
    require(id.has_value(), ErrorCode::corrupt_data, "the tokenizer has no token {}", token);
    return *id;
  };
  turn_start_ = find(kTurnStart);
  turn_end_ = find(kTurnEnd);
  vision_start_ = find(kVisionStart);
  vision_end_ = find(kVisionEnd);
  image_pad_ = find(kImagePad);
}

std::string ChatPrompt::text(std::span<const Turn> turns) {
  std::string all;
  walk(
      turns, [&](std::string_view words) { all += words; }, [&](const char* token) { all += token; },
      [&] { all.append(kVisionStart).append(kImagePad).append(kVisionEnd); });
  return all;
}

std::vector<int64_t> ChatPrompt::ids(std::span<const Turn> turns, const PictureTokenCounts& counts,
                                     text::AddedTokensInText added) const {
  std::vector<int64_t> ids;
  std::string words;  // between two control tokens: words reach across the template's and a person's
  size_t picture = 0;
  const auto flush = [&] {
    const std::vector<int64_t> own = tokenizer_.encode(words, added);
    ids.insert(ids.end(), own.begin(), own.end());
    words.clear();
  };
  const auto control = [&](int64_t id) {
    flush();
    ids.push_back(id);
  };
  walk(
      turns,
      [&](std::string_view part) {
        text::require_utf8(part, "the text of a turn");
        words += part;
      },
      [&](const char* token) { control(token == kTurnStart ? turn_start_ : turn_end_); },
      [&] {
        require(picture < counts.size() && counts[picture] > 0, ErrorCode::invalid_argument,
                "the conversation has more than {} pictures", counts.size());
        control(vision_start_);
        ids.insert(ids.end(), static_cast<size_t>(counts[picture++]), image_pad_);
        ids.push_back(vision_end_);
      });
  flush();
  require(picture == counts.size(), ErrorCode::invalid_argument, "the conversation has {} pictures, {} were given",
          picture, counts.size());
  return ids;
}

}  // namespace rushes::qwen
