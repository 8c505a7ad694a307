#include "rushes/generation/session.h"

#include <gtest/gtest.h>

#include <set>

#include "rushes/generation/drawing_model.h"
#include "rushes/generation/drawing_talker.h"

namespace rushes::generation {
namespace {

using enum SessionState;
using std::chrono::microseconds;

std::shared_ptr<Session> session() {
  Request request;
  request.prompts = {"a red circle"};
  const DrawingModel model;
  return std::make_shared<Session>(request, model.plan(request));
}

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::internal;
}

std::vector<SessionState> states(Session& s) {
  std::vector<SessionState> found;
  const auto reader = s.stream().subscribe(Stream::Role::observer, Stream::From::start);
  while (const EventPtr event = reader->poll())
    if (const auto* change = std::get_if<StateChanged>(&event->what)) found.push_back(change->state);
  return found;
}

TEST(SessionState, follows_the_whole_matrix) {
  const std::set<std::pair<SessionState, SessionState>> allowed = {
      {queued, running}, {queued, paused},    {queued, stopped},  {queued, failed},  {running, waiting},
      {running, paused}, {running, finished}, {running, stopped}, {running, failed}, {waiting, running},
      {waiting, paused}, {waiting, stopped},  {waiting, failed},  {paused, running}, {paused, waiting},
      {paused, stopped}, {paused, failed},    {paused, queued},   {waiting, queued}};
  for (const SessionState from : kSessionStates)
    for (const SessionState to : kSessionStates)
      EXPECT_EQ(may_follow(from, to), allowed.contains({from, to})) << name(from) << " to " << name(to);
}

TEST(SessionId, is_random_and_parses_only_itself) {
  const SessionId a = SessionId::random(), b = SessionId::random();
  EXPECT_NE(a, b);
  EXPECT_EQ(SessionId::parse(a.text()), a);
  for (const char* bad :
       {"", "x", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
        "0123456789ABCDEF0123456789abcdef", "../../../../../../etc/passwd1234", "0123456789abcdef 123456789abcdef"})
    EXPECT_EQ(code_of([&] { SessionId::parse(bad); }), ErrorCode::invalid_argument) << bad;
}

TEST(Session, can_be_stopped_twice_and_ends_once) {
  const auto s = session();
  EXPECT_TRUE(s->stop());
  EXPECT_FALSE(s->stop());
  EXPECT_EQ(states(*s), (std::vector{queued, stopped}));
  EXPECT_TRUE(s->stream().closed());
}

std::shared_ptr<Session> talk_session() {
  Request request;
  request.image.emplace();
  return std::make_shared<Session>(request, DrawingTalkModel().plan(request));
}

TEST(Session, speech_wakes_it_when_it_waits_and_comes_whole) {
  const auto s = talk_session();
  int rung = 0;
  s->on_control([&] { ++rung; });
  s->take_inbox();
  s->deliver({.outcome = StepOutcome::needs_input, .events = {}}, microseconds{1});
  EXPECT_EQ(s->status().state, waiting);
  const std::vector<float> first{1, 2}, second{3};
  s->feed_speech(first);
  s->feed_speech(second);
  EXPECT_EQ(s->status().state, running);
  EXPECT_EQ(rung, 2);
  EXPECT_EQ(s->take_inbox().speech, (std::vector<float>{1, 2, 3}));
  EXPECT_TRUE(s->take_inbox().speech.empty());
}

TEST(Session, speech_that_comes_during_a_step_is_not_waited_for) {
  const auto s = talk_session();
  s->take_inbox();
  s->end_speech();
  s->deliver({.outcome = StepOutcome::needs_input, .events = {}}, microseconds{1});
  EXPECT_EQ(s->status().state, running);
  EXPECT_TRUE(s->take_inbox().end_of_speech);
}

TEST(Session, the_end_of_an_utterance_ends_speech_that_is_heard_as_one) {
  const std::vector<float> said{1, 2};
  for (const bool online : {true, false}) {
    Request request;
    request.image.emplace();
    request.options.set("online_mode", online);
    Session s(request, DrawingTalkModel().plan(request));
    s.feed_speech(said);
    EXPECT_FALSE(s.take_inbox().end_of_speech);
    s.feed_speech(said, Session::Utterance::ends);
    const Inbox last = s.take_inbox();
    EXPECT_EQ(last.speech, said);
    EXPECT_EQ(last.utterance_ends, (std::vector<std::size_t>{2}));
    EXPECT_EQ(last.end_of_speech, !online);
    if (online)
      s.feed_speech(said);
    else
      EXPECT_EQ(code_of([&] { s.feed_speech(said); }), ErrorCode::conflict);
  }
}

TEST(Session, refuses_speech_that_nobody_can_speak) {
  const auto s = talk_session();
  const std::vector<float> some(16'000), too_much(16'000 * static_cast<std::size_t>(Session::kMaxWaitingSpeech + 1));
  EXPECT_EQ(code_of([&] { session()->feed_speech(some); }), ErrorCode::unsupported);
  EXPECT_EQ(code_of([&] { s->feed_speech(too_much); }), ErrorCode::too_large);
  for (double seconds = 1; seconds <= Session::kMaxWaitingSpeech; ++seconds) s->feed_speech(some);
  EXPECT_EQ(code_of([&] { s->feed_speech(some); }), ErrorCode::exhausted);
  s->end_speech();
  s->end_speech();
  EXPECT_EQ(code_of([&] { s->feed_speech({}); }), ErrorCode::conflict);
  s->stop();
  EXPECT_EQ(code_of([&] { s->feed_speech({}); }), ErrorCode::conflict);
}

TEST(Session, refuses_controls_after_its_end) {
  const auto s = session();
  s->stop();
  EXPECT_EQ(code_of([&] { s->pause(); }), ErrorCode::conflict);
  EXPECT_EQ(code_of([&] { s->resume(); }), ErrorCode::conflict);
  EXPECT_EQ(code_of([&] { s->set_prompt("x"); }), ErrorCode::conflict);
}

TEST(Session, pauses_and_resumes_as_often_as_asked) {
  const auto s = session();
  s->take_inbox();
  s->pause();
  s->pause();
  EXPECT_FALSE(s->runnable());
  s->resume();
  s->resume();
  EXPECT_TRUE(s->runnable());
  EXPECT_EQ(states(*s), (std::vector{queued, running, paused, running}));
}

TEST(Session, stays_queued_through_a_pause) {
  const auto s = session();
  s->pause();
  EXPECT_FALSE(s->wants_place());
  s->resume();
  EXPECT_TRUE(s->wants_place());
  EXPECT_EQ(s->status().state, queued);
}

TEST(Session, is_queued_again_when_its_place_has_gone_to_another) {
  const auto paused_one = session(), listening = talk_session();
  for (const auto& s : {paused_one, listening}) s->take_inbox();
  paused_one->pause();
  listening->deliver({.outcome = StepOutcome::needs_input, .events = {}}, {});
  for (const auto& s : {paused_one, listening}) s->give_up_place();
  paused_one->resume();
  listening->end_speech();
  for (const auto& s : {paused_one, listening}) {
    EXPECT_EQ(s->status().state, queued);
    s->take_inbox();
    EXPECT_EQ(s->status().state, running);
  }
}

TEST(Session, hands_over_the_newest_prompt_once) {
  const auto s = session();
  s->set_prompt("first");
  s->set_prompt("second");
  EXPECT_EQ(s->take_inbox().prompt, "second");
  EXPECT_FALSE(s->take_inbox().prompt);
}

TEST(Session, waits_for_input_through_a_pause) {
  const auto s = session();
  s->take_inbox();
  s->deliver({StepOutcome::needs_input, {}}, {});
  EXPECT_EQ(s->status().state, waiting);
  s->pause();
  s->resume();
  EXPECT_EQ(s->status().state, waiting);
  s->set_prompt("go on");
  EXPECT_EQ(s->status().state, running);
}

TEST(Session, keeps_running_when_input_came_during_the_step_that_asked_for_it) {
  const auto s = session();
  s->take_inbox();
  s->set_prompt("just in time");
  s->deliver({StepOutcome::needs_input, {}}, {});
  EXPECT_EQ(s->status().state, running);
}

TEST(Session, drops_what_a_step_gives_after_the_stop) {
  const auto s = session();
  s->take_inbox();
  s->stop();
  s->deliver({StepOutcome::again, {BlockProgress{}}}, microseconds{7});
  EXPECT_EQ(states(*s), (std::vector{queued, running, stopped}));
  EXPECT_EQ(s->status().device_time, microseconds{7});
}

FrameBlock block_of(int64_t first_video_frame) {
  FrameBlock block;
  block.video_frames = 12;
  block.first_video_frame = first_video_frame;
  return block;
}

std::vector<std::string> texts(Session& s) {
  std::vector<std::string> found;
  const auto reader = s.stream().subscribe(Stream::Role::observer, Stream::From::start);
  while (const EventPtr event = reader->poll())
    if (const auto* chunk = std::get_if<TextChunk>(&event->what)) found.push_back(chunk->utf8);
  return found;
}

TEST(Session, keeps_the_text_that_its_model_says_up_to_a_limit) {
  const auto s = session();
  s->take_inbox();
  EXPECT_EQ(s->status().text, std::nullopt);
  s->deliver({StepOutcome::again, {TextChunk{"A red ", false}, TextChunk{"circle.", true}}}, microseconds{1});
  EXPECT_EQ(s->status().text, "A red circle.");
  EXPECT_EQ(texts(*s), (std::vector<std::string>{"A red ", "circle."}));
  for (int i = 0; i < 3; ++i)
    s->deliver({StepOutcome::again, {TextChunk{std::string(Session::kMaxText / 2, 'a')}}}, microseconds{1});
  EXPECT_EQ(s->status().text->size(), 13 + Session::kMaxText);
}

TEST(Session, a_fork_begins_with_the_text_up_to_its_border) {
  const auto origin = session();
  origin->take_inbox();
  for (const char* word : {"one ", "two ", "three "}) {
    const int64_t block = origin->status().blocks;
    origin->deliver({StepOutcome::again, {TextChunk{word}, block_of(12 * block)}}, microseconds{1});
  }
  origin->deliver({StepOutcome::again, {TextChunk{"of the block in work"}}}, microseconds{1});
  const struct {
    int64_t blocks;
    std::optional<std::string> text;
  } cases[] = {{3, "one two three "}, {2, "one two "}, {1, "one "}, {0, {}}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.blocks);
    const auto fork = session();
    fork->inherit(*origin, each.blocks);
    EXPECT_EQ(fork->status().text, each.text);
    EXPECT_EQ(fork->status().video_frames, 12 * each.blocks);
  }
}

