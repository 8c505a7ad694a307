// Forks and pacing over the native API.
#include <gtest/gtest.h>

#include "rushes/media/test_video.h"
#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {
using nlohmann::json;

constexpr int kStepsOfBlock = 4, kFramesOfBlock = 12;

std::string video(const RunningServer& server, const std::string& id) {
  return server.request("GET", path(id, "/video.mp4")).body;
}
std::size_t frames_in(const std::string& mp4) {
  return media::decode_bytes("steering_test.mp4", media::Bytes(mp4.begin(), mp4.end())).size();
}

/// Ends with the event that the block brings.
void wait_for(TestClient& events, const char* type) {
  for (Frame frame = events.read_message(); frame.opcode == 1; frame = events.read_message())
    if (json::parse(frame.payload)["type"] == type) return;
  ADD_FAILURE() << "no " << type << " came";
}
void wait_for_block(TestClient& events) { wait_for(events, "frame_block"); }

TEST(Fork, goes_on_from_the_block_border_with_another_prompt_and_begins_with_the_same_video) {
  RunningServer server;
  const std::string id = server.create();
  TestClient events(server.port());
  ASSERT_EQ(events.upgrade(path(id, "/events")).status, 101);
  server.gate().allow(2 * kStepsOfBlock + 1);
  wait_for_block(events);
  wait_for_block(events);
  wait_for(events, "block_progress");  // the third block is in work
  ASSERT_EQ(server.request("POST", path(id, "/pause")).status, 200);
  const Reply reply = server.request("POST", path(id, "/fork"), R"({"prompt": "a blue square"})");
  ASSERT_EQ(reply.status, 201) << reply.body;
  const std::string fork = reply.json()["id"];
  EXPECT_EQ(reply.headers.at("location"), path(fork));
  EXPECT_EQ(reply.json()["origin"], (json{{"kind", "fork"}, {"session", id}}));
  server.gate().open();
  // The paused origin completes the block in work for it, and stays paused.
  const auto told = server.events(fork);
  EXPECT_EQ(told.back()["state"], "finished");
  int64_t blocks = 0;
  for (const json& event : told) {
    if (event["type"] != "frame_block") continue;
    EXPECT_EQ(event["prompt"], blocks < 3 ? "a red circle" : "a blue square");
    EXPECT_EQ(event["block"], blocks++);
  }
  EXPECT_EQ(blocks, kBlocks);
  EXPECT_EQ(server.status(fork)["done"]["blocks"], kBlocks);
  EXPECT_EQ(server.status(fork)["done"]["video_frames"], kBlocks * kFramesOfBlock);
  EXPECT_EQ(server.status(id)["state"], "paused");
  EXPECT_EQ(server.status(id)["done"]["blocks"], 3);
  const std::string forked = video(server, fork);
  EXPECT_EQ(frames_in(forked), static_cast<std::size_t>(kBlocks * kFramesOfBlock));
  ASSERT_EQ(server.request("POST", path(id, "/resume")).status, 200);
  server.events(id);
  const std::string original = video(server, id);
  EXPECT_EQ(frames_in(original), static_cast<std::size_t>(kBlocks * kFramesOfBlock));
  const std::string as_made = fragments_of(server.port(), id), branch = fragments_of(server.port(), fork);
  const std::size_t shared = static_cast<std::size_t>(
      std::mismatch(as_made.begin(), as_made.end(), branch.begin(), branch.end()).first - as_made.begin());
  EXPECT_GT(shared, as_made.size() / kBlocks * 2);
  EXPECT_LT(shared, as_made.size());
}

