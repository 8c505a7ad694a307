#include "rushes/server/http/work_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>

#include "rushes/base/interruption.h"

namespace rushes::server {
namespace {

/// The server's thread, and what has come of each piece of work.
class WorkPoolTest : public testing::Test {
 protected:
  template <typename Result>
  using Outcome = std::shared_ptr<std::optional<Result>>;

  /// Starts it; the exception that it ends with will be in the result.
  template <typename Result>
  std::shared_ptr<std::exception_ptr> start(net::awaitable<Result> work, Outcome<Result> outcome = {},
                                            net::cancellation_slot slot = {}) {
    auto failure = std::make_shared<std::exception_ptr>();
    const auto ended = [this, failure, outcome](const std::exception_ptr& thrown, Result result) {
      *failure = thrown;
      if (!thrown && outcome) outcome->emplace(std::move(result));
      ++ended_;
    };
    net::co_spawn(context_, std::move(work), net::bind_cancellation_slot(slot, ended));
    return failure;
  }
  void run_until_ended(int count) {
    while (ended_ < count) context_.run_one();
  }
  static std::string message_of(const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  net::io_context context_{1};
  const net::executor_work_guard<net::io_context::executor_type> guard_ = net::make_work_guard(context_);
  net::cancellation_signal cancel_;
  int ended_ = 0;
};

/// Work that begins, and ends when it is let go.
struct Held {
  int operator()() {
    begun.set_value();
    gate.get_future().wait();
    return 1;
  }
  std::promise<void> begun, gate;
};

TEST_F(WorkPoolTest, gives_what_work_gives_and_throws_what_it_throws_on_another_thread) {
  WorkPool pool({.threads = 2});
  auto told = std::make_shared<std::optional<std::thread::id>>();
  start(pool.run([] { return std::this_thread::get_id(); }), told);
  auto text = std::make_shared<std::optional<std::unique_ptr<std::string>>>();
  start(pool.run([] { return std::make_unique<std::string>("moved only"); }), text);
  const auto failure = start(pool.run([]() -> int { fail(ErrorCode::corrupt_data, "byte 7 is wrong"); }));
  run_until_ended(3);
  EXPECT_NE(told->value(), std::this_thread::get_id());
  EXPECT_EQ(*text->value(), "moved only");
  EXPECT_EQ(message_of(*failure), "byte 7 is wrong");
}

TEST_F(WorkPoolTest, does_small_work_at_once_and_large_work_elsewhere) {
  WorkPool pool({.threads = 1});
  const struct {
    std::size_t bytes;
    bool here;
  } kSizes[] = {{0, true}, {WorkPool::kSmallBytes, true}, {WorkPool::kSmallBytes + 1, false}};
  int count = 0;
  for (const auto& [bytes, here] : kSizes) {
    auto told = std::make_shared<std::optional<std::thread::id>>();
    start(pool.run_if_large(bytes, [] { return std::this_thread::get_id(); }), told);
    run_until_ended(++count);
    EXPECT_EQ(told->value() == std::this_thread::get_id(), here) << bytes;
  }
}

TEST_F(WorkPoolTest, refuses_more_than_may_wait_and_takes_work_again_afterwards) {
  WorkPool pool({.threads = 1, .waiting = 2});
  Held held;
  start(pool.run(std::ref(held)));
  context_.poll();
  held.begun.get_future().wait();
  for (int i = 0; i < 2; ++i) start(pool.run([] { return 2; }));
  const auto refused = start(pool.run([] { return 3; }));
  run_until_ended(1);
  EXPECT_THAT(message_of(*refused), testing::HasSubstr("2 jobs are waiting"));
  held.gate.set_value();
  run_until_ended(4);
  EXPECT_EQ(message_of(*start(pool.run([] { return 4; }))), "");
  run_until_ended(5);
}

TEST_F(WorkPoolTest, skips_work_that_nobody_waits_for_any_more) {
  WorkPool pool({.threads = 1, .waiting = 1});
  Held held;
  start(pool.run(std::ref(held)));
  context_.poll();
  held.begun.get_future().wait();
  bool ran = false;
  const auto left = start(pool.run([&ran] { return ran = true; }), {}, cancel_.slot());
  context_.poll();
  cancel_.emit(net::cancellation_type::terminal);
  run_until_ended(1);
  EXPECT_NE(message_of(*left), "");
  start(pool.run([] { return 2; }));  // there is room again
  context_.poll();
  EXPECT_EQ(ended_, 1);
  held.gate.set_value();
  run_until_ended(3);
  EXPECT_FALSE(ran);
}

TEST_F(WorkPoolTest, keeps_who_is_cancelled_until_work_that_runs_is_done) {
  WorkPool pool({.threads = 1});
  Held held;
  const auto cancelled = start(pool.run(std::ref(held)), {}, cancel_.slot());
  context_.poll();
  held.begun.get_future().wait();
  cancel_.emit(net::cancellation_type::terminal);
  context_.poll();
  EXPECT_EQ(ended_, 0);
  held.gate.set_value();
  run_until_ended(1);
  EXPECT_NE(message_of(*cancelled), "");
}

/// Work that goes on until it is interrupted.
struct Endless {
  int operator()() {
    begun.set_value();
    for (;;) base::interruption_point();
  }
  std::promise<void> begun;
};

TEST_F(WorkPoolTest, ends_abandoned_work_where_it_can_be_interrupted) {
  WorkPool pool({.threads = 1});
  Endless work;
  const auto cancelled = start(pool.run(std::ref(work)), {}, cancel_.slot());
  context_.poll();
  work.begun.get_future().wait();
  cancel_.emit(net::cancellation_type::terminal);
  run_until_ended(1);
  EXPECT_NE(message_of(*cancelled), "");
}

TEST_F(WorkPoolTest, interrupts_what_runs_when_it_closes) {
  WorkPool pool({.threads = 1});
  Endless work;
  start(pool.run(std::ref(work)));
  context_.poll();
  work.begun.get_future().wait();
  pool.close();
}

TEST_F(WorkPoolTest, does_not_wait_longer_than_it_is_told_for_what_cannot_be_interrupted) {
  WorkPool pool({.threads = 1});
  Held held;
  start(pool.run(std::ref(held)));
  context_.poll();
  held.begun.get_future().wait();
  EXPECT_EQ(pool.pending_for(std::chrono::milliseconds(0)), 1u);
  EXPECT_EQ(pool.pending_for(std::chrono::hours(1)), 0u);
  EXPECT_FALSE(pool.close(std::chrono::milliseconds(1)));
  held.gate.set_value();
  pool.close();
}

TEST_F(WorkPoolTest, keeps_the_order_of_a_lane_and_gives_it_one_thread_at_most) {
  WorkPool pool({.threads = 2});
  WorkPool::Lane lane(pool);
  Held held;
  std::vector<int> order;
  start(lane.run(std::ref(held)));
  for (int i = 0; i < 20; ++i)
    start(lane.run([&order, i] {
      order.push_back(i);
      return 0;
    }));
  context_.poll();
  held.begun.get_future().wait();
  for (int i = 0; i < 20; ++i) start(pool.run([] { return 0; }));
  run_until_ended(20);  // the pool's own work, past what holds the lane up
  EXPECT_TRUE(order.empty());
  held.gate.set_value();
  run_until_ended(41);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_F(WorkPoolTest, closes_when_what_runs_is_done_and_does_nothing_more) {
  WorkPool pool({.threads = 1});
  Held held;
  bool done = false, ran = false;
  start(pool.run([&] {
    held();
    return done = true;
  }));
  context_.poll();
  held.begun.get_future().wait();
  auto closing = std::async(std::launch::async, [&] { pool.close(); });
  held.gate.set_value();
  closing.get();
  EXPECT_TRUE(done);
  start(pool.run([&ran] { return ran = true; }));
  context_.poll();
  pool.close();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace rushes::server
