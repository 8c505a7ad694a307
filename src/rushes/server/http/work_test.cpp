// What takes its time is not done by the thread that serves everybody: in these servers no work may wait, so that all
// that would be handed on is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

constexpr const char* kRefusal = "jobs are waiting in the server";

class Work : public TalkServer {
 protected:
  std::unique_ptr<RunningServer> start_without_room() {
    return start([](ServerOptions& options) { options.work.waiting = 0; });
  }
};

TEST_F(Work, of_pictures_sound_forms_and_large_bodies_is_handed_on) {
  const auto server = start_without_room();
  const std::string large(5000, 'A');
  const std::string form = FormBody().add("session_id", "x").add("image", large, true).add("audio", large, true).end();
  const std::string form_type = "Content-Type: multipart/form-data; boundary=b0undary\r\n";
  const struct {
    const char* path;
    std::string body, headers;
  } kRequests[] = {{"/v1/sessions", R"({"prompt": "a", "image": ")" + large + "\"}", ""},
                   {"/v1/videos", R"({"prompt": "a", "input_reference": ")" + large + "\"}", ""},
                   {"/v1/videos", form, form_type},
                   {"/api/audio-driven/chunked/init", form, form_type},
                   {"/api/audio-driven/chunked/feed", form, form_type},
                   {"/api/audio-driven", form, form_type},
                   {"/api/audio-driven/stream", form, form_type},
                   {"/api/realtime-sse", form, form_type},
                   {"/api/realtime-mjpeg", form, form_type},
                   {"/api/v1/audio-driven/stream", form, form_type},
                   {"/api/video-driven", form, form_type},
                   {"/api/v1/video-driven/stream", form, form_type},
                   {"/api/realtime/init", form, form_type},
                   {"/crop", form, form_type},
                   {"/generate_stream", form, form_type},
                   {"/generate_stream", R"({"text": ")" + large + "\"}", ""},
                   {"/generate", R"({"text": "a"})", ""},
                   {"/api/tts/generate", form, form_type},
                   {"/offer", R"({"sdp": "v=0", "avatar": ")" + large + "\"}", ""},
                   {"/offer", form, form_type}};
  for (const auto& [path, body, headers] : kRequests) {
    SCOPED_TRACE(path);
    const Reply reply = server->request("POST", path, body, headers);
    EXPECT_EQ(reply.status, 503) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr(kRefusal));
  }
}

TEST_F(Work, of_a_large_message_is_handed_on) {
  const auto server = start_without_room();
  TestClient client(server->port());
  ASSERT_EQ(client.upgrade("/v1/realtime/video").status, 101);
  const std::string message = R"({"type": "session.start", "prompt": ")" + std::string(5000, 'a') + "\"}";
  const auto size = static_cast<int>(message.size());
  const std::string head{'\x81', '\xfe', static_cast<char>(size >> 8), static_cast<char>(size & 0xff), 0, 0, 0, 0};
  client.write(head + message);
  EXPECT_THAT(client.read_message().payload, HasSubstr(kRefusal));
}

TEST_F(Work, of_small_requests_is_done_at_once) {
  const auto server = start_without_room();
  EXPECT_EQ(server->request("POST", "/v1/sessions", R"({"prompt": "a"})").status, 201);
  EXPECT_EQ(server->request("POST", "/v1/videos", R"({"prompt": "a"})").status, 200);
  EXPECT_EQ(server->request("GET", "/health").status, 200);
}

TEST_F(Work, of_a_client_that_has_left_is_skipped) {
  std::promise<void> allowed, begun;
  const auto hold = [&]() -> std::shared_ptr<const generation::Model> {
    begun.set_value();
    allowed.get_future().wait();
    return std::make_shared<generation::DrawingModel>();
  };
  const RunningServer server([](ServerOptions& options) { options.work.threads = 1; }, {{"slow", hold}});
  TestClient loading(server.port());
  loading.write("POST /v1/models/slow/load HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  begun.get_future().wait();  // the only thread of the pool is busy
  const std::string body =
      R"({"model": "drawing", "prompt": ")" + std::string(2000, 'a') + "\"" + std::string(5000, ' ') + "}";
  TestClient leaving(server.port());
  leaving.write("POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
  const auto connections = [&] {
    const std::string text = server.request("GET", "/metrics").body;
    return std::atoi(text.c_str() + text.find("\nrushes_connections ") + 20);
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto wait_for = [&](int count) {
    while (connections() != count && std::chrono::steady_clock::now() < deadline) {}
    EXPECT_EQ(connections(), count);
  };
  wait_for(3);  // with the one that asks
  leaving.close();
  wait_for(2);
  allowed.set_value();
  EXPECT_EQ(loading.read_reply().status, 200);
  EXPECT_TRUE(server.request("GET", "/v1/sessions").json()["sessions"].empty());
}

}  // namespace
}  // namespace rushes::server
