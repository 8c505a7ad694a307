// What a server finds that an earlier one has left, in good order or not.
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <thread>

#include "rushes/delivery/catalogue.h"
#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {
namespace fs = std::filesystem;

class Restart : public FamilySuite {
 protected:
  Restart() { start(); }

  void start(const std::function<void(ServerOptions&)>& change = {}) {
    FamilySuite::start(change);
    server().gate().open();
  }
  json status(const std::string& id) { return server().status(id); }
  /// Changes what the catalogue says, as a process that was killed would have left it.
  void rewrite(const std::function<void(delivery::CatalogueRow&)>& change) const {
    delivery::Catalogue catalogue(directory());
    for (delivery::CatalogueRow row : catalogue.rows()) {
      change(row);
      catalogue.put(row);
    }
  }
  /// The blocks that its events tell: each with its place, its prompt and the time at which it was made.
  json blocks(const std::string& id) {
    json all = json::array();
    for (const json& event : server().events(id))
      if (event["type"] == "frame_block")
        all.push_back({event["segment"], event["block"], event["first_video_frame"], event["video_frames"],
                       event["prompt"], event["at_s"]});
    return all;
  }
  /// What every answer about a session says after a restart as before it.
  json lasting(const std::string& id) {
    json session = status(id);
    session["times_s"].erase("age");
    session["times_s"].erase("encode");  // of this process
    session["viewers"] = 0;
    session["image"] = nullptr;  // of it only the fact is remembered
    return session;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, Restart, testing::ValuesIn(test_families()), family_name);

TEST_P(Restart, leaves_sessions_recordings_and_every_way_to_watch_them_as_they_were) {
  const std::string id = make_video();
  const json before = lasting(id), recordings = server().request("GET", "/v1/recordings").json();
  const std::string mp4 = server().request("GET", path(id, "/video.mp4")).body;
  const std::string segment = server().request("GET", path(id, "/hls/1.m4s")).body;
  EXPECT_EQ(server().request("GET", path(id, "/hls/1.m4s")).status, 200);
  const std::string ts = server().request("GET", path(id, "/hls/1.ts")).body;
  const json blocks_before = blocks(id);
  EXPECT_EQ(before["done"]["blocks"], kBlocks);
  EXPECT_EQ(before["model"], family().model);
  EXPECT_EQ(blocks_before.size(), static_cast<std::size_t>(kBlocks));
  EXPECT_EQ(recordings["recordings"].size(), 1u);
  stop();
  start();
  EXPECT_EQ(lasting(id), before);
  EXPECT_EQ(server().request("GET", "/v1/recordings").json(), recordings);
  EXPECT_EQ(server().request("GET", std::string("/v1/sessions?state=") + family().end).json()["sessions"].size(), 1u);
  EXPECT_EQ(server().request("GET", path(id, "/video.mp4")).body, mp4);
  EXPECT_EQ(server().request("GET", path(id, "/recording.mp4"), "", "Range: bytes=0-99\r\n").body, mp4.substr(0, 100));
  EXPECT_EQ(server().request("GET", path(id, "/hls/1.m4s")).body, segment);
  EXPECT_EQ(server().request("GET", path(id, "/hls/1.ts")).body, ts);
  EXPECT_NE(server().request("GET", path(id, "/hls/video.m3u8")).body.find("#EXT-X-ENDLIST"), std::string::npos);
  EXPECT_EQ(blocks(id), blocks_before);
  expect_video(mp4, kBlocks);
  for (const char* control : {"/pause", "/resume", "/fork"})
    EXPECT_EQ(server().request("POST", path(id, control)).status, 409) << control;
  EXPECT_EQ(server().request("POST", path(id, "/pacing"), R"({"pacing": "asap"})").status, 409);
  EXPECT_EQ(server().request("POST", path(id, "/stop")).json()["state"], family().end);
  expect_recording(make_video(), kBlocks);
}

TEST_P(Restart, after_a_kill_has_what_was_complete_and_says_so) {
  const std::string id = make_video(), whole = make_video();
  const std::string growing = fragments(id);
  const json blocks_before = blocks(id);
  const fs::path unfinished = file(id).string() + ".finished";
  stop();
  rewrite([](delivery::CatalogueRow& row) { row.state = "running"; });
  std::ofstream(file(id), std::ios::binary) << growing.substr(0, growing.size() * 2 / 3);
  std::ofstream(unfinished) << "killed while it was written";
  start();
  const json session = status(id);
  EXPECT_EQ(session["state"], "failed");
  EXPECT_EQ(session["error"]["code"], "cancelled");
  // Of a video without an end nobody knows whether more was to come.
  EXPECT_EQ(status(whole)["state"], family().takes_speech() ? "failed" : "finished");
  EXPECT_EQ(status(whole)["done"]["blocks"], kBlocks);
  expect_recording(whole, kBlocks);
  const auto complete = session["done"]["video_frames"].get<std::size_t>();
  EXPECT_GT(complete, 0u);
  EXPECT_EQ(complete % frames(1), 0u);
  EXPECT_LT(complete, frames(kBlocks));
  const auto kept = static_cast<std::ptrdiff_t>(complete / frames(1));
  EXPECT_EQ(blocks(id), json(std::vector<json>(blocks_before.begin(), blocks_before.begin() + kept)));
  // The newest sound is in the fragment that was lost.
  expect_video(contents(file(id)), static_cast<int64_t>(complete / frames(1)),
               static_cast<double>(frames(1)) / family().fps);
  // It becomes a plain file while the server works.
  const auto bytes = [&] { return status(id)["recording"]["bytes"]; };
  const std::string mp4 = server().request("GET", path(id, "/recording.mp4")).body;
  EXPECT_EQ(media::decode_bytes("recording.mp4", {mp4.begin(), mp4.end()}).size(), complete);
  while (boxes(contents(file(id))).back() != "mdat" || bytes() != fs::file_size(file(id))) std::this_thread::yield();
  EXPECT_NEAR(seconds_in_header(server().request("GET", path(id, "/recording.mp4")).body),
              static_cast<double>(complete) / family().fps, 0.15);
  EXPECT_FALSE(fs::exists(unfinished));
  EXPECT_EQ(fragments(id), growing.substr(0, fragments(id).size()));
  // And so it stays.
  stop();
  start();
  EXPECT_EQ(status(id)["error"], session["error"]);
}

TEST_P(Restart, lists_recordings_that_the_catalogue_does_not_know_and_forgets_those_that_are_gone) {
  const std::string lost = make_video(), gone = make_video(), empty = make_video();
  stop();
  fs::remove(directory() / "catalogue.sqlite");
  start();
  for (const std::string& id : {lost, gone, empty}) EXPECT_EQ(status(id)["done"]["video_frames"], frames(kBlocks));
  EXPECT_EQ(status(lost)["state"], "stopped");
  EXPECT_EQ(status(lost)["format"]["fps"], family().fps);
  EXPECT_EQ(status(lost)["format"]["audio_hz"], family().audio_hz);
  stop();
  fs::remove(file(gone));
  fs::resize_file(file(empty), 100);
  std::ofstream(directory() / "holiday.mp4") << "mine";
  start();
  EXPECT_EQ(server().request("GET", path(lost)).status, 200);
  EXPECT_EQ(server().request("GET", path(gone)).status, 404);
  EXPECT_EQ(server().request("GET", path(empty)).status, 404);
  EXPECT_TRUE(fs::exists(directory() / "holiday.mp4"));
  EXPECT_EQ(server().request("GET", "/v1/recordings").json()["recordings"].size(), 1u);
}

TEST_P(Restart, keeps_within_the_limits_the_oldest_going_first) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(make_video());
  const auto size = static_cast<int64_t>(fs::file_size(file(ids[0])));
  stop();
  start([&](ServerOptions& options) {
    options.sessions.max_data_bytes = size * 5 / 2;
    options.sweep = std::chrono::milliseconds(5);
  });
  EXPECT_EQ(server().request("GET", path(ids[1])).status, 404);
  EXPECT_FALSE(fs::exists(file(ids[1])));
  EXPECT_EQ(server().request("GET", path(ids[2])).status, 200);
  make_video();
  while (server().request("GET", path(ids[2])).status != 404) {}
  EXPECT_EQ(server().request("GET", path(ids[3])).status, 200);
  const json list = server().request("GET", "/v1/recordings").json();
  EXPECT_LE(list["bytes"], list["max_bytes"]);
}

