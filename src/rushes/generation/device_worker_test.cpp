#include "rushes/generation/device_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <latch>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "rushes/base/interruption.h"
#include "rushes/generation/drawing_model.h"

namespace rushes::generation {
namespace {

std::shared_ptr<Session> session(const Model& model, const std::string& prompt, uint64_t seed = 0,
                                 int64_t segments = 1) {
  Request request;
  request.prompts = {prompt};
  request.seed = seed;
  request.segments = segments;
  return std::make_shared<Session>(request, model.plan(request));
}

/// All events until the end, with the pixels of every block.
std::vector<EventPtr> watch(Subscription& reader) {
  std::vector<EventPtr> events;
  while (EventPtr event = reader.next()) events.push_back(std::move(event));
  return events;
}

std::string pixels(const std::vector<EventPtr>& events) {
  std::string all;
  for (const auto& event : events)
    if (const auto* block = std::get_if<FrameBlock>(&event->what))
      all.append(reinterpret_cast<const char*>(block->rgb.get()),
                 block->frame_bytes() * static_cast<std::size_t>(block->video_frames));
  return all;
}

std::unique_ptr<Subscription> record(Session& s) {
  return s.stream().subscribe(Stream::Role::recorder, Stream::From::start);
}

TEST(NextCandidate, prefers_whom_viewers_need_most) {
  const struct {
    const char* name;
    std::vector<Candidate> candidates;
    std::size_t expected;
  } cases[] = {
      {"the only one", {{5.0, 0}}, 0},
      {"who has no block yet", {{0.1, 0}, {std::nullopt, 0}}, 1},
      {"who is least ahead", {{1.0, 0}, {0.5, 0}, {1.5, 0}}, 1},
      {"late ones are equally late", {{-3.0, 1}, {-9.0, 0}}, 0},
      {"far ahead is all alike: the longest wait", {{2.5, 1}, {90.0, 3}, {10.0, 2}}, 1},
      {"of two that are alike, who has had fewer turns", {{9.0, 3, 7}, {9.0, 1, 6}, {9.0, 2, 7}}, 1},
      {"who has waited two rounds", {{90.0, 5}, {0.0, 0}}, 0},
      {"even before those without a block", {{90.0, 7}, {std::nullopt, 2}, {std::nullopt, 1}}, 0},
  };
  for (const auto& c : cases) EXPECT_EQ(next_candidate(c.candidates), c.expected) << c.name;
}

TEST(NextCandidate, starves_nobody) {
  // One session is always urgent, three are far ahead: all are served.
  std::vector<Candidate> candidates{{0.0, 0}, {60.0, 0}, {60.0, 0}, {60.0, 0}};
  std::vector<int> served(4);
  for (int turn = 0; turn < 400; ++turn) {
    const std::size_t chosen = next_candidate(candidates);
    for (auto& candidate : candidates) ++candidate.turns_waited;
    candidates[chosen].turns_waited = 0;
    ++served[chosen];
  }
  for (const int count : served) EXPECT_GT(count, 20);
  EXPECT_GT(served[0], 200);
}

TEST(DeviceWorker, counts_how_long_sessions_waited_and_why_they_ended) {
  const auto model = std::make_shared<DrawingModel>();
  const auto failing = std::make_shared<DrawingModel>(
      [](const Request&, int64_t) { fail(ErrorCode::exhausted, "the device is out of memory"); });
  const auto done = session(*model, "a"), stopped = session(*model, "b", 0, 0), failed = session(*failing, "c"),
             left = session(*model, "d", 0, 0);
  testing::internal::CaptureStderr();
  WorkerStatus status;
  {
    DeviceWorker worker;
    left->stop("the client has disconnected", EndReason::client_left);
    for (const auto& each : {done, stopped, left}) worker.submit(each, model);
    worker.submit(failed, failing);
    const auto reader = stopped->stream().subscribe(Stream::Role::viewer, Stream::From::start);
    while (!std::holds_alternative<FrameBlock>(reader->next()->what)) {}
    stopped->stop();
    while (worker.status().sessions > 0) std::this_thread::yield();
    status = worker.status();
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(
      status.ended,
      (std::map<EndReason, int64_t>{
          {EndReason::finished, 1}, {EndReason::requested, 1}, {EndReason::failed, 1}, {EndReason::client_left, 1}}));
  EXPECT_EQ(std::accumulate(status.queue_wait.counts.begin(), status.queue_wait.counts.end(), int64_t{0}), 3);
  const auto lines = [&](const std::shared_ptr<Session>& s, const std::string& what) {
    const std::string begin = "session " + s->id().text() + ": " + what;
    int64_t count = 0;
    for (auto at = log.find(begin); at != std::string::npos; at = log.find(begin, at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(lines(done, "first frame after "), 1) << log;
  EXPECT_EQ(lines(done, "ended, finished: 84 frames in "), 1) << log;
  EXPECT_EQ(lines(stopped, "ended, requested (stopped by request): "), 1) << log;
  EXPECT_EQ(lines(left, "ended, client_left (the client has disconnected): 0 frames in "), 1) << log;
  EXPECT_EQ(lines(failed, "the device is out of memory"), 1) << log;
  EXPECT_EQ(lines(failed, "ended, failed (the device is out of memory): 0 frames in "), 1) << log;
}

TEST(DeviceWorker, that_ends_tells_the_end_of_the_sessions_that_it_still_had) {
  const auto model = std::make_shared<DrawingModel>();
  const auto endless = session(*model, "a", 0, 0);
  testing::internal::CaptureStderr();
  {
    DeviceWorker worker;
    worker.submit(endless, model);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("session " + endless->id().text() + ": ended, shutdown (the server is shutting down): "),
            std::string::npos)
      << log;
}

TEST(DeviceWorker, rests_while_the_viewers_of_a_session_have_enough) {
  const auto model = std::make_shared<DrawingModel>();
  Request request;
  request.prompts = {"a red circle"};
  request.fps = 120;  // a block of 12 frames plays 100 ms
  request.max_lead_seconds = 0.05;
  const auto paced = std::make_shared<Session>(request, model->plan(request));
  request.max_lead_seconds.reset();
  const auto hurried = std::make_shared<Session>(request, model->plan(request));
  const auto paced_reader = record(*paced), hurried_reader = record(*hurried);
  DeviceWorker worker;
  worker.submit(paced, model);
  worker.submit(hurried, model);
  watch(*hurried_reader);
  EXPECT_LT(paced->status().blocks, 7) << "others go on meanwhile";
  watch(*paced_reader);
  const SessionStatus status = paced->status();
  EXPECT_EQ(status.state, SessionState::finished);
  EXPECT_GE(*status.newest_block - *status.first_block, std::chrono::milliseconds(500));
}

TEST(DeviceWorker, makes_a_whole_video) {
  const auto model = std::make_shared<DrawingModel>();
  DeviceWorker worker;
  const auto s = session(*model, "a red circle");
  const auto reader = record(*s);
  worker.submit(s, model);
  const auto events = watch(*reader);
  EXPECT_EQ(s->status().state, SessionState::finished);
  EXPECT_EQ(s->status().blocks, 7);
  EXPECT_EQ(std::get<StateChanged>(events.back()->what).state, SessionState::finished);
}

/// Never looked at by a model that draws.
class UnseenVideo final : public DrivingVideo {
 public:
  double fps() const override { return 25; }
  std::optional<Image> frame(int64_t) const override { return {}; }
  int64_t audio_hz() const override { return 0; }
  const std::vector<float>& audio() const override { return audio_; }
  std::vector<std::array<double, 4>> faces() const override { return {}; }
  int64_t bytes() const override { return 0; }

 private:
  std::vector<float> audio_;
};

TEST(DeviceWorker, lets_go_of_a_driving_video_when_its_session_has_ended) {
  const auto model = std::make_shared<DrawingModel>();
  Request request;
  request.prompts = {"a red circle"};
  request.video = std::make_shared<const UnseenVideo>();
  const std::weak_ptr<const DrivingVideo> driving = request.video;
  const auto s = std::make_shared<Session>(request, model->plan(request));
  request = {};
  EXPECT_FALSE(driving.expired());
  DeviceWorker worker;
  const auto next = session(*model, "a blue square");  // begins when the first has been put away
  for (const auto& each : {s, next}) {
    const auto reader = record(*each);
    worker.submit(each, model);
    watch(*reader);
  }
  EXPECT_TRUE(driving.expired());
}

TEST(DeviceWorker, serves_several_sessions_to_their_end) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(session(*model, "p" + std::to_string(i), i, 4));
  for (const auto& s : sessions) worker.submit(s, model);
  gate.open();
  for (const auto& s : sessions) {
    const auto reader = s->stream().subscribe(Stream::Role::observer, Stream::From::start);
    watch(*reader);
  }
  for (const auto& s : sessions) EXPECT_EQ(s->status().blocks, 28);
  EXPECT_EQ(worker.status().blocks, 84);
}

TEST(DeviceWorker, begins_no_more_sessions_than_allowed_before_others_have_ended) {
  constexpr int64_t kSteps = 4 * 7 * 4;  // segments, blocks, steps of each
  std::set<uint64_t> begun;
  std::size_t most = 0;
  const auto model = std::make_shared<DrawingModel>([&](const Request& request, int64_t step) {
    begun.insert(request.seed);
    most = std::max(most, begun.size());
    if (step == kSteps - 1) begun.erase(request.seed);
  });
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) sessions.push_back(session(*model, "p" + std::to_string(i), i, 4));
  {
    DeviceWorker worker({.max_started = 2});
    for (const auto& s : sessions) worker.submit(s, model);
    for (const auto& s : sessions) watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
  }
  for (const auto& s : sessions) EXPECT_EQ(s->status().state, SessionState::finished);
  EXPECT_EQ(most, 2u);
}

TEST(DeviceWorker, ends_a_session_at_its_next_block_border_if_that_is_asked_for) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto s = session(*model, "a", 0, 0), waiting = session(*model, "b", 0, 0);
  const auto reader = s->stream().subscribe(Stream::Role::observer, Stream::From::start);
  worker.submit(s, model);
  gate.allow(5);  // a block has four steps: the second has begun
  const auto begins_second = [](const StreamEvent& event) {
    const auto* progress = std::get_if<BlockProgress>(&event.what);
    return progress && progress->block == 1;
  };
  while (!begins_second(*reader->next())) {}
  s->stop_at_border("enough");
  waiting->stop_at_border("enough");
  EXPECT_FALSE(s->over());
  EXPECT_TRUE(waiting->over());
  gate.open();
  const auto events = watch(*reader);
  EXPECT_EQ(std::get<StateChanged>(events.back()->what).reason, "enough");
  EXPECT_EQ(s->status().blocks, 2);
}

TEST(DeviceWorker, never_lets_one_session_get_far_ahead_of_its_equals) {
  std::mutex mutex;
  std::vector<uint64_t> order;  // seeds, by step
  Gate gate;
  const auto model = std::make_shared<DrawingModel>([&, wait = gate.hook()](const Request& request, int64_t step) {
    wait(request, step);
    const std::scoped_lock lock(mutex);
    order.push_back(request.seed);
  });
  DeviceWorker worker;
  std::vector<std::shared_ptr<Session>> sessions;
  for (uint64_t seed = 0; seed < 3; ++seed) sessions.push_back(session(*model, "p", seed, 3));
  for (const auto& s : sessions) worker.submit(s, model);
  gate.open();
  for (const auto& s : sessions) watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
  std::map<uint64_t, int64_t> steps;
  int64_t widest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    ++steps[order[i]];
    if (i < 16) continue;  // the first session may begin before the others are known
    int64_t least = 1 << 30, most = 0;
    for (uint64_t seed = 0; seed < 3; ++seed) least = std::min(least, steps[seed]), most = std::max(most, steps[seed]);
    widest = std::max(widest, most - least);
  }
  EXPECT_LE(widest, 4 * 8) << "in steps; a block is 4";
}

TEST(DeviceWorker, makes_the_same_video_alone_and_in_company) {
  const auto model = std::make_shared<DrawingModel>();
  std::string alone;
  {
    DeviceWorker worker;
    const auto s = session(*model, "blue square", 5, 2);
    const auto reader = record(*s);
    worker.submit(s, model);
    alone = pixels(watch(*reader));
  }
  DeviceWorker worker;
  const auto s = session(*model, "blue square", 5, 2), other = session(*model, "noise", 6, 2),
             third = session(*model, "x", 7, 2);
  const auto reader = record(*s);
  for (const auto& each : {other, s, third}) worker.submit(each, model);
  EXPECT_EQ(pixels(watch(*reader)), alone);
  EXPECT_FALSE(alone.empty());
}

TEST(DeviceWorker, fails_only_the_session_whose_step_throws) {
  const struct {
    uint64_t seed;
    ErrorCode code;
    const char* words;
  } kinds[] = {{1, ErrorCode::exhausted, "memory"},
               {2, ErrorCode::exhausted, "DefaultCPUAllocator"},
               {3, ErrorCode::internal, "surprise"},
               {4, ErrorCode::corrupt_data, "bad weights"}};
  const auto model = std::make_shared<DrawingModel>([](const Request& request, int64_t step) {
    if (step != 9) return;
    if (request.seed == 1) throw std::bad_alloc();
    if (request.seed == 2)
      throw std::runtime_error(
          "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried\nException raised "
          "from x");
    if (request.seed == 3) throw std::runtime_error("surprise");
    if (request.seed == 4) fail(ErrorCode::corrupt_data, "bad weights");
  });
  DeviceWorker worker;
  std::vector<std::shared_ptr<Session>> sessions;
  for (uint64_t seed = 0; seed <= 4; ++seed) sessions.push_back(session(*model, "p", seed));
  for (const auto& s : sessions) worker.submit(s, model);
  for (const auto& s : sessions) watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
  EXPECT_EQ(sessions[0]->status().state, SessionState::finished);
  for (const auto& kind : kinds) {
    const SessionStatus status = sessions[static_cast<std::size_t>(kind.seed)]->status();
    EXPECT_EQ(status.state, SessionState::failed);
    EXPECT_EQ(status.failure->code, kind.code);
    EXPECT_NE(status.failure->message.find(kind.words), std::string::npos) << status.failure->message;
    EXPECT_EQ(status.failure->message.find("raised from"), std::string::npos);
  }
}

/// Draws what cannot go on in two ways.
class SingleModel final : public Model {
 public:
  explicit SingleModel(DrawingGenerator::Hook hook) : drawing_(std::move(hook)) {}
  const ModelCard& card() const override { return drawing_.card(); }
  Capabilities capabilities() const override {
    Capabilities capabilities = drawing_.capabilities();
    capabilities.forks = false;
    return capabilities;
  }
  std::span<const OptionField> options() const override { return drawing_.options(); }
  std::unique_ptr<Plan> plan(const Request& request) const override { return drawing_.plan(request); }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override {
    return std::make_unique<Single>(drawing_.start(std::move(plan)));
  }

