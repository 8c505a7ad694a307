// A session's video from its first block to its deletion: lists, files, ranges, metrics and the catalogue, the same for
// every family.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "rushes/delivery/catalogue.h"
#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {

class Recordings : public FamilySuite {
 protected:
  Recordings() { start(); }
  Reply get(const std::string& target, const std::string& headers = {}) {
    return server().request("GET", target, "", headers);
  }
  json recordings() { return get("/v1/recordings").json(); }
};

INSTANTIATE_TEST_SUITE_P(Families, Recordings, testing::ValuesIn(test_families()), family_name);

TEST_P(Recordings, have_all_that_was_made_and_the_session_says_how_much) {
  server().gate().open();
  const Reply created = ask({{"seed", 7}});
  ASSERT_EQ(created.status, 201) << created.body;
  EXPECT_EQ(created.headers.at("location"), path(created.json()["id"]));
  EXPECT_EQ(created.json()["model"], family().model);
  EXPECT_EQ(created.json()["seed"], 7);
  EXPECT_EQ(created.json()["format"]["width"], 64);
  EXPECT_EQ(created.json()["format"]["height"], 64);
  EXPECT_EQ(created.json()["format"]["fps"], family().fps);
  EXPECT_EQ(created.json()["format"]["audio_hz"], family().audio_hz);
  const auto id = make_video();
  const Reply file = get(path(id, "/video.mp4"));
  EXPECT_EQ(file.status, 200);
  EXPECT_TRUE(file.complete);
  EXPECT_EQ(file.headers.at("content-type"), "video/mp4");
  expect_video(file.body, kBlocks);
  const json status = server().status(id);
  EXPECT_EQ(status["state"], family().end);
  EXPECT_EQ(status["error"], nullptr);
  EXPECT_EQ(status["done"]["blocks"], kBlocks);
  EXPECT_EQ(status["done"]["video_frames"], frames(kBlocks));
  EXPECT_EQ(status["recording"], (json{{"bytes", file.body.size()}, {"complete", true}, {"error", nullptr}}));
  EXPECT_TRUE(status["times_s"]["first_block"].is_number());
  EXPECT_EQ(contents(this->file(id)), file.body);
}

TEST_P(Recordings, are_plain_files_with_length_and_index_in_front_once_they_have_ended) {
  server().gate().open();
  const auto id = make_video();
  for (const char* way : {"/video.mp4", "/recording.mp4"}) {
    const std::string mp4 = get(path(id, way)).body;
    EXPECT_EQ(boxes(mp4), (std::vector<std::string>{"ftyp", "moov", "uuid", "mdat"})) << way;
    EXPECT_EQ(mp4.find("moof"), std::string::npos) << way;
    EXPECT_NEAR(seconds_in_header(mp4), static_cast<double>(frames(kBlocks)) / family().fps, 0.15) << way;
  }
  const std::string growing = fragments(id);
  EXPECT_EQ(boxes(growing)[2], "moof");
  expect_video(growing, kBlocks);
}

TEST_P(Recordings, are_waited_for_by_who_asks_when_the_session_has_ended) {
  const auto id = begin();
  const std::string beside = file(id).string() + ".finished";
  ASSERT_EQ(::mkfifo(beside.c_str(), 0600), 0);  // who opens it to write waits for a reader
  server().gate().open();
  EXPECT_EQ(finish_work(id).back()["state"], family().end);
  EXPECT_EQ(server().status(id)["recording"]["complete"], false);
  auto video = std::async(std::launch::async, [&] { return get(path(id, "/video.mp4")); });
  auto recording = std::async(std::launch::async, [&] { return get(path(id, "/recording.mp4")); });
  while (server().status(id)["viewers"] != 2) std::this_thread::yield();
  const int reader = ::open(beside.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  char bytes[4096];
  while (::read(reader, bytes, sizeof bytes) > 0) {}
  ::close(reader);
  // A pipe is not a file, so that this one stays in fragments; what is asked here is when it comes.
  for (auto* asked : {&video, &recording}) {
    const Reply reply = asked->get();
    EXPECT_EQ(reply.headers.count("content-length"), 1u);
    expect_video(reply.body, kBlocks);
  }
  EXPECT_EQ(server().status(id)["recording"]["complete"], true);
}

TEST_P(Recordings, that_cannot_be_written_leave_the_video_whole_in_memory) {
  for (const int64_t room : {0, 4000}) {
    start([&](ServerOptions& options) { options.sessions.max_recording_bytes = room; });
    server().gate().open();
    const auto id = make_video();
    EXPECT_EQ(server().status(id)["recording"]["complete"], false);
    const Reply whole = get(path(id, "/video.mp4"));
    EXPECT_EQ(whole.status, 200);
    EXPECT_EQ(whole.headers.at("content-length"), std::to_string(whole.body.size()));
    expect_video(whole.body, kBlocks);
    const Reply part = get(path(id, "/video.mp4"), "Range: bytes=10-2009\r\n");
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, whole.body.substr(10, 2000));
    const Reply recorded = get(path(id, "/recording.mp4"));
    if (room > 0) continue;
    EXPECT_EQ(recorded.status, 503);
    EXPECT_THAT(recorded.body, testing::HasSubstr("nothing of the video was recorded"));
  }
}

