// The rest of Foresight's HTTP: what there is, uploads, files, and refusals in FastAPI's words.
#include <gmock/gmock.h>

#include <fstream>

#include "rushes/server/api/foresight/foresight_test_server.h"
#include "rushes/text/prompt.h"

namespace rushes::server {
namespace {
using testing::StartsWith;

class ForesightHttp : public ForesightServer {
 protected:
  static std::string finished_video(const RunningServer& server) {
    const std::string id = predict(server, "x");
    follow(server, id);
    return "/api/videos/" + id + ".mp4";
  }
  static Reply upload(const RunningServer& server, const std::string& name, const std::string& type,
                      const std::string& content) {
    const std::string body = "--b\r\nContent-Disposition: form-data; name=\"" + name +
                             "\"; filename=\"a.png\"\r\nContent-Type: " + type + "\r\n\r\n" + content + "\r\n--b--\r\n";
    return server.request("POST", "/api/upload", body, "Content-Type: multipart/form-data; boundary=b\r\n");
  }
};

TEST_F(ForesightHttp, says_how_it_is_and_what_it_makes) {
  const auto server = start();
  EXPECT_EQ(server->request("GET", "/api/health").json(), (json{{"status", "healthy"}}));
  EXPECT_EQ(server->request("GET", "/api/status").json(),
            json::parse(R"({"ready": true, "model_loaded": true, "mock_mode": false, "modal_mode": false,
                            "inference_mode": "local", "vram_usage_gb": null, "vram_total_gb": null,
                            "current_model": "foreseer", "error": null})"));
  EXPECT_EQ(server->request("GET", "/api/config").json(),
            json::parse(R"({"inference_mode": "local", "mock_mode": false, "modal_mode": false, "modal_app_name": null,
                            "num_frames": 6, "fps": 15, "resolution": [64, 64], "use_hybrid_encoder": false})"));
  RunningServer without([](ServerOptions& options) { options.listen = {"127.0.0.1:0=foresight"}; });
  EXPECT_EQ(without.request("GET", "/api/status").json()["ready"], false);
  EXPECT_EQ(without.request("GET", "/api/config").json()["num_frames"], 30);
  const Reply refused = post(without, "/api/predict", {{"image", test_picture_base64()}});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json()["detail"]["code"], "NOT_READY");
}

TEST_F(ForesightHttp, says_what_it_makes_before_the_model_is_loaded_and_after_in_the_same_words) {
  auto model = std::make_shared<DrawingForesight>();
  ModelSource source{.name = "foreseer", .load = [model] { return model; }, .family = "foresight"};
  source.format = [model](const generation::Request& request) { return model->plan(request)->format(); };
  source.options.assign(model->options().begin(), model->options().end());
  const RunningServer server(
      [](ServerOptions& options) {
        options.listen = {"127.0.0.1:0=foresight"};
        options.chat.load_patience = kPatience;
        options.chat.defaults = {{"frames", "9"}, {"fps", "12.5"}};
      },
      std::vector<ModelSource>{source});
  const auto told = [&] { return server.request("GET", "/api/config").body; };
  const std::string before = told();
  EXPECT_EQ(json::parse(before)["num_frames"], 9);
  EXPECT_EQ(json::parse(before)["fps"], 12.5);
  EXPECT_EQ(json::parse(before)["resolution"], (json{64, 64}));
  EXPECT_EQ(post(server, "/api/predict", {{"image", test_picture_base64()}}).status, 200);
  EXPECT_EQ(server.request("GET", "/api/status").json()["model_loaded"], true);
  EXPECT_EQ(told(), before);
  const auto usual = start();
  EXPECT_THAT(usual->request("GET", "/api/config").body, testing::HasSubstr("\"fps\":15,")) << "whole, as published";
}

TEST_F(ForesightHttp, tells_what_of_a_picture_the_video_shows_and_nothing_of_words_alone) {
  const auto server = start();
  const auto image = [&](json more) {
    more["image"] = test_picture_base64(40, 30);
    return post(*server, "/api/predict", more).json()["image"];
  };
  EXPECT_EQ(image({{"tracks", "text"}}), nullptr);
  const json shown = image({{"tracks", "both"}});
  EXPECT_EQ(shown["fit"], "crop");
  EXPECT_TRUE(shown["shown"].is_object() || shown["shown"].is_array()) << shown;
  EXPECT_FALSE(shown.contains("faces"));
}

TEST_F(ForesightHttp, takes_a_blank_question_for_none) {
  const auto server = start();
  const std::string picture = test_picture_base64();
  for (const char* blank : {"   ", "\n\t ", "\xC2\xA0"}) {
    const json chat{{"message", blank}, {"message_id", "m"}};
    json with_picture = chat;
    with_picture["image_base64"] = picture;
    EXPECT_EQ(post(*server, "/api/chat", with_picture).status, 200);
    const Reply refused = post(*server, "/api/chat", chat);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(refused.json()["detail"][0]["loc"], (json{"body", "message"}));
    EXPECT_EQ(post(*server, "/api/predict", {{"image", picture}, {"prompt", blank}}).status, 200);
  }
}

TEST_F(ForesightHttp, refuses_a_question_beyond_the_model_like_one_beyond_all_models) {
  const auto server = start();
  const std::string picture = test_picture_base64(), beyond_all(text::kMaxPromptBytes + 1, 'x');
  for (const std::string& prompt : {std::string("so many tokens"), beyond_all}) {
    for (const Reply& refused :
         {post(*server, "/api/predict", {{"image", picture}, {"prompt", prompt}}),
          post(*server, "/api/chat", {{"message", prompt}, {"message_id", "m"}, {"image_base64", picture}})}) {
      EXPECT_EQ(refused.status, 422) << refused.body;
      EXPECT_TRUE(refused.json()["detail"].is_array()) << refused.body;
    }
  }
  const Reply told = post(*server, "/api/predict", {{"image", picture}, {"prompt", "so many tokens"}});
  EXPECT_THAT(told.json()["detail"][0]["msg"].get<std::string>(), testing::HasSubstr("at most 4095"));
}

TEST_F(ForesightHttp, has_the_same_statuses_for_a_chat_as_for_a_prediction) {
  const auto server = start([](ServerOptions& options) { options.chat.defaults = {{"preset", "none"}}; });
  const json asked{{"message", "a"}, {"message_id", "m"}, {"image_base64", test_picture_base64()}};
  const Reply refused = post(*server, "/api/chat", asked);
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(refused.json()["detail"]["code"], "CHAT_ERROR");
}

TEST_F(ForesightHttp, takes_half_a_surrogate_pair_for_a_character_that_is_not_known) {
  const auto server = start();
  const Reply chat = server->request("POST", "/api/chat", R"({"message": "is it \ud800?", "message_id": "m"})",
                                     "Content-Type: application/json\r\n");
  EXPECT_EQ(chat.status, 200) << chat.body;
  EXPECT_EQ(server->request("GET", "/v1/sessions").json()["sessions"][0]["prompts"][0], "is it \xEF\xBF\xBD?");
}

TEST_F(ForesightHttp, tells_the_seed_of_a_prediction_and_what_of_it_has_no_effect) {
  const auto server = start();
  const auto ask = [&](json more) {
    more["image"] = test_picture_base64();
    const Reply reply = post(*server, "/api/predict", more);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  };
  const auto session = [&](std::string id) {
    std::erase(id, '-');
    return server->status(id);
  };
  const json plain = ask({{"seed", std::numeric_limits<uint64_t>::max()}});
  EXPECT_EQ(plain["ignored"], json::array());
  EXPECT_TRUE(plain["image"].is_object());
  EXPECT_EQ(plain["image"], session(plain["session_id"])["image"]);
  EXPECT_EQ(plain["seed"], std::numeric_limits<uint64_t>::max());
  const json answer = ask({{"bogus", 1}, {"tracks", "text"}, {"num_frames", 4}, {"colour", nullptr}});
  EXPECT_EQ(answer["ignored"], (json{{{"field", "bogus"}, {"reason", "this server has no use for the field"}},
                                     {{"field", "num_frames"}, {"reason", "only words are made"}}}));
  const json made = session(answer["session_id"]);
  EXPECT_EQ(made["ignored"], answer["ignored"]);
  EXPECT_EQ(made["seed"], answer["seed"]) << "a random one";
  EXPECT_LT(answer["seed"].get<uint64_t>(), 1ull << 32) << "JavaScript's numbers hold it";
  EXPECT_NE(answer["seed"], ask({{"tracks", "text"}})["seed"]);
}

TEST_F(ForesightHttp, names_what_of_a_chat_has_no_effect_with_the_session) {
  const auto server = start();
  EXPECT_EQ(
      post(*server, "/api/chat", {{"message", "a"}, {"message_id", "m"}, {"session_id", "s"}, {"bogus", 1}}).status,
      200);
  const json session = server->request("GET", "/v1/sessions").json()["sessions"][0];
  EXPECT_EQ(session["ignored"][0]["field"], "session_id");
  EXPECT_EQ(session["ignored"][1]["field"], "bogus");
}

TEST_F(ForesightHttp, answers_limits_with_their_statuses) {
  const json asked{{"image", test_picture_base64()}}, chat{{"message", "a"}, {"message_id", "m"}};
  const auto small = start([](ServerOptions& options) { options.sessions.max_working_bytes = 1; });
  const Reply large = post(*small, "/api/predict", asked);
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.json()["detail"]["code"], "FILE_TOO_LARGE");
  EXPECT_THAT(large.json()["detail"]["error"].get<std::string>(), testing::HasSubstr("--max-memory-mib"));
  const Reply large_chat = post(*small, "/api/chat", chat);
  EXPECT_EQ(large_chat.status, 413);
  EXPECT_EQ(large_chat.json()["detail"]["code"], "CHAT_ERROR");
  const auto full = start([](ServerOptions& options) { options.sessions.max_input_bytes = 100; });
  const Reply busy = post(*full, "/api/predict", asked);
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.json()["detail"]["code"], "BUSY");
  EXPECT_TRUE(busy.headers.contains("retry-after"));
}