 private:
  class Single final : public Generator {
   public:
    explicit Single(std::unique_ptr<Generator> own) : own_(std::move(own)) {}
    VideoFormat format() const override { return own_->format(); }
    StepResult step(const Inbox& inbox) override { return own_->step(inbox); }
    bool at_block_border() const override { return own_->at_block_border(); }
    std::unique_ptr<Generator> fork() const override { fail(ErrorCode::unsupported, "there is one source only"); }
    int64_t bytes() const override { return own_->bytes(); }

   private:
    std::unique_ptr<Generator> own_;
  };
  DrawingModel drawing_;
};

TEST(DeviceWorker, completes_a_video_that_cannot_be_forked_and_fails_only_the_fork) {
  Gate gate;
  const auto model = std::make_shared<SingleModel>(gate.hook());
  DeviceWorker worker;
  const auto s = session(*model, "p"), branch = session(*model, "p");
  const auto reader = record(*s);
  worker.submit(s, model);
  gate.allow(2);
  while (const EventPtr event = reader->next())
    if (std::holds_alternative<BlockProgress>(event->what)) break;
  worker.fork(s, branch);
  gate.open();
  watch(*reader);
  watch(*branch->stream().subscribe(Stream::Role::observer, Stream::From::start));
  EXPECT_EQ(s->status().state, SessionState::finished);
  EXPECT_EQ(s->status().blocks, 7);
  EXPECT_EQ(branch->status().failure->code, ErrorCode::unsupported);
}

TEST(DeviceWorker, takes_a_new_prompt_at_the_next_block) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto s = session(*model, "first");
  const auto reader = s->stream().subscribe(Stream::Role::observer, Stream::From::start);
  worker.submit(s, model);
  gate.allow(2);
  while (const EventPtr event = reader->next())
    if (const auto* progress = std::get_if<BlockProgress>(&event->what); progress && progress->step == 2) break;
  s->set_prompt("second");
  gate.open();
  std::vector<std::string> prompts;
  for (const auto& event : watch(*reader))
    if (const auto* block = std::get_if<FrameBlock>(&event->what)) prompts.push_back(block->prompt);
  ASSERT_EQ(prompts.size(), 7u);
  EXPECT_EQ(prompts[0], "first");
  EXPECT_EQ(prompts[1], "second");
}

TEST(DeviceWorker, goes_on_where_a_paused_session_was) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto s = session(*model, "p");
  const auto reader = record(*s);
  s->pause();
  worker.submit(s, model);
  gate.open();
  const auto other = session(*model, "q");
  worker.submit(other, model);
  watch(*other->stream().subscribe(Stream::Role::observer, Stream::From::start));
  EXPECT_EQ(s->status().blocks, 0);
  s->resume();
  watch(*reader);
  EXPECT_EQ(s->status().blocks, 7);
}