TEST_P(Recordings, that_lack_the_end_are_not_called_complete_after_a_restart) {
  server().gate().open();
  const auto id = make_video();
  ASSERT_EQ(server().status(id)["recording"]["complete"], true);
  const auto made = server().status(id)["done"]["video_frames"].get<int64_t>();
  const std::string growing = fragments(id);
  stop();
  const auto cut = growing.size() * 2 / 3;
  std::ofstream(file(id), std::ios::binary | std::ios::trunc) << growing.substr(0, cut);
  start();
  const json recording = server().status(id)["recording"];
  EXPECT_EQ(recording["complete"], false);
  EXPECT_THAT(recording["error"].get<std::string>(), testing::EndsWith(fmt::format(" of {} frames", made)));
  EXPECT_EQ(server().status(id)["state"], family().end);
}

TEST_P(Recordings, keep_no_descriptor_while_nobody_watches) {
  start([](ServerOptions& options) { options.sweep = std::chrono::milliseconds(5); });
  server().gate().open();
  const auto open_files = [&] {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      count += std::filesystem::read_symlink(each.path(), gone).string().starts_with(directory().string() + "/") &&
               std::filesystem::read_symlink(each.path(), gone).string().find(".mp4") != std::string::npos;
    }
    return count;
  };
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(make_video());
  while (open_files() > 0) std::this_thread::yield();
  stop();
  start([](ServerOptions& options) { options.sweep = std::chrono::milliseconds(5); });
  EXPECT_EQ(open_files(), 0u);
  expect_video(fragments(ids[1]), kBlocks);
  while (open_files() > 0) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) server().request("DELETE", path(begin_endless()));
  while (open_files() > 0) std::this_thread::yield();
}

TEST_P(Recordings, are_resumed_in_the_state_in_which_a_download_began) {
  const auto id = begin();
  make_blocks(1);
  const std::string target = path(id, "/recording.mp4");
  const Reply growing = get(target, "Range: bytes=0-99\r\n");
  ASSERT_EQ(growing.status, 206);
  const std::string before = growing.headers.at("etag");
  EXPECT_EQ(get(target, "Range: bytes=0-99\r\nIf-Range: " + before + "\r\n").status, 206);
  server().gate().open();
  finish(id);
  for (const std::string& state : {std::string(), "If-Range: " + before + "\r\n"}) {
    const Reply rest = get(target, "Range: bytes=100-\r\n" + state);
    EXPECT_EQ(rest.status, 206);
    expect_video(growing.body + rest.body, kBlocks);
    EXPECT_EQ(boxes(growing.body + rest.body)[2], "moof");
  }
  const Reply whole = get(target);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(boxes(whole.body)[2], "uuid");
  expect_video(whole.body, kBlocks);
  EXPECT_EQ(get(target, "Range: bytes=100-\r\nIf-Range: \"another\"\r\n").body, whole.body);
  const Reply rest = get(target, "Range: bytes=100-\r\nIf-Range: " + whole.headers.at("etag") + "\r\n");
  EXPECT_EQ(rest.status, 206);
  EXPECT_EQ(rest.body, whole.body.substr(100));
}

