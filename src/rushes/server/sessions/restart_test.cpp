// What a server finds that an earlier one has left, in good order or not.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <set>

#include "rushes/base/scratch_folder.h"
#include "rushes/delivery/catalogue.h"
#include "rushes/media/test_video.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kFrames = 7 * 12;  // of a video of the drawing model

std::string path(const std::string& id, const std::string& rest = {}) { return "/v1/sessions/" + id + rest; }

/// A data directory that outlives its servers.
class Restart : public testing::Test {
 protected:
  Restart() { start(); }

  void start(const std::function<void(ServerOptions&)>& change = {}) {
    server_ = std::make_unique<RunningServer>([&](ServerOptions& options) {
      options.data_directory = directory_;
      if (change) change(options);
    });
    server_->gate().open();
  }
  void stop() { server_.reset(); }
  std::string make_video(const std::string& body = R"({"prompt": "a red circle", "seed": 5})") {
    const std::string id = server_->create(body);
    server_->request("GET", path(id, "/video.mp4"));  // ends with the video
    return id;
  }
  fs::path file(const std::string& id) const { return directory_ / (id + ".mp4"); }
  std::size_t frames(const std::string& id) const { return media::decode_video(file(id)).size(); }
  /// Changes what the catalogue says, as a process that was killed would have left it.
  void rewrite(const std::function<void(delivery::CatalogueRow&)>& change) {
    delivery::Catalogue catalogue(directory_);
    for (delivery::CatalogueRow row : catalogue.rows()) {
      change(row);
      catalogue.put(row);
    }
  }

  const ScratchFolder scratch_;
  const fs::path& directory_ = scratch_.path;
  std::unique_ptr<RunningServer> server_;
};

TEST_F(Restart, leaves_sessions_and_every_way_to_watch_them_as_they_were) {
  const std::string id = make_video();
  json before = server_->status(id);
  const std::string mp4 = server_->request("GET", path(id, "/video.mp4")).body;
  const std::string segment = server_->request("GET", path(id, "/hls/3.m4s")).body;
  const std::string ts = server_->request("GET", path(id, "/hls/3.ts")).body;
  const auto blocks = [&] {
    json all = json::array();
    for (const json& event : server_->events(id))
      if (event["type"] == "frame_block")
        all.push_back({event["segment"], event["block"], event["first_video_frame"], event["video_frames"]});
    return all;
  };
  const json blocks_before = blocks();
  stop();
  start();
  json after = server_->status(id);
  for (json* each : {&before, &after}) {
    (*each)["times_s"].erase("age");
    (*each)["times_s"].erase("encode");  // of this process
    (*each)["viewers"] = 0;
  }
  EXPECT_EQ(after, before);
  EXPECT_EQ(server_->request("GET", path(id, "/video.mp4")).body, mp4);
  EXPECT_EQ(server_->request("GET", path(id, "/recording.mp4"), "", "Range: bytes=0-99\r\n").body, mp4.substr(0, 100));
  EXPECT_EQ(server_->request("GET", path(id, "/hls/3.m4s")).body, segment);
  EXPECT_EQ(server_->request("GET", path(id, "/hls/3.ts")).body, ts);
  EXPECT_NE(server_->request("GET", path(id, "/hls/video.m3u8")).body.find("#EXT-X-ENDLIST"), std::string::npos);
  EXPECT_EQ(blocks(), blocks_before);
  EXPECT_EQ(server_->request("POST", path(id, "/prompt"), R"({"prompt": "x"})").status, 409);
  EXPECT_EQ(server_->request("POST", path(id, "/fork")).status, 409);
  EXPECT_EQ(server_->request("GET", "/v1/videos/video_" + id).json()["status"], "completed");
  const std::string remix =
      server_->request("POST", "/v1/videos/video_" + id + "/remix", R"({"prompt": "a blue circle"})").json()["id"];
  EXPECT_EQ(server_->status(remix.substr(6))["seed"], 5);
}

TEST_F(Restart, after_a_kill_has_what_was_complete_and_says_so) {
  const std::string id = make_video(), finished = make_video();
  stop();
  rewrite([&](delivery::CatalogueRow& row) { row.state = "running"; });
  fs::resize_file(file(id), fs::file_size(file(id)) * 2 / 3);
  start();
  const json session = server_->status(id);
  EXPECT_EQ(session["state"], "failed");
  EXPECT_EQ(session["error"]["code"], "cancelled");
  EXPECT_EQ(server_->status(finished)["state"], "finished");
  const auto complete = session["done"]["video_frames"].get<std::size_t>();
  EXPECT_GT(complete, 0u);
  EXPECT_LT(complete, kFrames);
  EXPECT_EQ(frames(id), complete);
  EXPECT_EQ(session["recording"]["bytes"], fs::file_size(file(id)));
  // And so it stays.
  stop();
  start();
  EXPECT_EQ(server_->status(id)["error"], session["error"]);
}

