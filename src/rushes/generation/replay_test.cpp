// Forks from borders that are not kept: the blocks before them are made again.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_model.h"

namespace rushes::generation {
namespace {

constexpr int64_t kStepsOfBlock = 4, kBlocksOfSegment = 7;

Request request_of(std::vector<std::string> prompts, int64_t segments) {
  Request request;
  request.prompts = std::move(prompts);
  request.seed = 5;
  request.segments = segments;
  return request;
}

std::shared_ptr<Session> session(const Model& model, std::vector<std::string> prompts = {"red"}, int64_t segments = 3) {
  const Request request = request_of(std::move(prompts), segments);
  return std::make_shared<Session>(request, model.plan(request));
}

/// Reads what it makes, block by block; those that are not its own have no pixels.
class Recorder {
 public:
  explicit Recorder(Session& session)
      : events_(session.stream().subscribe(Stream::Role::recorder, Stream::From::start)) {}
  /// The next one; null at the end.
  const FrameBlock* next() {
    while (EventPtr event = events_->next())
      if (const auto* block = std::get_if<FrameBlock>(&event->what)) {
        held_ = std::move(event);
        return block;
      }
    return nullptr;
  }
  void skip(int64_t blocks) {
    for (int64_t i = 0; i < blocks; ++i) next();
  }
  std::vector<FrameBlock> rest() {
    std::vector<FrameBlock> all;
    while (const FrameBlock* block = next()) all.push_back(*block);
    return all;
  }

 private:
  std::unique_ptr<Subscription> events_;
  EventPtr held_;
};

std::string pixels(const FrameBlock& block) {
  return {reinterpret_cast<const char*>(block.rgb.get()),
          block.frame_bytes() * static_cast<std::size_t>(block.video_frames)};
}

/// What a session makes to which this is said at the borders of these blocks.
std::vector<FrameBlock> made_without_fork(const Model& model, std::vector<std::string> prompts, int64_t segments,
                                          const std::map<int64_t, std::string>& said) {
  const auto generator = start(model, request_of(std::move(prompts), segments));
  std::vector<FrameBlock> blocks;
  for (StepOutcome outcome = StepOutcome::again; outcome == StepOutcome::again;) {
    Inbox inbox;
    const auto now = said.find(static_cast<int64_t>(blocks.size()));
    if (now != said.end() && generator->at_block_border()) inbox.prompt = now->second;
    StepResult result = generator->step(inbox);
    outcome = result.outcome;
    for (Event& event : result.events)
      if (auto* block = std::get_if<FrameBlock>(&event)) blocks.push_back(std::move(*block));
  }
  return blocks;
}

void expect_fork(const std::vector<FrameBlock>& forked, int64_t shared, const std::vector<FrameBlock>& expected) {
  ASSERT_EQ(forked.size(), expected.size());
  for (std::size_t i = 0; i < forked.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(forked[i].prompt, expected[i].prompt);
    EXPECT_EQ(forked[i].first_video_frame, expected[i].first_video_frame);
    ASSERT_EQ(forked[i].rgb == nullptr, static_cast<int64_t>(i) < shared) << "nothing is delivered again";
    if (forked[i].rgb) {
      EXPECT_TRUE(pixels(forked[i]) == pixels(expected[i]));
    }
  }
}

TEST(Replay, reaches_a_border_that_is_no_longer_kept_and_goes_on_under_another_prompt) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto origin = session(*model);
  Recorder made(*origin);
  worker.submit(origin, model);
  gate.allow(20 * kStepsOfBlock + 1);
  made.skip(20);
  ASSERT_TRUE(gate.wait_for(20 * kStepsOfBlock + 2));
  EXPECT_GT(origin->status().oldest_border, 3);
  const auto branch = session(*model);
  Recorder forked(*branch);
  branch->set_prompt("blue");
  worker.fork(origin, branch, 3, DeviceWorker::Replay{.model = model});
  gate.open();
  std::thread rest([&] { made.rest(); });
  expect_fork(forked.rest(), 3, made_without_fork(*model, {"red"}, 3, {{3, "blue"}}));
  rest.join();
  const SessionStatus status = branch->status();
  EXPECT_EQ(status.state, SessionState::finished);
  EXPECT_EQ(status.replay_blocks, 3);
  EXPECT_EQ(status.replayed_blocks, 3);
  EXPECT_EQ(status.blocks, 21);
  while (worker.status().sessions > 0) std::this_thread::yield();
  EXPECT_EQ(worker.status().replayed_blocks, 3);
  EXPECT_EQ(worker.status().blocks, 21 + 18);
}

TEST(Replay, from_a_border_that_is_kept_makes_nothing_again) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto origin = session(*model);
  worker.submit(origin, model);
  gate.allow(3 * kStepsOfBlock);
  ASSERT_TRUE(gate.wait_for(3 * kStepsOfBlock + 1));
  const auto branch = session(*model);
  branch->expect_replay(2);
  Recorder forked(*branch);
  worker.fork(origin, branch, 2, DeviceWorker::Replay{.model = model});
  gate.open();
  expect_fork(forked.rest(), 2, made_without_fork(*model, {"red"}, 3, {}));
  EXPECT_EQ(branch->status().replay_blocks, 0);
}