TEST_P(Recordings, are_not_sent_to_who_has_them_or_means_another_state) {
  server().gate().open();
  const auto id = begin();
  finish(id);
  const std::string tag = get(path(id, "/recording.mp4")).headers.at("etag");
  const std::pair<std::string, int> cases[] = {
      {"If-None-Match: " + tag, 304}, {"If-None-Match: \"other\", W/" + tag, 304},
      {"If-None-Match: *", 304},      {"If-None-Match: \"other\"", 200},
      {"If-Match: " + tag, 200},      {"If-Match: *", 200},
      {"If-Match: W/" + tag, 412},    {"If-Match: \"other\"", 412}};
  for (const char* file : {"/recording.mp4", "/video.mp4"})
    for (const auto& [header, status] : cases) {
      const Reply reply = get(path(id, file), header + "\r\n");
      EXPECT_EQ(reply.status, status) << file << header;
      if (status == 304) {
        EXPECT_EQ(reply.headers.at("etag"), tag);
      }
    }
}

TEST_P(Recordings, are_asked_for_under_conditions_also_while_they_grow) {
  const auto id = begin();
  make_blocks(1);
  const std::string target = path(id, "/recording.mp4"), range = "Range: bytes=0-99\r\n";
  const std::string tag = get(target, range).headers.at("etag");
  const std::pair<std::string, int> cases[] = {{"If-None-Match: " + tag, 304}, {"If-None-Match: \"other\"", 206},
                                               {"If-None-Match: *", 304},      {"If-Match: " + tag, 206},
                                               {"If-Match: *", 206},           {"If-Match: \"other\"", 412}};
  for (const auto& [header, status] : cases) {
    EXPECT_EQ(get(target, range + header + "\r\n").status, status) << header;
    // Without a range the whole file is sent, until its end.
    if (status != 206) {
      EXPECT_EQ(get(target, header + "\r\n").status, status) << header;
    }
  }
}

TEST_P(Recordings, have_their_blocks_told_in_order) {
  server().gate().open();
  int64_t sequence = 0, blocks = 0;
  for (const json& event : finish(begin())) {
    EXPECT_EQ(event["sequence"], sequence++);
    if (event["type"] != "frame_block") continue;
    EXPECT_EQ(event["first_video_frame"], frames(blocks++));
    EXPECT_EQ(event["video_frames"], frames(1));
    EXPECT_TRUE(event["times_ms"]["denoise"].is_number());
  }
  EXPECT_EQ(blocks, kBlocks);
}

