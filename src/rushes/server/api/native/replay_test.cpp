// Forks whose origins have ended, or no longer keep the border: the blocks before it are made again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/delivery/catalogue.h"
#include "rushes/media/test_video.h"
#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {
using nlohmann::json;
using testing::HasSubstr;

/// A server that may be started anew on what the one before has left; its sessions run at once.
class ForkReplay : public testing::Test {
 protected:
  static constexpr int kStepsOfBlock = 4, kFramesOfBlock = 12;

  ForkReplay() { start(); }
  void start() {
    server_.reset();
    std::vector<ModelSource> models;
    models.push_back(
        {.name = "heads", .load = [] { return std::make_shared<generation::DrawingTalkModel>(); }, .at_start = true});
    server_ = std::make_unique<RunningServer>(
        [&](ServerOptions& options) { options.data_directory = directory_.path / "data"; }, std::move(models));
  }
  RunningServer& server() { return *server_; }
  std::string ended(const std::string& body = R"({"prompt": "a red circle", "seed": 5})") {
    server().gate().open();
    std::string id = server().create(body);
    EXPECT_EQ(server().events(id).back()["state"], "finished");
    video_of(id);  // ends with the file, a moment after the events
    return id;
  }
  std::string video_of(const std::string& id) { return server().request("GET", path(id, "/video.mp4")).body; }
  std::size_t frames_in(const std::string& id) {
    const std::string mp4 = video_of(id);
    return media::decode_bytes("replay_test.mp4", media::Bytes(mp4.begin(), mp4.end())).size();
  }
  Reply fork(const std::string& id, const json& body) {
    return server().request("POST", path(id, "/fork"), body.dump());
  }
  /// Its blocks' prompts, in order.
  std::vector<std::string> prompts_of(const std::string& id) {
    std::vector<std::string> prompts;
    for (const json& event : server().events(id))
      if (event["type"] == "frame_block") {
        EXPECT_EQ(event["first_video_frame"], kFramesOfBlock * static_cast<int64_t>(prompts.size()));
        prompts.push_back(event["prompt"]);
      }
    return prompts;
  }
  /// Of the fragments of both, from the first one on.
  std::size_t shared_fragments(const std::string& a, const std::string& b) {
    TestClient first(server().port()), second(server().port());
    first.upgrade(path(a, "/video"));
    second.upgrade(path(b, "/video"));
    const auto of_a = read_video(first), of_b = read_video(second);
    const auto differs = std::mismatch(of_a.begin(), of_a.end(), of_b.begin(), of_b.end()).first;
    return static_cast<std::size_t>(differs - of_a.begin()) - 1;  // without the initialisation segment
  }

  const ScratchFolder directory_;
  std::unique_ptr<RunningServer> server_;
};

std::vector<std::string> repeated(std::initializer_list<std::pair<int, const char*>> runs) {
  std::vector<std::string> all;
  for (const auto& [count, prompt] : runs) all.insert(all.end(), static_cast<std::size_t>(count), prompt);
  return all;
}

TEST_F(ForkReplay, of_a_session_that_has_ended_begins_with_its_video_and_tells_its_cost) {
  const std::string id = ended();
  const json all{
      {"least_blocks", 0}, {"most_blocks", 7}, {"least_kept", nullptr}, {"most_kept", nullptr}, {"no_replay", nullptr}};
  EXPECT_EQ(server().status(id)["forks"], all);
  const Reply reply = fork(id, {{"blocks", 3}, {"prompt", "a blue square"}});
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json()["replay_blocks"], 3);
  const std::string branch = reply.json()["id"];
  EXPECT_EQ(prompts_of(branch), repeated({{3, "a red circle"}, {4, "a blue square"}}));
  EXPECT_EQ(frames_in(branch), static_cast<std::size_t>(kBlocks * kFramesOfBlock));
  EXPECT_EQ(shared_fragments(id, branch), 3u);
  const json status = server().status(branch);
  EXPECT_EQ(status["replay_blocks"], 3);
  EXPECT_EQ(status["replayed_blocks"], 3);
  EXPECT_EQ(status["origin"], (json{{"kind", "fork"}, {"session", id}}));
  const std::string metrics = server().request("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("rushes_replayed_blocks_total 3\n"));
  EXPECT_THAT(metrics, HasSubstr("rushes_blocks_total 11\n"));
}