TEST(DeviceWorker, waits_for_a_recorder_and_serves_others_meanwhile) {
  const auto model = std::make_shared<DrawingModel>();
  DeviceWorker worker;
  const auto held = session(*model, "p", 0, 2), other = session(*model, "q", 1, 2);
  const auto recorder = record(*held);
  worker.submit(held, model);
  worker.submit(other, model);
  watch(*other->stream().subscribe(Stream::Role::observer, Stream::From::start));
  EXPECT_EQ(other->status().blocks, 14);
  EXPECT_LE(held->status().blocks, 4);
  const auto events = watch(*recorder);
  EXPECT_EQ(pixels(events).size(), 14u * 12 * 64 * 64 * 3);
}

TEST(DeviceWorker, stops_what_runs_when_it_ends) {
  const auto model = std::make_shared<DrawingModel>();
  const auto endless = session(*model, "p", 0, 0), paused = session(*model, "q", 0, 0);
  paused->pause();
  {
    DeviceWorker worker;
    worker.submit(endless, model);
    worker.submit(paused, model);
    const auto reader = endless->stream().subscribe(Stream::Role::observer, Stream::From::start);
    while (!std::holds_alternative<FrameBlock>(reader->next()->what)) {}
  }
  EXPECT_EQ(endless->status().state, SessionState::stopped);
  EXPECT_EQ(paused->status().state, SessionState::stopped);
}