TEST_P(Recordings, are_watched_from_the_first_block_on_before_the_second_is_made) {
  const auto id = begin();
  TestClient viewer(server().port()), file(server().port());
  ASSERT_EQ(viewer.upgrade(path(id, "/video")).status, 101);
  EXPECT_EQ(viewer.read_message().payload.substr(4, 4), "ftyp");
  file.write("GET " + path(id, "/video.mp4") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(file.read_head().status, 200);
  std::string init, chunk;
  ASSERT_TRUE(file.read_chunk(init));
  EXPECT_EQ(init.substr(4, 4), "ftyp");
  make_blocks(1);
  EXPECT_EQ(viewer.read_message().payload.substr(4, 4), "moof");
  ASSERT_TRUE(file.read_chunk(chunk));
  EXPECT_EQ(chunk.substr(4, 4), "moof");
  const std::string begun = init + chunk;
  EXPECT_EQ(media::decode_bytes("begun.mp4", {begun.begin(), begun.end()}).size(), frames(1));
  const json status = server().status(id);
  EXPECT_EQ(status["done"]["blocks"], 1);
  EXPECT_EQ(status["state"], "running");
  EXPECT_EQ(status["viewers"], 2);
  server().gate().open();
  finish(id);
  std::string whole = begun;
  while (file.read_chunk(chunk)) whole += chunk;
  EXPECT_TRUE(chunk.empty());
  expect_video(whole, kBlocks);
  Frame close;
  std::string seen = begun;
  for (const std::string& piece : read_video(viewer, &close)) seen += piece;
  EXPECT_EQ(seen, whole);
  EXPECT_EQ(close.close_code(), 1000);
  EXPECT_EQ(close.payload.substr(2).find(family().end), 0u) << close.payload.substr(2);
}

TEST_P(Recordings, are_given_to_late_viewers_from_the_start_or_the_newest_block_as_they_ask) {
  server().gate().open();
  const auto id = make_video();
  TestClient start(server().port()), newest(server().port());
  start.upgrade(path(id, "/video"));
  std::string all, last;
  for (const std::string& piece : read_video(start)) all += piece;
  expect_video(all, kBlocks);
  newest.upgrade(path(id, "/video?from=newest"));
  for (const std::string& piece : read_video(newest)) last += piece;
  const std::string file = get(path(id, "/video.mp4?from=newest")).body;
  for (const std::string& each : {last, file})
    EXPECT_LE(media::decode_bytes("newest.mp4", {each.begin(), each.end()}).size(), frames(1));
}

TEST_P(Recordings, are_given_in_ranges_when_complete) {
  server().gate().open();
  const auto id = make_video();
  const std::string whole = get(path(id, "/video.mp4")).body;
  const struct {
    const char* range;
    int status;
    std::string body;
  } cases[] = {{"bytes=0-9", 206, whole.substr(0, 10)},
               {"bytes=100-", 206, whole.substr(100)},
               {"bytes=-50", 206, whole.substr(whole.size() - 50)},
               {"bytes=5-99999999", 206, whole.substr(5)},
               {"bytes=99999999-", 416, ""},
               {"bytes=-0", 416, ""},
               {"bytes=0-1,5-6", 200, whole},
               {"bytes=9-5", 200, whole},
               {"bytes=x-y", 200, whole},
               {"furlongs=1-2", 200, whole}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.range);
    const Reply reply = get(path(id, "/video.mp4"), std::string("Range: ") + c.range + "\r\n");
    EXPECT_EQ(reply.status, c.status);
    if (c.status != 416) {
      EXPECT_EQ(reply.body, c.body);
    } else {
      EXPECT_EQ(reply.headers.at("content-range"), "bytes */" + std::to_string(whole.size()));
    }
  }
  const Reply head = server().request("HEAD", path(id, "/video.mp4"));
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(whole.size()));
  EXPECT_TRUE(head.body.empty());
}

TEST_P(Recordings, are_given_in_ranges_while_they_grow) {
  const auto id = begin();
  const std::string target = path(id, "/recording.mp4");
  TestClient viewer(server().port());
  viewer.upgrade(path(id, "/video"));
  std::string file = viewer.read_message().payload;
  make_blocks(1);
  file += viewer.read_message().payload;
  const auto range = [&](const std::string& bytes) { return get(target, "Range: bytes=" + bytes + "\r\n"); };
  const std::string last = std::to_string(file.size() - 1);
  Reply part = range("0-");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.headers.at("content-range"), "bytes 0-" + last + "/*");
  EXPECT_EQ(part.body, file);
  EXPECT_EQ(media::decode_bytes("part.mp4", {file.begin(), file.end()}).size(), frames(1));
  part = range("100-199");
  EXPECT_EQ(part.headers.at("content-range"), "bytes 100-199/*");
  EXPECT_EQ(part.body, file.substr(100, 100));
  part = range(std::to_string(file.size()) + "-");
  EXPECT_EQ(part.status, 416);
  EXPECT_EQ(part.headers.at("content-range"), "bytes */" + std::to_string(file.size()));
  // Without a range, or for an end that is not known yet: all of it, until the end.
  TestClient whole(server().port()), tail(server().port());
  for (TestClient* client : {&whole, &tail}) {
    client->write("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" +
                  (client == &tail ? "Range: bytes=-5\r\n" : "") + "\r\n");
    const Reply head = client->read_head();
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.headers.at("content-disposition"), "attachment; filename=\"" + id + ".mp4\"");
  }
  server().gate().open();
  finish(id);
  std::string live, chunk;
  while (whole.read_chunk(chunk)) live += chunk;
  expect_video(live, kBlocks);
  while (viewer.read_message().opcode == 2) {}
  const std::string ended = get(target).body;
  expect_video(ended, kBlocks);
  part = range("-5");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, live.substr(live.size() - 5)) << "this session was downloaded while it grew";
}

