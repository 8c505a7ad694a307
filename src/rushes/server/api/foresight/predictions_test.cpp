// Predictions by HTTP and WebSocket, against a model that draws.
#include <gmock/gmock.h>

#include <thread>

#include "rushes/server/api/foresight/foresight_test_server.h"

namespace rushes::server {
namespace {
using testing::ElementsAre;
using testing::StartsWith;

constexpr const char* kWords =
    "a red ball \xC3\xBC"
    "ber falls";

class ForesightPredictions : public ForesightServer {
 protected:
  static std::vector<int> frame_indices(const Heard& heard) {
    std::vector<int> indices;
    for (const json& frame : heard.of("video_frame")) indices.push_back(frame["frame_index"]);
    return indices;
  }
  static std::string state(const RunningServer& server, std::string id) {
    std::erase(id, '-');
    return server.status(id)["state"];
  }
  static bool comes_to(const RunningServer& server, const std::string& id, const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (state(server, id) != wanted)
      if (std::chrono::steady_clock::now() > deadline)
        return false;
      else
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return true;
  }
};

TEST_F(ForesightPredictions, come_from_their_beginning_to_all_who_follow_them_early_or_late) {
  generation::Gate gate;
  const auto server = start({}, gate.hook());
  const std::string id = predict(*server, "what will happen?");
  TestClient early(server->port());
  ASSERT_EQ(early.upgrade("/api/ws/" + id).status, 101);
  EXPECT_EQ(json::parse(early.read_message().payload)["type"], "thinking_start");
  gate.allow(3);  // a word, the prompt, the first frame
  EXPECT_EQ(json::parse(early.read_message().payload), (json{{"type", "text_chunk"}, {"content", "a "}}));
  const json first = json::parse(early.read_message().payload);
  EXPECT_EQ(first["type"], "video_frame");
  EXPECT_EQ(first["frame_index"], 0) << "before the first step";
  gate.open();
  const Heard rest = hear_all(early), late = follow(*server, id);
  EXPECT_EQ(rest.close_code, 1000);
  EXPECT_EQ(late.close_code, 1000);
  ASSERT_EQ(late.messages.size(), rest.messages.size() + 3);
  EXPECT_EQ(late.messages.front()["type"], "thinking_start");
  EXPECT_TRUE(std::equal(rest.messages.begin(), rest.messages.end(), late.messages.begin() + 3));
  EXPECT_THAT(frame_indices(late), ElementsAre(0, 1, 2, 3, 4, 5));
  const json last = late.messages.back();
  EXPECT_EQ(last["type"], "thinking_complete");
  EXPECT_EQ(last["text"], kWords);
  EXPECT_EQ(last["video_url"], "/api/videos/" + id + ".mp4");
  EXPECT_EQ(late.of("video_complete").size(), 1u);
}

TEST_F(ForesightPredictions, have_their_file_before_the_words_end) {
  generation::Gate gate;
  const auto server = start({}, gate.hook());
  const std::string id = predict(*server, "it talks long");
  TestClient client(server->port());
  ASSERT_EQ(client.upgrade("/api/ws/" + id).status, 101);
  EXPECT_EQ(server->request("GET", "/api/videos/" + id + ".mp4").json()["detail"]["code"], "NOT_READY");
  gate.allow(9);  // up to the frames
  json heard;
  do heard = json::parse(client.read_message().payload);
  while (heard["type"] != "video_complete");
  EXPECT_EQ(state(*server, id), "running");
  EXPECT_EQ(server->request("GET", heard["video_url"]).status, 200);
  gate.open();
  EXPECT_EQ(hear_all(client).messages.back()["type"], "thinking_complete");
}

TEST_F(ForesightPredictions, send_frames_as_binary_messages_to_who_asks_for_them) {
  const auto server = start();
  const std::string id = predict(*server, "what will happen?");
  TestClient client(server->port());
  ASSERT_EQ(client.upgrade("/api/ws/" + id + "?frames=binary").status, 101);
  std::vector<int> indices;
  Frame frame = client.read_message();
  for (; frame.opcode == 1 || frame.opcode == 2; frame = client.read_message()) {
    if (frame.opcode == 1) continue;
    indices.push_back(frame.payload[3]);
    EXPECT_EQ(frame.payload[7], 6);
    EXPECT_THAT(frame.payload.substr(8), StartsWith("\xff\xd8\xff"));
  }
  EXPECT_THAT(indices, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(frame.close_code(), 1000);
}

TEST_F(ForesightPredictions, tell_where_they_are_and_what_they_were_asked) {
  const auto server = start();
  const Reply reply = post(*server, "/api/predict",
                           {{"image", "data:image/png;base64," + test_picture_base64()},
                            {"preset", "256"},
                            {"num_frames", 4},
                            {"fps", 10},
                            {"seed", 7}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json begun = reply.json();
  EXPECT_EQ(begun["ws_url"],
            "ws://127.0.0.1:" + std::to_string(server->port()) + "/api/ws/" + begun["session_id"].get<std::string>());
  EXPECT_EQ(begun["expires_at"].get<std::string>().size(), 20u);
  EXPECT_EQ(begun["warnings"], json::array());
  const Heard heard = follow(*server, begun["session_id"]);
  EXPECT_EQ(heard.of("video_frame").front()["total_frames"], 4);
  std::string id = begun["session_id"];
  std::erase(id, '-');
  const json session = server->status(id);
  EXPECT_EQ(session["format"]["fps"], 10);
  EXPECT_EQ(session["format"]["video_frames"], 4);
}

TEST_F(ForesightPredictions, warn_of_what_the_model_was_not_trained_for) {
  const auto server = start();
  const json asked{{"image", test_picture_base64()}, {"num_frames", 9}};
  const json warnings = post(*server, "/api/predict", asked).json()["warnings"];
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].get<std::string>(), testing::HasSubstr("at most 6 frames at once, not for 9"));
  const json models = server->request("GET", "/v1/models").json()["models"];
  EXPECT_EQ(models.back()["trained_for"], (json{{"sizes", {{{"width", 64}, {"height", 64}}}}, {"frames", 6}}));
  EXPECT_EQ(models.front()["trained_for"], nullptr) << "its files say nothing";
}

TEST_F(ForesightPredictions, tell_the_words_of_a_question_that_the_model_does_not_know) {
  const auto server = start();
  const auto unknown = [&](const char* prompt) {
    return post(*server, "/api/predict", {{"image", test_picture_base64()}, {"prompt", prompt}})
        .json()["unknown_words"];
  };
  EXPECT_EQ(unknown("what will happen?"), json::array());
  EXPECT_EQ(unknown("What will the cat do?"), (json{"the", "cat", "do"}));
}

TEST_F(ForesightPredictions, say_once_that_the_words_are_complete_and_before_the_video_is) {
  const auto server = start();
  const Heard heard = follow(*server, predict(*server, "what will happen?"));
  const auto words = heard.of("text_chunk");
  for (std::size_t i = 0; i < words.size(); ++i) EXPECT_EQ(words[i].contains("done"), i + 1 == words.size());
  EXPECT_EQ(words.back(), (json{{"type", "text_chunk"}, {"content", ""}, {"done", true}}));
  const Heard silent = follow(*server, predict(*server, "there are no words in it"));
  EXPECT_TRUE(silent.of("text_chunk").empty()) << "that half has failed";
}

TEST_F(ForesightPredictions, make_one_half_alone_where_that_is_asked_for) {
  const auto server = start();
  const Heard words = follow(*server, predict(*server, "what will happen?", {{"tracks", "text"}}));
  EXPECT_EQ(words.messages.back(), (json{{"type", "thinking_complete"}, {"text", kWords}, {"video_url", nullptr}}));
  EXPECT_TRUE(words.of("video_frame").empty());
  EXPECT_TRUE(words.of("error").empty());
  const std::string id = predict(*server, "there are no words in it", {{"tracks", "video"}});
  const Heard video = follow(*server, id);
  EXPECT_THAT(frame_indices(video), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(video.messages.back()["video_url"], "/api/videos/" + id + ".mp4");
}

TEST_F(ForesightPredictions, tell_how_far_the_video_is_and_what_it_may_be_to_who_asks) {
  const auto server = start();
  const Heard silent = follow(*server, predict(*server, "what will happen?"));
  EXPECT_TRUE(silent.of("video_progress").empty());
  const Heard heard = follow(*server, predict(*server, "what will happen?", {{"previews", 2}}));
  std::vector<int> steps, previews;
  for (const json& each : heard.of("video_progress")) {
    EXPECT_EQ(each["steps"], 5);
    if (!each.contains("data")) {
      steps.push_back(each["step"]);
      continue;
    }
    previews.push_back(each["step"]);
    EXPECT_EQ(each["frame_index"], 5) << "the last one";
    EXPECT_THAT(each["data"].get<std::string>(), StartsWith("/9j/")) << "a JPEG in base64";
  }
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(previews, ElementsAre(2, 4));
  EXPECT_THAT(frame_indices(heard), ElementsAre(0, 1, 2, 3, 4, 5)) << "a preview is no frame";
}

TEST_F(ForesightPredictions, see_all_pictures_of_a_conversation_and_begin_with_the_newest) {
  std::size_t earlier = 0;
  int64_t width = 0;
  const auto server = start({}, [&](const generation::Request& request, int64_t) {
    earlier = request.earlier_images.size();
    width = request.image->width;
  });
  const std::string id = predict(*server, "what will happen?",
                                 {{"earlier_images", {test_picture_base64(20, 30), test_picture_base64(22, 30)}}});
  follow(*server, id);
  EXPECT_EQ(earlier, 2u);
  EXPECT_EQ(width, 40);
}

TEST_F(ForesightPredictions, are_refused_with_a_code_that_says_why) {
  const auto server = start();
  const struct {
    const char* name;
    json body;
    int status;
    const char* code;
  } kWrong[] = {
      {"no base64", {{"image", "!!!"}}, 400, "INVALID_BASE64"},
      {"empty", {{"image", ""}}, 400, "INVALID_IMAGE"},
      {"text", {{"image", "data:text/plain;base64," + test_picture_base64()}}, 400, "INVALID_BASE64"},
      {"no type", {{"image", "data:;base64," + test_picture_base64()}}, 400, "INVALID_BASE64"},
      {"no picture", {{"image", "aGVsbG8="}}, 400, "INVALID_IMAGE"},
      {"1:300", {{"image", test_picture_base64(600, 2)}}, 400, "INVALID_IMAGE"},
      {"a preset that is none", {{"image", test_picture_base64()}, {"preset", "1024"}}, 400, "INVALID_PRESET"},
      {"a model that is none", {{"image", test_picture_base64()}, {"model", "sora"}}, 400, "INVALID_REQUEST"},
  };
  for (const auto& each : kWrong) {
    SCOPED_TRACE(each.name);
    const Reply reply = post(*server, "/api/predict", each.body);
    EXPECT_EQ(reply.status, each.status);
    EXPECT_EQ(reply.json()["detail"]["code"], each.code) << reply.body;
  }
  const Reply huge = server->request("POST", "/api/predict", std::string((16 << 20) + 1, ' '));
  EXPECT_EQ(huge.status, 413);
  EXPECT_EQ(huge.json()["detail"]["code"], "FILE_TOO_LARGE");
  const Reply missing = post(*server, "/api/predict", {{"prompt", "x"}});
  EXPECT_EQ(missing.status, 422);
  EXPECT_EQ(missing.json()["detail"][0]["loc"], (json{"body", "image"}));
}

TEST_F(ForesightPredictions, with_several_pictures_are_refused_with_the_name_of_the_one_that_is_meant) {
  const auto server = start();
  const std::string still = test_picture_base64();
  const std::string file = animation(), moving = encode_base64(media::Bytes(file.begin(), file.end()));
  const struct {
    json body;
    const char* words;
  } kWrong[] = {
      {{{"image", moving}}, "the PNG image is animated"},
      {{{"image", moving}, {"earlier_images", {still}}}, "image: the PNG image is animated"},
      {{{"image", still}, {"earlier_images", {still, moving}}}, "earlier_images[1]: the PNG image is animated"},
      {{{"image", still}, {"earlier_images", {"!", still}}}, "earlier_images[0]: "},
  };
  for (const auto& each : kWrong) {
    const Reply reply = post(*server, "/api/predict", each.body);
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.json()["detail"]["error"].get<std::string>(), StartsWith(each.words));
  }
}

TEST_F(ForesightPredictions, are_made_by_the_model_that_is_named_which_is_loaded_then) {
  const auto first = std::make_shared<DrawingForesight>(), second = std::make_shared<DrawingForesight>();
  const RunningServer server(
      [](ServerOptions& options) {
        options.listen = {"127.0.0.1:0=foresight"};
        options.chat.load_patience = kPatience;
      },
      std::vector<ModelSource>{
          {.name = "first", .load = [first] { return first; }, .family = "foresight", .at_start = true},
          {.name = "second", .load = [second] { return second; }, .family = "foresight"},
          {.name = "broken",
           .load = []() -> std::shared_ptr<const generation::Model> { fail(ErrorCode::corrupt_data, "it is torn"); },
           .family = "foresight"},
          {.name = "head",
           .load = [] { return std::make_shared<generation::DrawingTalkModel>(); },
           .family = "drawing"}});
  const auto ask = [&](const char* model) {
    return post(server, "/api/predict", {{"image", test_picture_base64()}, {"model", model}});
  };
  EXPECT_EQ(server.request("GET", "/v1/models/second").json()["state"], "unloaded");
  const Reply made = ask("second");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(follow(server, made.json()["session_id"]).messages.back()["type"], "thinking_complete");
  EXPECT_EQ(server.request("GET", "/v1/sessions").json()["sessions"][0]["model"], "second");
  const Reply broken = ask("broken");
  EXPECT_EQ(broken.status, 500);
  EXPECT_THAT(broken.json()["detail"]["error"].get<std::string>(), testing::HasSubstr("it is torn"));
  EXPECT_EQ(ask("head").status, 400) << "it is of another family";
}

TEST_F(ForesightPredictions, of_a_model_that_takes_long_to_load_are_asked_for_again) {
  const auto model = std::make_shared<DrawingForesight>();
  const auto gate = std::make_shared<generation::Gate>();
  const RunningServer server(
      [](ServerOptions& options) {
        options.listen = {"127.0.0.1:0=foresight"};
        options.chat.load_patience = std::chrono::milliseconds(1);
      },
      std::vector<ModelSource>{{.name = "large",
                                .load =
                                    [=] {
                                      gate->hook()(generation::Request{}, 0);
                                      return model;
                                    },
                                .family = "foresight"}});
  const auto ask = [&] { return post(server, "/api/predict", {{"image", test_picture_base64()}}); };
  for (int i = 0; i < 2; ++i) {
    const Reply early = ask();
    EXPECT_EQ(early.status, 503);
    EXPECT_EQ(early.json()["detail"]["code"], "NOT_READY");
  }
  gate->open();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  Reply made = ask();
  while (made.status == 503 && std::chrono::steady_clock::now() < deadline) made = ask();
  EXPECT_EQ(made.status, 200) << made.body;
}

TEST_F(ForesightPredictions, beyond_the_limit_are_told_when_to_ask_again_and_disturb_nobody) {
  generation::Gate gate;
  const auto server = start([](ServerOptions& options) { options.sessions.max_running = 3; }, gate.hook());
  std::vector<std::string> taken;
  int busy = 0;
  for (int i = 0; i < 20; ++i) {
    const Reply reply = post(*server, "/api/predict", {{"image", test_picture_base64()}});
    if (reply.status == 200) {
      taken.push_back(reply.json()["session_id"]);
      continue;
    }
    ++busy;
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.json()["detail"]["code"], "BUSY");
    EXPECT_GE(std::stoi(reply.headers.at("retry-after")), 1);
  }
  EXPECT_EQ(taken.size(), 3u);
  EXPECT_EQ(busy, 17);
  gate.open();
  for (const std::string& id : taken) EXPECT_EQ(follow(*server, id).messages.back()["text"], kWords);
}

TEST_F(ForesightPredictions, end_when_they_are_cancelled_and_say_what_there_is) {
  generation::Gate gate;
  const auto server = start({}, gate.hook());
  const std::string id = predict(*server, "what will happen?");
  TestClient client(server->port());
  ASSERT_EQ(client.upgrade("/api/ws/" + id).status, 101);
  gate.allow(3);
  for (int i = 0; i < 3; ++i) client.read_message();
  for (const char* ignored : {"hello", "[]", R"({"type": "ping"})"}) client.write(masked(1, ignored));
  client.write(masked(1, R"({"type": "cancel"})"));
  EXPECT_TRUE(comes_to(*server, id, "stopped"));
  gate.open();
  const Heard heard = hear_all(client);
  EXPECT_EQ(heard.of("error").size(), 2u);
  EXPECT_EQ(heard.of("error")[0]["code"], "CANCELLED");
  EXPECT_EQ(heard.messages.back(), (json{{"type", "thinking_complete"}, {"text", "a "}, {"video_url", nullptr}}));
  EXPECT_EQ(heard.close_code, 1000);
  EXPECT_EQ(heard.close_reason, "the prediction was cancelled");
  EXPECT_EQ(server->request("GET", "/api/videos/" + id + ".mp4").status, 404);
}

TEST_F(ForesightPredictions, give_their_place_back_as_soon_as_they_are_cancelled) {
  generation::Gate gate;
  const auto server = start(
      [](ServerOptions& options) {
        options.sessions.max_running = 2;
        options.sessions.lanes = 1;
      },
      gate.hook());
  const std::string working = predict(*server, "one"), waiting = predict(*server, "two");
  ASSERT_TRUE(gate.wait_for(1)) << "the step of the first one goes on, and does not end";
  const json third{{"image", test_picture_base64()}};
  EXPECT_EQ(post(*server, "/api/predict", third).status, 429);
  for (const std::string& id : {waiting, working}) {
    TestClient client(server->port());
    ASSERT_EQ(client.upgrade("/api/ws/" + id).status, 101);
    client.write(masked(1, R"({"type": "cancel"})"));
    EXPECT_TRUE(comes_to(*server, id, "stopped"));
    EXPECT_EQ(post(*server, "/api/predict", third).status, 200) << "though no step has ended";
  }
  gate.open();
}

TEST_F(ForesightPredictions, are_told_in_the_way_that_is_asked_for_and_there_are_two) {
  const auto server = start();
  const std::string id = predict(*server, "x");
  for (const char* frames : {"?frames=json", "?frames=binary", ""})
    EXPECT_EQ(TestClient(server->port()).upgrade("/api/ws/" + id + frames).status, 101) << frames;
  const Reply refused = TestClient(server->port()).upgrade("/api/ws/" + id + "?frames=xx");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["detail"],
            (json{{"error", "frames must be json or binary (got 'xx')"}, {"code", "INVALID_REQUEST"}}));
}

TEST_F(ForesightPredictions, show_the_video_when_the_words_fail) {
  const auto server = start();
  const Heard heard = follow(*server, predict(*server, "no words"));
  ASSERT_EQ(heard.of("error").size(), 1u);
  EXPECT_EQ(heard.of("error")[0]["source"], "text");
  EXPECT_EQ(heard.of("error")[0]["code"], "TEXT_ERROR");
  EXPECT_THAT(frame_indices(heard), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(heard.of("video_complete").size(), 1u);
  EXPECT_EQ(heard.messages.back()["text"], "");
  EXPECT_EQ(heard.close_reason, "the prediction is complete");
}

TEST_F(ForesightPredictions, take_pictures_of_one_pixel_and_of_the_greatest_proportion) {
  const auto server = start();
  for (const auto& [width, height] : {std::pair{1, 1}, {2, 1}, {1, 2}, {400, 2}, {2, 400}}) {
    const Reply reply = post(*server, "/api/predict", {{"image", test_picture_base64(width, height)}});
    EXPECT_EQ(reply.status, 200) << width << "x" << height << ": " << reply.body;
  }
}

TEST_F(ForesightPredictions, go_on_while_a_page_is_reloaded_and_end_when_nobody_comes_back) {
  generation::Gate gate;
  const auto server =
      start([](ServerOptions& options) { options.chat.absence = std::chrono::milliseconds(300); }, gate.hook());
  const std::string id = predict(*server, "what will happen?");
  const auto look = [&] { TestClient(server->port()).upgrade("/api/ws/" + id); };
  look();
  look();  // within the time
  EXPECT_EQ(state(*server, id), "running");
  EXPECT_TRUE(comes_to(*server, id, "stopped"));
  gate.open();
  EXPECT_EQ(follow(*server, id).of("error")[0]["message"], "nobody followed the prediction any more");
}

TEST_F(ForesightPredictions, that_are_nearly_done_end_by_themselves) {
  generation::Gate gate;
  const auto server =
      start([](ServerOptions& options) { options.chat.absence = std::chrono::milliseconds(50); }, gate.hook());
  const std::string id = predict(*server, "it talks long");
  {
    TestClient client(server->port());
    ASSERT_EQ(client.upgrade("/api/ws/" + id).status, 101);
    gate.allow(7);  // a word, the prompt, the first frame, four of five steps
    ASSERT_TRUE(gate.wait_for(8));
    for (int i = 0; i < 3; ++i) client.read_message();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(state(*server, id), "running");
  gate.open();
  EXPECT_EQ(follow(*server, id).messages.back()["text"], kWords);
}

TEST_F(ForesightPredictions, are_refused_to_who_names_none) {
  const auto server = start();
  for (const char* id : {"abc", "00000000-0000-0000-0000-000000000000", "..%2f..%2fetc"})
    EXPECT_EQ(TestClient(server->port()).upgrade(std::string("/api/ws/") + id).status, 404) << id;
  const std::string id = predict(*server, "x");
  follow(*server, id);
  std::string session = id;
  std::erase(session, '-');
  server->request("DELETE", "/v1/sessions/" + session);
  EXPECT_EQ(TestClient(server->port()).upgrade("/api/ws/" + id).status, 404);
  EXPECT_EQ(server->request("GET", "/api/videos/" + id + ".mp4").status, 404);
}

TEST_F(ForesightPredictions, go_when_they_have_not_been_used_for_their_time) {
  const auto server = start([](ServerOptions& options) { options.chat.kept = std::chrono::milliseconds(300); });
  const std::string id = predict(*server, "x");
  follow(*server, id);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto gone = [&] { return server->request("GET", "/v1/sessions").json()["sessions"].empty(); };
  while (!gone() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(TestClient(server->port()).upgrade("/api/ws/" + id).status, 404);
}

}  // namespace
}  // namespace rushes::server
