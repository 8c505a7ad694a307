// Several models: loaded when they are asked for, unloaded when told or when nobody uses them.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "rushes/generation/drawing_talker.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
using nlohmann::json;

class Models : public testing::Test {
 protected:
  void start(std::chrono::milliseconds idle = {}) {
    const auto load_second = [this]() -> std::shared_ptr<const generation::Model> {
      ++loads_;
      allowed_.get_future().wait();
      return std::make_shared<generation::DrawingModel>();
    };
    const auto fail_to_load = []() -> std::shared_ptr<const generation::Model> {
      fail(ErrorCode::corrupt_data, "model.safetensors ends within its header");
    };
    server_ = std::make_unique<RunningServer>(
        [&](ServerOptions& options) {
          options.sessions.idle_model = idle;
          options.sweep = std::chrono::milliseconds(5);
        },
        std::vector<ModelSource>{{"second", load_second}, {"broken", fail_to_load}});
    server_->gate().open();
  }
  json model(const std::string& name) { return server_->request("GET", "/v1/models/" + name).json(); }
  void wait_until(const std::string& name, const std::string& state) {
    while (model(name)["state"] != state) {}
  }

  std::promise<void> allowed_;  // lets the second model be loaded
  std::atomic<int> loads_ = 0;
  std::unique_ptr<RunningServer> server_;
};

TEST_F(Models, are_listed_with_their_states) {
  start();
  const json list = server_->request("GET", "/v1/models").json();
  EXPECT_EQ(list["data"][0]["id"], "drawing");
  EXPECT_EQ(list["models"].size(), 3u);
  EXPECT_EQ(list["models"][0]["state"], "loaded");
  EXPECT_EQ(list["models"][0]["default"], true);
  EXPECT_EQ(model("second")["state"], "unloaded");
  EXPECT_EQ(server_->request("GET", "/v1/models/third").status, 404);
  EXPECT_EQ(server_->request("POST", "/v1/models/third/load").status, 404);
}

TEST(ModelSizes, are_told_as_the_manifest_has_them_until_the_model_is_loaded_and_says_itself) {
  ModelSource source{.name = "second", .load = [] { return std::make_shared<generation::DrawingModel>(); }};
  source.trained_for.sizes = {{480, 832}};
  const RunningServer server({}, {source});
  const auto told = [&] { return server.request("GET", "/v1/models/second").json()["trained_for"]; };
  EXPECT_EQ(told(), (json{{"sizes", {{{"width", 832}, {"height", 480}}}}, {"frames", nullptr}}));
  EXPECT_EQ(server.request("POST", "/v1/models/second/load").status, 200);
  EXPECT_EQ(told(), nullptr);
}

class ModelWords : public testing::Test {
 protected:
  ModelWords() { start(); }
  void start() {
    server_.reset();
    ModelSource source{.name = "second",
                       .load = [this] { return std::make_shared<generation::DrawingModel>(gate_->hook(), words_); }};
    source.words = words_;
    server_ = std::make_unique<RunningServer>([&](ServerOptions& options) { options.data_directory = directory_.path; },
                                              std::vector{source}, gate_);
  }
  json post(const std::string& target, const std::string& body = {}) const {
    return server_->request("POST", target, body).json();
  }
  json get(const std::string& target) const { return server_->request("GET", target).json(); }
  static json list(std::vector<std::string> words) { return words; }

  const KnownWords words_{.phrases = {"a", "red", "circle", "to the left"}};
  const ScratchFolder directory_;
  const std::shared_ptr<generation::Gate> gate_ = std::make_shared<generation::Gate>();
  std::unique_ptr<RunningServer> server_;
};

TEST_F(ModelWords, are_told_before_it_is_loaded_and_after) {
  EXPECT_EQ(get("/v1/models/second")["words"], list(words_.phrases));
  post("/v1/models/second/load");
  EXPECT_EQ(get("/v1/models/second")["words"], list(words_.phrases));
  EXPECT_EQ(get("/v1/models/drawing")["words"], list({})) << "its files say nothing";
}