TEST_P(Recordings, are_listed_from_their_first_block_on_and_deleted_when_their_sessions_have_ended) {
  const auto id = begin();
  EXPECT_EQ(recordings()["recordings"], json::array());
  EXPECT_EQ(get("/v1/recordings/" + id).status, 404);
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + id).status, 404);
  TestClient viewer(server().port());
  viewer.upgrade(path(id, "/video"));
  viewer.read_message();
  make_blocks(1);
  viewer.read_message();
  const json growing = get("/v1/recordings/" + id).json();
  EXPECT_EQ(growing["complete"], false);
  EXPECT_EQ(growing["state"], "running");
  EXPECT_EQ(growing["video_frames"], frames(1));
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + id).status, 409);
  server().gate().open();
  finish(id);
  const json whole = get("/v1/recordings/" + id).json();
  EXPECT_EQ(whole["id"], id);
  EXPECT_EQ(whole["complete"], true);
  EXPECT_EQ(whole["state"], family().end);
  EXPECT_EQ(whole["video_frames"], frames(kBlocks));
  EXPECT_DOUBLE_EQ(whole["seconds"], static_cast<double>(frames(kBlocks)) / family().fps);
  EXPECT_EQ(whole["bytes"], std::filesystem::file_size(file(id)));
  EXPECT_EQ(whole["format"], server().status(id)["format"]);
  EXPECT_EQ(get(whole["urls"]["mp4"]).body, contents(file(id)));
  EXPECT_EQ(recordings()["recordings"], json::array({whole}));
  EXPECT_EQ(recordings()["bytes"], whole["bytes"]);
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + id).status, 204);
  EXPECT_EQ(server().request("DELETE", "/v1/recordings/" + id).status, 404);
  EXPECT_EQ(get(path(id)).status, 404);
  EXPECT_EQ(recordings()["recordings"], json::array());
  EXPECT_FALSE(std::filesystem::exists(file(id)));
}

TEST_P(Recordings, go_with_a_session_that_is_deleted_while_it_is_watched) {
  const auto id = begin();
  TestClient viewer(server().port());
  viewer.upgrade(path(id, "/video"));
  EXPECT_EQ(server().request("DELETE", path(id)).status, 204);
  EXPECT_EQ(server().request("DELETE", path(id)).status, 404);
  server().gate().open();
  Frame close;
  read_video(viewer, &close);
  EXPECT_EQ(close.close_code(), 1000);
  EXPECT_FALSE(std::filesystem::exists(file(id)));
  stop();
  EXPECT_FALSE(std::filesystem::exists(file(id)));
}

TEST_P(Recordings, stand_in_the_catalogue_as_the_sessions_tell_of_them) {
  server().gate().open();
  const auto id = make_video(), deleted = make_video();
  server().request("DELETE", path(deleted));
  const json session = server().status(id);
  stop();
  const auto rows = delivery::Catalogue(directory()).rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id, id);
  EXPECT_EQ(rows[0].state, family().end);
  EXPECT_EQ(rows[0].prompt, session["prompt"]);
  EXPECT_EQ(rows[0].width, 64);
  EXPECT_EQ(rows[0].height, 64);
  EXPECT_EQ(rows[0].fps, family().fps);
  EXPECT_EQ(rows[0].video_frames, frames(kBlocks));
  EXPECT_EQ(rows[0].recorded_bytes, std::filesystem::file_size(file(id)));
  const json details = json::parse(rows[0].details);
  EXPECT_EQ(details["model"], family().model);
  EXPECT_EQ(details["request"]["seed"], 5);
  EXPECT_EQ(details.contains("image"), family().request.contains("image"));
}

