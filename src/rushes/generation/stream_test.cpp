#include "rushes/generation/stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace rushes::generation {
namespace {

using std::chrono::microseconds;

FrameBlock block(int64_t number) {
  FrameBlock b;
  b.rgb = std::shared_ptr<const uint8_t>(new uint8_t[3]{}, std::default_delete<uint8_t[]>());
  b.video_frames = b.height = b.width = 1;
  b.block = number;
  return b;
}

std::shared_ptr<Stream> stream(std::size_t events = 4096, std::size_t pixel_blocks = 4) {
  return std::make_shared<Stream>(Stream::Options{.max_events = events, .pixel_blocks = pixel_blocks});
}

const FrameBlock* as_block(const EventPtr& event) { return event ? std::get_if<FrameBlock>(&event->what) : nullptr; }

TEST(Stream, gives_every_subscriber_all_events_in_order) {
  const auto s = stream();
  const auto early = s->subscribe(Stream::Role::observer, Stream::From::start);
  for (int i = 0; i < 100; ++i) s->publish(BlockProgress{0, i, 1, 4}, microseconds{i});
  const auto late = s->subscribe(Stream::Role::observer, Stream::From::start);
  s->close();
  for (const auto& reader : {early.get(), late.get()}) {
    for (int64_t i = 0; i < 100; ++i) {
      const EventPtr event = reader->next();
      ASSERT_TRUE(event);
      EXPECT_EQ(event->sequence, i);
      EXPECT_EQ(std::get<BlockProgress>(event->what).block, i);
    }
    EXPECT_FALSE(reader->next());
    EXPECT_TRUE(reader->ended());
    EXPECT_EQ(reader->skipped(), 0);
  }
}

TEST(Stream, keeps_the_pixels_of_the_newest_blocks_only) {
  const auto s = stream(4096, 2);
  for (int i = 0; i < 10; ++i) s->publish(block(i), {});
  const auto reader = s->subscribe(Stream::Role::observer, Stream::From::start);
  for (int64_t i = 0; i < 10; ++i) {
    const EventPtr event = reader->poll();
    ASSERT_TRUE(as_block(event));
    EXPECT_EQ(as_block(event)->block, i);
    EXPECT_EQ(as_block(event)->rgb != nullptr, i >= 8) << i;
  }
}

TEST(Stream, keeps_the_pixels_of_the_newest_previews_beside_those_of_blocks) {
  const auto s = stream(4096, 2);
  s->publish(block(0), {});
  const std::shared_ptr<const uint8_t> pixel(new uint8_t[3], std::default_delete<uint8_t[]>());
  for (int64_t step = 0; step < 5; ++step)
    s->publish(PreviewFrames{.rgb = pixel, .video_frames = 1, .height = 1, .width = 1, .step = step, .steps = 5}, {});
  const auto reader = s->subscribe(Stream::Role::viewer, Stream::From::start);
  EXPECT_TRUE(as_block(reader->poll())->rgb);
  for (int64_t step = 0; step < 5; ++step) {
    const EventPtr event = reader->poll();
    const auto* preview = std::get_if<PreviewFrames>(&event->what);
    ASSERT_TRUE(preview);
    EXPECT_EQ(preview->step, step);
    EXPECT_EQ(preview->rgb != nullptr, step >= 3) << step;
  }
}

TEST(Stream, forgets_its_last_pixels_when_it_is_closed_and_nobody_reads) {
  const auto s = stream(4096, 2);
  for (int i = 0; i < 3; ++i) s->publish(block(i), {});
  const auto pixels = [&] {
    const auto reader = s->subscribe(Stream::Role::observer, Stream::From::start);
    int count = 0;
    for (int i = 0; i < 3; ++i) count += as_block(reader->poll())->rgb != nullptr;
    return count;
  };
  s->forget_pixels();
  EXPECT_EQ(pixels(), 2);  // more may come
  s->close();
  {
    const auto viewer = s->subscribe(Stream::Role::viewer, Stream::From::newest_block);
    s->forget_pixels();
    EXPECT_EQ(pixels(), 2);
  }
  s->forget_pixels();
  EXPECT_EQ(pixels(), 0);
}

TEST(Stream, starts_a_late_viewer_at_the_newest_block) {
  const auto s = stream();
  for (int i = 0; i < 6; ++i) {
    s->publish(BlockProgress{0, i, 1, 1}, {});
    s->publish(block(i), {});
  }
  const auto reader = s->subscribe(Stream::Role::viewer, Stream::From::newest_block);
  const EventPtr event = reader->poll();
  ASSERT_TRUE(as_block(event));
  EXPECT_EQ(as_block(event)->block, 5);
}

TEST(Stream, moves_a_slow_viewer_forward_and_counts_what_it_missed) {
  const auto s = stream(4096, 3);
  const auto reader = s->subscribe(Stream::Role::viewer, Stream::From::start);
  for (int i = 0; i < 50; ++i) s->publish(block(i), {});
  const EventPtr event = reader->poll();
  ASSERT_TRUE(as_block(event));
  EXPECT_EQ(as_block(event)->block, 49);
  EXPECT_TRUE(as_block(event)->rgb);
  EXPECT_EQ(reader->skipped(), 49);
}

TEST(Stream, holds_a_bounded_number_of_events) {
  const auto s = stream(8, 2);
  const auto slow = s->subscribe(Stream::Role::observer, Stream::From::start);
  for (int i = 0; i < 100; ++i) s->publish(BlockProgress{0, i, 0, 1}, {});
  const auto late = s->subscribe(Stream::Role::observer, Stream::From::start);
  EXPECT_EQ(late->poll()->sequence, 92);
  EXPECT_EQ(slow->poll()->sequence, 92);
  EXPECT_EQ(slow->skipped(), 92);
}

TEST(Stream, asks_generation_to_wait_for_a_recorder_and_loses_nothing_of_it) {
  const auto s = stream(8, 2);
  std::atomic<int> room = 0;
  s->on_room([&] { ++room; });
  auto recorder = s->subscribe(Stream::Role::recorder, Stream::From::start);
  s->publish(block(0), {});
  EXPECT_FALSE(s->full());
  s->publish(block(1), {});
  EXPECT_TRUE(s->full());
  for (int i = 2; i < 20; ++i) s->publish(block(i), {});  // a step may give several at once
  for (int64_t i = 0; i < 20; ++i) {
    const EventPtr event = recorder->poll();
    ASSERT_TRUE(as_block(event));
    EXPECT_EQ(as_block(event)->block, i);
    EXPECT_TRUE(as_block(event)->rgb) << i;
  }
  EXPECT_FALSE(s->full());
  EXPECT_EQ(room, 1);
  s->publish(block(20), {});
  s->publish(block(21), {});
  EXPECT_TRUE(s->full());
  recorder.reset();  // a recorder that leaves holds nobody
  EXPECT_FALSE(s->full());
  EXPECT_EQ(room, 2);
}

TEST(Stream, notifies_and_wakes_readers_of_other_threads) {
  const auto s = stream();
  std::atomic<int> notified = 0;
  const auto called = s->subscribe(Stream::Role::observer, Stream::From::start, [&] { ++notified; });
  const auto waiting = s->subscribe(Stream::Role::observer, Stream::From::start);
  int64_t seen = 0;
  std::jthread reader([&] {
    while (waiting->next()) ++seen;
  });
  for (int i = 0; i < 1000; ++i) s->publish(BlockProgress{}, {});
  s->close();
  reader.join();
  EXPECT_EQ(seen, 1000);
  EXPECT_EQ(notified, 1001);
}

TEST(Stream, stops_waiting_when_asked_to) {
  const auto s = stream();
  const auto waiting = s->subscribe(Stream::Role::observer, Stream::From::start);
  std::jthread reader([&](std::stop_token stop) { EXPECT_FALSE(waiting->next(stop)); });
  reader.request_stop();
  reader.join();
  EXPECT_FALSE(waiting->ended());
}

}  // namespace
}  // namespace rushes::generation
