// Clients of the other video APIs say how a first frame is made of their picture, and are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/generation/drawing_model.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

/// Draws, and takes a picture into account as a model with first frames does.
class FramingModel final : public generation::Model {
 public:
  FramingModel() : options_(drawing_.options().begin(), drawing_.options().end()) {
    options_.push_back({.name = "fit",
                        .type = OptionType::choice,
                        .doc = "how a picture of another shape fits",
                        .standard = std::string("crop"),
                        .choices = {"crop", "pad", "stretch"}});
  }
  const generation::ModelCard& card() const override { return drawing_.card(); }
  generation::Capabilities capabilities() const override {
    generation::Capabilities capabilities = drawing_.capabilities();
    capabilities.takes = generation::Modality::text | generation::Modality::image;
    return capabilities;
  }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    const Options given = checked(request.options, options_);
    generation::Request drawn = request;
    drawn.image.reset();
    drawn.options = {};
    auto plan = drawing_.plan(drawn);
    if (request.image)
      plan->image_use = generation::ImageUse{.height = request.image->height,
                                             .width = request.image->width,
                                             .fit = given.get<std::string>("fit").value_or("crop"),
                                             .shown = generation::FaceBox{0, 0, 64, 64}};
    return plan;
  }
  std::unique_ptr<generation::Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    return drawing_.start(std::move(plan));
  }

 private:
  const generation::DrawingModel drawing_;
  std::vector<OptionField> options_;
};

std::unique_ptr<RunningServer> start() {
  ModelSource framing{.name = "framing", .load = [] { return std::make_shared<FramingModel>(); }, .at_start = true};
  return std::make_unique<RunningServer>([](ServerOptions&) {}, std::vector<ModelSource>{std::move(framing)});
}

json asking(const json& more) {
  const std::string png = picture();
  json body{{"model", "framing"},
            {"prompt", "a"},
            {"input_reference",
             "data:image/png;base64," + encode_base64({reinterpret_cast<const uint8_t*>(png.data()), png.size()})}};
  body.update(more);
  return body;
}

/// What the two APIs say of a request.
std::vector<json> answers(const RunningServer& server, const json& body) {
  const Reply created = server.request("POST", "/v1/videos", body.dump());
  EXPECT_EQ(created.status, 200) << created.body;
  TestClient live(server.port());
  EXPECT_EQ(live.upgrade("/v1/realtime/video").status, 101);
  json begin = body;
  begin["type"] = "session.start";
  live.write_frame(1, begin.dump());
  return {created.json(), json::parse(live.read_message().payload)};
}

TEST(FirstFrame, is_fitted_as_a_client_of_another_api_says) {
  const auto server = start();
  for (const char* fit : {"crop", "pad", "stretch"})
    for (const json& answer : answers(*server, asking({{"fit", fit}}))) {
      EXPECT_EQ(answer.value("/image/fit"_json_pointer, ""), fit) << answer;
      EXPECT_EQ(answer.value("/image/shown"_json_pointer, json()), json({0, 0, 64, 64})) << answer;
      EXPECT_EQ(answer["ignored"], json::array());
    }
  for (const json& answer : answers(*server, asking({{"extra_params", {{"fit", "pad"}}}})))
    EXPECT_EQ(answer.value("/image/fit"_json_pointer, ""), "pad") << answer;
  for (const json& answer : answers(*server, asking(json::object())))
    EXPECT_EQ(answer.value("/image/fit"_json_pointer, ""), "crop") << answer;
}

TEST(FirstFrame, that_a_model_does_not_have_leaves_fit_without_effect) {
  const RunningServer server;
  for (const json& answer : answers(server, {{"prompt", "a"}, {"fit", "pad"}})) {
    EXPECT_TRUE(answer.contains("image") && answer["image"].is_null()) << answer;
    EXPECT_EQ(answer.value("/ignored/0/field"_json_pointer, ""), "fit") << answer;
  }
}

}  // namespace
}  // namespace rushes::server