TEST(DeviceWorker, survives_controls_from_many_threads) {
  const auto model = std::make_shared<DrawingModel>();
  DeviceWorker worker;
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) sessions.push_back(session(*model, "p", i, 0));
  for (const auto& s : sessions) worker.submit(s, model);
  std::atomic<int> stops = 0;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 4; ++c)
      clients.emplace_back([&] {
        for (int i = 0; i < 100; ++i)
          for (const auto& s : sessions) {
            s->pause();
            s->set_prompt(std::to_string(i));
            s->resume();
            (void)s->status();
          }
      });
  }
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 4; ++c)
      clients.emplace_back([&] {
        for (const auto& s : sessions) stops += s->stop();
      });
  }
  EXPECT_EQ(stops, 4);
}

/// Draws; counts whom it prepared, and may fail at it.
class SharingModel final : public Model {
 public:
  static constexpr const char* kUnknownShape = "unknown";
  class Sharing final : public Generator {
   public:
    Sharing(std::unique_ptr<Generator> own, std::string shape) : own_(std::move(own)), shape_(std::move(shape)) {}
    VideoFormat format() const override { return own_->format(); }
    StepResult step(const Inbox& inbox) override { return own_->step(inbox); }
    bool at_block_border() const override { return own_->at_block_border(); }
    std::unique_ptr<Generator> fork() const override { return std::make_unique<Sharing>(own_->fork(), shape_); }
    int64_t bytes() const override { return own_->bytes(); }
    std::string shape_of_step(const Inbox&) const override {
      if (shape_ == kUnknownShape) throw std::runtime_error("out of memory");
      return shape_;
    }