TEST_F(ForesightHttp, is_ready_before_the_first_question_which_loads_the_model) {
  const auto model = std::make_shared<DrawingForesight>();
  const auto gate = std::make_shared<generation::Gate>();
  const auto load = [=] {
    gate->hook()(generation::Request{}, 0);
    return model;
  };
  const RunningServer server(
      [](ServerOptions& options) {
        options.listen = {"127.0.0.1:0=foresight"};
        options.chat.load_patience = std::chrono::milliseconds(1);
      },
      std::vector<ModelSource>{{.name = "large", .load = load, .family = "foresight"}});
  const auto status = [&] { return server.request("GET", "/api/status").json(); };
  EXPECT_EQ(status()["ready"], true);
  EXPECT_EQ(status()["model_loaded"], false);
  EXPECT_EQ(status()["current_model"], "large");
  EXPECT_EQ(post(server, "/api/predict", {{"image", test_picture_base64()}}).json()["detail"]["code"], "NOT_READY");
  EXPECT_EQ(status()["ready"], false) << "while it is loaded predictions are told to come again";
  gate->open();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (status()["model_loaded"] == false && std::chrono::steady_clock::now() < deadline) {}
  EXPECT_EQ(status()["ready"], true);
}

TEST_F(ForesightHttp, refuses_in_the_words_of_its_framework) {
  const auto server = start();
  for (const char* path :
       {"/api/nothing", "/api/static/x.mp4", "/api/videos/x.mp4", "/api/videos/..%2f..%2fetc%2fpasswd.mp4"}) {
    const Reply reply = server->request("GET", path);
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_EQ(reply.json(), (json{{"detail", "Not Found"}})) << path;
  }
  const Reply wrong = server->request("GET", "/api/chat");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "POST");
  EXPECT_EQ(wrong.json(), (json{{"detail", "Method Not Allowed"}}));
  EXPECT_THAT(server->request("GET", "/docs").headers.at("content-type"), StartsWith("text/html"));
  EXPECT_TRUE(server->request("GET", "/openapi.json").json()["paths"].contains("/api/predict"));
}

