// The limits of SessionLimits, and what goes when they are reached: the same for sessions of every family.
#include <gmock/gmock.h>

#include "rushes/server/family_test_server.h"
#include "rushes/server/http/retry_after.h"
#include "rushes/server/process_usage.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

class Limits : public FamilySuite {
 protected:
  /// `change`: of the sessions' limits, which are looked after all the time.
  void start(const std::function<void(SessionLimits&)>& change) {
    FamilySuite::start([&](ServerOptions& options) {
      options.sweep = std::chrono::milliseconds(5);
      change(options.sessions);
    });
  }
  static std::string message(const Reply& reply) { return reply.json()["error"]["message"]; }
};

INSTANTIATE_TEST_SUITE_P(Families, Limits, testing::ValuesIn(test_families()), family_name);

TEST_P(Limits, of_running_sessions_refuse_more_and_take_them_again_later) {
  start([](SessionLimits& limits) { limits.max_running = 2; });
  const auto first = begin();
  begin();
  const Reply refused = ask();
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "exhausted");
  EXPECT_THAT(message(refused), HasSubstr("2 sessions are running or waiting"));
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  server().request("POST", path(first, "/stop"));
  EXPECT_EQ(ask().status, 201);
}

TEST_P(Limits, of_running_sessions_let_others_wait_for_those_that_run) {
  start([](SessionLimits& limits) {
    limits.max_running = 1;
    limits.max_queued = 1;
  });
  const auto first = begin(), second = begin();
  EXPECT_EQ(ask().status, 429);
  make_blocks(2);
  EXPECT_EQ(server().status(first)["done"]["blocks"], 2);
  EXPECT_EQ(server().status(second)["state"], "queued");
  EXPECT_EQ(server().status(second)["done"]["blocks"], 0);
  server().gate().open();
  EXPECT_EQ(finish(first).back()["state"], family().end);
  EXPECT_EQ(finish(second).back()["state"], family().end);
  expect_recording(second, kBlocks);
}

TEST_P(Limits, of_running_sessions_tell_when_there_will_be_room_if_that_is_known) {
  start([](SessionLimits& limits) {
    limits.max_running = 1;
    limits.max_queued = 1;
  });
  const auto seconds = [](const Reply& refused) { return std::stoll(refused.headers.at("retry-after")); };
  const auto first = begin(), second = begin();
  EXPECT_EQ(seconds(ask()), kUsualRetryAfter) << "the pace is not yet known";
  make_blocks(kBlocks - 1);
  const json queue = server().status(second)["queue"];
  const Reply refused = ask();
  ASSERT_EQ(refused.status, 429);
  if (queue["wait_s"].is_null())  // of a head, that speaks as long as it is spoken to
    EXPECT_EQ(seconds(refused), kUsualRetryAfter);
  else
    EXPECT_NEAR(static_cast<double>(seconds(refused)), std::clamp(std::ceil(queue["wait_s"].get<double>()), 1.0, 60.0),
                1);
  server().gate().open();
}

TEST(RetryAfter, is_the_expected_wait_in_whole_seconds_from_1_to_60) {
  EXPECT_EQ(retry_after(Busy("", 0.0)), 1);
  EXPECT_EQ(retry_after(Busy("", 7.1)), 8);
  EXPECT_EQ(retry_after(Busy("", 1e6)), 60);
  EXPECT_EQ(retry_after(Busy("", std::nullopt)), kUsualRetryAfter);
  EXPECT_EQ(retry_after(Error(ErrorCode::exhausted, "")), kUsualRetryAfter);
}

