// Runners of the text cases: cleaning, tokenizer, text encoder, prompt lists, file names, segment arithmetic. Most of
// them hold JSON: every entry of io.json is one check.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/segments.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/clean.h"
#include "rushes/text/prompt.h"
#include "rushes/text/tokenizer.h"
#include "rushes/verify/runners.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {
namespace {

using nlohmann::json;

/// One check: passed if both are equal, else its detail shows them.
Check compare(std::string what, const json& got, const json& wanted) {
  const bool passed = got == wanted;
  return {std::move(what), passed, passed ? "" : fmt::format("got {}, expected {}", got.dump(), wanted.dump())};
}

/// Number and text of an entry, short enough for a line.
std::string label(size_t index, const json& in) {
  std::string text = in.dump(-1, ' ', true);
  text.resize(std::min<size_t>(text.size(), 48));
  return fmt::format("{} {}", index, text);
}

Produced umt5_encoder(const Case& c) {
  const wan::Umt5Config config = text_config(c.hyper);
  require(!c.hyper.value("shared_pos", false), ErrorCode::unsupported,
          "{}: shared_pos belongs to T5; a UMT5 encoder has position embeddings in each layer", c.name);
  Produced out;
  if (c.wants("context_raw") || c.wants("context_zeroed")) {
    const wan::Umt5Encoder encoder(config, c.completed(c.weights, wan::parameter_shapes(config)));
    const at::Tensor &ids = c.input("ids"), &mask = c.input("mask");
    out.tensors["context_raw"] = encoder.forward(ids, mask);
    out.tensors["context_zeroed"] = encoder.encode(ids, mask);
  }
  if (c.has_input("rel_pos")) {
    at::Tensor buckets = c.input("rel_pos").to(at::kCPU).clone();
    for (auto *at = buckets.data_ptr<int64_t>(), *end = at + buckets.numel(); at != end; ++at)
      *at = t5::relative_position_bucket(*at, config.num_buckets, config.max_distance);
    out.tensors["rel_bucket"] = buckets;
  }
  return out;
}

Produced segment_math(const Case& c) {
  Produced out;
  for (const json& entry : c.io) {
    const wan::SegmentPlan plan{.segments = entry.at("num_segments"),
                                .segment_latent_frames = entry.at("segment_length"),
                                .overlap_latent_frames = entry.at("overlap")};
    json got = entry;
    got["total_latent_frames"] = plan.total_latent_frames();
    got["inferix_callback_frames"] = plan.inferix_video_frames();
    got["boundaries"] = json::array();
    for (const wan::SegmentSpan& span : plan.spans())
      got["boundaries"].push_back(
          {{"segment", span.segment}, {"start", span.start}, {"end", span.end}, {"unique", span.unique}});
    out.checks.push_back(compare(fmt::format("{} segments of {} overlapping by {}", plan.segments,
                                             plan.segment_latent_frames, plan.overlap_latent_frames),
                                 got, entry));
  }
  return out;
}

Produced text_clean(const Case& c) {
  const std::pair<const char*, text::Cleaning> modes[] = {{"basic", text::Cleaning::basic},
                                                          {"whitespace", text::Cleaning::whitespace},
                                                          {"lower", text::Cleaning::lower},
                                                          {"canonicalize", text::Cleaning::canonicalize}};
  Produced out;
  for (size_t i = 0; i < c.io.size(); ++i) {
    json got = c.io[i];
    for (const auto& [name, mode] : modes)
      if (got.contains(name)) got[name] = text::clean(c.io[i].at("in").get<std::string>(), mode);
    out.checks.push_back(compare(label(i, c.io[i].at("in")), got, c.io[i]));
  }
  return out;
}

Produced tokenizer_unigram(const Case& c) {
  const auto tokenizer = text::load_tokenizer(c.directory / "tokenizer.json");
  const int64_t max_length = c.hyper.at("max_length");
  Produced out;
  for (size_t i = 0; i < c.io.size(); ++i) {
    const auto in = c.io[i].at("in").get<std::string>();
    json got = c.io[i];
    got["ids"] = got["pieces"] = json::array();
    for (const text::Token& token : tokenizer->tokenize(in)) {
      got["ids"].push_back(token.id);
      got["pieces"].push_back(token.piece);
    }
    const text::Encoding padded = tokenizer->encode(in, max_length);
    got["padded_ids"] = padded.ids;
    got["mask"] = padded.mask;
    out.checks.push_back(compare(label(i, in), got, c.io[i]));
  }
  return out;
}

Produced prompt_split(const Case& c) {
  Produced out;
  for (size_t i = 0; i < c.io.size(); ++i)
    out.checks.push_back(compare(
        label(i, c.io[i].at("in")),
        text::prompts_of_line(c.io[i].at("in").get<std::string>(), text::Semicolons::all_separate), c.io[i].at("out")));
  return out;
}

Produced output_names(const Case& c) {
  Produced out;
  for (size_t i = 0; i < c.io.size(); ++i) {
    const json& entry = c.io[i];
    const auto prompt = entry.at("prompt").get<std::string>();
    const std::string file = text::output_file_name({.prompt = prompt,
                                                     .prompt_index = entry.at("prompt_idx"),
                                                     .sample_index = entry.at("sample_idx"),
                                                     .use_ema = entry.at("use_ema"),
                                                     .save_with_index = entry.at("save_with_index")});
    out.checks.push_back(compare(label(i, entry.at("file")), file, entry.at("file")));
  }
  return out;
}

}  // namespace

void add_wan_text(Registry& registry) {
  registry[{"wan", "umt5_encoder"}] = umt5_encoder;
  registry[{"wan", "text_clean"}] = text_clean;
  registry[{"wan", "tokenizer_unigram"}] = tokenizer_unigram;
  registry[{"wan", "prompt_split"}] = prompt_split;
  registry[{"wan", "output_names"}] = output_names;
  registry[{"wan", "segment_math"}] = segment_math;
}

}  // namespace rushes::verify