TEST_P(Recordings, of_a_session_that_is_stopped_by_two_clients_end_once) {
  const auto id = begin_endless();
  std::atomic<int> answers = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&] { answers += server().request("POST", path(id, "/stop")).status == 200; });
  }
  EXPECT_EQ(answers, 4);
  EXPECT_EQ(server().request("POST", path(id, "/stop")).json()["state"], "stopped");
  server().gate().open();
  int stops = 0;
  for (const json& event : server().events(id)) stops += event["type"] == "state" && event["state"] == "stopped";
  EXPECT_EQ(stops, 1);
  EXPECT_EQ(server().request("POST", path(id, "/pause")).status, 409);
}

TEST_P(Recordings, grow_no_more_in_a_pause_and_are_whole_in_the_end) {
  const auto id = begin();
  EXPECT_EQ(server().request("POST", path(id, "/pause")).json()["state"], "paused");
  EXPECT_EQ(server().request("POST", path(id, "/pause")).status, 200);
  server().gate().open();
  make_video();
  EXPECT_LE(server().status(id)["done"]["blocks"], 1);  // the step that was running
  EXPECT_NE(server().request("POST", path(id, "/resume")).json()["state"], "paused");
  EXPECT_EQ(finish(id).back()["state"], family().end);
  expect_recording(id, kBlocks);
}

TEST_P(Recordings, are_found_by_the_states_of_their_sessions) {
  const std::string running = begin(), paused = begin();
  server().request("POST", path(paused, "/pause"));
  const auto ids = [&](const std::string& query) {
    std::set<std::string> found;
    const json list = get("/v1/sessions" + query).json();
    for (const json& each : list["sessions"]) found.insert(each["id"]);
    return found;
  };
  EXPECT_EQ(ids("?state=paused"), (std::set{paused}));
  EXPECT_EQ(ids("?state=paused,running,queued"), (std::set{paused, running}));
  EXPECT_EQ(ids("?state=finished"), (std::set<std::string>{}));
  EXPECT_EQ(ids(""), (std::set{paused, running}));
}

TEST_P(Recordings, are_counted_by_the_metrics) {
  server().gate().open();
  const auto id = make_video();
  // Its end is counted when the device has let go of it.
  const std::string ended = fmt::format("rushes_sessions_ended_total{{reason=\"{}\"}} 1\n",
                                        family().takes_speech() ? "requested" : "finished");
  std::string text = get("/metrics").body;
  while (text.find(ended) == std::string::npos) text = get("/metrics").body;
  const auto line = [](const char* name, auto value) { return fmt::format("rushes_{} {}\n", name, value); };
  for (const std::string& each :
       {line("video_frames_total", frames(kBlocks)), line("blocks_total", kBlocks), line("sessions_created_total", 1),
        line("first_block_seconds_count", 1), line("queue_wait_seconds_count", 1), line("device_lanes", 1),
        line("recordings_bytes", std::filesystem::file_size(file(id))),
        std::string("rushes_sessions_ended_total{reason=\"failed\"} 0\n"),
        std::string("rushes_build_info{version=\"unknown\",instruction_set=\"avx"),
        line("first_block_seconds_bucket{le=\"+Inf\"}", 1), line("fragments_skipped_total", 0),
        line("queue_sessions", 0), line(fmt::format("sessions{{state=\"{}\"}}", family().end).c_str(), 1),
        line(fmt::format("model_loaded{{model=\"{}\"}}", family().model).c_str(), 1),
        std::string("rushes_stage_seconds_total{stage=\"denoise\"}"),
        std::string("rushes_stage_seconds_total{stage=\"encode\"}"),
        std::string("rushes_viewers_by_kind{kind=\"events\"} "), std::string("process_resident_memory_bytes ")})
    EXPECT_NE(text.find(each), std::string::npos) << each << "\n" << text;
  EXPECT_NE(text.find("\nrushes_recordings_max_bytes "), std::string::npos);
  EXPECT_NE(text.find("\nrushes_disk_free_bytes "), std::string::npos);
  const auto number = [&](const std::string& name) { return std::atoll(text.c_str() + text.find(name) + name.size()); };
  EXPECT_GT(number("\nrushes_sent_bytes_total "), server().status(id)["done"]["bytes"].get<int64_t>());
  EXPECT_EQ(number("\nrushes_encoded_bytes_total "), server().status(id)["done"]["bytes"].get<int64_t>());
}

}  // namespace
}  // namespace rushes::server