TEST_P(Limits, of_running_sessions_do_not_count_those_that_are_paused) {
  start([](SessionLimits& limits) {
    limits.max_running = 1;
    limits.max_queued = 1;
  });
  const auto first = begin_endless();
  make_blocks(1);
  const auto second = begin();
  const json told = server().status(second)["queue"];
  EXPECT_EQ(told["position"], 1);
  EXPECT_TRUE(told["wait_s"].is_null()) << "nobody knows when an endless one ends";
  EXPECT_TRUE(server().status(first)["queue"].is_null());
  // Who is paused while it waits goes on waiting.
  for (const char* what : {"/pause", "/resume"}) {
    const Reply reply = server().request("POST", path(second, what));
    EXPECT_EQ(reply.json()["state"], what == std::string("/pause") ? "paused" : "queued");
    EXPECT_TRUE(reply.json()["times_s"]["first_step"].is_null());
  }
  EXPECT_THAT(server().request("GET", "/metrics").body, HasSubstr("rushes_sessions{state=\"running\"} 1\n"));
  EXPECT_EQ(server().request("POST", path(first, "/pause")).status, 200);
  server().gate().open();
  EXPECT_EQ(finish(second).back()["state"], family().end);
  EXPECT_EQ(server().status(first)["state"], "paused");
  const int64_t before = server().status(first)["done"]["blocks"];
  EXPECT_EQ(server().request("POST", path(first, "/resume")).status, 200);
  while (server().status(first)["done"]["blocks"] == before) {}
  EXPECT_EQ(server().status(first)["state"], "running");
}

TEST_P(Limits, of_waiting_sessions_count_those_that_are_paused) {
  start([](SessionLimits& limits) { limits.max_waiting = 1; });
  const auto first = begin();
  EXPECT_EQ(server().request("POST", path(first, "/pause")).status, 200);
  const Reply refused = ask();
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(message(refused), HasSubstr("paused or waiting"));
  EXPECT_EQ(server().request("POST", path(first, "/resume")).status, 200);
  EXPECT_EQ(ask().status, 201);
}

TEST_P(Limits, of_pixels_refuse_larger_pictures) {
  start([](SessionLimits& limits) { limits.max_pixels = 64 * 64 - 1; });
  const Reply refused = ask();
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(message(refused), HasSubstr("64x64 is too large for this server"));
  EXPECT_THAT(message(refused), HasSubstr("4095"));
  start([](SessionLimits& limits) { limits.max_pixels = 64 * 64; });
  EXPECT_EQ(ask().status, 201);
}

TEST_P(Limits, of_memory_refuse_what_needs_more) {
  start([](SessionLimits& limits) { limits.max_working_bytes = generation::kBytesOfDrawing - 1; });
  const Reply refused = ask();
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(message(refused), HasSubstr("64x64 need about"));
  EXPECT_THAT(message(refused), HasSubstr("--max-memory-mib"));
  start([](SessionLimits& limits) { limits.max_working_bytes = generation::kBytesOfDrawing; });
  const auto first = begin(), second = begin();
  make_blocks(2);
  EXPECT_EQ(server().status(first)["done"]["blocks"], 2);
  EXPECT_EQ(server().status(second)["state"], "queued") << "there is no memory beside the first one";
  EXPECT_EQ(server().status(second)["queue"]["position"], 1);
  server().gate().open();
  EXPECT_EQ(finish(first).back()["state"], family().end);
  EXPECT_EQ(finish(second).back()["state"], family().end);
}

TEST_P(Limits, of_seconds_end_endless_videos_there) {
  start([](SessionLimits& limits) { limits.max_video_seconds = 6; });
  server().gate().open();
  const auto id = begin_endless();
  const json last = server().events(id).back();
  EXPECT_EQ(last["state"], "stopped");
  EXPECT_THAT(last["reason"].get<std::string>(), HasSubstr("longest"));
  EXPECT_GE(server().status(id)["done"]["video_frames"].get<double>(), 6 * family().fps);
}

TEST_P(Limits, of_idle_time_stop_what_has_no_end_and_no_viewer) {
  start([](SessionLimits& limits) { limits.idle = std::chrono::seconds(3); });
  const auto watched = begin();
  TestClient viewer(server().port());
  viewer.upgrade(path(watched, "/video"));
  viewer.read_message();
  const auto paused = begin();
  for (const auto& id : {watched, paused}) EXPECT_EQ(server().request("POST", path(id, "/pause")).status, 200);
  const auto endless = begin_endless({{"max_lead", 1}});
  server().gate().open();
  for (const auto& id : {paused, endless}) {
    const json last = server().events(id).back();
    EXPECT_EQ(last["state"], "stopped");
    EXPECT_THAT(last["reason"].get<std::string>(), HasSubstr("no viewers"));
  }
  EXPECT_EQ(server().status(watched)["state"], "paused");
}

