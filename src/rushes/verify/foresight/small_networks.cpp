// Golden cases of the networks around the large ones: T5 and its tokenizer, DINOv2 in both layouts, the adapters.
#include <fmt/format.h>

#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/dinov2/preprocess.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/foresight/streaming_predictor.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/sentencepiece_tokenizer.h"
#include "rushes/verify/foresight/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

// ---- T5 ----

Produced t5_encoder(const Case& c) {
  const t5::Config config = foresight_t5_config(c.hyper);
  const t5::Encoder encoder(config, c.completed(t5::with_published_names(c.weights), t5::parameter_shapes(config)));
  const at::Tensor& ids = c.input("input_ids");
  Produced produced;
  if (c.wants("out_no_mask")) produced.tensors["out_no_mask"] = encoder.forward(ids);
  if (c.wants("out_with_mask")) produced.tensors["out_with_mask"] = encoder.forward(ids, c.input("attention_mask"));
  return produced;
}

Check check_of(const std::string& what, const nlohmann::json& got, const nlohmann::json& wanted) {
  return {what, got == wanted, fmt::format("got {}, wanted {}", got.dump(), wanted.dump())};
}

Produced t5_sentencepiece(const Case& c) {
  const at::Tensor bytes = c.exact_input("spiece_model_bytes").contiguous();
  const std::string_view model(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                               static_cast<std::size_t>(bytes.numel()));
  const auto tokenizer = text::parse_sentencepiece(model, c.name);
  const auto length = c.hyper.at("max_length").get<int64_t>();
  Produced produced;
  std::vector<at::Tensor> ids, masks;
  for (const nlohmann::json& each : c.config.at("cases")) {
    const auto words = each.at("text").get<std::string>();
    nlohmann::json own_ids = nlohmann::json::array(), pieces = nlohmann::json::array();
    for (const text::Token& token : tokenizer->tokenize(words)) {
      own_ids.push_back(token.id);
      pieces.push_back(token.piece);
    }
    produced.checks.push_back(check_of("ids of \"" + words + "\"", own_ids, each.at("ids")));
    if (each.contains("pieces")) {
      pieces.erase(pieces.size() - 1);  // recorded without the end token
      produced.checks.push_back(check_of("pieces of \"" + words + "\"", pieces, each.at("pieces")));
    }
    const text::Encoding encoding = tokenizer->encode(words, length);
    ids.push_back(at::tensor(encoding.ids, at::kLong));
    masks.push_back(at::tensor(encoding.mask, at::kLong));
  }
  produced.tensors["padded_ids"] = at::stack(ids);
  produced.tensors["attention_mask"] = at::stack(masks);
  return produced;
}

// ---- DINOv2 ----

Produced dinov2(const Case& c) {
  const dinov2::Config config = foresight_dinov2_config(c.hyper, c.weights);
  const dinov2::Encoder encoder(config,
                                c.completed(dinov2::with_hub_names(c.weights), dinov2::parameter_shapes(config)));
  const at::Tensor tokens = encoder.forward(c.input("image"));
  return {{{"out_patchtokens", tokens.narrow(1, 1, tokens.size(1) - 1)},
           {"out_clstoken", tokens.select(1, 0)},
           {"out_last_hidden", tokens}},
          {}};
}

Produced dinov2_preprocess(const Case& c) {
  dinov2::Colours colours;
  colours.mean = c.hyper.value("mean", colours.mean);
  colours.std = c.hyper.value("std", colours.std);
  const auto side = c.hyper.at("square").get<int64_t>();
  const at::Tensor& image = c.exact_input("image");
  Produced produced{{{"out_hub", dinov2::squeezed(image, side, colours).to(c.target.dtype)}}, {}};
  if (c.hyper.contains("shortest_edge"))
    produced.tensors["out_second"] =
        dinov2::cropped(image, c.hyper.at("shortest_edge"), side, colours).to(c.target.dtype);
  return produced;
}

// ---- adapters ----

Produced adapter(const Case& c) {
  const foresight::AdapterConfig config = foresight_adapter_config(c.hyper, c.weights);
  const foresight::Adapter network(config, c.completed(c.weights, foresight::parameter_shapes(config)));
  return {{{"out", network.forward(c.input("vlm_features"), c.input("dino_features"))}}, {}};
}

Produced streaming_predictor(const Case& c) {
  foresight::PredictorConfig config = foresight::infer_predictor(c.weights);
  config.num_heads = c.hyper.value("num_heads", config.num_heads);
  const foresight::StreamingPredictor predictor(config, c.completed(c.weights, foresight::parameter_shapes(config)));
  const at::Tensor& context = c.input("context");
  const auto steps = c.hyper.at("num_future_frames").get<int64_t>();
  Produced produced;
  if (c.wants("out_plain")) produced.tensors["out_plain"] = predictor.predict(context, steps);
  if (c.wants("out_injected"))
    produced.tensors["out_injected"] = predictor.predict(
        context, steps, foresight::ContextSwitch{c.hyper.at("inject_at"), c.input("injected_context")});
  return produced;
}

}  // namespace

void add_foresight_small_networks(Registry& registry) {
  registry[{"foresight", "t5_encoder"}] = t5_encoder;
  registry[{"foresight", "t5_sentencepiece"}] = t5_sentencepiece;
  registry[{"foresight", "dinov2_hub"}] = dinov2;
  registry[{"foresight", "dinov2_second_layout"}] = dinov2;
  registry[{"foresight", "dinov2_preprocess"}] = dinov2_preprocess;
  registry[{"foresight", "query_adapter"}] = adapter;
  registry[{"foresight", "hybrid_fusion"}] = adapter;
  registry[{"foresight", "streaming_predictor"}] = streaming_predictor;
}

}  // namespace rushes::verify
