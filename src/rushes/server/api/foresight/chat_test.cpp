// The chat over its WebSocket and by HTTP, against a model that draws.
#include <gmock/gmock.h>

#include <thread>

#include "rushes/server/api/foresight/foresight_test_server.h"

namespace rushes::server {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

class ForesightChat : public ForesightServer {
 protected:
  /// The messages of one question, until its words and its video have ended.
  static std::vector<json> hear_answer(WebSocketPeer& peer, bool with_video) {
    std::vector<json> all;
    bool text_over = false, video_over = !with_video;
    while (!text_over || !video_over) {
      all.push_back(peer.hear());
      const json& data = all.back().contains("data") ? all.back()["data"] : all.back();
      if (all.back()["type"] == "closed") break;
      if (all.back()["type"] == "text_chunk") text_over = text_over || data["done"];
      if (all.back()["type"] == "prediction_complete") video_over = video_over || !data.value("provisional", false);
      if (all.back()["type"] == "error" && data["code"] == "PREDICTION_ERROR") video_over = true;
    }
    return all;
  }
  static std::string said(const std::vector<json>& messages) {
    std::string text;
    for (const json& each : messages)
      if (each["type"] == "text_chunk") text += each["data"]["chunk"].get<std::string>();
    return text;
  }
  static bool wait_for_state(const RunningServer& server, const std::string& state) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      const json sessions = server.request("GET", "/v1/sessions").json()["sessions"];
      if (!sessions.empty() && sessions.back()["state"] == state) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
};

TEST_F(ForesightChat, answers_a_picture_in_words_and_frames_and_has_the_file_when_it_says_so) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  peer.say(question("m1", "what will happen?"));
  const auto all = hear_answer(peer, true);
  EXPECT_EQ(said(all),
            "a red ball \xC3\xBC"
            "ber falls");
  const json& complete =
      *std::find_if(all.rbegin(), all.rend(), [](const json& m) { return m["type"] == "prediction_complete"; });
  EXPECT_EQ(complete["data"]["frames"].size(), 6u);
  const std::string url = complete["data"]["videoUrl"];
  const Reply video = server->request("GET", url);
  EXPECT_EQ(video.status, 200);
  const media::Bytes bytes(video.body.begin(), video.body.end());
  EXPECT_EQ(media::decode_bytes("foresight.mp4", bytes).size(), 6u);
  std::vector<std::string> of_video;
  for (const json& each : all)
    if (each["type"] != "text_chunk") {
      of_video.push_back(each["type"]);
      EXPECT_EQ(each["data"]["predictionId"], complete["data"]["predictionId"]) << "one id for all";
    }
  EXPECT_EQ(of_video.front(), "prediction_start");
  EXPECT_EQ(of_video.at(1), "video_prompt");
  EXPECT_EQ(of_video.at(2), "prediction_complete") << "the first frame";
  EXPECT_EQ(std::count(of_video.begin(), of_video.end(), "prediction_progress"), 5 + 6);
}

TEST_F(ForesightChat, only_talks_without_a_picture) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  peer.say(question("m1", "hello", false));
  const auto all = hear_answer(peer, false);
  for (const json& each : all) EXPECT_EQ(each["type"], "text_chunk");
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const json& m) { return m["data"]["done"] == true; }), 1);
  EXPECT_EQ(all.back()["data"], (json{{"messageId", "m1"}, {"chunk", ""}, {"done", true}}));
}

TEST_F(ForesightChat, answers_one_question_after_the_other) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  for (const char* id : {"m1", "m2", "m3"}) peer.say(question(id, "hello", false));
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i)
    for (const json& each : hear_answer(peer, false)) ids.push_back(each["data"]["messageId"]);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(ids.size(), 18u);
}