TEST_F(ModelWords, are_compared_with_each_prompt_also_with_one_that_is_set_while_it_runs) {
  post("/v1/models/second/load");
  const json session = post("/v1/sessions", R"({"model": "second", "segments": 0, "prompt": "a red cat"})");
  const std::string path = "/v1/sessions/" + session["id"].get<std::string>();
  EXPECT_EQ(session["unknown_words"], list({"cat"}));
  EXPECT_EQ(session["warnings"], list({})) << "they are told apart";
  EXPECT_EQ(post(path + "/fork")["unknown_words"], list({"cat"})) << "under the same prompt";
  EXPECT_EQ(post(path + "/fork", R"({"prompt": "a dog"})")["unknown_words"], list({"dog"}));
  EXPECT_EQ(post(path + "/prompt", R"({"prompt": "A circle, to the left!"})")["unknown_words"], list({}));
  EXPECT_EQ(post(path + "/prompt", R"({"prompt": "a ring and a ring"})")["unknown_words"], list({"ring", "and"}));
  start();
  EXPECT_EQ(get(path)["unknown_words"], list({"ring", "and"})) << "after a restart";
}

TEST_F(ModelWords, are_told_to_clients_of_other_dialects_too) {
  post("/v1/models/second/load");
  EXPECT_EQ(post("/v1/videos", R"({"model": "second", "prompt": "a red cat"})")["unknown_words"], list({"cat"}));
  TestClient omni(server_->port());
  omni.upgrade("/v1/realtime/video");
  omni.write_frame(1, R"({"type": "session.start", "model": "second", "prompt": "a dog"})");
  json told;
  while (told["type"] != "video.start") told = json::parse(omni.read_message().payload);
  EXPECT_EQ(told["unknown_words"], list({"dog"}));
}

TEST_F(ModelWords, of_a_model_that_lists_none_are_not_missed) {
  EXPECT_EQ(post("/v1/sessions", R"({"prompt": "a cat"})")["unknown_words"], list({}));
}

TEST_F(Models, have_names_that_metrics_can_tell) {
  const RunningServer server(
      {}, {{"my \"best\"\\model\nof all", [] { return std::make_shared<generation::DrawingModel>(); }}});
  const std::string metrics = server.request("GET", "/metrics").body;
  EXPECT_NE(metrics.find(R"(rushes_model_loaded{model="my \"best\"\\model\nof all"} 0)"
                         "\n"),
            std::string::npos)
      << metrics;
}

TEST(ModelAliases, name_a_model_in_every_api_and_are_listed) {
  RunningServer server(
      [](ServerOptions& options) {
        options.aliases = {{"sora-2", "drawing"}, {"other", "second"}};
      },
      {{"second", [] { return std::make_shared<generation::DrawingModel>(); }}});
  const json list = server.request("GET", "/v1/models").json();
  std::vector<std::pair<std::string, std::string>> cards;
  for (const json& card : list["data"]) cards.emplace_back(card["id"], card["root"]);
  EXPECT_EQ(cards, (std::vector<std::pair<std::string, std::string>>{
                       {"drawing", "drawing"}, {"sora-2", "drawing"}, {"second", "second"}, {"other", "second"}}));
  EXPECT_EQ(list["models"][0]["aliases"], json::array({"sora-2"}));
  EXPECT_EQ(server.request("GET", "/v1/models/sora-2").json()["name"], "drawing");
  EXPECT_EQ(server.status(server.create(R"({"prompt": "a", "model": "other"})"))["model"], "second");
  const Reply video = server.request("POST", "/v1/videos", R"({"prompt": "a", "model": "sora-2"})");
  EXPECT_EQ(video.status, 200) << video.body;
  EXPECT_EQ(video.json()["model"], "drawing");
  TestClient client(server.port());
  EXPECT_EQ(client.upgrade("/v1/realtime/video").status, 101);
  client.write_frame(1, R"({"type": "session.start", "prompt": "a", "model": "other"})");
  EXPECT_EQ(json::parse(client.read_message().payload)["config"]["model"], "second");
}

