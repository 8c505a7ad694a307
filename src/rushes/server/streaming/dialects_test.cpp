// Each dialect as a table: what happens, and what its client is told. No socket, no thread.
#include <gtest/gtest.h>

#include "rushes/audio/wav.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/server/api/imtalker/dialects.h"
#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/vllm_omni/dialect.h"
#include "rushes/server/http/base64.h"

namespace rushes::server {
namespace {

using generation::SessionState;

std::shared_ptr<const media::Bytes> bytes(std::string_view text) {
  return std::make_shared<const media::Bytes>(text.begin(), text.end());
}

delivery::GopPtr gop(int64_t index) {
  return std::make_shared<const delivery::Gop>(delivery::Gop{.index = index,
                                                             .begin = media::Pts(index * media::Pts::period::den / 2),
                                                             .duration = media::Pts(media::Pts::period::den / 2),
                                                             .fragment = bytes("gop" + std::to_string(index))});
}

generation::EventPtr event(int64_t sequence, generation::StreamItem what, double seconds = 0) {
  return std::make_shared<const generation::StreamEvent>(generation::StreamEvent{
      .sequence = sequence, .at = std::chrono::microseconds(std::llround(seconds * 1e6)), .what = std::move(what)});
}

delivery::JpegFrame jpeg(int64_t index) {
  return {.index = index, .seconds = static_cast<double>(index) / 16, .bytes = bytes("jpeg")};
}

/// A message in one line: what names it, then JSON, text, or <bytes>.
std::string line(const Message& message) {
  std::string text = message.event.empty() ? "" : message.event + " ";
  if (!message.id.empty()) text += message.id + " ";
  if (const auto* raw = std::get_if<std::shared_ptr<const media::Bytes>>(&message.body))
    return text + "<" + std::string((*raw)->begin(), (*raw)->end()) + ">";
  const auto* given = std::get_if<std::string>(&message.body);
  return text + (given ? *given : std::get<Json>(message.body).dump());
}

std::vector<std::string> lines(const std::vector<Message>& messages) {
  std::vector<std::string> all;
  for (const Message& message : messages) all.push_back(line(message));
  return all;
}

using Lines = std::vector<std::string>;

/// A session that nobody steps, as begin() sees it.
Hosted hosted() {
  generation::Request request;
  request.prompts = {"a red circle"};
  request.seed = 7;
  const generation::DrawingModel model;
  Hosted entry{
      .session = std::make_shared<generation::Session>(request, model.plan(request)), .video = {}, .sinks = {}};
  entry.video = std::make_shared<delivery::EncodedStream>(entry.session, delivery::EncodedStreamOptions{});
  entry.session->stop();  // its encoder ends with it
  return entry;
}

generation::SessionStatus status_of(SessionState state, std::string failure = {}) {
  generation::SessionStatus status;
  status.state = state;
  if (!failure.empty()) status.failure = generation::Failure{ErrorCode::internal, std::move(failure)};
  return status;
}

TEST(Mp4Dialect, tells_the_initialisation_segment_and_each_fragment_without_a_copy) {
  Mp4Dialect dialect;
  const Hosted entry = hosted();
  const auto first = dialect.begin(entry);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(std::get<2>(first[0].body), entry.video->init_segment());
  const auto one = gop(3);
  const auto told = dialect.on(one);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(std::get<2>(told[0].body), one->fragment);
  EXPECT_TRUE(dialect.end(status_of(SessionState::finished)).empty());
}

TEST(EventsDialect, numbers_its_messages_so_that_a_client_can_go_on_where_it_was) {
  EventsDialect dialect(EventsDialect::Video::base64, TextPosition::parse("2.5"));
  const auto init = dialect.begin(hosted());
  ASSERT_EQ(init.size(), 1u);
  EXPECT_EQ(init[0].event, "init");
  EXPECT_EQ(init[0].id, "2.5");
  EXPECT_EQ(lines(dialect.on(event(4, generation::UtteranceEnded{}))), Lines{});  // it had that
  EXPECT_EQ(lines(dialect.on(event(5, generation::UtteranceEnded{}, 1.5))),
            Lines{R"(utterance_ended 2.6 {"sequence":5,"at_s":1.5,"type":"utterance_ended"})"});
  EXPECT_EQ(lines(dialect.on(event(6, generation::TextChunk{"A red circle", true}, 2))),
            Lines{R"(text_chunk 2.7 {"sequence":6,"at_s":2.0,"type":"text_chunk","text":"A red circle","last":true})"});
  EXPECT_EQ(lines(dialect.on(gop(2))),
            Lines{R"(fragment 3.7 {"type":"fragment","index":2,"pts_s":1.0,"duration_s":0.5,"data":"Z29wMg=="})"});
  EXPECT_EQ(lines(EventsDialect().begin(hosted())), Lines{});
}

TEST(JpegDialect, tells_the_position_before_the_first_frame_and_after_each_gap) {
  JpegDialect binary(JpegDialect::Encoding::binary), text(JpegDialect::Encoding::base64);
  EXPECT_EQ(lines(binary.begin(hosted())),
            Lines{R"({"type":"format","width":64,"height":64,"fps":16.0,"mime_type":"image/jpeg"})"});
  EXPECT_EQ(lines(binary.on(jpeg(8))), (Lines{R"({"type":"position","index":8,"pts_s":0.5,"skipped":0})", "<jpeg>"}));
  EXPECT_EQ(lines(binary.on(jpeg(9))), Lines{"<jpeg>"});
  EXPECT_EQ(lines(binary.on(jpeg(12))),
            (Lines{R"({"type":"position","index":12,"pts_s":0.75,"skipped":2})", "<jpeg>"}));
  EXPECT_EQ(lines(text.on(jpeg(8))), Lines{R"({"type":"frame","index":8,"pts_s":0.5,"skipped":0,"data":"anBlZw=="})"});
}

TEST(JpegsDialect, ends_server_sent_events_with_what_came_of_it) {
  imtalker::JpegsDialect events(Framing::server_sent_events), parts(Framing::multipart);
  EXPECT_EQ(lines(events.on(jpeg(0))), Lines{"anBlZw=="});
  EXPECT_EQ(lines(parts.on(jpeg(0))), Lines{"<jpeg>"});
  generation::SessionStatus status = status_of(SessionState::finished);
  status.age = std::chrono::milliseconds(2500);
  EXPECT_EQ(lines(events.end(status)), Lines{R"(complete {"frames":1,"time":2.5})"});
  EXPECT_EQ(lines(events.end(status_of(SessionState::failed, "no memory"))), Lines{"error no memory"});
  status = status_of(SessionState::stopped);
  status.reason = "the server is shutting down";
  EXPECT_EQ(lines(events.end(status)), Lines{"error the server is shutting down"});
  EXPECT_EQ(lines(parts.end(status)), Lines{});
}

/// `count` frames of a head with the speech that belongs to them, 640 samples a frame.
generation::FrameBlock head_block(int64_t count) {
  generation::FrameBlock block;
  block.video_frames = count;
  block.height = block.width = 16;
  block.fps = 25;
  const auto pixels =
      std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(count * 16 * 16 * 3), uint8_t{90});
  block.rgb = {pixels, pixels->data()};
  const auto samples = std::make_shared<std::vector<float>>();
  for (int64_t t = 0; t < count; ++t) samples->insert(samples->end(), 640, static_cast<float>(t) / 32);
  block.audio = {.samples = samples, .first_sample = 0, .hz = 16000};
  return block;
}

TEST(JsonLinesDialect, puts_five_frames_and_their_speech_in_a_line_and_marks_the_last) {
  imtalker::JsonLinesDialect dialect(7);
  Hosted entry = hosted();
  generation::VideoFormat format = entry.session->format();
  format.fps = 25;
  format.speech_hz = 16000;
  entry.session = std::make_shared<generation::Session>(
      entry.session->request(), format,
      generation::Session::Past{.id = entry.session->id(), .created = {}, .status = status_of(SessionState::finished)});
  EXPECT_EQ(lines(dialect.begin(entry)), Lines{});
  EXPECT_EQ(lines(dialect.on(event(0, generation::UtteranceEnded{}))), Lines{});
  // A full line may be the last: it goes out with the frame that follows.
  EXPECT_EQ(lines(dialect.on(event(1, head_block(5), 2.0))), Lines{});
  const auto first = dialect.on(event(2, head_block(2), 3.5));
  ASSERT_EQ(first.size(), 1u);
  const Json& json = std::get<Json>(first[0].body);
  EXPECT_EQ(json["frames"].size(), 5u);
  EXPECT_EQ(decode_base64("frame", json["frames"][0].get<std::string>()).substr(0, 2), "\xff\xd8");
  EXPECT_EQ(decode_base64("audio", json["audio"].get<std::string>()).size(), 44u + 2 * 5 * 640);
  EXPECT_EQ(json["metrics"].dump(),
            R"({"chunk_id":0,"generation_time":2.0,"video_duration":0.2,"rtf":10.0,"num_frames":5,)"
            R"("is_first_batch":true,"is_last_batch":false,"total_chunk_frames":7})");
  const auto last = dialect.end(status_of(SessionState::failed, "no memory"));
  ASSERT_EQ(last.size(), 2u);
  const Json& rest = std::get<Json>(last[0].body);
  EXPECT_EQ(rest["frames"].size(), 2u);
  EXPECT_EQ(rest["metrics"]["is_last_batch"], false) << "more would have come";
  EXPECT_EQ(rest["metrics"]["generation_time"], 1.5);
  EXPECT_EQ(line(last[1]), R"({"error":"no memory"})");
  EXPECT_EQ(lines(dialect.end(status_of(SessionState::stopped))), Lines{R"({"error":"the session was stopped"})"});
  dialect.on(event(3, head_block(1), 4.0));
  const auto whole = dialect.end(status_of(SessionState::finished));
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(std::get<Json>(whole[0].body)["metrics"]["is_last_batch"], true);
}

TEST(OmniDialect, tells_each_chunk_with_the_interactions_that_show_in_it) {
  const auto pending = std::make_shared<PendingInteractions>();
  OmniDialect dialect("drawing", pending);
  const Hosted entry = hosted();
  const auto start = std::get<Json>(dialect.begin(entry).at(0).body);
  EXPECT_EQ(start["type"], "video.start");
  EXPECT_EQ(start["config"]["seed"], 7);
  EXPECT_EQ(start["config"]["prompt"], "a red circle");
  const auto block = [](std::string prompt, int64_t video_frames) {
    generation::FrameBlock made;
    made.prompt = std::move(prompt);
    made.video_frames = video_frames;
    return made;
  };
  pending->add({"turn", "a blue star"});
  int64_t sequence = 0;
  for (const auto& [prompt, video_frames] :
       {std::pair{"a red circle", 9}, {"a red circle", 12}, {"a blue star", 11}, {"a blue star", 10}})
    EXPECT_EQ(lines(dialect.on(event(sequence++, block(prompt, video_frames)))), Lines{});
  const auto metadata = [&](int64_t index) { return std::get<Json>(dialect.on(gop(index)).at(0).body); };
  const Json first = metadata(0);
  EXPECT_EQ(first["num_frames"], 9);
  EXPECT_EQ(first["byte_length"], entry.video->init_segment()->size() + 4);
  EXPECT_EQ(first["started_event_ids"], Json::array());
  const Json third = metadata(2);  // it was too slow for the one before
  EXPECT_EQ(third["num_frames"], 11);
  EXPECT_EQ(third["transport_chunk_index"], 1);
  EXPECT_EQ(third["generation_chunk_index"], 2);
  EXPECT_EQ(third["started_event_ids"], (Json{"turn"}));
  EXPECT_EQ(metadata(3)["started_event_ids"], Json::array());
  const Json done = std::get<Json>(dialect.end(status_of(SessionState::stopped)).at(0).body);
  EXPECT_EQ(done["type"], "session.done");
  EXPECT_EQ(done["chunks"], 3);
  EXPECT_EQ(done["stopped"], true);
  EXPECT_EQ(lines(dialect.end(status_of(SessionState::failed, "no memory"))),
            Lines{R"({"type":"error","message":"no memory"})"});
}

}  // namespace
}  // namespace rushes::server
