// Golden cases of what stands around the networks of the language model that sees: tokenizer, pictures' sizes and
// patches, positions, the choice of a token.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/models/qwen/chat_prompt.h"
#include "rushes/models/qwen/picture_patches.h"
#include "rushes/models/qwen/positions.h"
#include "rushes/models/qwen/sampler.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/streaming_decoder.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using Integers = std::vector<int64_t>;
using nlohmann::json;

at::Tensor integers(const Integers& values) { return at::tensor(values, at::TensorOptions(at::kLong)); }

text::BpeFiles files_of(const json& config) {
  text::BpeFiles files;
  for (const auto& [token, id] : config.at("vocab").items()) files.vocabulary[token] = id.get<int64_t>();
  for (const json& merge : config.at("merges")) files.merges.emplace_back(merge.at(0), merge.at(1));
  for (const json& token : config.at("hyper").at("added_tokens"))
    files.added.push_back({token.at("content"), token.at("id"), token.at("special")});
  return files;
}

template <typename T>
void expect(Produced& produced, const std::string& what, const T& got, const T& wanted) {
  std::string detail;
  if (got != wanted) detail = fmt::format("got {}, wanted {}", json(got).dump(), json(wanted).dump());
  produced.checks.push_back({what, got == wanted, detail});
}

qwen::Turn turn_of(const json& message) {
  qwen::Turn turn{message.at("role"), {}};
  const json& content = message.at("content");
  if (content.is_string()) {
    turn.content.emplace_back(content.get<std::string>());
    return turn;
  }
  for (const json& part : content) {
    if (part.at("type") == "image")
      turn.content.emplace_back(qwen::PicturePart());
    else
      turn.content.emplace_back(part.at("text").get<std::string>());
  }
  return turn;
}

void check_chats(const json& chats, const text::ByteLevelBpe& tokenizer, Produced& produced) {
  const qwen::ChatPrompt prompt(tokenizer);
  for (const json& chat : chats) {
    std::vector<qwen::Turn> turns;
    for (const json& message : chat.at("messages")) turns.push_back(turn_of(message));
    expect(produced, "the prompt's text", qwen::ChatPrompt::text(turns), chat.at("prompt").get<std::string>());
    // What upstream does with control tokens that people write.
    const Integers ids =
        prompt.ids(turns, chat.at("image_token_counts").get<Integers>(), text::AddedTokensInText::recognised);
    expect(produced, "the prompt's ids", ids, chat.at("ids").get<Integers>());
  }
}

void check_streams(const json& streams, const std::shared_ptr<const text::ByteLevelBpe>& tokenizer,
                   Produced& produced) {
  for (const json& stream : streams) {
    text::StreamingDecoder decoder(tokenizer);
    std::vector<std::string> emitted;
    for (const int64_t id : stream.at("ids").get<Integers>()) emitted.push_back(decoder.push(id));
    expect(produced, "the text after each token", emitted,
           stream.at("emitted_after_each_token").get<std::vector<std::string>>());
    expect(produced, "the text at the end", decoder.finish(), stream.at("emitted_at_end").get<std::string>());
  }
}

Produced qwen_bpe(const Case& c) {
  const auto tokenizer = std::make_shared<const text::ByteLevelBpe>(files_of(c.config));
  Produced produced;
  expect(produced, "the expression that cuts words", c.hyper.at("split_regex").get<std::string>(),
         std::string(text::kWordExpression));
  Integers all, lengths;
  for (const json& one : c.config.at("cases")) {
    const auto text = one.at("text").get<std::string>();
    const Integers ids = tokenizer->encode(text, text::AddedTokensInText::recognised);
    all.insert(all.end(), ids.begin(), ids.end());
    lengths.push_back(std::ssize(ids));
    expect(produced, "ids of '" + text + "'", ids, one.at("ids").get<Integers>());
    expect(produced, "ids back to text", tokenizer->decode(ids, text::SpecialTokensInOutput::keep),
           one.at("decoded").get<std::string>());
    expect(produced, "ids back to text without special tokens", tokenizer->decode(ids),
           one.at("decoded_skip_special").get<std::string>());
  }
  check_chats(c.config.value("chat", json::array()), *tokenizer, produced);
  check_streams(c.config.value("streaming", json::array()), tokenizer, produced);
  produced.tensors = {{"ids_flat", integers(all)}, {"lengths", integers(lengths)}};
  return produced;
}