TEST_F(ForesightHttp, answers_preflights_of_allowed_pages_only) {
  const auto server = start([](ServerOptions& options) { options.access.allow_origins = {"http://localhost:3000"}; });
  const auto preflight = [&](const std::string& origin) {
    return server->request("OPTIONS", "/api/chat", "",
                           "Origin: " + origin + "\r\nAccess-Control-Request-Method: POST\r\n");
  };
  const Reply allowed = preflight("http://localhost:3000"), other = preflight("http://evil.example");
  EXPECT_EQ(allowed.status, 200);
  EXPECT_EQ(allowed.body, "OK");
  EXPECT_EQ(allowed.headers.at("access-control-allow-origin"), "http://localhost:3000");
  EXPECT_EQ(allowed.headers.at("access-control-allow-credentials"), "true");
  EXPECT_EQ(other.status, 400);
  EXPECT_EQ(other.body, "Disallowed CORS origin");
  EXPECT_FALSE(other.headers.contains("access-control-allow-origin"));
}

TEST_F(ForesightHttp, gives_an_uploaded_picture_back_and_keeps_nothing) {
  const auto server = start();
  EXPECT_EQ(upload(*server, "file", "image/png", "abc").json(),
            (json{{"url", "data:image/png;base64,YWJj"}, {"filename", "a.png"}}));
  const Reply text = upload(*server, "file", "text/plain", "abc");
  EXPECT_EQ(text.status, 400);
  EXPECT_EQ(text.json(), json::parse(R"({"detail": {"error": "File must be an image", "code": "INVALID_FILE_TYPE"}})"));
  EXPECT_EQ(upload(*server, "file", "image/png", std::string(10 << 20, 'x')).status, 200);
  for (const std::size_t size : {(std::size_t{10} << 20) + 1, std::size_t{12} << 20}) {
    const Reply large = upload(*server, "file", "image/png", std::string(size, 'x'));
    EXPECT_EQ(large.status, 400);
    EXPECT_EQ(large.json(),
              json::parse(R"x({"detail": {"error": "File too large (max 10MB)", "code": "FILE_TOO_LARGE"}})x"));
  }
  const json missing = json::parse(
      R"({"detail": [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": null}]})");
  EXPECT_EQ(upload(*server, "other", "image/png", "abc").json(), missing);
  EXPECT_EQ(server->request("POST", "/api/upload").json(), missing);
}

