#include "rushes/delivery/encoded_stream.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <semaphore>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/media/plain_mp4.h"
#include "rushes/media/test_video.h"

namespace rushes::delivery {
namespace {
namespace fs = std::filesystem;
using generation::DeviceWorker;
using generation::DrawingModel;
using generation::Gate;
using generation::Session;
using generation::SessionState;

constexpr auto kPatience = std::chrono::seconds(120);

class EncodedStreamTest : public testing::Test {
 protected:
  std::shared_ptr<Session> session(int64_t segments = 1) const {
    generation::Request request;
    request.prompts = {"a red circle"};
    request.segments = segments;
    return std::make_shared<Session>(request, model_->plan(request));
  }
  std::shared_ptr<EncodedStream> encode(const std::shared_ptr<Session>& s, EncodedStreamOptions options = {}) const {
    return std::make_shared<EncodedStream>(s, options);
  }
  EncodedStreamOptions recorded() const {
    EncodedStreamOptions options;
    options.recording = path_ / "video.mp4";
    return options;
  }

  struct Forked {
    std::shared_ptr<EncodedStream> origin;
    std::shared_ptr<Session> session;
    std::shared_ptr<EncodedStream> stream;
  };
  /// The recorded fork of a session whose video has ended; it has been told no block yet.
  Forked fork_of_ended(EncodedStreamOptions of_origin) {
    gate_.open();
    const auto s = session();
    Forked forked{encode(s, std::move(of_origin)), session(), nullptr};
    DeviceWorker worker;
    worker.submit(s, model_);
    EXPECT_TRUE(forked.origin->wait_until_ended(kPatience));
    auto options = recorded();
    options.origin = forked.origin;
    forked.stream = encode(forked.session, options);
    return forked;
  }

  const ScratchFolder scratch_;
  const fs::path& path_ = scratch_.path;
  Gate gate_;
  std::shared_ptr<const DrawingModel> model_ = std::make_shared<DrawingModel>(gate_.hook());
};

/// As viewers of MP4 get it.
media::Bytes read_all(const EncodedStream& stream, Viewer& viewer) {
  media::Bytes all = *stream.init_segment();
  while (const auto gop = viewer.poll()) all.insert(all.end(), gop->fragment->begin(), gop->fragment->end());
  return all;
}

media::Bytes contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return media::Bytes(std::istreambuf_iterator<char>(file), {});
}

/// Whether the recording, which is a plain MP4 in the end, is made of these fragments.
void expect_recording_of(const media::Bytes& fragments, const media::Bytes& file) {
  const media::Bytes plain = media::plain_mp4(fragments);
  ASSERT_GT(file.size(), plain.size());
  // The headers of the fragments stand before the data, and move it.
  constexpr std::string_view kData = "mdat";
  const auto data = std::search(plain.begin(), plain.end(), kData.begin(), kData.end());
  EXPECT_LT(data, plain.end());
  EXPECT_TRUE(std::equal(data, plain.end(), file.end() - (plain.end() - data)));
}

TEST_F(EncodedStreamTest, gives_each_viewer_what_is_recorded) {
  gate_.open();
  const auto s = session(2);
  const auto stream = encode(s, recorded());
  DeviceWorker worker;
  const auto early = stream->watch(EncodedStream::From::start);
  worker.submit(s, model_);
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  const auto late = stream->watch(EncodedStream::From::start);
  const media::Bytes file = contents(path_ / "video.mp4");
  const media::Bytes seen = read_all(*stream, *early);
  expect_recording_of(seen, file);
  EXPECT_EQ(read_all(*stream, *late), seen);
  EXPECT_TRUE(early->ended());
  EXPECT_TRUE(stream->status().recording_complete);
  EXPECT_EQ(stream->status().gops, 14);
  const auto frames = media::decode_video(path_ / "video.mp4");
  ASSERT_EQ(frames.size(), 2u * 7 * 12);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_NEAR(frames[i].seconds, static_cast<double>(i) / 16, 1e-3);
    if (i % 12 == 0) {
      EXPECT_TRUE(frames[i].is_key) << i;
    }
  }
}

TEST_F(EncodedStreamTest, delivers_the_first_gop_before_the_second_block_is_begun) {
  const auto s = session();
  std::counting_semaphore<> ready{0};  // outlives the stream, which may call once more
  const auto stream = encode(s, recorded());
  DeviceWorker worker;
  const auto viewer = stream->watch(EncodedStream::From::start, [&] { ready.release(); });
  worker.submit(s, model_);
  EXPECT_FALSE(viewer->poll());
  gate_.allow(4);  // one block
  ASSERT_TRUE(ready.try_acquire_for(kPatience));
  EXPECT_EQ(viewer->poll()->index, 0);
  EXPECT_EQ(s->status().blocks, 1);
  EXPECT_FALSE(viewer->ended());
  gate_.open();
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
}