   private:
    std::unique_ptr<Generator> own_;
    std::string shape_;
  };
  struct Planned final : Plan {
    std::unique_ptr<Plan> own;
    std::string shape;
    VideoFormat format() const override {
      VideoFormat format = own->format();
      format.speech_hz = 16'000;
      return format;
    }
  };
  const ModelCard& card() const override { return drawing_.card(); }
  Capabilities capabilities() const override { return drawing_.capabilities(); }
  std::span<const OptionField> options() const override { return drawing_.options(); }
  /// The prompt is the shape.
  std::unique_ptr<Plan> plan(const Request& request) const override {
    auto planned = std::make_unique<Planned>();
    planned->own = drawing_.plan(request);
    planned->shape = request.prompts.front();
    return planned;
  }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override {
    auto& planned = dynamic_cast<Planned&>(*plan);
    return std::make_unique<Sharing>(drawing_.start(std::move(planned.own)), planned.shape);
  }
  void prepare(std::span<const Waiting> together) const override {
    for (const Waiting& waiting : together)
      EXPECT_EQ(waiting.generator->shape_of_step(*waiting.inbox), together[0].generator->shape_of_step({}));
    EXPECT_GE(together.size(), 2u);
    prepared += static_cast<int64_t>(together.size());
    if (fails) throw std::runtime_error("out of memory");
  }

  mutable std::atomic<int64_t> prepared = 0;
  bool fails = false;

 private:
  DrawingModel drawing_;
};

TEST(DeviceWorker, sessions_whose_steps_have_one_shape_share_forwards_and_failures_of_these_harm_nobody) {
  for (const bool fails : {false, true}) {
    SCOPED_TRACE(fails);
    const auto model = std::make_shared<SharingModel>();
    model->fails = fails;
    std::vector<std::shared_ptr<Session>> sessions;
    std::vector<std::unique_ptr<Subscription>> readers;
    for (const char* shape : {"a red circle", "a red circle", "a blue square", ""}) {
      sessions.push_back(session(*model, shape, 3, 2));
      readers.push_back(record(*sessions.back()));
    }
    std::vector<std::string> videos;
    DeviceWorker worker;
    for (const auto& s : sessions) worker.submit(s, model);
    for (const auto& reader : readers) videos.push_back(pixels(watch(*reader)));
    EXPECT_GT(model->prepared, 0);
    EXPECT_EQ(worker.status().shared_forwards * 2, model->prepared) << "the third and the fourth share with nobody";
    EXPECT_EQ(videos[0], videos[1]);
    for (const auto& s : sessions) EXPECT_EQ(s->status().state, SessionState::finished);
  }
}

TEST(DeviceWorker, a_session_that_cannot_tell_the_shape_of_its_step_makes_it_alone) {
  const auto model = std::make_shared<SharingModel>();
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::unique_ptr<Subscription>> readers;
  for (const char* shape : {SharingModel::kUnknownShape, "a red circle", SharingModel::kUnknownShape}) {
    sessions.push_back(session(*model, shape, 3, 2));
    readers.push_back(record(*sessions.back()));
  }
  DeviceWorker worker;
  for (const auto& s : sessions) worker.submit(s, model);
  for (const auto& reader : readers) watch(*reader);
  for (const auto& s : sessions) EXPECT_EQ(s->status().state, SessionState::finished);
  EXPECT_EQ(model->prepared, 0);
}