TEST(ModelAliases, must_name_a_model_and_not_be_one) {
  for (const auto& [alias, model, words] :
       {std::tuple<const char*, const char*, const char*>{"sora-2", "none", "there is no model 'none'"},
        {"drawing", "drawing", "a model is called 'drawing'"}}) {
    try {
      const RunningServer server([&](ServerOptions& options) { options.aliases = {{alias, model}}; });
      ADD_FAILURE() << alias;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }
}

TEST(OpenAiVideos, of_a_model_that_makes_none_from_text_say_so) {
  ModelSource heads{.name = "heads", .load = [] { return std::make_shared<generation::DrawingTalkModel>(); }};
  heads.at_start = true;
  RunningServer server({}, {std::move(heads)});
  const Reply reply = server.request("POST", "/v1/videos", R"({"prompt": "a", "model": "heads"})");
  EXPECT_EQ(reply.status, 415);
  EXPECT_NE(reply.body.find("'heads' does not make videos from text"), std::string::npos) << reply.body;
}

TEST_F(Models, are_loaded_once_for_all_who_ask_while_the_server_goes_on) {
  start();
  auto first = std::async(std::launch::async, [&] { return server_->request("POST", "/v1/models/second/load"); });
  auto session =
      std::async(std::launch::async, [&] { return server_->create(R"({"prompt": "a", "model": "second"})"); });
  wait_until("second", "loading");
  EXPECT_EQ(server_->request("POST", "/v1/models/second/unload").status, 409);
  EXPECT_EQ(server_->events(server_->create()).back()["state"], "finished");
  allowed_.set_value();
  EXPECT_EQ(first.get().json()["state"], "loaded");
  const std::string id = session.get();
  EXPECT_EQ(server_->status(id)["model"], "second");
  EXPECT_EQ(server_->events(id).back()["state"], "finished");
  EXPECT_EQ(server_->request("POST", "/v1/models/second/load").status, 200);
  EXPECT_EQ(loads_, 1);
  EXPECT_NE(server_->request("GET", "/metrics").body.find("rushes_blocks_total 14\n"), std::string::npos);
}

TEST_F(Models, are_unloaded_unless_sessions_use_them) {
  start();
  allowed_.set_value();
  const std::string id = server_->create(R"({"prompt": "a", "model": "second", "segments": 0, "max_lead": 1})");
  EXPECT_EQ(server_->request("POST", "/v1/models/second/unload").status, 409);
  EXPECT_EQ(server_->request("POST", "/v1/models/drawing/unload").status, 409);
  server_->request("POST", "/v1/sessions/" + id + "/stop");
  while (server_->request("POST", "/v1/models/second/unload").status != 200) {}
  EXPECT_EQ(model("second")["state"], "unloaded");
  EXPECT_EQ(server_->request("POST", "/v1/models/second/unload").status, 200);
}

TEST_F(Models, are_unloaded_when_nobody_has_used_them_for_a_while) {
  start(std::chrono::milliseconds(20));
  allowed_.set_value();
  const std::string id = server_->create(R"({"prompt": "a", "model": "second", "segments": 0, "max_lead": 1})");
  server_->events(server_->create());  // more than the while
  EXPECT_EQ(model("second")["state"], "loaded");
  server_->request("POST", "/v1/sessions/" + id + "/stop");
  wait_until("second", "unloaded");
  EXPECT_EQ(model("drawing")["state"], "loaded");
}

TEST_F(Models, that_cannot_be_loaded_say_why) {
  start();
  const Reply load = server_->request("POST", "/v1/models/broken/load");
  EXPECT_EQ(load.status, 422);
  EXPECT_NE(load.body.find("within its header"), std::string::npos);
  EXPECT_EQ(model("broken")["state"], "failed");
  EXPECT_EQ(model("broken")["error"], "model.safetensors ends within its header");
  EXPECT_EQ(server_->request("POST", "/v1/sessions", R"({"prompt": "a", "model": "broken"})").status, 422);
  EXPECT_EQ(server_->request("POST", "/v1/sessions", R"({"prompt": "a", "model": "third"})").status, 404);
  EXPECT_EQ(server_->request("POST", "/v1/sessions", R"({"model": "second"})").status, 400);
  EXPECT_EQ(loads_, 0) << "a request that is wrong anyway loads nothing";
}

}  // namespace
}  // namespace rushes::server