TEST_P(Restart, does_not_bring_back_what_was_deleted) {
  const std::string id = make_video(), other = make_video();
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + id).status, 204);
  stop();
  start();
  EXPECT_EQ(server().request("GET", path(id)).status, 404);
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + other).status, 204);
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + other).status, 404);
  EXPECT_FALSE(fs::exists(file(other)));
}

TEST_P(Restart, leaves_files_that_it_did_not_make_or_cannot_read) {
  const std::string unreadable = make_video(), odd = make_video(), good = make_video();
  stop();
  const fs::path talk = directory() / "talk", mine = talk / "slides.odp",
                 outside = directory().string() + "_outside.mp4";
  fs::create_directory(talk);
  for (const fs::path& path : {mine, outside}) std::ofstream(path) << "mine";
  {
    delivery::Catalogue catalogue(directory());
    for (const std::string& id :
         {"../" + directory().filename().string() + "_outside", std::string("talk/slides"), std::string()})
      catalogue.put({.id = id, .state = "finished", .details = "{}"});
  }
  fs::remove(file(unreadable));
  ASSERT_EQ(::mkfifo(file(unreadable).c_str(), 0600), 0);  // who opens it waits for ever
  fs::remove(file(odd));
  fs::create_directory(file(odd));
  start();
  EXPECT_EQ(status(good)["state"], family().end);
  EXPECT_EQ(server().request("GET", "/v1/sessions").json()["sessions"].size(), 1u);
  stop();
  for (const fs::path& path : {mine, outside, file(unreadable), file(odd), file(good)})
    EXPECT_TRUE(fs::exists(path)) << path;
  fs::remove(outside);
}