/// Draws, as a small model does, and says which threads it was stepped by.
class SmallModel final : public Model {
 public:
  explicit SmallModel(DrawingGenerator::Hook hook) : drawing_(std::move(hook)) { card_.is_small = true; }
  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override { return drawing_.capabilities(); }
  std::span<const OptionField> options() const override { return drawing_.options(); }
  std::unique_ptr<Plan> plan(const Request& request) const override { return drawing_.plan(request); }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override {
    return drawing_.start(std::move(plan));
  }

 private:
  ModelCard card_{.name = "small", .family = "drawing", .description = "draws, for tests"};
  DrawingModel drawing_;
};

TEST(DeviceWorker, sessions_of_small_models_run_side_by_side_and_those_of_large_ones_in_one_lane) {
  std::mutex mutex;
  std::map<std::string, std::set<std::thread::id>> threads;
  std::latch both(2);
  const auto note = [&](const Request& request, int64_t step) {
    {
      const std::scoped_lock lock(mutex);
      threads[request.prompts.front()].insert(std::this_thread::get_id());
    }
    if (request.prompts.front().starts_with("small") && step == 0) both.arrive_and_wait();
  };
  const auto small = std::make_shared<SmallModel>(note);
  const auto large = std::make_shared<DrawingModel>(note);
  std::vector<std::unique_ptr<Subscription>> readers;
  DeviceWorker worker({.lanes = 2});
  const auto submit = [&](const std::shared_ptr<const Model>& model, const char* prompt) {
    const auto s = session(*model, prompt);
    readers.push_back(record(*s));
    worker.submit(s, model);
  };
  for (const char* prompt : {"small 1", "small 2"}) submit(small, prompt);
  for (const char* prompt : {"large 1", "large 2"}) submit(large, prompt);
  for (const auto& reader : readers) watch(*reader);
  EXPECT_EQ(threads["large 1"], threads["large 2"]);
  EXPECT_EQ(threads["large 1"].size(), 1u);
}

TEST(DeviceWorker, three_sessions_share_two_lanes_alike) {
  constexpr int kTurns = 24;
  std::mutex mutex;
  int turns = 0;
  std::map<uint64_t, int> of_seed;
  std::barrier pair(2);  // the lanes take their turns in step
  std::latch all_known(1);
  const auto model = std::make_shared<SmallModel>([&](const Request& request, int64_t step) {
    if (step % 4 != 0) return;  // a block is 4
    all_known.wait();
    {
      const std::scoped_lock lock(mutex);
      if (turns == kTurns) return;
      ++turns;
      ++of_seed[request.seed];
    }
    pair.arrive_and_wait();
  });
  DeviceWorker worker({.lanes = 2});
  std::vector<std::shared_ptr<Session>> sessions;
  for (uint64_t seed = 0; seed < 3; ++seed) sessions.push_back(session(*model, "p", seed, 3));
  for (const auto& s : sessions) worker.submit(s, model);
  all_known.count_down();
  for (const auto& s : sessions) watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
  for (const auto& [seed, count] : of_seed) EXPECT_NEAR(count, kTurns / 3, 1) << seed;
}

TEST(DeviceWorker, counts_the_sessions_of_each_model_until_they_have_ended) {
  Gate gate;
  const auto one = std::make_shared<DrawingModel>(gate.hook()), other = std::make_shared<DrawingModel>();
  DeviceWorker worker;
  const auto s = session(*one, "a red circle");
  const auto reader = record(*s);
  worker.submit(s, one);
  EXPECT_EQ(worker.sessions_of(*one), 1);
  EXPECT_EQ(worker.sessions_of(*other), 0);
  gate.open();
  watch(*reader);
  const auto last = session(*other, "a blue square");  // begins when the first has been put away
  const auto last_reader = record(*last);
  worker.submit(last, other);
  watch(*last_reader);
  EXPECT_EQ(worker.sessions_of(*one), 0);
}

/// Work between interruption points that goes on until it is let go or interrupted.
class LongWork {
 public:
  void run() {
    while (!over_) {
      base::interruption_point();
      const int64_t now = ++at_work_;
      most_ = std::max<int64_t>(most_, now);
      ++rounds_;
      std::this_thread::yield();
      --at_work_;
    }
  }
  void end() { over_ = true; }
  int64_t most() const { return most_; }
  void wait_until_begun() const {
    while (rounds_ == 0) std::this_thread::yield();
  }

 private:
  std::atomic<bool> over_ = false;
  std::atomic<int64_t> at_work_ = 0, most_ = 0, rounds_ = 0;
};