TEST_F(EncodedStreamTest, lets_a_viewer_wait_for_the_next_gop_the_end_or_a_stop) {
  const auto s = session();
  const auto stream = encode(s);
  const auto viewer = stream->watch(EncodedStream::From::start);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(viewer->next(stop.get_token()));  // there is none yet
  DeviceWorker worker;
  worker.submit(s, model_);
  gate_.open();
  int64_t count = 0;
  while (const auto gop = viewer->next({})) EXPECT_EQ(gop->index, count++);
  EXPECT_EQ(count, stream->status().gops);
  EXPECT_TRUE(viewer->ended());
}

TEST_F(EncodedStreamTest, starts_a_late_viewer_at_the_newest_gop) {
  gate_.open();
  const auto s = session();
  const auto stream = encode(s, recorded());
  DeviceWorker worker;
  worker.submit(s, model_);
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  const auto viewer = stream->watch(EncodedStream::From::newest);
  const auto frames = media::decode_bytes("late.mp4", read_all(*stream, *viewer));
  ASSERT_EQ(frames.size(), 12u);
  EXPECT_TRUE(frames[0].is_key);
  EXPECT_NEAR(frames[0].seconds, 6 * 12 / 16.0, 1e-3);
}

TEST_F(EncodedStreamTest, reads_what_left_memory_from_the_recording) {
  gate_.open();
  const auto s = session();
  auto options = recorded();
  options.memory_bytes = 1;
  const auto stream = encode(s, options);
  DeviceWorker worker;
  worker.submit(s, model_);
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  const auto viewer = stream->watch(EncodedStream::From::start);
  expect_recording_of(read_all(*stream, *viewer), contents(path_ / "video.mp4"));
  EXPECT_EQ(viewer->skipped(), 0);
}

TEST_F(EncodedStreamTest, moves_a_viewer_forward_when_nothing_was_recorded) {
  gate_.open();
  const auto s = session();
  EncodedStreamOptions options;
  options.memory_bytes = 1;
  const auto stream = encode(s, options);
  DeviceWorker worker;
  const auto slow = stream->watch(EncodedStream::From::start);
  worker.submit(s, model_);
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  EXPECT_EQ(slow->poll()->index, 6);
  EXPECT_EQ(slow->skipped(), 6);
  EXPECT_TRUE(slow->ended());
  EXPECT_FALSE(stream->status().recording_complete);
}

TEST_F(EncodedStreamTest, keeps_the_live_stream_when_the_recording_is_full) {
  gate_.open();
  const auto s = session();
  auto options = recorded();
  options.max_recording_bytes = 2000;
  const auto stream = encode(s, options);
  DeviceWorker worker;
  const auto viewer = stream->watch(EncodedStream::From::start);
  worker.submit(s, model_);
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  EXPECT_EQ(s->status().state, SessionState::finished);
  const auto status = stream->status();
  EXPECT_FALSE(status.recording_complete);
  EXPECT_NE(status.recording_failure.find("limit"), std::string::npos);
  EXPECT_LE(fs::file_size(path_ / "video.mp4"), 2000u);
  EXPECT_EQ(media::decode_bytes("full.mp4", read_all(*stream, *viewer)).size(), 84u);
}

TEST_F(EncodedStreamTest, is_whole_as_long_as_memory_has_what_the_recording_lacks) {
  gate_.open();
  DeviceWorker worker;
  for (const auto& [memory, whole] : {std::pair(int64_t{32} << 20, true), std::pair(int64_t{1}, false)}) {
    const auto s = session();
    auto options = recorded();
    options.recording = path_ / fmt::format("{}.mp4", memory);
    options.max_recording_bytes = 2000;
    options.memory_bytes = memory;
    const auto stream = encode(s, options);
    worker.submit(s, model_);
    ASSERT_TRUE(stream->wait_until_ended(kPatience));
    EXPECT_EQ(stream->status().whole, whole);
    EXPECT_FALSE(stream->status().recording_complete);
  }
}

TEST_F(EncodedStreamTest, leaves_a_playable_file_when_the_session_is_stopped) {
  const auto s = session(0);
  std::counting_semaphore<> ready{0};  // outlives the stream, which may call once more
  const auto stream = encode(s, recorded());
  DeviceWorker worker;
  const auto viewer = stream->watch(EncodedStream::From::start, [&] { ready.release(); });
  worker.submit(s, model_);
  gate_.allow(8);
  ready.acquire();
  ready.acquire();
  s->stop();
  gate_.open();
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  EXPECT_EQ(media::decode_video(path_ / "video.mp4").size(), 24u);
}