TEST(Fork, goes_on_from_any_earlier_block_border_that_is_kept) {
  RunningServer server;
  const std::string id = server.create();
  TestClient events(server.port());
  ASSERT_EQ(events.upgrade(path(id, "/events")).status, 101);
  server.gate().allow(5 * kStepsOfBlock + 1);
  for (int i = 0; i < 5; ++i) wait_for_block(events);
  EXPECT_EQ(
      server.status(id)["forks"],
      (json{{"least_blocks", 0}, {"most_blocks", 5}, {"least_kept", 0}, {"most_kept", 5}, {"no_replay", nullptr}}));
  std::vector<std::string> forks;
  for (const int64_t blocks : {0, 2, 5}) {
    const Reply reply = server.request("POST", path(id, "/fork"), json{{"prompt", "other"}, {"blocks", blocks}}.dump());
    ASSERT_EQ(reply.status, 201) << reply.body;
    forks.push_back(reply.json()["id"]);
  }
  const Reply late = server.request("POST", path(id, "/fork"), R"({"blocks": 6})");
  EXPECT_EQ(late.status, 409);
  EXPECT_NE(late.body.find("0 to 5"), std::string::npos) << late.body;
  server.gate().open();
  for (std::size_t i = 0; i < forks.size(); ++i) {
    const int64_t begun_with = std::array{0, 2, 5}[i];
    int64_t blocks = 0;
    for (const json& event : server.events(forks[i]))
      if (event["type"] == "frame_block") {
        EXPECT_EQ(event["prompt"], blocks < begun_with ? "a red circle" : "other")
            << "fork " << i << ", block " << blocks;
        EXPECT_EQ(event["first_video_frame"], kFramesOfBlock * blocks++);
      }
    EXPECT_EQ(blocks, kBlocks);
    EXPECT_EQ(frames_in(video(server, forks[i])), static_cast<std::size_t>(kBlocks * kFramesOfBlock));
  }
  // The origin never knew.
  for (const json& event : server.events(id)) {
    if (event["type"] == "frame_block") {
      EXPECT_EQ(event["prompt"], "a red circle");
    }
  }
}

TEST(Fork, without_a_prompt_makes_the_same_video_and_counts_as_a_session) {
  RunningServer server([](ServerOptions& options) { options.sessions.max_running = 3; });
  const std::string id = server.create();
  const Reply first = server.request("POST", path(id, "/fork"));
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(server.request("POST", path(id, "/fork"), "{}").status, 201);
  EXPECT_EQ(server.request("POST", path(id, "/fork"), "{}").status, 429);
  server.gate().open();
  EXPECT_EQ(server.events(first.json()["id"]).back()["state"], "finished");
  server.events(id);
  EXPECT_EQ(frames_in(video(server, first.json()["id"])), static_cast<std::size_t>(kBlocks * kFramesOfBlock));
}

TEST(Pacing, can_be_asked_for_and_changed) {
  RunningServer server;
  server.gate().open();
  const std::string id = server.create(R"({"prompt": "a", "pacing": "realtime", "segments": 0})");
  EXPECT_EQ(server.status(id)["max_lead_s"], 2.0);
  // Two seconds ahead are three blocks of 0.75 s; by itself the model would be through all of it long since.
  TestClient events(server.port());
  ASSERT_EQ(events.upgrade(path(id, "/events")).status, 101);
  for (int i = 0; i < 3; ++i) wait_for_block(events);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LT(server.status(id)["done"]["blocks"], 20);
  const Reply faster = server.request("POST", path(id, "/pacing"), R"({"pacing": "asap"})");
  ASSERT_EQ(faster.status, 200) << faster.body;
  EXPECT_EQ(faster.json()["max_lead_s"], nullptr);
  for (int i = 0; i < 30; ++i) wait_for_block(events);
  EXPECT_EQ(server.request("POST", path(id, "/pacing"), R"({"max_lead": 0.5})").json()["max_lead_s"], 0.5);
  server.request("POST", path(id, "/stop"));
  EXPECT_EQ(server.request("POST", path(id, "/pacing"), R"({"pacing": "asap"})").status, 409);
}

}  // namespace
}  // namespace rushes::server