TEST(DeviceWorker, ends_the_step_of_a_session_that_is_stopped) {
  LongWork work;
  const auto model = std::make_shared<DrawingModel>([&](const Request&, int64_t) { work.run(); });
  DeviceWorker worker;
  const auto s = session(*model, "p");
  worker.submit(s, model);
  work.wait_until_begun();
  s->stop("enough");
  while (worker.status().sessions > 0) std::this_thread::yield();
  EXPECT_EQ(s->status().state, SessionState::stopped);
  EXPECT_FALSE(s->status().failure);
}

TEST(DeviceWorker, ends_the_steps_in_work_with_itself) {
  LongWork work;
  const auto model = std::make_shared<DrawingModel>([&](const Request&, int64_t) { work.run(); });
  const auto s = session(*model, "p"), waiting = session(*model, "q");
  {
    DeviceWorker worker({.max_started = 1});
    for (const auto& each : {s, waiting}) worker.submit(each, model);
    work.wait_until_begun();
  }
  for (const auto& each : {s, waiting}) EXPECT_EQ(each->status().state, SessionState::stopped);
}

TEST(DeviceWorker, lets_short_turns_go_on_beside_long_ones) {
  constexpr int64_t kLong = 4;
  for (const int64_t lanes : {1, 2}) {
    SCOPED_TRACE(lanes);
    LongWork work;
    const auto model = std::make_shared<DrawingModel>([&](const Request& request, int64_t) {
      if (request.seed > 0) work.run();
    });
    std::vector<std::shared_ptr<Session>> large;
    DeviceWorker worker({.lanes = lanes, .long_turn = std::chrono::milliseconds(20)});
    for (int64_t seed = 1; seed <= kLong; ++seed) {
      large.push_back(session(*model, "large", seed));
      worker.submit(large.back(), model);
    }
    const auto first = session(*model, "small"), second = session(*model, "small");
    for (const auto& small : {first, second}) {
      worker.submit(small, model);
      watch(*small->stream().subscribe(Stream::Role::observer, Stream::From::start));
      EXPECT_EQ(small->status().state, SessionState::finished);
    }
    EXPECT_LE(work.most(), 2 * lanes) << "as many in the background as there are lanes";
    for (const auto& each : large) EXPECT_EQ(each->status().blocks, 0);
    large.front()->stop();
    work.end();
    for (const auto& each : large) watch(*each->stream().subscribe(Stream::Role::observer, Stream::From::start));
    for (std::size_t i = 1; i < large.size(); ++i) EXPECT_EQ(large[i]->status().state, SessionState::finished);
  }
}

TEST(DeviceWorker, makes_the_same_video_beside_one_that_gives_way) {
  const auto model = std::make_shared<DrawingModel>();
  const auto made = [&](DeviceWorker& worker) {
    const auto s = session(*model, "blue square", 5);
    const auto reader = record(*s);
    worker.submit(s, model);
    return pixels(watch(*reader));
  };
  DeviceWorker quiet;
  const std::string alone = made(quiet);
  LongWork work;
  const auto slow = std::make_shared<DrawingModel>([&](const Request&, int64_t) { work.run(); });
  DeviceWorker worker({.long_turn = std::chrono::milliseconds(1)});
  const auto large = session(*slow, "red circle", 5);
  const auto reader = record(*large);
  worker.submit(large, slow);
  work.wait_until_begun();
  EXPECT_EQ(made(worker), alone);
  work.end();
  EXPECT_FALSE(pixels(watch(*reader)).empty());
}

std::vector<int64_t> positions(Session& s) {
  std::vector<int64_t> found;
  const auto reader = s.stream().subscribe(Stream::Role::observer, Stream::From::start);
  while (const EventPtr event = reader->poll())
    if (const auto* place = std::get_if<QueuePlace>(&event->what)) found.push_back(place->position);
  return found;
}

TEST(DeviceWorker, gives_the_place_of_who_is_paused_to_the_next_and_tells_where_all_stand) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker({.max_started = 1});
  std::vector<std::shared_ptr<Session>> all;
  for (int i = 0; i < 4; ++i) all.push_back(session(*model, "p", i));
  for (const auto& s : all) worker.submit(s, model);
  const auto place = [&](std::size_t i) {
    const auto queue = all[i]->status().queue;
    return queue ? queue->position : 0;
  };
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(place(i), static_cast<int64_t>(i));
  ASSERT_TRUE(gate.wait_for(1));
  // Who is paused in the queue keeps its place there.
  all[1]->pause();
  EXPECT_EQ(place(1), 0);
  all[1]->resume();
  EXPECT_EQ(all[1]->status().state, SessionState::queued);
  all[0]->pause();
  gate.allow(2);  // its step, and one more
  ASSERT_TRUE(gate.wait_for(3)) << "the next one goes on";
  EXPECT_EQ(all[1]->status().state, SessionState::running);
  EXPECT_EQ(all[0]->status().state, SessionState::paused);
  all[0]->resume();
  EXPECT_EQ(all[0]->status().state, SessionState::queued);
  gate.open();
  for (const auto& s : all) watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
  for (const auto& s : all) EXPECT_EQ(s->status().state, SessionState::finished);
  EXPECT_EQ(positions(*all[3]), (std::vector<int64_t>{3, 2, 1}));
  for (std::size_t i = 1; i < all.size(); ++i)
    EXPECT_LT(*all[i]->status().end + all[i]->created().time_since_epoch(),
              *all[0]->status().end + all[0]->created().time_since_epoch())
        << "who comes back is last";
}