TEST_F(Restart, lists_recordings_that_the_catalogue_does_not_know_and_forgets_those_that_are_gone) {
  const std::string lost = make_video(), gone = make_video(), empty = make_video();
  stop();
  fs::remove(directory_ / "catalogue.sqlite");
  start();
  for (const std::string& id : {lost, gone, empty}) EXPECT_EQ(server_->status(id)["done"]["video_frames"], kFrames);
  EXPECT_EQ(server_->status(lost)["state"], "stopped");
  EXPECT_EQ(server_->status(lost)["format"]["fps"], 16);
  stop();
  fs::remove(file(gone));
  fs::resize_file(file(empty), 100);
  std::ofstream(directory_ / "holiday.mp4") << "mine";
  start();
  EXPECT_EQ(server_->request("GET", path(lost)).status, 200);
  EXPECT_EQ(server_->request("GET", path(gone)).status, 404);
  EXPECT_EQ(server_->request("GET", path(empty)).status, 404);
  EXPECT_TRUE(fs::exists(directory_ / "holiday.mp4"));
  EXPECT_EQ(server_->request("GET", "/v1/recordings").json()["recordings"].size(), 1u);
}

TEST_F(Restart, keeps_within_the_limits_the_oldest_going_first) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(make_video());
  const auto size = static_cast<int64_t>(fs::file_size(file(ids[0])));
  stop();
  start([&](ServerOptions& options) {
    options.sessions.max_data_bytes = size * 5 / 2;
    options.sweep = std::chrono::milliseconds(5);
  });
  EXPECT_EQ(server_->request("GET", path(ids[1])).status, 404);
  EXPECT_FALSE(fs::exists(file(ids[1])));
  EXPECT_EQ(server_->request("GET", path(ids[2])).status, 200);
  make_video();
  while (server_->request("GET", path(ids[2])).status != 404) {}
  EXPECT_EQ(server_->request("GET", path(ids[3])).status, 200);
  const json list = server_->request("GET", "/v1/recordings").json();
  EXPECT_LE(list["bytes"], list["max_bytes"]);
}

TEST_F(Restart, does_not_bring_back_what_was_deleted) {
  const std::string id = make_video(), other = make_video();
  EXPECT_EQ(server_->request("DELETE", "/v1/recordings/" + id).status, 204);
  stop();
  start();
  EXPECT_EQ(server_->request("GET", path(id)).status, 404);
  EXPECT_EQ(server_->request("DELETE", "/v1/recordings/" + other).status, 204);
  EXPECT_EQ(server_->request("DELETE", "/v1/recordings/" + other).status, 404);
  EXPECT_FALSE(fs::exists(file(other)));
}

TEST_F(Restart, leaves_files_that_it_did_not_make_or_cannot_read) {
  const std::string unreadable = make_video(), odd = make_video(), good = make_video();
  stop();
  const fs::path talk = directory_ / "talk", mine = talk / "slides.odp", outside = directory_.string() + "_outside.mp4";
  fs::create_directory(talk);
  for (const fs::path& path : {mine, outside}) std::ofstream(path) << "mine";
  {
    delivery::Catalogue catalogue(directory_);
    for (const std::string& id :
         {"../" + directory_.filename().string() + "_outside", std::string("talk/slides"), std::string()})
      catalogue.put({.id = id, .state = "finished", .details = "{}"});
  }
  fs::remove(file(unreadable));
  ASSERT_EQ(::mkfifo(file(unreadable).c_str(), 0600), 0);  // who opens it waits for ever
  fs::remove(file(odd));
  fs::create_directory(file(odd));
  start();
  EXPECT_EQ(server_->status(good)["state"], "finished");
  EXPECT_EQ(server_->request("GET", "/v1/sessions").json()["sessions"].size(), 1u);
  stop();
  for (const fs::path& path : {mine, outside, file(unreadable), file(odd), file(good)})
    EXPECT_TRUE(fs::exists(path)) << path;
  fs::remove(outside);
}

TEST_F(Restart, after_damage_to_a_recording_starts_and_cuts_nothing_off) {
  const std::string id = make_video(), other = make_video();
  stop();
  std::ifstream whole(file(id), std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(whole), {}};
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
    EXPECT_EQ(server_->request("GET", path(id)).status, each.is_listed ? 200 : 404);
    EXPECT_EQ(server_->request("GET", path(other)).status, 200);
    stop();
    ASSERT_TRUE(fs::exists(file(id)));
    EXPECT_EQ(fs::file_size(file(id)), good.size());
  }
  // Nothing of it is forgotten either.
  std::ofstream(file(id), std::ios::binary) << good;
  start();
  EXPECT_EQ(server_->status(id)["prompts"], json({"a red circle"}));
}

TEST_F(Restart, refuses_a_directory_that_another_server_has) {
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.data_directory = directory_;
  EXPECT_THROW(Server(options, std::make_shared<generation::DrawingModel>()), Error);
}

TEST(Sessions, are_listed_by_state) {
  RunningServer server;
  const std::string running = server.create(), paused = server.create();
  server.request("POST", path(paused, "/pause"));
  const auto ids = [&](const std::string& query) {
    std::set<std::string> found;
    const json list = server.request("GET", "/v1/sessions" + query).json();
    for (const json& each : list["sessions"]) found.insert(each["id"]);
    return found;
  };
  EXPECT_EQ(ids("?state=paused"), (std::set{paused}));
  EXPECT_EQ(ids("?state=paused,running,queued"), (std::set{paused, running}));
  EXPECT_EQ(ids("?state=finished"), (std::set<std::string>{}));
  EXPECT_EQ(ids(""), (std::set{paused, running}));
  for (const char* wrong : {"?state=", "?state=done", "?state=paused,", "?state=paused,,running"})
    EXPECT_EQ(server.request("GET", std::string("/v1/sessions") + wrong).status, 400) << wrong;
  EXPECT_EQ(server.request("DELETE", "/v1/recordings/" + running).status, 404);
}

}  // namespace
}  // namespace rushes::server
