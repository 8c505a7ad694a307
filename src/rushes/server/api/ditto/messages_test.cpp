// What Ditto's clients say and are told, as tables. No socket, no clock.
#include "rushes/server/api/ditto/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/media/image.h"
#include "rushes/server/api/ditto/clients.h"
#include "rushes/server/api/ditto/dialect.h"
#include "rushes/server/api/ditto/files.h"
#include "rushes/server/http/base64.h"

namespace rushes::server::ditto {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using Type = ClientMessage::Type;

TEST(ClientMessage, has_a_type_and_one_that_nobody_knows_is_no_mistake) {
  const std::pair<const char*, Type> cases[] = {{R"({"type": "start_streaming"})", Type::start},
                                                {R"({"type": "stop_streaming", "more": 1})", Type::stop},
                                                {R"({"type": "ping", "type": "ping"})", Type::ping},
                                                {R"({"type": "set_options"})", Type::set_options},
                                                {R"({"type": "dance"})", Type::unknown},
                                                {R"({"type": 3})", Type::unknown},
                                                {"{}", Type::unknown}};
  for (const auto& [text, type] : cases) EXPECT_EQ(parse_client_message(text).type, type) << text;
}

TEST(ClientMessage, is_a_json_object_of_bounded_depth) {
  for (const std::string& text : {std::string("hello"), std::string(), std::string("[1]"), std::string("\"ping\""),
                                  std::string("{\"type\": NaN}"), std::string("{\"type\": \"ping\"} x"),
                                  "{\"a\": " + std::string(5000, '[') + std::string(5000, ']') + "}"})
    EXPECT_THROW(parse_client_message(text), Error) << text.substr(0, 40);
}

TEST(Start, has_the_published_defaults) {
  const Start start = parse_start(json::object());
  EXPECT_EQ(start.audio_path, "./example/audio.wav");
  EXPECT_EQ(start.source_path, "./example/image.png");
  EXPECT_FALSE(start.binary || start.audio || start.realtime);
  EXPECT_EQ(start.setup_kwargs, json::object());
}

TEST(Start, names_the_field_that_has_another_type) {
  const std::pair<json, const char*> cases[] = {
      {{{"audio_path", 7}}, "audio_path must be a string (got number)"},
      {{{"source_path", json::array()}}, "source_path must be a string (got array)"},
      {{{"setup_kwargs", "emo"}}, "setup_kwargs must be an object (got string)"},
      {{{"run_kwargs", json::array({1})}}, "run_kwargs must be an object (got array)"},
      {{{"binary", 1}}, "binary must be true or false (got number)"},
      {{{"pacing", "slow"}}, "pacing must be asap or realtime (got 'slow')"}};
  for (const auto& [fields, words] : cases)
    EXPECT_THAT([&] { parse_start(fields); }, testing::ThrowsMessage<Error>(HasSubstr(words)));
}

std::vector<OptionField> fields() {
  return {{.name = "emo", .type = OptionType::text, .doc = "emotion", .most = 100, .json = true},
          {.name = "sampling_timesteps", .type = OptionType::integer, .doc = "steps", .least = 1, .most = 1000},
          {.name = "chunksize",
           .type = OptionType::numbers,
           .doc = "pieces",
           .most = 10,
           .least_count = 3,
           .most_count = 3},
          {.name = "fade_in", .type = OptionType::integer, .doc = "fade", .least = -1, .most = 100},
          {.name = "ctrl_info", .type = OptionType::text, .doc = "controls", .most = 1000, .json = true}};
}

TEST(Start, becomes_options_whatever_shape_their_json_has) {
  const Start start = parse_start(
      {{"setup_kwargs", {{"emo", json::array({3, 4})}, {"sampling_timesteps", 5}}},
       {"run_kwargs",
        {{"chunksize", {3, 5, 2}}, {"fade_in", 12}, {"fade_out", -1}, {"ctrl_info", {{"0", {{"delta_yaw", 5}}}}}}}});
  const Options options = checked(options_of(start, fields()), fields());
  EXPECT_EQ(options, (Options{{"emo", std::string("[3,4]")},
                              {"sampling_timesteps", int64_t{5}},
                              {"chunksize", std::vector<double>{3, 5, 2}},
                              {"fade_in", int64_t{12}},
                              {"ctrl_info", std::string(R"({"0":{"delta_yaw":5}})")}}));
  const Start stock = parse_start(
      {{"run_kwargs", {{"chunksize", {3, 5, 2}}, {"fade_in", -1}, {"fade_out", -1}, {"ctrl_info", json::object()}}}});
  EXPECT_EQ(options_of(stock, fields()), (Options{{"chunksize", std::vector<double>{3, 5, 2}}}));
}

TEST(Start, refuses_names_that_nothing_has) {
  EXPECT_THAT(
      [] {
        checked(options_of(parse_start({{"setup_kwargs", {{"smile", 1}}}}), fields()), fields());
      },
      testing::ThrowsMessage<Error>(HasSubstr("smile is not an option of this model; it has: emo")));
  EXPECT_THAT(
      [] {
        options_of(parse_start({{"run_kwargs", {{"emo", 1}}}}), fields());
      },
      testing::ThrowsMessage<Error>(HasSubstr("emo is not one of run_kwargs, which are chunksize, fade_in")));
}

TEST(ExpectedFrames, are_those_that_begin_within_the_speech) {
  const std::pair<int64_t, int64_t> cases[] = {{0, 0}, {1, 1}, {640, 1}, {641, 2}, {252'000, 394}};  // 15.75 s
  for (const auto& [samples, frames] : cases) EXPECT_EQ(expected_frames(samples), frames) << samples;
}

TEST(ServerMessages, are_as_published_to_the_last_field) {
  const Start start{.audio_path = "a.wav", .source_path = "data:image/png;base64,AAAA"};
  const std::pair<Json, const char*> cases[] = {
      {streaming_started(start, 1.5),
       R"({"type":"streaming_started","audio_path":"a.wav","source_path":"data:image/png","timestamp":1.5})"},
      {metadata(Speech{15.75, 394}, "id", 2),
       R"({"type":"metadata","audio_duration":15.75,"expected_frames":394,"session_id":"id","timestamp":2.0})"},
      {metadata({}, "id", 2),
       R"({"type":"metadata","audio_duration":null,"expected_frames":null,"session_id":"id","timestamp":2.0})"},
      {streaming_completed(3), R"({"type":"streaming_completed","timestamp":3.0})"},
      {writer_closed(394, 3), R"({"type":"writer_closed","total_frames":394,"timestamp":3.0})"},
      {streaming_stopped(3), R"({"type":"streaming_stopped","timestamp":3.0})"},
      {pong(3), R"({"type":"pong","timestamp":3.0})"},
      {error("Audio file not found: x"), R"({"type":"error","message":"Audio file not found: x"})"},
      {options_set({{"gaze_x", 0.5}}, 3), R"({"type":"options_set","options":{"gaze_x":0.5},"timestamp":3.0})"}};
  for (const auto& [message, text] : cases) EXPECT_EQ(message.dump(), text);
  const std::vector<uint8_t> jpeg{'j', 'p', 'e', 'g'};
  EXPECT_EQ(frame_message({.id = 7, .jpeg = jpeg}, 1.25).dump(),
            R"({"type":"frame","frame_id":7,"frame_data":"anBlZw==","timestamp":1.25})");
  EXPECT_EQ(audio_message({.id = 7, .jpeg = jpeg, .audio = "AAA="}, 1.25).dump(),
            R"({"type":"audio","frame_id":7,"audio":"AAA=","timestamp":1.25})");
}

TEST(BinaryFrame, has_a_big_endian_header_of_16_bytes) {
  const std::vector<uint8_t> jpeg{'j', 'p', 'e', 'g'};
  EXPECT_THAT(binary_frame({.id = 258, .jpeg = jpeg}, 1.5),
              ElementsAre(0, 0, 1, 2, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 'j', 'p', 'e', 'g'));
}

TEST(Pcm16, is_little_endian_and_clipped) {
  EXPECT_EQ(decode_base64("audio", pcm16_base64(std::vector<float>{0, 1, -2, 0.5f})),
            std::string("\0\0\xff\x7f\x01\x80\x00\x40", 8));
}

// ---- the dialect ----

generation::EventPtr event(generation::StreamItem what) {
  return std::make_shared<const generation::StreamEvent>(generation::StreamEvent{.what = std::move(what)});
}

generation::FrameBlock block_of(int64_t frames) {
  generation::FrameBlock block{.video_frames = frames, .height = 16, .width = 16, .fps = 25};
  const auto pixels =
      std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(frames * 16 * 16 * 3), uint8_t{90});
  for (std::size_t i = 0; i < pixels->size(); ++i) (*pixels)[i] = static_cast<uint8_t>(i * 7);
  block.rgb = {pixels, pixels->data()};
  const auto samples = std::make_shared<std::vector<float>>();
  for (int64_t t = 0; t < frames; ++t) samples->insert(samples->end(), 640, static_cast<float>(t) / 32);
  block.audio = {.samples = samples, .first_sample = 0, .hz = 16000};
  return block;
}

double at_one() { return 1; }

TEST(FramesDialect, tells_each_frame_of_a_block_and_then_that_all_is_told) {
  FramesDialect dialect({.now = at_one});
  EXPECT_TRUE(dialect.on(event(generation::UtteranceEnded{})).empty());
  const auto frames = dialect.on(event(block_of(2)));
  ASSERT_EQ(frames.size(), 2u);
  for (int64_t id = 0; id < 2; ++id) {
    const json frame = json::parse(std::get<std::string>(frames[static_cast<std::size_t>(id)].body));
    EXPECT_EQ(frame["type"], "frame");
    EXPECT_EQ(frame["frame_id"], id);
    EXPECT_FALSE(frame.contains("audio"));
    const std::string jpeg = decode_base64("frame", frame["frame_data"].get<std::string>());
    EXPECT_EQ(media::decode_image({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()}).width, 16);
  }
  EXPECT_EQ(json::parse(std::get<std::string>(dialect.on(event(block_of(1)))[0].body))["frame_id"], 2);
  generation::SessionStatus status;
  status.state = generation::SessionState::finished;
  const auto end = dialect.end(status);
  ASSERT_EQ(end.size(), 2u);
  EXPECT_EQ(std::get<Json>(end[0].body)["type"], "streaming_completed");
  EXPECT_EQ(std::get<Json>(end[1].body)["total_frames"], 3);
}

TEST(FramesDialect, puts_the_speech_of_a_frame_into_it_or_before_it) {
  FramesDialect text({.audio = true, .now = at_one}), binary({.binary = true, .audio = true, .now = at_one});
  const json second = json::parse(std::get<std::string>(text.on(event(block_of(2)))[1].body));
  const std::string pcm = decode_base64("audio", second["audio"].get<std::string>());
  ASSERT_EQ(pcm.size(), 1280u);
  EXPECT_EQ(static_cast<uint8_t>(pcm[1]), 4);  // 1/32 of 32767
  const auto both = binary.on(event(block_of(1)));
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(json::parse(std::get<std::string>(both[0].body))["type"], "audio");
  EXPECT_EQ((*std::get<std::shared_ptr<const media::Bytes>>(both[1].body))[16], 0xff) << "a JPEG behind the header";
}

TEST(FramesDialect, says_why_a_stream_ended_and_nothing_after_it) {
  FramesDialect dialect({.now = at_one});
  generation::SessionStatus status;
  status.state = generation::SessionState::failed;
  status.failure = generation::Failure{ErrorCode::internal, "no memory"};
  ASSERT_EQ(dialect.end(status).size(), 1u);
  EXPECT_EQ(std::get<Json>(dialect.end(status)[0].body)["message"], "Streaming error: no memory");
  dialect.on(event(generation::StateChanged{generation::SessionState::stopped, {}, "stopped by request"}));
  status = {};
  status.state = generation::SessionState::stopped;
  EXPECT_EQ(std::get<Json>(dialect.end(status)[0].body)["message"], "Streaming error: stopped by request");
}

TEST(FramesDialect, makes_smaller_frames_at_a_lower_quality) {
  const auto quality = std::make_shared<std::atomic<int>>(kJpegQuality);
  FramesDialect dialect({.binary = true, .now = at_one, .quality = quality});
  const auto size = [&] {
    return std::get<std::shared_ptr<const media::Bytes>>(dialect.on(event(block_of(1)))[0].body)->size();
  };
  const std::size_t whole = size();
  *quality = 60;
  EXPECT_LT(size(), whole);
  EXPECT_EQ(quality_at(15, 50), 80);
  EXPECT_EQ(quality_at(16, 50), 70);
  EXPECT_EQ(quality_at(31, 50), 60);
}

// ---- what waits for a client ----

TEST(Client, is_told_answers_first_and_frames_at_their_time) {
  using Clock = Client::Clock;
  boost::asio::io_context context;
  Client client("ada");
  client.connect(std::make_shared<Wakeup>(context.get_executor()));
  constexpr auto kPeriod = std::chrono::milliseconds(40);
  const auto start = Clock::now();
  EXPECT_FALSE(client.due());
  for (int frame = 0; frame < 3; ++frame) client.add({std::to_string(frame)}, kPeriod);
  client.reply({{"type", "pong"}});
  EXPECT_LE(*client.due(), start);
  EXPECT_EQ(std::get<Json>(client.take(start).body)["type"], "pong");
  EXPECT_EQ(std::get<std::string>(client.take(start).body), "0");
  EXPECT_EQ(*client.due(), start + kPeriod);
  EXPECT_EQ(std::get<std::string>(client.take(start + kPeriod + kPeriod / 4).body), "1");
  EXPECT_EQ(*client.due(), start + 2 * kPeriod) << "a little late: the others come at their time";
  client.take(start + 4 * kPeriod);
  client.add({std::string("3")}, kPeriod);
  EXPECT_EQ(*client.due(), start + 5 * kPeriod) << "much too late: the others follow";
  client.add({std::string("last")});
  client.take(start + 5 * kPeriod);
  EXPECT_LE(*client.due(), start) << "what is no frame goes out at once";
}

// ---- files ----

TEST(ServedFiles, finds_what_is_below_its_folder_and_nothing_else) {
  const ScratchFolder outside, inside, uploads;
  const auto write = [](const std::filesystem::path& path) { std::ofstream(path) << "x"; };
  std::filesystem::create_directory(inside.path / "example");
  write(inside.path / "example/audio.wav");
  write(outside.path / "secret.wav");
  std::filesystem::create_symlink(outside.path / "secret.wav", inside.path / "link.wav");
  std::filesystem::create_symlink(outside.path, inside.path / "folder");
  std::filesystem::create_symlink(inside.path / "example/audio.wav", inside.path / "good.wav");
  const ServedFiles files(inside.path, uploads.path);
  for (const std::string& path : {std::string("./example/audio.wav"), std::string("example/../example/audio.wav"),
                                  std::string("good.wav"), (inside.path / "example/audio.wav").string()})
    EXPECT_TRUE(files.find(path)) << path;
  const std::string up = "../" + outside.path.filename().string() + "/secret.wav";
  for (const std::string& path :
       {up, (outside.path / "secret.wav").string(), std::string("link.wav"), std::string("folder/secret.wav"),
        std::string("/etc/passwd"), std::string("example"), std::string(), std::string("missing.wav"),
        std::string("example/audio.wav\0.png", 22), std::string(5000, 'a'), std::string("/dev/zero")})
    EXPECT_FALSE(files.find(path)) << path.substr(0, 60);
}

TEST(ServedFiles, keeps_uploads_under_names_that_nobody_guesses_and_the_newest_of_them) {
  const ScratchFolder inside, uploads;
  ServedFiles files(inside.path, uploads.path / "new", 10);
  const std::string first = files.keep("12345678", "audio", ".wav");
  EXPECT_THAT(first, testing::MatchesRegex("uploads/[0-9a-f]+_audio\\.wav"));
  EXPECT_EQ(first.size(), std::string("uploads/_audio.wav").size() + 32);
  ASSERT_TRUE(files.find(first));
  EXPECT_FALSE(files.find("uploads/../../" + uploads.path.filename().string()));
  const std::string second = files.keep("abcd", "source", ".png");
  EXPECT_TRUE(files.find(second));
  EXPECT_FALSE(files.find(first)) << "12 bytes are more than 10";
}

TEST(ServedFiles, makes_no_room_by_deleting_what_was_not_uploaded) {
  const ScratchFolder inside, uploads;
  ServedFiles files(inside.path, uploads.path, 10);
  std::ofstream(uploads.path / "mine.wav") << "12345678";
  std::filesystem::create_symlink(inside.path / "none", uploads.path / (std::string(32, 'a') + "_audio.wav"));
  EXPECT_TRUE(files.find(files.keep("abcd", "audio", ".wav")));
  EXPECT_TRUE(std::filesystem::exists(uploads.path / "mine.wav"));
  EXPECT_TRUE(std::filesystem::is_symlink(uploads.path / (std::string(32, 'a') + "_audio.wav")));
}

TEST(Suffixes, are_those_of_the_published_server_in_any_case) {
  EXPECT_EQ(suffix_of("Voice.A.WAV"), ".wav");
  EXPECT_EQ(suffix_of("voice"), "");
  EXPECT_TRUE(is_audio_suffix(".m4a") && is_image_suffix(".webp"));
  EXPECT_FALSE(is_audio_suffix(".png") || is_image_suffix(".gif") || is_audio_suffix(""));
}

}  // namespace
}  // namespace rushes::server::ditto