TEST(Session, measures_blocks_frames_and_times) {
  const auto s = session();
  DrawingGenerator generator(s->request(), {}, {});
  for (int i = 0; i < 28; ++i) s->deliver(generator.step(s->take_inbox()), microseconds{10});
  const SessionStatus status = s->status();
  EXPECT_EQ(status.state, finished);
  EXPECT_EQ(status.blocks, 7);
  EXPECT_EQ(status.video_frames, 84);
  EXPECT_EQ(status.device_time, microseconds{280});
  EXPECT_EQ(status.prompt, "a red circle");
  EXPECT_LE(*status.first_step, *status.first_block);
  EXPECT_LE(*status.first_block, *status.newest_block);
  EXPECT_LE(*status.newest_block, *status.end);
  EXPECT_GT(status.fps, 0);
}

TEST(BlockHistory, knows_the_newest_blocks_and_shares_their_prompts) {
  BlockHistory history;
  for (int64_t block = 0; block < 4100; ++block) history.add(microseconds(block), block < 4000 ? "a" : "b");
  EXPECT_EQ(history.first, 4);
  EXPECT_EQ(history.of(3), nullptr);
  EXPECT_EQ(history.of(4100), nullptr);
  ASSERT_NE(history.of(4), nullptr);
  EXPECT_EQ(*history.of(4)->prompt, "a");
  EXPECT_EQ(history.of(4099)->at, microseconds(4099));
  EXPECT_EQ(*history.of(4099)->prompt, "b");
  EXPECT_EQ(history.of(4098)->prompt, history.of(4099)->prompt);
}