TEST_P(Restart, deletes_only_files_that_the_catalogue_knows) {
  const std::string good = make_video(), emptied = make_video(), linked = make_video();
  stop();
  const auto stray = [&](char digit) { return directory() / (std::string(32, digit) + ".mp4"); };
  const fs::path elsewhere = directory() / "elsewhere", unfinished = stray('d').string() + ".finished";
  fs::create_symlink(elsewhere / "not mounted.mp4", stray('a'));
  std::ofstream(stray('b')).close();
  std::ofstream(stray('c'), std::ios::binary) << contents(file(good)).substr(0, 24);
  std::ofstream(unfinished) << "mine";
  fs::resize_file(file(emptied), 0);
  rewrite([&](delivery::CatalogueRow& row) {
    if (row.id == emptied) row.recorded_bytes = 0;
  });
  fs::remove(file(linked));
  fs::create_symlink(elsewhere / "not mounted.mp4", file(linked));
  for (int start_number = 0; start_number < 2; ++start_number) {
    start();
    EXPECT_EQ(status(good)["state"], family().end);
    EXPECT_EQ(server().request("GET", "/v1/sessions").json()["sessions"].size(), 1u);
    EXPECT_NE(server().request("GET", "/metrics").body.find("\nrushes_recordings_unreadable 4\n"), std::string::npos);
    stop();
    for (const fs::path& left : {stray('a'), stray('b'), stray('c'), unfinished, file(linked)})
      EXPECT_NE(fs::symlink_status(left).type(), fs::file_type::not_found) << left;
    EXPECT_FALSE(fs::exists(file(emptied))) << "it ended before its first block";
  }
}

TEST_P(Restart, after_damage_to_a_recording_starts_and_cuts_nothing_off) {
  const std::string id = make_video(), other = make_video();
  const json before = lasting(id);
  const std::string good = fragments(id);
  stop();
  const auto at = [&](const char* box, std::size_t offset = 0) { return good.find(box) + offset; };
  const std::size_t second = good.find("moof", at("moof", 4)), last_data = good.rfind("mdat");
  const struct {
    const char* name;
    std::size_t at;
    char value;
    bool is_listed;
  } cases[] = {{"no parameter sets", at("avcC", 9), '\xe0', false},
               {"moov has another name", at("moov", 3), 'w', false},
               {"first moof has another name", at("moof", 3), 'x', false},
               {"second moof has another name", second + 3, 'x', true},
               {"last data claims more", last_data - 1, static_cast<char>(good[last_data - 1] + 1), true}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    std::string damaged = good;
    damaged[each.at] = each.value;
    std::ofstream(file(id), std::ios::binary) << damaged;
    start();
    EXPECT_EQ(server().request("GET", path(id)).status, each.is_listed ? 200 : 404);
    EXPECT_EQ(server().request("GET", path(other)).status, 200);
    const std::string unreadable = std::string("\nrushes_recordings_unreadable ") + (each.is_listed ? "0" : "1");
    EXPECT_NE(server().request("GET", "/metrics").body.find(unreadable), std::string::npos);
    stop();
    ASSERT_TRUE(fs::exists(file(id)));
    EXPECT_EQ(contents(file(id)), damaged);
    rewrite([&](const delivery::CatalogueRow& row) {
      const bool says_so = json::parse(row.details).contains("unreadable");
      EXPECT_EQ(says_so, row.id == id && !each.is_listed);
    });
  }
  // Nothing of it is forgotten either.
  std::ofstream(file(id), std::ios::binary) << good;
  start();
  while (lasting(id)["recording"] != before["recording"]) std::this_thread::yield();
  EXPECT_EQ(lasting(id), before);
}

TEST_P(Restart, serves_what_stands_before_something_that_was_appended_to_a_plain_recording) {
  const std::string id = make_video();
  const json before = lasting(id);
  stop();
  const std::string good = contents(file(id)), damaged = good + std::string(70, 'x');
  std::ofstream(file(id), std::ios::binary) << damaged;
  start();
  EXPECT_EQ(lasting(id), before);
  for (const char* way : {"/video.mp4", "/recording.mp4"})
    EXPECT_EQ(server().request("GET", path(id, way)).body, good) << way;
  EXPECT_EQ(server().request("GET", path(id, "/hls/1.m4s")).status, 200);
  stop();
  EXPECT_EQ(contents(file(id)), damaged);
}