TEST_P(Limits, of_kept_sessions_let_the_oldest_ended_ones_go_with_their_recordings) {
  start([](SessionLimits& limits) { limits.max_kept = 2; });
  server().gate().open();
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(make_video());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(server().request("GET", path(ids[i])).status, i < 2 ? 404 : 200);
    EXPECT_EQ(std::filesystem::exists(file(ids[i])), i >= 2);
  }
}

TEST_P(Limits, of_a_recording_end_it_and_not_what_is_watched) {
  start([](SessionLimits&) {});
  server().gate().open();
  const auto size = static_cast<int64_t>(std::filesystem::file_size(file(make_video())));
  stop();
  start([&](SessionLimits& limits) { limits.max_recording_bytes = size * 2 / 3; });
  const auto id = begin();
  TestClient viewer(server().port());
  viewer.upgrade(path(id, "/video"));
  server().gate().open();
  EXPECT_EQ(finish(id).back()["state"], family().end);
  std::string live;
  for (const std::string& piece : read_video(viewer)) live += piece;
  expect_video(live, kBlocks);
  const json session = server().status(id);
  EXPECT_EQ(session["done"]["blocks"], kBlocks);
  EXPECT_THAT(session["recording"]["error"].get<std::string>(), HasSubstr(std::to_string(size * 2 / 3)));
  EXPECT_EQ(session["recording"]["bytes"], std::filesystem::file_size(file(id)));
  EXPECT_LE(session["recording"]["bytes"], size * 2 / 3);
  const std::size_t kept = media::decode_video(file(id)).size();
  EXPECT_GT(kept, 0u);
  EXPECT_LT(kept, frames(kBlocks));
}

// What only one family has.

class LimitsOfTextToVideo : public Limits {};
INSTANTIATE_TEST_SUITE_P(Families, LimitsOfTextToVideo, testing::Values(test_families()[0]), family_name);

TEST_P(LimitsOfTextToVideo, refuse_what_is_asked_to_be_larger_or_longer) {
  start([](SessionLimits& limits) {
    limits.max_pixels = 64 * 64;
    limits.max_video_seconds = 6;  // a segment of the drawing model has 5.25
  });
  const Reply large = ask({{"size", "64x80"}}), longer = ask({{"segments", 2}});
  EXPECT_EQ(large.status, 400);
  EXPECT_THAT(message(large), HasSubstr("4096"));
  EXPECT_EQ(longer.status, 400);
  EXPECT_THAT(message(longer), HasSubstr("6.0"));
}

class LimitsOfTalkingHead : public Limits {
 protected:
  /// One that has said all and listens.
  std::string at_rest(const json& more = json::object()) {
    const std::string id = begin(more);
    TestClient client(server().port());
    client.upgrade(path(id, "/events"));
    const auto read_until = [&](const char* field, const char* value) {
      for (Frame frame = client.read_message(); frame.opcode == 1; frame = client.read_message())
        if (json::parse(frame.payload).value(field, "") == value) return;
      ADD_FAILURE() << "no " << value << " came";
    };
    read_until("type", "utterance_ended");
    read_until("state", "waiting");
    return id;
  }
};
INSTANTIATE_TEST_SUITE_P(Families, LimitsOfTalkingHead, testing::Values(test_families()[1]), family_name);

TEST_P(LimitsOfTalkingHead, let_those_that_are_fed_again_take_turns) {
  start([](SessionLimits& limits) { limits.max_running = 1; });
  server().gate().open();
  const std::string first = at_rest(), second = at_rest();
  for (const auto& id : {first, second}) feed_more(id, kBlocks);
  for (const auto& id : {first, second}) {
    // Before it is stopped: its events begin with the end of the first utterance.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (server().status(id)["done"]["blocks"] < 2 * kBlocks && std::chrono::steady_clock::now() < deadline) {}
    EXPECT_EQ(finish(id).back()["state"], "stopped");
    EXPECT_EQ(server().status(id)["done"]["blocks"], 2 * kBlocks);
  }
}