TEST_F(ForkReplay, continues_a_video_that_is_complete_by_more_segments) {
  const std::string id = ended();
  EXPECT_THAT(fork(id, json::object()).body, HasSubstr("its video is complete; give segments or frames"));
  const Reply reply = fork(id, {{"segments", 1}});
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json()["replay_blocks"], kBlocks);
  EXPECT_EQ(reply.json()["format"]["segments"], 2);
  const std::string longer = reply.json()["id"];
  EXPECT_EQ(prompts_of(longer), repeated({{14, "a red circle"}}));
  EXPECT_EQ(frames_in(longer), static_cast<std::size_t>(2 * kBlocks * kFramesOfBlock));
  EXPECT_EQ(shared_fragments(id, longer), static_cast<std::size_t>(kBlocks));
}

TEST_F(ForkReplay, continues_a_session_that_was_stopped_and_one_that_still_runs_by_more) {
  const std::string id = server().create(R"({"prompt": "a red circle", "segments": 2})");
  server().gate().allow(3 * kStepsOfBlock);
  ASSERT_TRUE(server().gate().wait_for(3 * kStepsOfBlock + 1));
  const Reply longer = fork(id, {{"segments", 1}, {"blocks", 2}, {"prompt", "a blue square"}});
  ASSERT_EQ(longer.status, 201) << longer.body;
  EXPECT_EQ(longer.json()["replay_blocks"], 2) << "a longer video is planned anew, though the border is kept";
  ASSERT_EQ(server().request("POST", path(id, "/stop")).status, 200);
  const Reply reply = server().request("POST", path(id, "/fork"));
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json()["replay_blocks"], 3);
  server().gate().open();
  EXPECT_EQ(prompts_of(reply.json()["id"]), repeated({{14, "a red circle"}}));
  EXPECT_EQ(prompts_of(longer.json()["id"]), repeated({{2, "a red circle"}, {19, "a blue square"}}));
  EXPECT_EQ(frames_in(longer.json()["id"]), static_cast<std::size_t>(21 * kFramesOfBlock));
}

TEST_F(ForkReplay, without_a_prompt_goes_on_as_its_origin_did_there) {
  const std::string id = server().create(R"({"prompt": "a red circle", "seed": 5})");
  server().gate().allow(2 * kStepsOfBlock + 1);
  ASSERT_TRUE(server().gate().wait_for(2 * kStepsOfBlock + 2));
  ASSERT_EQ(server().request("POST", path(id, "/prompt"), R"({"prompt": "a blue square"})").status, 202);
  server().gate().open();
  const auto as_made = repeated({{3, "a red circle"}, {4, "a blue square"}});
  EXPECT_EQ(prompts_of(id), as_made);
  for (const int blocks : {3, 5}) {
    const Reply reply = fork(id, {{"blocks", blocks}});
    ASSERT_EQ(reply.status, 201) << reply.body;
    EXPECT_EQ(prompts_of(reply.json()["id"]), as_made) << blocks;
  }
}

TEST_F(ForkReplay, after_a_restart_makes_the_same_again_and_goes_on) {
  const std::string id = server().create(R"({"prompt": "a red circle", "seed": 5})");
  server().gate().allow(2 * kStepsOfBlock + 1);
  ASSERT_TRUE(server().gate().wait_for(2 * kStepsOfBlock + 2));
  ASSERT_EQ(server().request("POST", path(id, "/prompt"), R"({"prompt": "a blue square"})").status, 202);
  server().gate().open();
  server().events(id);
  video_of(id);
  const json before = server().status(id)["forks"];
  start();
  server().gate().open();
  EXPECT_EQ(server().status(id)["forks"], before);
  const Reply reply = fork(id, {{"blocks", 5}, {"prompt", "a white ring"}});
  ASSERT_EQ(reply.status, 201) << reply.body;
  const std::string branch = reply.json()["id"];
  EXPECT_EQ(prompts_of(branch), repeated({{3, "a red circle"}, {2, "a blue square"}, {2, "a white ring"}}));
  EXPECT_EQ(shared_fragments(id, branch), 5u);
  EXPECT_EQ(frames_in(branch), static_cast<std::size_t>(kBlocks * kFramesOfBlock));
  start();
  server().gate().open();
  EXPECT_EQ(server().status(branch)["replayed_blocks"], 5);
  const Reply again = fork(branch, {{"segments", 1}});
  ASSERT_EQ(again.status, 201) << again.body;
  EXPECT_EQ(prompts_of(again.json()["id"]), repeated({{3, "a red circle"}, {2, "a blue square"}, {9, "a white ring"}}));
}

