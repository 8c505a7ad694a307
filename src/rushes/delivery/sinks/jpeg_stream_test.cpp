#include "rushes/delivery/sinks/jpeg_stream.h"

#include <gtest/gtest.h>

#include <semaphore>

#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/media/image.h"

namespace rushes::delivery {
namespace {
using generation::DeviceWorker;
using generation::DrawingModel;
using generation::Gate;

constexpr auto kPatience = std::chrono::seconds(120);

struct Generation {
  explicit Generation(int64_t segments = 1) {
    generation::Request request;
    request.prompts = {"a red circle"};
    request.segments = segments;
    session = std::make_shared<generation::Session>(request, model->plan(request));
    worker.submit(session, model);
  }
  ~Generation() {
    session->stop();
    gate.open();
  }
  Gate gate;
  std::shared_ptr<const DrawingModel> model = std::make_shared<DrawingModel>(gate.hook());
  std::shared_ptr<generation::Session> session;
  DeviceWorker worker;
};

/// Waits for the next picture; one without bytes at the end.
JpegFrame next(JpegViewer& viewer, std::counting_semaphore<>& ready) {
  for (;;) {
    const bool ended = viewer.ended();
    JpegFrame picture = viewer.poll();
    if (picture.bytes || ended) return picture;
    if (!ready.try_acquire_for(kPatience)) return {};
  }
}

TEST(JpegStream, gives_every_picture_once_encoded_to_all_viewers) {
  Generation g;
  std::counting_semaphore<> ready_a{0}, ready_b{0};  // outlives the stream, which may call once more
  const auto stream = std::make_shared<JpegStream>(g.session);
  const auto a = stream->watch(JpegStream::From::oldest, [&] { ready_a.release(); });
  const auto b = stream->watch(JpegStream::From::oldest, [&] { ready_b.release(); });
  for (int64_t index = 0; index < 84; ++index) {
    if (index % 12 == 0) g.gate.allow(4);  // block by block, so that the pictures' thread keeps up
    const JpegFrame picture = next(*a, ready_a);
    ASSERT_TRUE(picture.bytes);
    EXPECT_EQ(picture.index, index);
    EXPECT_DOUBLE_EQ(picture.seconds, static_cast<double>(index) / 16);
    EXPECT_EQ(next(*b, ready_b).bytes, picture.bytes);
  }
  const Image image = media::decode_image(*stream->watch(JpegStream::From::newest)->poll().bytes);
  EXPECT_EQ(image.width, 64);
  EXPECT_NEAR(image.rgb.get()[(60 * 64 + 63) * 3], 32, 4);  // beside the bar
  EXPECT_FALSE(next(*a, ready_a).bytes);
  EXPECT_TRUE(a->ended());
  EXPECT_EQ(stream->encoded(), 84);
}

TEST(JpegStream, encodes_only_while_somebody_watches) {
  Generation g;
  std::counting_semaphore<> ready{0};  // outlives the stream, which may call once more
  const auto stream = std::make_shared<JpegStream>(g.session);
  g.gate.allow(4);
  while (g.session->status().blocks < 1) std::this_thread::yield();
  EXPECT_EQ(stream->encoded(), 0);
  {
    const auto viewer = stream->watch(JpegStream::From::oldest, [&] { ready.release(); });
    EXPECT_EQ(next(*viewer, ready).index, 0);
  }
  g.gate.allow(8);
  while (g.session->status().blocks < 3) std::this_thread::yield();
  const auto again = stream->watch(JpegStream::From::newest, [&] { ready.release(); });
  EXPECT_EQ(next(*again, ready).index, 24);
}

TEST(JpegStream, gives_a_new_viewer_nothing_of_a_picture_left_from_the_last_one) {
  Generation g;
  g.gate.allow(8);
  while (g.session->status().blocks < 2) std::this_thread::yield();
  std::counting_semaphore<> ready{0};  // outlives the stream, which may call once more
  const auto stream = std::make_shared<JpegStream>(g.session);
  for (int i = 0; i < 200; ++i) {  // the encoder may be amid a picture whenever a viewer leaves
    const auto viewer = stream->watch(JpegStream::From::oldest, [&] { ready.release(); });
    ASSERT_EQ(next(*viewer, ready).index, 0) << "viewer " << i;
  }
}

TEST(JpegStream, moves_a_slow_viewer_forward_within_bounded_memory) {
  Generation g;
  std::counting_semaphore<> ready{0}, ready_slow{0};  // outlives the stream, which may call once more
  const auto stream = std::make_shared<JpegStream>(g.session, JpegStreamOptions{.memory_bytes = 1});
  const auto quick = stream->watch(JpegStream::From::oldest, [&] { ready.release(); });
  const auto slow = stream->watch(JpegStream::From::oldest, [&] { ready_slow.release(); });
  g.gate.open();
  while (next(*quick, ready).bytes) {}
  int64_t read = 0, last = -1;
  for (JpegFrame picture = next(*slow, ready_slow); picture.bytes; picture = next(*slow, ready_slow), ++read) {
    EXPECT_GT(picture.index, last);
    last = picture.index;
  }
  EXPECT_EQ(last, 83);
  EXPECT_GT(slow->skipped(), 0);
  EXPECT_EQ(slow->skipped() + read, stream->encoded());
}

TEST(JpegStream, is_undisturbed_by_viewers_that_come_and_go) {
  Generation g(0);
  g.gate.open();
  std::counting_semaphore<> ready{0};  // outlives the stream, which may call once more
  const auto stream = std::make_shared<JpegStream>(g.session);
  for (int i = 0; i < 50; ++i)
    stream->watch(i % 2 ? JpegStream::From::newest : JpegStream::From::oldest, [] {})->poll();
  g.session->stop();
  const auto late = stream->watch(JpegStream::From::newest, [&] { ready.release(); });
  while (next(*late, ready).bytes) {}
  EXPECT_TRUE(late->ended());
}

}  // namespace
}  // namespace rushes::delivery