Produced qwen_smart_resize(const Case& c) {
  const at::Tensor sizes = c.input("sizes").cpu().contiguous();
  Integers out;
  for (int64_t i = 0; i < sizes.size(0); ++i) {
    const int64_t* row = sizes.const_data_ptr<int64_t>() + 4 * i;
    const qwen::PictureSize size = qwen::smart_resize({row[0], row[1]}, c.hyper.at("factor"), row[2], row[3]);
    out.insert(out.end(), {size.height, size.width});
  }
  return {{{"out_sizes", integers(out).view({-1, 2})}}, {}};
}

Produced qwen_image_preprocess(const Case& c) {
  const qwen::PictureConfig config{.min_pixels = c.hyper.at("min_pixels"),
                                   .max_pixels = c.hyper.at("max_pixels"),
                                   .patch_size = c.hyper.at("patch_size"),
                                   .merge_size = c.hyper.at("merge_size"),
                                   .temporal_patch_size = c.hyper.at("temporal_patch_size"),
                                   .mean = c.hyper.at("mean"),
                                   .std = c.hyper.at("std")};
  const at::Tensor& image = c.input("image");
  const qwen::PicturePatches patches = qwen::picture_patches(image, config);
  Produced produced{{{"out_pixel_values", patches.values.to(c.target.dtype)}, {"out_grid_thw", patches.grid}}, {}};
  if (c.wants("out_pixel_values_pil")) {  // the published processor's other back end
    const qwen::PictureSize size =
        qwen::smart_resize({image.size(0), image.size(1)}, config.factor(), config.min_pixels, config.max_pixels);
    const at::Tensor resized = tensor::resize(image, size.height, size.width, tensor::Resampling::bicubic);
    produced.tensors["out_pixel_values_pil"] = qwen::patches_of(resized, config).values.to(c.target.dtype);
  }
  return produced;
}

Produced qwen_rope_index(const Case& c) {
  const qwen::Positions positions =
      qwen::rope_index(c.input("input_ids"), c.has_input("attention_mask") ? c.input("attention_mask") : at::Tensor(),
                       c.has_input("image_grid_thw") ? c.input("image_grid_thw") : at::Tensor(),
                       {c.hyper.at("image_token_id"), c.hyper.at("merge")});
  return {{{"out_position_ids", positions.ids}, {"out_rope_deltas", positions.deltas}}, {}};
}

/// "out_probs_rp105_t07_k20_p09": which filters of `hyper` a distribution has gone through.
qwen::SamplingConfig filters_in(const std::string& name, const json& hyper) {
  const auto has = [&](const char* filter) { return name.find(filter) != std::string::npos; };
  qwen::SamplingConfig config{.top_k = 0};
  if (has("_rp")) config.repetition_penalty = hyper.at("repetition_penalty");
  if (has("_t")) config.temperature = hyper.at("temperature");
  if (has("_k")) config.top_k = hyper.at("top_k");
  if (has("_p0") || has("_p1")) config.top_p = hyper.at("top_p");
  return config;
}

Produced qwen_sampling(const Case& c) {
  const at::Tensor& logits = c.exact_input("logits");
  const at::Tensor previous = c.input("previous_ids").cpu().contiguous();
  Produced produced;
  for (const auto& [name, wanted] : c.expected) {
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < logits.size(0); ++b) {
      const int64_t* ids = previous.const_data_ptr<int64_t>() + b * previous.size(1);
      rows.push_back(
          qwen::probabilities(logits[b], {ids, static_cast<size_t>(previous.size(1))}, filters_in(name, c.hyper)));
    }
    produced.tensors[name] = at::stack(rows);
  }
  return produced;
}

}  // namespace

void add_foresight_qwen_text(Registry& registry) {
  registry[{"foresight", "qwen_bpe"}] = qwen_bpe;
  registry[{"foresight", "qwen_smart_resize"}] = qwen_smart_resize;
  registry[{"foresight", "qwen_image_preprocess"}] = qwen_image_preprocess;
  registry[{"foresight", "qwen_rope_index"}] = qwen_rope_index;
  registry[{"foresight", "qwen_sampling"}] = qwen_sampling;
}

}  // namespace rushes::verify