TEST_F(ForkReplay, that_is_stopped_on_its_way_is_a_video_of_what_it_shares) {
  const std::string id = server().create(R"({"prompt": "a red circle"})");
  server().gate().allow(kBlocks * kStepsOfBlock);
  server().events(id);
  const std::string branch = fork(id, {{"blocks", 5}}).json()["id"];
  server().gate().allow(2 * kStepsOfBlock);
  ASSERT_TRUE(server().gate().wait_for((kBlocks + 2) * kStepsOfBlock + 1));
  EXPECT_EQ(server().status(branch)["replay_blocks"], 5);
  EXPECT_EQ(server().status(branch)["replayed_blocks"], 2);
  ASSERT_EQ(server().request("POST", path(branch, "/stop")).status, 200);
  server().gate().open();
  server().events(branch);
  EXPECT_EQ(frames_in(branch), static_cast<std::size_t>(2 * kFramesOfBlock));
  start();
  server().gate().open();
  EXPECT_EQ(server().status(branch)["state"], "stopped");
  EXPECT_EQ(server().status(branch)["done"]["blocks"], 2);
  const Reply reply = server().request("POST", path(branch, "/fork"));
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json()["replay_blocks"], 2);
  EXPECT_EQ(prompts_of(reply.json()["id"]), repeated({{7, "a red circle"}}));
}

TEST_F(ForkReplay, is_refused_with_the_reason_where_the_frames_could_not_be_the_same) {
  const std::string id = ended();
  const auto refused = [&](const std::string& of, const json& body, int status, const char* words) {
    const Reply reply = fork(of, body);
    EXPECT_EQ(reply.status, status) << reply.body;
    EXPECT_THAT(reply.json()["error"]["message"].get<std::string>(), HasSubstr(words));
  };
  refused(id, {{"blocks", 8}}, 409, "blocks must be 0 to 7 (got 8)");
  refused(id, {{"blocks", 7}}, 409, "its video is complete");
  refused(id, {{"segments", 1}, {"frames", 1}}, 400, "segments or frames, not both");
  refused(id, {{"segments", 0}}, 400, "segments must be an integer from 1");
  const std::string head = server().create(json{{"model", "heads"}, {"image", picture_in_base64()}}.dump());
  ASSERT_EQ(server().request("POST", path(head, "/stop")).status, 200);
  refused(head, json::object(), 409, "it was made from speech, which is not kept");
  EXPECT_EQ(server().status(head)["forks"]["least_blocks"], nullptr);
  EXPECT_THAT(server().status(head)["forks"]["no_replay"].get<std::string>(), HasSubstr("speech"));
}

TEST_F(ForkReplay, of_what_an_earlier_version_or_another_model_made_is_refused) {
  const std::string old = ended(), other = ended();
  server_.reset();
  {
    delivery::Catalogue catalogue(directory_.path / "data");
    for (delivery::CatalogueRow row : catalogue.rows()) {
      json details = json::parse(row.details);
      if (row.id == old) details["history"].erase("checks");
      if (row.id == other) details["history"]["checks"][1] = 1;
      row.details = details.dump();
      catalogue.put(row);
    }
  }
  start();
  server().gate().open();
  const Reply reply = fork(old, {{"blocks", 3}});
  EXPECT_EQ(reply.status, 409) << reply.body;
  EXPECT_THAT(reply.body, HasSubstr("an earlier version of the server made it"));
  const Reply begun = fork(other, {{"blocks", 3}});
  ASSERT_EQ(begun.status, 201) << begun.body;
  const json end = server().events(begun.json()["id"]).back();
  EXPECT_EQ(end["state"], "failed");
  EXPECT_EQ(end["error"]["code"], "conflict");
  EXPECT_THAT(end["error"]["message"].get<std::string>(), HasSubstr("block 1 of session " + other));
}

}  // namespace
}  // namespace rushes::server