TEST_P(Restart, keeps_a_recording_that_has_lost_what_was_in_it) {
  const std::string id = make_video();
  stop();
  const std::string header = contents(file(id)).substr(0, 24);
  for (const std::string& left : {std::string(), header}) {
    std::ofstream(file(id), std::ios::binary) << left;
    start();
    EXPECT_EQ(server().request("GET", path(id)).status, 404);
    EXPECT_NE(server().request("GET", "/metrics").body.find("\nrushes_recordings_unreadable 1\n"), std::string::npos);
    stop();
    ASSERT_TRUE(fs::exists(file(id)));
    EXPECT_EQ(contents(file(id)), left);
    rewrite([&](const delivery::CatalogueRow& row) {
      EXPECT_EQ(row.state, family().end);
      EXPECT_TRUE(json::parse(row.details).contains("unreadable"));
    });
  }
}

TEST_P(Restart, refuses_a_directory_that_another_server_has) {
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.data_directory = directory();
  EXPECT_THROW(Server(options, std::make_shared<generation::DrawingModel>()), Error);
}

// What only one family has.

/// The first family makes videos from text.
class RestartOfTextToVideo : public Restart {};
INSTANTIATE_TEST_SUITE_P(Families, RestartOfTextToVideo, testing::Values(test_families()[0]), family_name);

TEST_P(RestartOfTextToVideo, leaves_prompts_and_what_other_dialects_know_of_them) {
  const std::string id = make_video();
  stop();
  start();
  EXPECT_EQ(status(id)["prompts"], json({"a red circle"}));
  EXPECT_EQ(server().request("POST", path(id, "/prompt"), R"({"prompt": "x"})").status, 409);
  EXPECT_EQ(server().request("GET", "/v1/videos/video_" + id).json()["status"], "completed");
  const std::string remix =
      server().request("POST", "/v1/videos/video_" + id + "/remix", R"({"prompt": "a blue circle"})").json()["id"];
  EXPECT_EQ(status(remix.substr(6))["seed"], 5);
}

TEST_P(RestartOfTextToVideo, tells_each_block_under_the_prompt_that_it_was_made_under_and_why_the_session_ended) {
  stop();
  FamilySuite::start();  // with the gate closed
  const std::string id = begin_endless();
  make_blocks(2);
  EXPECT_EQ(server().request("POST", path(id, "/prompt"), R"({"prompt": "a blue square"})").status, 202);
  const int64_t more = 4 * family().steps_per_block;  // the block in work, and three under the new prompt
  server().gate().allow(more);
  ASSERT_TRUE(server().gate().wait_for(2 * family().steps_per_block + family().steps_per_block / 2 + more + 1));
  EXPECT_EQ(server().request("POST", path(id, "/stop")).status, 200);
  server().gate().open();
  server().request("GET", path(id, "/video.mp4"));
  const json before = blocks(id), last = server().events(id).back();
  stop();
  start();
  EXPECT_EQ(blocks(id), before);
  std::map<std::string, int> under;
  for (const json& block : before) ++under[block[4]];
  EXPECT_EQ(under, (std::map<std::string, int>{{"a red circle", 3}, {"a blue square", 3}}));
  json applied = json::array();
  for (const json& event : server().events(id))
    if (event["type"] == "prompt_applied") applied.push_back(event["prompt"]);
  EXPECT_EQ(applied, json({"a red circle", "a blue square"}));
  EXPECT_EQ(server().events(id).back()["reason"], last["reason"]);
}

TEST_P(RestartOfTextToVideo, of_a_catalogue_without_a_history_tells_blocks_under_the_newest_prompt) {
  const std::string id = make_video();
  stop();
  rewrite([](delivery::CatalogueRow& row) {
    json details = json::parse(row.details);
    details.erase("history");
    row.details = details.dump();
  });
  start();
  const json all = blocks(id);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kBlocks));
  for (const json& block : all) EXPECT_EQ(block[4], "a red circle");
}

/// The second one is fed with speech.
class RestartOfTalkingHead : public Restart {};
INSTANTIATE_TEST_SUITE_P(Families, RestartOfTalkingHead, testing::Values(test_families()[1]), family_name);

TEST_P(RestartOfTalkingHead, leaves_what_was_said) {
  const std::string id = make_video();
  stop();
  start();
  EXPECT_EQ(status(id)["speech"],
            (json{{"received_s", 1.4}, {"utterances", 1}, {"at_rest", true}, {"listens", false}}));
  EXPECT_EQ(server().request("POST", path(id, "/audio?format=s16le"), "xx").status, 409);
}

}  // namespace
}  // namespace rushes::server