TEST_F(EncodedStreamTest, is_undisturbed_by_viewers_that_leave) {
  gate_.open();
  const auto s = session();
  const auto stream = encode(s, recorded());
  DeviceWorker worker;
  for (int i = 0; i < 20; ++i) stream->watch(EncodedStream::From::start, [] {});
  EXPECT_EQ(stream->status().viewers, 0);
  worker.submit(s, model_);
  for (int i = 0; i < 50; ++i) {
    const auto viewer = stream->watch(EncodedStream::From::newest);
    viewer->poll();
  }
  ASSERT_TRUE(stream->wait_until_ended(kPatience));
  EXPECT_EQ(stream->status().gops, 7);
}

TEST_F(EncodedStreamTest, gives_all_viewers_the_same_gop) {
  gate_.open();
  const auto s = session();
  const auto stream = encode(s);
  DeviceWorker worker;
  const auto a = stream->watch(EncodedStream::From::start), b = stream->watch(EncodedStream::From::start);
  worker.submit(s, model_);
  while (const GopPtr gop = a->next({})) EXPECT_EQ(b->next({}), gop);
}

/// The block at index 3 of a fork.
generation::FrameBlock fourth_block(const generation::VideoFormat& format) {
  const auto pixels = std::make_shared<media::Bytes>(static_cast<std::size_t>(12 * format.height * format.width * 3));
  generation::FrameBlock block;
  block.rgb = {pixels, pixels->data()};
  block.video_frames = 12;
  block.height = format.height;
  block.width = format.width;
  block.fps = format.fps;
  block.first_video_frame = 3 * 12;
  return block;
}

TEST_F(EncodedStreamTest, of_a_fork_shares_the_gops_of_its_origin_up_to_the_fork) {
  const auto [origin, forked, fork] = fork_of_ended({});
  const auto viewer = fork->watch(EncodedStream::From::start);
  forked->stream().publish(fourth_block(forked->format()), {});
  for (int64_t index = 0; index < 3; ++index) EXPECT_EQ(viewer->next({}), origin->gop(index));
  const GopPtr own = viewer->next({});
  EXPECT_EQ(own->index, 3);
  EXPECT_EQ(own->begin, origin->gop(3)->begin);
  EXPECT_NE(own, origin->gop(3));
  forked->stream().close();
  ASSERT_TRUE(fork->wait_until_ended(kPatience));
  EXPECT_EQ(media::decode_video(path_ / "video.mp4").size(), 4u * 12);
}

TEST_F(EncodedStreamTest, of_a_fork_has_the_gops_of_an_origin_that_is_removed_before_its_first_block) {
  auto of_origin = recorded();
  of_origin.recording = path_ / "origin.mp4";
  of_origin.memory_bytes = 0;  // all of it is read from the file
  auto [origin, forked, fork] = fork_of_ended(of_origin);
  origin->remove_recording();
  origin->rest();
  origin.reset();
  forked->stream().publish(fourth_block(forked->format()), {});
  forked->stream().close();
  ASSERT_TRUE(fork->wait_until_ended(kPatience));
  EXPECT_EQ(media::decode_video(path_ / "video.mp4").size(), 4u * 12);
}

TEST_F(EncodedStreamTest, of_a_fork_has_each_shared_gop_when_its_block_is_told) {
  const auto [origin, forked, fork] = fork_of_ended({});
  const auto viewer = fork->watch(EncodedStream::From::start);
  generation::FrameBlock block;  // made by the origin: without pixels
  block.video_frames = 12;
  block.fps = forked->format().fps;
  for (int64_t index = 0; index < 2; ++index) {
    block.first_video_frame = 12 * index;
    forked->stream().publish(block, {});
    EXPECT_EQ(viewer->next({}), origin->gop(index));
  }
  forked->stream().close();  // before it has made one of its own
  ASSERT_TRUE(fork->wait_until_ended(kPatience));
  EXPECT_EQ(fork->status().gops, 2);
  EXPECT_EQ(media::decode_video(path_ / "video.mp4").size(), 2u * 12);
}

TEST_F(EncodedStreamTest, ends_at_once_when_dropped) {
  gate_.open();
  const auto s = session(0);
  DeviceWorker worker;
  auto stream = encode(s, recorded());
  worker.submit(s, model_);
  stream.reset();
  EXPECT_TRUE(s->stop());
}

}  // namespace
}  // namespace rushes::delivery