TEST_F(ForesightChat, stays_open_for_questions_that_cannot_be_answered) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  const std::string wide = test_picture_base64(600, 2);
  const struct {
    const char* name;
    json message;
    const char* code;
    const char* words;
  } kWrong[] = {
      {"no id", {{"message", "x"}}, "MISSING_MESSAGE_ID", "Missing messageId"},
      {"a picture that is none",
       {{"message", "x"}, {"messageId", "m"}, {"imageBase64", "aGVsbG8="}},
       "PROCESSING_ERROR",
       "not a JPEG, PNG or WebP"},
      {"no base64", {{"message", "x"}, {"messageId", "m"}, {"imageBase64", "!!"}}, "PROCESSING_ERROR", "base64"},
      {"1:300", {{"message", "x"}, {"messageId", "m"}, {"imageBase64", wide}}, "PROCESSING_ERROR", "600x2"},
      {"100 kB", {{"message", std::string(100'000, 'x')}, {"messageId", "m"}}, "PROCESSING_ERROR", "8192"},
      {"NUL", {{"message", std::string("a\0b", 3)}, {"messageId", "m"}}, "PROCESSING_ERROR", "NUL"},
  };
  for (const auto& each : kWrong) {
    SCOPED_TRACE(each.name);
    peer.say(each.message);
    const json told = peer.hear();
    EXPECT_EQ(told["type"], "error");
    EXPECT_EQ(told["data"]["code"], each.code);
    EXPECT_THAT(told["data"]["message"].get<std::string>(), HasSubstr(each.words));
  }
  peer.say(question("m9", "hello <|im_end|>", false));
  EXPECT_EQ(hear_answer(peer, false).back()["data"]["messageId"], "m9");
}

TEST_F(ForesightChat, takes_data_urls_and_several_pictures) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  json several = question("m1", "", false);
  several["imagesBase64"] = {test_picture_base64(20, 20), "data:image/png;base64," + test_picture_base64(64, 32)};
  peer.say(several);
  for (const json& each : hear_answer(peer, true)) {
    if (each["type"] != "video_prompt") continue;
    EXPECT_EQ(each["data"]["imageDimensions"], (json{64, 32})) << "the last one's";
  }
}

TEST_F(ForesightChat, says_why_it_ends_and_ends_with_a_close_frame) {
  const auto server = start();
  const struct {
    int opcode;
    const char* text;
    int close;
  } kWrong[] = {{1, "hello", 1007}, {1, "[1, 2]", 1007}, {2, R"({"message": "x", "messageId": "m"})", 1003}};
  for (const auto& each : kWrong) {
    SCOPED_TRACE(each.text);
    WebSocketPeer peer(*server, "/ws/chat");
    peer.client.write(masked(each.opcode, each.text));
    const json told = peer.hear();
    EXPECT_EQ(told["data"]["code"], "INTERNAL_ERROR");
    EXPECT_EQ(peer.client.read_message().close_code(), each.close);
  }
}

TEST_F(ForesightChat, goes_on_with_one_half_when_the_other_fails) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  peer.say(question("m1", "no words, please"));
  auto all = hear_answer(peer, true);
  const auto codes = [&] {
    std::vector<std::string> found;
    for (const json& each : all)
      if (each["type"] == "error") found.push_back(each["data"]["code"]);
    return found;
  };
  EXPECT_THAT(codes(), ElementsAre("TEXT_ERROR"));
  EXPECT_EQ(all.back()["type"], "prediction_complete");
  peer.say(question("m2", "no video, please"));
  all = hear_answer(peer, true);
  EXPECT_THAT(codes(), ElementsAre("PREDICTION_ERROR"));
  EXPECT_EQ(said(all),
            "a red ball \xC3\xBC"
            "ber falls");
  peer.say(question("m3", "nothing, please"));
  all = hear_answer(peer, true);
  EXPECT_THAT(codes(), ElementsAre("TEXT_ERROR", "PREDICTION_ERROR"));
}

TEST_F(ForesightChat, makes_no_more_for_who_has_left) {
  generation::Gate gate;
  const auto server = start({}, gate.hook());
  {
    WebSocketPeer peer(*server, "/ws/chat");
    peer.say(question("m1", "what will happen?"));
    gate.allow(2);
    ASSERT_TRUE(gate.wait_for(3));
  }
  gate.allow(1);
  EXPECT_TRUE(wait_for_state(*server, "stopped"));
  gate.open();
}

TEST_F(ForesightChat, refuses_pages_of_other_origins_and_takes_those_that_are_allowed) {
  const auto server = start([](ServerOptions& options) { options.access.allow_origins = {"http://localhost:3000"}; });
  EXPECT_EQ(TestClient(server->port()).upgrade("/ws/chat", "Origin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(TestClient(server->port()).upgrade("/ws/chat", "Origin: http://localhost:3000\r\n").status, 101);
}

TEST_F(ForesightChat, is_told_that_the_server_ends) {
  const auto server = start();
  WebSocketPeer peer(*server, "/ws/chat");
  peer.say(question("m1", "hello", false));
  hear_answer(peer, false);
  server->ask_to_stop();
  EXPECT_EQ(peer.client.read_message().close_code(), 1001);
}

TEST_F(ForesightChat, answers_by_http_when_all_is_there) {
  const auto server = start();
  const Reply text = post(*server, "/api/chat", {{"message", "hello"}, {"message_id", "m1"}});
  EXPECT_EQ(text.status, 200) << text.body;
  EXPECT_EQ(text.json(), (json{{"message_id", "m1"},
                               {"content",
                                "a red ball \xC3\xBC"
                                "ber falls"},
                               {"prediction_id", nullptr}}));
  const json with_picture = {
      {"message", "what will happen?"}, {"message_id", "m2"}, {"image_base64", test_picture_base64()}};
  const json answer = post(*server, "/api/chat", with_picture).json();
  const std::string id = answer["prediction_id"];
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(server->request("GET", "/api/static/video_" + id + ".mp4").status, 200);
  json no_video = with_picture;
  no_video["message"] = "no video";
  EXPECT_EQ(post(*server, "/api/chat", no_video).json()["prediction_id"], nullptr);
  for (const char* wrong : {"no words", "nothing"}) {
    json failing = with_picture;
    failing["message"] = wrong;
    const Reply refused = post(*server, "/api/chat", failing);
    EXPECT_EQ(refused.status, 500);
    EXPECT_EQ(refused.json()["detail"]["code"], "CHAT_ERROR");
  }
  json bad = with_picture;
  bad["image_base64"] = "aGVsbG8=";
  EXPECT_EQ(post(*server, "/api/chat", bad).status, 500);
  EXPECT_EQ(post(*server, "/api/chat", {{"message", ""}, {"message_id", "m"}}).status, 422);
}

}  // namespace
}  // namespace rushes::server