TEST_P(LimitsOfTalkingHead, do_not_count_those_that_only_listen) {
  for (const int64_t lanes : {1, 2}) {
    SCOPED_TRACE(lanes);
    start([&](SessionLimits& limits) {
      limits.max_running = 1;
      limits.lanes = lanes;
    });
    server().gate().open();
    const std::string first = at_rest(), second = begin();
    EXPECT_EQ(finish(second).back()["state"], "stopped");
    EXPECT_EQ(server().status(second)["done"]["blocks"], kBlocks);
    EXPECT_EQ(server().status(first)["state"], "waiting");
    EXPECT_EQ(finish(first).back()["state"], "stopped");
    stop();
  }
}

class LimitsOfWaiting : public LimitsOfTalkingHead {
 protected:
  /// One that nobody has spoken to, and that waits for it.
  std::string silent(const json& more = json::object()) {
    const std::string id = server().create(body(more));
    wait_for(id, "waiting");
    return id;
  }
  void wait_for(const std::string& id, const std::string& state) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (server().status(id)["state"] != state && std::chrono::steady_clock::now() < deadline) {}
    EXPECT_EQ(server().status(id)["state"], state);
  }
  int64_t metric(const std::string& name) {
    const std::string text = server().request("GET", "/metrics").body;
    const std::size_t at = text.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return std::atoll(text.c_str() + at + name.size() + 2);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, LimitsOfWaiting, testing::Values(test_families()[1]), family_name);

TEST_P(LimitsOfWaiting, end_what_nobody_has_spoken_to_before_what_has_said_all) {
  start([](SessionLimits& limits) { limits.max_waiting = 3; });
  server().gate().open();
  const std::string rests = at_rest(), first = silent(), second = silent();
  EXPECT_EQ(ask().status, 201);
  EXPECT_EQ(server().status(first)["state"], "stopped");
  for (const auto& id : {rests, second}) EXPECT_EQ(server().status(id)["state"], "waiting");
  EXPECT_EQ(metric("rushes_sessions_displaced_total"), 1);
}

TEST_P(LimitsOfWaiting, hold_for_memory_threads_and_descriptors_too) {
  start([](SessionLimits& limits) {
    limits.max_waiting = 4;
    limits.max_kept = 8;
  });
  for (int i = 0; i < 20; ++i) silent();
  const ProcessUsage before = ProcessUsage::now();
  for (int i = 0; i < 60; ++i) silent();
  EXPECT_EQ(metric("rushes_sessions_displaced_total"), 16 + 60);
  expect_no_more_than(before);
  EXPECT_LT(ProcessUsage::now().resident_kib - before.resident_kib, 32 << 10);
}

TEST_P(LimitsOfWaiting, hold_for_sessions_that_come_at_once) {
  start([](SessionLimits& limits) { limits.max_waiting = 2; });
  std::vector<std::string> taken;
  for (int i = 0; i < 20; ++i)
    if (const Reply reply = ask(); reply.status == 201) taken.push_back(reply.json()["id"]);
  ASSERT_GE(taken.size(), 2u);
  const auto waiting = [&](const std::string& id) { return server().status(id)["state"] == "waiting"; };
  for (auto id = taken.end() - 2; id != taken.end(); ++id) wait_for(*id, "waiting");
  EXPECT_EQ(std::count_if(taken.begin(), taken.end(), waiting), 2);
}

TEST_P(LimitsOfWaiting, do_not_end_what_is_watched) {
  start([](SessionLimits& limits) { limits.max_waiting = 2; });
  std::vector<std::unique_ptr<TestClient>> viewers;
  for (const auto& id : {silent(), silent()}) {
    viewers.push_back(std::make_unique<TestClient>(server().port()));
    EXPECT_EQ(viewers.back()->upgrade(path(id, "/video")).status, 101);
    viewers.back()->read_message();  // it is served by now
  }
  const Reply refused = ask();
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(message(refused), HasSubstr("--max-waiting"));
  viewers.clear();
}