TEST(Replay, continues_a_session_that_has_ended_under_all_prompts_that_it_had) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const std::vector<std::string> prompts{"red", "green", "white"};
  const auto origin = session(*model, prompts);
  Recorder made(*origin);
  worker.submit(origin, model);
  // Said while block 8, of the second segment, is in work.
  gate.allow(8 * kStepsOfBlock + 1);
  made.skip(8);
  ASSERT_TRUE(gate.wait_for(8 * kStepsOfBlock + 2));
  origin->set_prompt("blue");
  gate.allow(3 * kStepsOfBlock);
  made.skip(3);
  ASSERT_TRUE(gate.wait_for(11 * kStepsOfBlock + 2));
  origin->stop();
  gate.open();
  EXPECT_EQ(origin->history().steered_from, 9);
  const auto expected = made_without_fork(*model, prompts, 3, {{9, "blue"}});
  while (worker.status().sessions > 0) std::this_thread::yield();

  const auto branch = session(*model, prompts);
  Recorder forked(*branch);
  worker.fork(origin, branch, 11, DeviceWorker::Replay{.model = model});
  expect_fork(forked.rest(), 11, expected);

  const auto twig = session(*model, prompts);  // a fork of a fork
  Recorder forked_again(*twig);
  worker.fork(branch, twig, 10, DeviceWorker::Replay{.model = model});
  expect_fork(forked_again.rest(), 10, expected);

  const auto early = session(*model, prompts);  // whose segments still have their own prompts
  Recorder forked_early(*early);
  worker.fork(branch, early, 2, DeviceWorker::Replay{.model = model});
  expect_fork(forked_early.rest(), 2, made_without_fork(*model, prompts, 3, {}));
}

TEST(Replay, makes_a_video_that_was_complete_longer) {
  const auto model = std::make_shared<DrawingModel>();
  DeviceWorker worker;
  const auto origin = session(*model, {"red"}, 1);
  worker.submit(origin, model);
  while (worker.status().sessions > 0) std::this_thread::yield();
  const auto branch = session(*model, {"red"}, 2);
  Recorder forked(*branch);
  worker.fork(origin, branch, kBlocksOfSegment, DeviceWorker::Replay{.model = model, .from_beginning = true});
  expect_fork(forked.rest(), kBlocksOfSegment, made_without_fork(*model, {"red"}, 2, {}));
}