TEST(DeviceWorker, lets_those_wait_for_whom_the_others_leave_no_memory) {
  constexpr int64_t kAll = 1000;
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  const auto needs = [&](int64_t bytes) {
    Request request;
    request.prompts = {"p"};
    request.segments = 1;
    auto plan = model->plan(request);
    plan->working_bytes = bytes;
    return std::make_shared<Session>(request, std::move(plan));
  };
  DeviceWorker worker({.max_working_bytes = kAll});
  const auto first = needs(600), second = needs(500), third = needs(300), small = needs(60);
  for (const auto& s : {first, second, third, small}) worker.submit(s, model);
  const auto place = [](const Session& s) {
    const auto queue = s.status().queue;
    return queue ? queue->position : 0;
  };
  EXPECT_EQ(place(*first), 0);
  EXPECT_EQ(place(*second), 1);
  EXPECT_EQ(place(*third), 2) << "it would fit, but the one before it would wait for ever";
  EXPECT_EQ(place(*small), 0) << "who needs little waits for nobody";
  ASSERT_TRUE(gate.wait_for(1));
  gate.open();
  for (const auto& s : {first, second, third, small}) {
    watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
    EXPECT_EQ(s->status().state, SessionState::finished);
  }
  const auto begin = [](const Session& s) { return s.created().time_since_epoch() + *s.status().first_block; };
  EXPECT_GE(begin(*second) - first->created().time_since_epoch(), *first->status().end);
  EXPECT_GT(begin(*third), begin(*second) - std::chrono::milliseconds(500)) << "in the order of their coming";
}

TEST(DeviceWorker, gives_all_memory_to_who_needs_more_than_there_is) {
  const auto model = std::make_shared<DrawingModel>();
  Request request;
  request.prompts = {"p"};
  request.segments = 1;
  auto plan = model->plan(request);
  plan->working_bytes = 2000;
  DeviceWorker worker({.max_working_bytes = 1000});
  const auto s = std::make_shared<Session>(request, std::move(plan));
  worker.submit(s, model);
  watch(*s->stream().subscribe(Stream::Role::observer, Stream::From::start));
  EXPECT_EQ(s->status().state, SessionState::finished);
}

TEST(DeviceWorker, expects_those_who_wait_to_wait_as_long_as_the_others_need) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker({.max_started = 1});
  const auto first = session(*model, "p"), second = session(*model, "p"), third = session(*model, "p");
  worker.submit(first, model);
  gate.allow(8);
  ASSERT_TRUE(gate.wait_for(9));  // two blocks have been made: the pace is known
  for (const auto& s : {second, third}) worker.submit(s, model);
  const auto wait = [](const Session& s) { return s.status().queue.value().wait_s.value(); };
  EXPECT_GT(wait(*second), 0);
  EXPECT_GT(wait(*third), wait(*second));
  const auto endless = session(*model, "p", 0, 0), last = session(*model, "p");
  for (const auto& s : {endless, last}) worker.submit(s, model);
  EXPECT_EQ(last->status().queue.value().position, 4);
  EXPECT_FALSE(last->status().queue->wait_s) << "behind one without an end";
  endless->stop();
  gate.open();
  watch(*last->stream().subscribe(Stream::Role::observer, Stream::From::start));
}

TEST(DeviceWorker, forks_a_paused_session_that_is_stopped_at_once_where_it_kept_a_border) {
  Gate gate;
  const auto model = std::make_shared<DrawingModel>(gate.hook());
  DeviceWorker worker;
  const auto s = session(*model, "p");
  worker.submit(s, model);
  gate.allow(6);
  ASSERT_TRUE(gate.wait_for(7));  // in the second block
  s->pause();
  const auto branch = session(*model, "p");
  worker.fork(s, branch);
  s->stop();
  gate.open();
  watch(*branch->stream().subscribe(Stream::Role::observer, Stream::From::start));
  EXPECT_EQ(branch->status().state, SessionState::finished);
  EXPECT_EQ(branch->status().blocks, 7);
}

}  // namespace
}  // namespace rushes::generation