TEST_F(ForesightHttp, sends_videos_also_where_they_cannot_be_recorded) {
  for (const int64_t room : {0, 1500}) {
    const auto server = start([&](ServerOptions& options) { options.sessions.max_recording_bytes = room; });
    const std::string path = finished_video(*server);
    const Reply whole = server->request("GET", path);
    ASSERT_EQ(whole.status, 200) << whole.body;
    EXPECT_EQ(media::decode_bytes("whole.mp4", media::Bytes(whole.body.begin(), whole.body.end())).size(), 6u);
    EXPECT_EQ(server->request("GET", path, "", "Range: bytes=0-9\r\n").body, whole.body.substr(0, 10));
    EXPECT_EQ(server->request("GET", path, "", "If-None-Match: " + whole.headers.at("etag") + "\r\n").status, 304);
  }
}

TEST_F(ForesightHttp, sends_videos_in_ranges_and_not_again) {
  const auto server = start();
  const std::string path = finished_video(*server);
  const Reply whole = server->request("GET", path);
  ASSERT_EQ(whole.status, 200);
  const std::string size = std::to_string(whole.body.size());
  EXPECT_EQ(whole.headers.at("content-type"), "video/mp4");
  EXPECT_EQ(whole.headers.at("accept-ranges"), "bytes");
  EXPECT_EQ(whole.headers.at("cache-control"), "private, max-age=3600");
  EXPECT_LT(whole.body.find("moov"), whole.body.find("mdat"));
  const std::string tag = whole.headers.at("etag"), date = whole.headers.at("last-modified");
  const Reply head = server->request("HEAD", path);
  EXPECT_EQ(head.headers.at("content-length"), size);
  const struct {
    const char* headers;
    int status;
    std::string range;
  } kRanges[] = {
      {"Range: bytes=0-9\r\n", 206, "bytes 0-9/" + size},
      {"Range: bytes=10-\r\n", 206, "bytes 10-" + std::to_string(whole.body.size() - 1) + "/" + size},
      {"Range: bytes=-5\r\n", 206,
       "bytes " + std::to_string(whole.body.size() - 5) + "-" + std::to_string(whole.body.size() - 1) + "/" + size},
      {"Range: bytes=99999999-\r\n", 416, "bytes */" + size},
      {"Range: pages=1-2\r\n", 200, ""},
      {"Range: bytes=5-1\r\n", 200, ""},
      {"Range: bytes= 0-1\r\n", 206, "bytes 0-1/" + size},
      {"Range: bytes=x-1\r\n", 200, ""},
      {"Range: bytes=1-x\r\n", 200, ""},
      {"Range: bytes=0 -1\r\n", 200, ""},
      {"Range: bytes=-\r\n", 200, ""},
      {"Range: bytes=0-1,4-5\r\n", 200, ""}};
  for (const auto& each : kRanges) {
    const Reply part = server->request("GET", path, "", each.headers);
    EXPECT_EQ(part.status, each.status) << each.headers;
    EXPECT_EQ(part.headers.contains("content-range") ? part.headers.at("content-range") : "", each.range);
  }
  const auto status = [&](const std::string& headers) { return server->request("GET", path, "", headers).status; };
  EXPECT_EQ(status("If-None-Match: " + tag + "\r\n"), 304);
  EXPECT_EQ(status("If-Modified-Since: " + date + "\r\n"), 304);
  EXPECT_EQ(status("If-Unmodified-Since: " + date + "\r\n"), 200);
  EXPECT_EQ(status("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 412);
  EXPECT_EQ(status("Range: bytes=0-9\r\nIf-Range: " + tag + "\r\n"), 206);
  EXPECT_EQ(status("Range: bytes=0-9\r\nIf-Range: " + date + "\r\n"), 206);
  EXPECT_EQ(status("Range: bytes=0-9\r\nIf-Range: \"other\"\r\n"), 200);
  std::string of_chat = path;
  of_chat.replace(0, std::string("/api/videos/").size(), "/api/static/video_");
  EXPECT_EQ(server->request("GET", of_chat).body, whole.body);
}

TEST_F(ForesightHttp, has_its_sessions_among_all_others) {
  const auto server = start();
  const std::string path = finished_video(*server);
  const json sessions = server->request("GET", "/v1/sessions").json()["sessions"];
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0]["text"],
            "a red ball \xC3\xBC"
            "ber falls");
  const std::string id = sessions[0]["id"];
  EXPECT_EQ(server->request("GET", "/v1/sessions/" + id + "/recording.mp4").body, server->request("GET", path).body);
  EXPECT_EQ(server->request("GET", "/v1/sessions/" + id + "/hls/master.m3u8").status, 200);
}

TEST_F(ForesightHttp, serves_files_of_one_folder) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder.path / "a/b");
  std::ofstream(folder.path / "a/b/c.txt") << "deep";
  std::ofstream(folder.path / "top.txt") << "top";
  const auto server = start([&](ServerOptions& options) { options.chat.static_directory = folder.path; });
  EXPECT_EQ(server->request("GET", "/static/top.txt").body, "top");
  EXPECT_EQ(server->request("GET", "/static/a/b/c.txt").body, "deep");
  for (const char* path : {"/static/none.txt", "/static/..%2f..%2fetc%2fpasswd", "/static/a/../../x", "/static/a"})
    EXPECT_EQ(server->request("GET", path).status, 404) << path;
}

}  // namespace
}  // namespace rushes::server