TEST(Replay, that_does_not_give_the_same_frames_fails_at_the_first_block_that_differs) {
  const auto model = std::make_shared<DrawingModel>();
  DeviceWorker worker;
  const auto origin = session(*model, {"red"}, 1);
  worker.submit(origin, model);
  while (worker.status().sessions > 0) std::this_thread::yield();
  Request other = request_of({"red"}, 2);
  other.seed = 6;
  const auto branch = std::make_shared<Session>(other, model->plan(other));
  Recorder forked(*branch);
  worker.fork(origin, branch, 4, DeviceWorker::Replay{.model = model});
  EXPECT_TRUE(forked.rest().empty());
  const SessionStatus status = branch->status();
  ASSERT_EQ(status.state, SessionState::failed);
  EXPECT_EQ(status.failure->code, ErrorCode::conflict);
  EXPECT_NE(status.failure->message.find("block 0 of session " + origin->id().text() + ", made again, is not the same"),
            std::string::npos)
      << status.failure->message;
}

TEST(Replay, can_be_paused_and_stopped_and_keeps_what_is_said_meanwhile_for_its_own_blocks) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto origin = session(*model, {"red"}, 1);
  worker.submit(origin, model);
  gate.allow(kBlocksOfSegment * kStepsOfBlock);
  while (worker.status().sessions > 0) std::this_thread::yield();
  int64_t steps = kBlocksOfSegment * kStepsOfBlock;

  const auto branch = session(*model, {"red"}, 1);
  Recorder forked(*branch);
  worker.fork(origin, branch, 5, DeviceWorker::Replay{.model = model});
  gate.allow(2 * kStepsOfBlock + 1);
  steps += 2 * kStepsOfBlock + 1;
  ASSERT_TRUE(gate.wait_for(steps + 1));
  EXPECT_EQ(branch->status().replay_blocks, 5);
  EXPECT_EQ(branch->status().replayed_blocks, 2);
  EXPECT_EQ(branch->status().blocks, 2);
  EXPECT_EQ(branch->lead_seconds(), kEnoughLead) << "those whose viewers wait come first";
  branch->set_prompt("blue");
  branch->pause();
  gate.allow(1);
  const auto stopped = session(*model, {"red"}, 1);
  worker.fork(origin, stopped, 5, DeviceWorker::Replay{.model = model});
  steps += 1;
  ASSERT_TRUE(gate.wait_for(steps + 1)) << "of the other one: the first is paused";
  stopped->stop();
  EXPECT_EQ(branch->status().replayed_blocks, 2);
  branch->resume();
  gate.open();
  expect_fork(forked.rest(), 5, made_without_fork(*model, {"red"}, 1, {{5, "blue"}}));
  EXPECT_EQ(stopped->status().state, SessionState::stopped);
  EXPECT_EQ(stopped->status().blocks, 0);
}

TEST(BlockHistory, begins_with_what_is_known_of_the_first_blocks) {
  BlockHistory all;
  for (int64_t block = 0; block < 6; ++block)
    all.add(std::chrono::microseconds{block}, block < 4 ? "red" : "blue", static_cast<uint32_t>(block));
  all.steered_from = 4;
  const BlockHistory early = all.beginning(4, std::chrono::microseconds{9}), late = all.beginning(5, {});
  EXPECT_EQ(early.end(), 4);
  EXPECT_EQ(early.of(3)->at, std::chrono::microseconds{9});
  EXPECT_EQ(early.of(3)->check, 3u);
  EXPECT_FALSE(early.steered_from);
  EXPECT_EQ(late.steered_from, 4);
  EXPECT_EQ(*late.of(4)->prompt, "blue");
  EXPECT_EQ(all.beginning(9, {}).end(), 6);
}

TEST(FramesCheck, is_equal_for_equal_pixels_only) {
  const auto check = [](std::vector<uint8_t> rgb) {
    const auto pixels = std::make_shared<std::vector<uint8_t>>(std::move(rgb));
    return frames_check({.rgb = {pixels, pixels->data()}, .video_frames = 1, .height = 1, .width = 5});
  };
  const std::vector<uint8_t> rgb{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  EXPECT_EQ(check(rgb), check(rgb));
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    auto other = rgb;
    other[i] ^= 128;
    EXPECT_NE(check(other), check(rgb)) << i;
  }
}

}  // namespace
}  // namespace rushes::generation