TEST(BlockHistory, of_a_prompt_for_each_block_stays_small) {
  BlockHistory history;
  std::size_t bytes = 0;
  for (int64_t block = 0; block < 4000; ++block)
    history.add(microseconds(block), std::to_string(block) + std::string(8'000, 'x'));
  for (const auto& block : history.blocks) bytes += block.prompt->size();
  EXPECT_LE(bytes, BlockHistory::kMostPromptBytes);
  EXPECT_GT(bytes, BlockHistory::kMostPromptBytes - 10'000);
  EXPECT_EQ(history.first + static_cast<int64_t>(history.blocks.size()), 4000);
  history.add(microseconds(4000), std::string(300'000, 'y'));  // itself beyond it: the newest is always known
  EXPECT_EQ(history.blocks.size(), 1u);
  EXPECT_EQ(history.first, 4000);
}

TEST(Session, of_an_earlier_process_tells_its_blocks_at_their_times_and_where_prompts_changed) {
  const auto before = session();
  Session::Past past{.id = before->id(), .created = before->created(), .status = before->status()};
  past.status.state = stopped;
  past.status.reason = "stopped by request";
  past.status.end = microseconds(900);
  for (int64_t block = 0; block < 3; ++block) {
    past.history.add(microseconds(100 * (block + 1)), block < 2 ? "a" : "b");
    past.blocks.push_back({.video_frames = 12, .segment = 0, .block = block, .prompt = block < 2 ? "a" : "b"});
  }
  past.blocks.push_back({.video_frames = 12, .segment = 0, .block = 3, .prompt = "b"});  // nobody knows when
  Session restored(before->copy_of_request(), before->format(), std::move(past));
  std::vector<std::pair<std::string, int64_t>> told;
  const auto reader = restored.stream().subscribe(Stream::Role::observer, Stream::From::start);
  while (const EventPtr event = reader->poll()) {
    if (const auto* applied = std::get_if<PromptApplied>(&event->what))
      told.push_back({applied->prompt, event->at.count()});
    if (std::holds_alternative<FrameBlock>(event->what)) told.push_back({"block", event->at.count()});
    if (const auto* change = std::get_if<StateChanged>(&event->what))
      told.push_back({change->reason, event->at.count()});
  }
  EXPECT_EQ(told, (std::vector<std::pair<std::string, int64_t>>{{"a", 100},
                                                                {"block", 100},
                                                                {"block", 200},
                                                                {"b", 300},
                                                                {"block", 300},
                                                                {"block", 900},
                                                                {"stopped by request", 900}}));
}

}  // namespace
}  // namespace rushes::generation
