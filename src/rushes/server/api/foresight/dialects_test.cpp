#include <gmock/gmock.h>

#include "rushes/server/api/foresight/chat_dialect.h"
#include "rushes/server/api/foresight/foresight_test_server.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/api/foresight/prediction_dialect.h"

namespace rushes::server::foresight {
namespace {
using generation::Track;
using testing::ElementsAre;

StreamItem item(generation::StreamItem what) {
  return std::make_shared<const generation::StreamEvent>(
      generation::StreamEvent{.at = std::chrono::microseconds(2'500), .what = std::move(what)});
}

generation::SessionStatus status_of(generation::SessionState state) {
  generation::SessionStatus status;
  status.state = state;
  if (state == generation::SessionState::failed) status.failure = generation::Failure{ErrorCode::internal, "broken"};
  return status;
}

json parsed(const Message& message) {
  if (const auto* text = std::get_if<std::string>(&message.body)) return json::parse(*text);
  if (const auto* frame = std::get_if<std::shared_ptr<const media::Bytes>>(&message.body))
    return json::parse(frame_as_json(**frame));
  return json::parse(std::get<Json>(message.body).dump());
}

/// Types of what a dialect tells, with what makes one differ from others of its type.
std::vector<std::string> types(const std::vector<Message>& messages) {
  std::vector<std::string> all;
  for (const Message& message : messages) {
    const json told = parsed(message);
    std::string type = told["type"];
    const json& data = told.contains("data") && told["data"].is_object() ? told["data"] : told;
    if (type == "text_chunk")
      type += ":" + data.value("chunk", data.value("content", "")) + (data.value("done", false) ? "." : "");
    if (data.contains("currentFrame")) type += ":" + data["currentFrame"].dump();
    if (data.contains("frame_index")) type += ":" + data["frame_index"].dump();
    if (type == "error") type += ":" + data["code"].get<std::string>();
    all.push_back(type);
  }
  return all;
}

/// A session that is never stepped: the dialects want its id and its format.
class Dialects : public testing::Test {
 protected:
  Dialects() {
    generation::Request request;
    request.prompts = {"what will happen?"};
    request.image = Image{};
    request.image->height = 30;
    request.image->width = 40;
    auto plan = DrawingForesight().plan(request);
    hosted_.session = std::make_shared<generation::Session>(request, std::move(plan));
  }
  static generation::FrameBlock block() {
    generation::FrameBlock block;
    block.video_frames = 6;
    block.height = block.width = 16;
    block.fps = 15;
    block.rgb = pixels(6);
    return block;
  }
  static generation::PreviewFrames preview(int64_t step = 0) {
    return {.rgb = pixels(1), .video_frames = 1, .height = 16, .width = 16, .step = step, .steps = 5};
  }
  static std::shared_ptr<const uint8_t> pixels(std::size_t frames) {
    const auto bytes = std::make_shared<std::vector<uint8_t>>(frames * 16 * 16 * 3, uint8_t{60});
    return {bytes, bytes->data()};
  }
  std::string uuid() const { return uuid_of(hosted_.session->id()); }
  Hosted hosted_;
};

TEST(ForesightNames, are_uuids_and_name_nothing_else) {
  const auto id = generation::SessionId::parse("d92451f4f878491b9d7bea67a3a501cf");
  EXPECT_EQ(uuid_of(id), "d92451f4-f878-491b-9d7b-ea67a3a501cf");
  EXPECT_EQ(session_named(uuid_of(id)), id);
  EXPECT_EQ(session_named(id.text()), id);
  for (const char* wrong :
       {"", "x", "../../etc/passwd", "D92451F4-f878-491b-9d7b-ea67a3a501cf", "d92451f4-f878-491b-9d7b-ea67a3a501c",
        "d92451f4-f878-491b-9d7b-ea67a3a501cf0", "d92451f4%2df878491b9d7bea67a3a501cf"})
    EXPECT_EQ(session_named(wrong), std::nullopt) << wrong;
}

TEST_F(Dialects, tell_the_chat_words_and_video_in_the_published_order) {
  ChatDialect dialect({.message_id = "m1", .with_video = true});
  EXPECT_EQ(parsed(dialect.begin(hosted_).at(0)),
            (json{{"type", "prediction_start"}, {"data", {{"predictionId", uuid()}}}}));
  EXPECT_EQ(parsed(dialect.on(item(generation::TextChunk{.utf8 = "A ball"})).at(0)),
            (json{{"type", "text_chunk"}, {"data", {{"messageId", "m1"}, {"chunk", "A ball"}, {"done", false}}}}));
  const auto begun = dialect.on(item(generation::PromptApplied{"what will happen?", 0, 0, "ltx_condition"}));
  EXPECT_THAT(types(begun), ElementsAre("video_prompt"));
  EXPECT_EQ(parsed(begun[0])["data"], (json{{"predictionId", uuid()},
                                            {"textPrompt", "what will happen?"},
                                            {"conditioningType", "ltx_condition"},
                                            {"imageUsed", true},
                                            {"hybridEncoderUsed", false},
                                            {"imageDimensions", {40, 30}}}));
  const auto looked = dialect.on(item(preview()));
  EXPECT_THAT(types(looked), ElementsAre("prediction_complete"));
  EXPECT_TRUE(dialect.on(item(preview())).empty()) << "one look at it is enough";
  const json first = parsed(looked[0])["data"];
  EXPECT_EQ(first["frames"].size(), 1u);
  EXPECT_EQ(first["provisional"], true);
  EXPECT_EQ(first["videoUrl"], "/api/static/video_" + uuid() + ".mp4");
  EXPECT_TRUE(first["thumbnailUrl"].get<std::string>().starts_with("data:image/jpeg;base64,/9j/"));
  const json step = parsed(dialect.on(item(generation::BlockProgress{0, 0, 2, 5})).at(0))["data"];
  EXPECT_EQ(step, (json{{"predictionId", uuid()}, {"progress", 40.0}})) << "no frame number, not even null";
  EXPECT_TRUE(dialect.on(item(preview(2))).empty());
  const auto frames = dialect.on(item(block()));
  EXPECT_THAT(types(frames), ElementsAre("prediction_progress:0", "prediction_progress:1", "prediction_progress:2",
                                         "prediction_progress:3", "prediction_progress:4", "prediction_progress:5"));
  EXPECT_DOUBLE_EQ(parsed(frames[2])["data"]["progress"], 50.0);
  EXPECT_EQ(parsed(frames[2])["data"]["totalFrames"], 6);
  const json whole = parsed(dialect.on(VideoComplete{}).at(0))["data"];
  EXPECT_EQ(whole["frames"].size(), 6u);
  EXPECT_EQ(whole["frames"][3]["index"], 3);
  EXPECT_DOUBLE_EQ(whole["frames"][3]["timestamp"], 0.2);
  EXPECT_FALSE(whole.contains("metrics")) << "they were not computed";
  EXPECT_DOUBLE_EQ(whole["latencyMs"], 2.5);
  EXPECT_THAT(types(dialect.on(item(generation::TextChunk{.utf8 = "!", .last = true}))),
              ElementsAre("text_chunk:!", "text_chunk:."));
  EXPECT_TRUE(dialect.end(status_of(generation::SessionState::finished)).empty());
}

TEST_F(Dialects, tell_the_chat_only_words_without_a_picture) {
  ChatDialect dialect({.message_id = "m1"});
  EXPECT_TRUE(dialect.begin(hosted_).empty());
  EXPECT_THAT(types(dialect.on(item(generation::TextChunk{.utf8 = "a"}))), ElementsAre("text_chunk:a"));
  EXPECT_TRUE(dialect.on(item(generation::PromptApplied{"x", 0, 0, "text_only"})).empty());
  EXPECT_TRUE(dialect.on(VideoComplete{}).empty());
  EXPECT_THAT(types(dialect.end(status_of(generation::SessionState::finished))), ElementsAre("text_chunk:."))
      << "the caret stops, also where the model has not said that it is done";
}

TEST_F(Dialects, tell_the_chat_which_half_failed_and_go_on_with_the_other) {
  ChatDialect dialect({.message_id = "m1", .with_video = true});
  dialect.begin(hosted_);
  const auto failed = dialect.on(item(generation::TrackFailed{Track::text, ErrorCode::internal, "out of words"}));
  EXPECT_THAT(types(failed), ElementsAre("error:TEXT_ERROR", "text_chunk:."));
  EXPECT_EQ(parsed(failed[0])["data"]["message"], "Text generation error: out of words");
  EXPECT_EQ(dialect.on(item(block())).size(), 6u);
  EXPECT_THAT(types(dialect.on(VideoComplete{})), ElementsAre("prediction_complete"));
  EXPECT_TRUE(dialect.end(status_of(generation::SessionState::finished)).empty());

  ChatDialect other({.message_id = "m1", .with_video = true});
  other.begin(hosted_);
  EXPECT_THAT(types(other.on(item(generation::TrackFailed{Track::video, ErrorCode::internal, "no paint"}))),
              ElementsAre("error:PREDICTION_ERROR"));
  EXPECT_THAT(types(other.on(item(generation::TextChunk{.utf8 = "a", .last = true}))),
              ElementsAre("text_chunk:a", "text_chunk:."));

  ChatDialect both({.message_id = "m1", .with_video = true});
  both.begin(hosted_);
  EXPECT_THAT(types(both.end(status_of(generation::SessionState::failed))),
              ElementsAre("error:TEXT_ERROR", "text_chunk:.", "error:PREDICTION_ERROR"));
}

TEST_F(Dialects, tell_a_prediction_each_frame_once_and_the_first_one_early) {
  const auto progress = std::make_shared<std::atomic<double>>(0.0);
  PredictionDialect dialect(progress);
  EXPECT_EQ(parsed(dialect.begin(hosted_).at(0)), (json{{"type", "thinking_start"}}));
  const json first = parsed(dialect.on(item(preview())).at(0));
  EXPECT_EQ(first["type"], "video_frame");
  EXPECT_EQ(first["frame_index"], 0);
  EXPECT_EQ(first["total_frames"], 6);
  EXPECT_TRUE(first["data"].get<std::string>().starts_with("/9j/"));
  EXPECT_EQ(parsed(dialect.on(item(generation::TextChunk{.utf8 = "a ball"})).at(0)),
            (json{{"type", "text_chunk"}, {"content", "a ball"}}));
  EXPECT_TRUE(dialect.on(item(generation::BlockProgress{0, 0, 4, 5})).empty());
  EXPECT_DOUBLE_EQ(*progress, 0.8);
  EXPECT_THAT(types(dialect.on(item(block()))),
              ElementsAre("video_frame:1", "video_frame:2", "video_frame:3", "video_frame:4", "video_frame:5"));
  EXPECT_EQ(parsed(dialect.on(VideoComplete{}).at(0)),
            (json{{"type", "video_complete"}, {"video_url", "/api/videos/" + uuid() + ".mp4"}}));
  EXPECT_EQ(parsed(dialect.on(item(generation::TextChunk{.utf8 = " falls", .last = true})).at(0)),
            (json{{"type", "text_chunk"}, {"content", " falls"}, {"done", true}}));
  const auto last = dialect.end(status_of(generation::SessionState::finished));
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(
      parsed(last[0]),
      (json{{"type", "thinking_complete"}, {"text", "a ball falls"}, {"video_url", "/api/videos/" + uuid() + ".mp4"}}));
}

TEST_F(Dialects, tell_a_prediction_what_there_is_when_a_half_fails_or_it_is_cancelled) {
  PredictionDialect dialect;
  dialect.begin(hosted_);
  const auto failed = dialect.on(item(generation::TrackFailed{Track::video, ErrorCode::internal, "no paint"}));
  EXPECT_EQ(parsed(failed.at(0)),
            (json{{"type", "error"}, {"source", "video"}, {"message", "no paint"}, {"code", "VIDEO_ERROR"}}));
  dialect.on(item(generation::TextChunk{.utf8 = "a ball", .last = true}));
  EXPECT_EQ(parsed(dialect.end(status_of(generation::SessionState::finished)).at(0)),
            (json{{"type", "thinking_complete"}, {"text", "a ball"}, {"video_url", nullptr}}));

  PredictionDialect cancelled;
  cancelled.begin(hosted_);
  cancelled.on(item(generation::StateChanged{generation::SessionState::stopped, {}, "cancelled by the client"}));
  const auto end = cancelled.end(status_of(generation::SessionState::stopped));
  EXPECT_THAT(types(end), ElementsAre("error:CANCELLED", "error:CANCELLED", "thinking_complete"));
  EXPECT_EQ(parsed(end[0])["message"], "cancelled by the client");
}

TEST(ForesightFrames, have_index_and_number_before_the_picture_in_binary) {
  const media::Bytes frame = binary_frame(258, 65'536, std::vector<uint8_t>{0xff, 0xd8});
  EXPECT_THAT(frame, ElementsAre(0, 0, 1, 2, 0, 1, 0, 0, 0xff, 0xd8));
  EXPECT_EQ(json::parse(frame_as_json(frame)),
            (json{{"type", "video_frame"}, {"frame_index", 258}, {"total_frames", 65'536}, {"data", "/9g="}}));
}

}  // namespace
}  // namespace rushes::server::foresight
