// Bodies of all connections together, and what of them a client can make the server hold.
#include "rushes/server/http/uploads.h"

#include <gmock/gmock.h>

#include <set>

#include "rushes/server/process_usage.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;
using Upload = Uploads::Upload;

constexpr int64_t kMiB = 1 << 20;

TEST(Uploads, have_one_limit_together_which_small_ones_do_not_meet) {
  Uploads all(2 * kMiB);
  Upload large(all, [] {}), other(all, [] {}), small(all, [] {});
  EXPECT_TRUE(large.grow(2 * kMiB));
  EXPECT_FALSE(other.grow(kMiB));
  EXPECT_TRUE(small.grow(Uploads::kFreeBytes));
  EXPECT_EQ(all.memory().refused(), 1);
}

TEST(Uploads, end_the_one_that_makes_no_progress_when_others_need_the_room) {
  Uploads all(2 * kMiB);
  int ended = 0;
  Upload first(all, [&] { ended = 1; }), second(all, [&] { ended = 2; }), third(all, [&] { ended = 3; });
  const auto begin = Uploads::Clock::now();
  EXPECT_TRUE(first.grow(kMiB / 2, begin));
  EXPECT_TRUE(second.grow(kMiB, begin));
  EXPECT_FALSE(third.grow(kMiB, begin));
  // A byte now and then is no progress.
  EXPECT_TRUE(second.grow(kMiB + 1, begin + Uploads::kPatience / 2));
  EXPECT_TRUE(first.grow(kMiB / 2 + Uploads::kProgressBytes, begin + Uploads::kPatience / 2));
  EXPECT_TRUE(third.grow(kMiB, begin + Uploads::kPatience));
  EXPECT_EQ(ended, 2);
  EXPECT_TRUE(second.interrupted());
  EXPECT_FALSE(first.interrupted());
  EXPECT_EQ(all.interrupted(), 1);
}

TEST(Uploads, that_are_complete_keep_their_room_until_they_are_answered) {
  Uploads all(kMiB);
  Upload other(all, [] {});
  {
    Upload complete(all, [] { FAIL(); });
    EXPECT_TRUE(complete.grow(kMiB));
    complete.complete();
    EXPECT_FALSE(other.grow(kMiB, Uploads::Clock::now() + Uploads::kPatience));
  }
  EXPECT_TRUE(other.grow(kMiB));
}

class Bodies : public testing::Test {
 protected:
  static constexpr const char* kPath = "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n";
  RunningServer server_{[](ServerOptions& options) { options.connections.upload_bytes = 4 * kMiB; }};
};

TEST_F(Bodies, that_are_parked_take_no_more_memory_than_is_allowed) {
  const std::string head = kPath + std::string("Content-Length: 24000000\r\n\r\n"), piece(kMiB, ' ');
  server_.gate().open();
  const ProcessUsage before = ProcessUsage::now();
  std::vector<std::unique_ptr<TestClient>> parked;
  for (int i = 0; i < 24; ++i) {
    parked.push_back(std::make_unique<TestClient>(server_.port()));
    parked.back()->write(head);
    for (int k = 0; k < 3; ++k) parked.back()->write(piece);
  }
  // Who sends goes on, or is told; the other bodies wait. Two may have room.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::set<TestClient*> told;
  while (told.size() < 22 && std::chrono::steady_clock::now() < patience)
    for (auto& client : parked) {
      if (told.contains(client.get()) || !client->readable(std::chrono::milliseconds(50))) continue;
      const Reply reply = client->read_reply();
      EXPECT_EQ(reply.status, 503);
      EXPECT_EQ(reply.json()["error"]["code"], "unavailable");
      EXPECT_TRUE(reply.headers.contains("retry-after"));
      EXPECT_THAT(reply.body, HasSubstr("--max-upload-mib"));
      told.insert(client.get());
    }
  EXPECT_GE(told.size(), 22u);
#ifndef __SANITIZE_THREAD__  // which has memory of its own
  EXPECT_LT(ProcessUsage::now().resident_kib - before.resident_kib, 24 << 10);
#endif
  EXPECT_LE(ProcessUsage::now().threads, before.threads);
  EXPECT_EQ(server_.request("POST", "/v1/sessions", R"({"prompt": "small ones fit"})").status, 201);
  EXPECT_THAT(server_.request("GET", "/metrics").body, HasSubstr("\nrushes_uploads_refused_total "));
  // Those that are parked make room when another one needs it.
  const std::string body = R"({"prompt": "a large one")" + std::string(3 * kMiB, ' ') + "}";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int status = 0;
  while ((status = server_.request("POST", "/v1/sessions", body).status) != 201 &&
         std::chrono::steady_clock::now() < deadline) {}
  EXPECT_EQ(status, 201);
  parked.clear();
  const auto listed = server_.request("GET", "/v1/sessions").json();
  for (const auto& session : listed["sessions"])
    server_.request("DELETE", "/v1/sessions/" + session["id"].get<std::string>());
  expect_no_more_than(before);
}

TEST_F(Bodies, in_chunks_may_not_hide_others_in_extensions) {
  const struct {
    const char* name;
    std::string begin, repeated;
  } cases[] = {{"one extension without an end", "1;a=", std::string(kMiB, 'a')},
               {"an extension with each chunk", "", "1;a=" + std::string(60'000, 'a') + "\r\n \r\n"},
               {"trailers", "1\r\n \r\n0\r\n", "a: " + std::string(60'000, 'a') + "\r\n"}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    const ProcessUsage before = ProcessUsage::now();
    TestClient client(server_.port());
    client.write(kPath + std::string("Transfer-Encoding: chunked\r\n\r\n") + each.begin);
    std::size_t sent = 0;
    while (sent < std::size_t{40} * kMiB && client.write(each.repeated)) {
      sent += each.repeated.size();
      if (client.readable(std::chrono::milliseconds(0))) break;
    }
    EXPECT_EQ(client.read_reply().status, 400);
    EXPECT_LT(ProcessUsage::now().resident_kib - before.resident_kib, 24 << 10);
  }
}

TEST_F(Bodies, in_chunks_of_a_byte_are_taken) {
  TestClient client(server_.port());
  std::string text = kPath + std::string("Transfer-Encoding: chunked\r\n\r\n");
  for (const char c : R"({"prompt": "one by one"})" + std::string(5'000, ' '))
    text += std::string("1\r\n") + c + "\r\n";
  client.write(text + "0\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 201);
}

}  // namespace
}  // namespace rushes::server