TEST_P(LimitsOfWaiting, end_those_that_are_not_spoken_to_for_too_long) {
  start([](SessionLimits& limits) { limits.silence = std::chrono::seconds(1); });
  server().gate().open();
  const std::string rests = at_rest(), id = silent();
  const json last = server().events(id).back();
  EXPECT_EQ(last["state"], "stopped");
  EXPECT_THAT(last["reason"].get<std::string>(), HasSubstr("nobody has spoken"));
  EXPECT_EQ(server().status(rests)["state"], "waiting");
}

TEST_P(LimitsOfWaiting, of_memory_for_pictures_count_all_sessions) {
  constexpr int64_t kSide = 256, kPicture = kSide * kSide * 3;
  // Two pictures, and what is said; a third picture does not fit.
  start([](SessionLimits& limits) { limits.max_input_bytes = 3 * kPicture - 1; });
  server().gate().open();
  const json large{
      {"image", encode_base64(media::encode_png(media::test_frame(kSide, kSide, 3).data(), kSide, kSide))}};
  const std::string ended = make_video(large), rests = at_rest(large);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (metric("rushes_input_bytes") != 2 * kPicture && std::chrono::steady_clock::now() < deadline) {}
  EXPECT_EQ(metric("rushes_input_bytes"), 2 * kPicture);
  // What has ended gives up its picture, but not its video; then what nobody has spoken to ends.
  const std::string first = silent(large), second = silent(large);
  expect_recording(ended, kBlocks);
  EXPECT_EQ(server().status(first)["state"], "stopped");
  for (const auto& id : {rests, second}) EXPECT_EQ(server().status(id)["state"], "waiting");
  EXPECT_EQ(metric("rushes_input_bytes"), 2 * kPicture);
  EXPECT_GT(metric("rushes_inputs_refused_total"), 0);
}

TEST_P(LimitsOfWaiting, of_memory_for_pictures_refuse_before_they_are_decoded) {
  constexpr int64_t kSide = 256;
  start([](SessionLimits& limits) { limits.max_input_bytes = kSide * kSide * 3 - 1; });
  const auto png = media::encode_png(media::test_frame(kSide, kSide, 3).data(), kSide, kSide);
  // Its header tells the size; whoever looks at the rest finds that it is cut off.
  const media::Bytes head(png.begin(), png.begin() + 64);
  const Reply refused = ask({{"image", encode_base64(head)}});
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(message(refused), HasSubstr("--max-input-mib"));
  EXPECT_EQ(metric("rushes_input_bytes"), 0);
}

TEST_P(LimitsOfWaiting, of_memory_for_speech_count_all_sessions) {
  constexpr int64_t kSecond = generation::DrawingTalker::kHz * 4;
  start([](SessionLimits& limits) { limits.max_input_bytes = 2 * 64 * 64 * 3 + 3 * kSecond; });
  const std::string first = silent(), second = silent();
  const auto feed_seconds = [&](const std::string& id, int64_t seconds) {
    const std::string pcm(static_cast<std::size_t>(2 * seconds * generation::DrawingTalker::kHz), '\x11');
    const auto query = "/audio?format=s16le&rate=" + std::to_string(generation::DrawingTalker::kHz);
    return server().request("POST", path(id, query), pcm);
  };
  EXPECT_EQ(feed_seconds(first, 2).status, 202);
  const Reply refused = feed_seconds(second, 2);
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(message(refused), HasSubstr("--max-input-mib"));
  EXPECT_EQ(feed_seconds(second, 1).status, 202);
  server().request("POST", path(first, "/stop"));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while ((status = feed_seconds(second, 2).status) != 202 && std::chrono::steady_clock::now() < deadline) {}
  EXPECT_EQ(status, 202);
}

}  // namespace
}  // namespace rushes::server
