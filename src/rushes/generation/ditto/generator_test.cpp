// Laws of sources that talk: what the speech's cutting may change (nothing), and what frames and sound add up to.
#include "rushes/generation/ditto/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/ditto/family.h"
#include "rushes/generation/spoken_test_video.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using testing::HasSubstr;

const Model& model() {
  static const auto kModel = ditto_family().tiny(0);
  return *kModel;
}

Request request_of(int64_t height = 96, int64_t width = 80) {
  Request request;
  request.image = test_picture(height, width);
  request.faces = {{20, 20, 60, 70}};
  request.seed = 42;
  return request;
}

Video talk(const Request& request, const std::vector<float>& wave, const std::vector<int64_t>& pieces = {100'000}) {
  return talk(*start(model(), request), wave, pieces);
}

TEST(DittoGenerator, the_same_speech_gives_the_same_video_in_however_many_pieces_it_comes) {
  const std::vector<float> wave = speech(640 * 22 + 100);
  for (const bool online : {true, false}) {
    SCOPED_TRACE(online);
    Request request = request_of();
    request.options.set("online_mode", online);
    EXPECT_EQ(model().plan(request)->format().hearing, online ? Hearing::as_it_comes : Hearing::whole);
    const Video whole = talk(request, wave);
    EXPECT_EQ(whole.frames, 23);
    EXPECT_EQ(whole.sound, wave);
    for (const std::vector<int64_t>& pieces : std::vector<std::vector<int64_t>>{{3200}, {7001}, {1, 5000, 0, 37}}) {
      const Video video = talk(request, wave, pieces);
      EXPECT_EQ(video.frames, whole.frames);
      EXPECT_TRUE(video.pixels == whole.pixels) << pieces.front();
    }
  }
}

TEST(DittoGenerator, frames_add_up_for_every_length_of_speech) {
  for (const int64_t samples : {0, 1, 640, 641, 3200, 3201, 16000}) {
    SCOPED_TRACE(samples);
    const Video video = talk(request_of(), speech(samples), {1000});
    EXPECT_EQ(video.frames, (samples + 639) / 640);
    EXPECT_EQ(video.sound.size(), static_cast<std::size_t>(samples));
  }
}

TEST(DittoGenerator, the_tail_behind_the_speech_comes_on_request_as_many_frames_as_the_reference_gives) {
  Request request = request_of();
  request.options.set("emit_tail", true);
  // T 20, overlap 15, V 5: M = 5 ceil((n + 1920) / 3200) rows give V (floor(M / V) - 1) + min(overlap + M mod V, 2 V).
  const int64_t samples = 16000, rows = 5 * ((samples + 1920 + 3199) / 3200);
  EXPECT_EQ(talk(request, speech(samples)).frames, 5 * (rows / 5 - 1) + std::min<int64_t>(15 + rows % 5, 10));
}

TEST(DittoGenerator, as_many_frames_come_as_were_asked_for) {
  Request request = request_of();
  request.video_frames = 7;
  EXPECT_EQ(talk(request, speech(16000)).frames, 7);
}

TEST(DittoGenerator, the_first_frame_comes_while_speech_is_still_arriving) {
  const auto generator = start(model(), request_of());
  Inbox inbox;
  inbox.speech = speech(640 * 20);
  Video video;
  for (int i = 0; i < 200; ++i) {
    const StepResult result = generator->step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome == StepOutcome::needs_input) break;
  }
  EXPECT_GE(video.frames, 5);
  EXPECT_LE(video.frames, 20);
}

TEST(DittoGenerator, an_utterance_is_spoken_to_its_end_before_more_is_heard) {
  const auto generator = start(model(), request_of());
  Inbox inbox;
  inbox.speech = speech(640 * 9 + 5);
  inbox.utterance_ends = {inbox.speech.size()};
  Video video;
  StepResult result;
  for (int i = 0; i < 300; ++i) {
    result = generator->step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome == StepOutcome::needs_input) break;
  }
  EXPECT_EQ(result.outcome, StepOutcome::needs_input);
  ASSERT_EQ(video.utterances, std::vector<int64_t>{10});
  // What follows is heard after the silence that brought the last frames, which is whole pieces of 5 of them.
  const int64_t heard = (static_cast<int64_t>(video.sound.size()) + 3199) / 3200 * 5;
  const Video all = talk(*generator, speech(640 * 10), {100'000}, video);
  EXPECT_GE(all.frames, 20);
  EXPECT_EQ(all.frames * 640, static_cast<int64_t>(all.sound.size()));
  EXPECT_LE(all.frames, heard + 30);
}

TEST(DittoGenerator, a_fork_continues_as_its_origin) {
  const std::vector<float> wave = speech(640 * 30);
  const auto generator = start(model(), request_of());
  Inbox inbox;
  inbox.speech.assign(wave.begin(), wave.begin() + 640 * 20);
  Video ignored;
  for (int i = 0; i < 12; ++i) take(generator->step(std::exchange(inbox, {})), ignored);
  const auto fork = generator->fork();
  const auto rest = [&](Generator& one) {
    Inbox end;
    end.speech.assign(wave.begin() + 640 * 20, wave.end());
    end.end_of_speech = true;
    Video video;
    video.frames = ignored.frames;
    video.sound.resize(ignored.sound.size());
    for (;;) {
      const StepResult result = one.step(std::exchange(end, {}));
      take(result, video);
      if (result.outcome == StepOutcome::finished) return video;
    }
  };
  const Video origin = rest(*generator), forked = rest(*fork);
  EXPECT_EQ(origin.frames, 30);
  EXPECT_EQ(forked.frames, 30);
  EXPECT_TRUE(origin.pixels == forked.pixels);
}

TEST(DittoGenerator, windows_of_several_sessions_in_one_batch_give_the_frames_that_each_gives_alone) {
  const std::vector<float> wave = speech(640 * 25);
  Request other = request_of();
  other.seed = 7;
  const Video alone = talk(request_of(), wave), other_alone = talk(other, wave);
  EXPECT_FALSE(alone.pixels == other_alone.pixels);

  std::vector<std::unique_ptr<Generator>> generators;
  generators.push_back(start(model(), request_of()));
  generators.push_back(start(model(), other));
  std::vector<Video> videos(2);
  std::vector<bool> finished(2);
  Inbox inbox;
  inbox.speech = wave;
  inbox.end_of_speech = true;
  std::vector<Inbox> inboxes{inbox, inbox};
  int together = 0;
  while (!finished[0] || !finished[1]) {
    if (!finished[0] && !finished[1]) {
      const std::string shape = generators[0]->shape_of_step(inboxes[0]);
      if (!shape.empty() && shape == generators[1]->shape_of_step(inboxes[1])) {
        const std::vector<Waiting> waiting{{generators[0].get(), &inboxes[0]}, {generators[1].get(), &inboxes[1]}};
        model().prepare(waiting);
        ++together;
      }
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (finished[i]) continue;
      const StepResult result = generators[i]->step(std::exchange(inboxes[i], {}));
      take(result, videos[i]);
      finished[i] = result.outcome == StepOutcome::finished;
    }
  }
  EXPECT_GE(together, 3);
  EXPECT_TRUE(videos[0].pixels == alone.pixels);
  EXPECT_TRUE(videos[1].pixels == other_alone.pixels);
}

TEST(DittoGenerator, a_slider_moves_the_running_video_and_nothing_before) {
  const std::vector<float> wave = speech(640 * 20);
  const Video still = talk(request_of(), wave);
  const auto generator = start(model(), request_of());
  Inbox inbox;
  inbox.speech = wave;
  inbox.end_of_speech = true;
  Video video;
  for (bool moved = false;;) {
    if (video.frames == 8 && !std::exchange(moved, true)) inbox.options.set("delta_yaw", 25.0);
    const StepResult result = generator->step(std::exchange(inbox, {}));
    take(result, video);
    if (result.outcome == StepOutcome::finished) break;
  }
  const std::size_t before = 8 * 96 * 80 * 3;
  ASSERT_EQ(video.pixels.size(), still.pixels.size());
  EXPECT_EQ(std::memcmp(video.pixels.data(), still.pixels.data(), before), 0);
  EXPECT_NE(std::memcmp(video.pixels.data() + before, still.pixels.data() + before, still.pixels.size() - before), 0);
}

TEST(DittoGenerator, only_the_square_around_the_face_changes) {
  Request request = request_of(300, 200);
  request.faces = {{80, 60, 120, 110}};
  const Video video = talk(request, speech(640 * 3));
  const Image& source = *request.image;
  ASSERT_EQ(video.frames, 3);
  // 1.6 of the box's larger side around its centre: rows 45 to 125, columns 60 to 140.
  for (int64_t y = 0; y < 300; ++y)
    for (int64_t x = 0; x < 200; ++x) {
      if (y >= 44 && y <= 126 && x >= 59 && x <= 141) continue;
      const std::size_t at = static_cast<std::size_t>(y * 200 + x) * 3;
      ASSERT_EQ(std::memcmp(video.pixels.data() + at, source.rgb.get() + at, 3), 0) << x << ", " << y;
    }
}

/// Three frames of noise, each in memory that is gone when the next is asked for.
class NoiseVideo final : public DrivingVideo {
 public:
  double fps() const override { return 25; }
  std::optional<Image> frame(int64_t index) const override {
    if (index >= 3) return std::nullopt;
    auto pixels = std::make_shared<std::vector<uint8_t>>(std::size_t{96} * 80 * 3);
    for (std::size_t i = 0; i < pixels->size(); ++i) (*pixels)[i] = value(index, i);
    return Image{{pixels, pixels->data()}, 96, 80};
  }
  static uint8_t value(int64_t frame, std::size_t at) {
    return static_cast<uint8_t>((at * 7919 + static_cast<std::size_t>(frame) * 83) % 251);
  }
  int64_t audio_hz() const override { return 0; }
  const std::vector<float>& audio() const override { return silence_; }
  std::vector<std::array<double, 4>> faces() const override { return {{24, 24, 48, 48}}; }
  int64_t bytes() const override { return 0; }

 private:
  std::vector<float> silence_;
};

TEST(DittoGenerator, a_source_video_is_shown_forth_and_back) {
  Request request;
  request.video = std::make_shared<NoiseVideo>();
  request.seed = 42;
  const Video video = talk(request, speech(640 * 6));
  ASSERT_EQ(video.frames, 6);
  for (int64_t i = 0; i < 6; ++i)  // the first row lies outside the square around the face
    for (std::size_t at = 0; at < std::size_t{80} * 3; ++at)
      ASSERT_EQ(video.pixels[static_cast<std::size_t>(i) * 96 * 80 * 3 + at],
                NoiseVideo::value(std::array{0, 1, 2, 2, 1, 0}[static_cast<std::size_t>(i)], at))
          << i << ", " << at;
}

TEST(DittoGenerator, an_avatar_gives_the_frames_of_its_picture) {
  const ScratchFolder folder;
  write_random_ditto_model(folder.path);
  const auto loaded = load_model({.path = folder.path.string()});
  const auto& avatars = dynamic_cast<const Avatars&>(*loaded);
  const Request with_image = request_of();
  std::filesystem::create_directories(avatars.avatar_folder());
  avatars.register_avatar(with_image, avatars.avatar_folder() / "ada.safetensors");
  Request with_avatar;
  with_avatar.seed = with_image.seed;
  with_avatar.options.set("avatar", std::string("ada"));
  const std::vector<float> wave = speech(640 * 6);
  EXPECT_TRUE(talk(*start(*loaded, with_image), wave).pixels == talk(*start(*loaded, with_avatar), wave).pixels);

  const auto refused = [&](const std::string& name) {
    with_avatar.options.set("avatar", name);
    try {
      start(*loaded, with_avatar);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("it was taken");
  };
  EXPECT_THAT(refused("../model"), HasSubstr("is not a name"));
  EXPECT_THAT(refused("eve"), HasSubstr("there is no 'eve'; there are ada"));
  std::filesystem::copy_file(folder.path / "lmdm.safetensors", avatars.avatar_folder() / "lmdm.safetensors");
  EXPECT_THAT(refused("lmdm"), HasSubstr("is not an avatar"));
}

std::string refused(const std::function<void(Request&)>& change) {
  Request request = request_of();
  change(request);
  try {
    start(model(), request);
  } catch (const Error& error) {
    return error.what();
  }
  return "it was taken";
}

TEST(DittoGenerator, bad_requests_are_refused_by_name) {
  const auto with = [](const char* name, OptionValue value) {
    return refused([&](Request& request) { request.options.set(name, value); });
  };
  EXPECT_THAT(refused([](Request& r) { r.image.reset(); }), HasSubstr("image is missing"));
  EXPECT_THAT(refused([](Request& r) { r.prompts = {"hello"}; }), HasSubstr("prompt"));
  EXPECT_THAT(refused([](Request& r) { r.faces = std::vector<FaceBox>{}; }), HasSubstr("no face detected"));
  EXPECT_THAT(with("chunksize", std::vector<double>{3, 5, 0}), HasSubstr("chunksize"));
  EXPECT_THAT(with("overlap_v2", int64_t{9}), HasSubstr("at least 10 in online mode"));
  EXPECT_THAT(with("overlap_v2", int64_t{20}), HasSubstr("from 1 to 19"));
  EXPECT_THAT(with("emo", std::string("8")), HasSubstr("emo must be an integer from 0 to 7"));
  EXPECT_THAT(with("emo", std::string("[[3], 4]")), HasSubstr("emo"));
  EXPECT_THAT(with("emo", std::string("joy")), testing::AllOf(HasSubstr("happy"), HasSubstr("'joy'")));
  EXPECT_THAT(with("emo", std::string("[[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]]")), HasSubstr("add up to 0.8"));
  EXPECT_THAT(with("chunksize", std::vector<double>{3.5, 5, 2}), HasSubstr("chunksize"));
  EXPECT_THAT(with("ctrl_info", std::string("{\"a\": {}}")), HasSubstr("'a' is not a frame number"));
  EXPECT_THAT(with("ctrl_info", std::string("{\"3\": {\"turn\": 1}}")), HasSubstr("'turn' is not a control"));
  EXPECT_THAT(with("use_d_keys", std::string("[\"lips\"]")), HasSubstr("is not a part of the motion"));
  EXPECT_THAT(with("delta_eye_arr", std::string("[[1, 2]]")), HasSubstr("delta_eye_arr"));
  EXPECT_THAT(with("points", std::string("[[1, 2], [3, 4]]")), HasSubstr("5, 68, 101, 106 or 203 points"));
  EXPECT_THAT(with("ch_info", std::string("{}")), HasSubstr("x_s_info"));
  EXPECT_THAT(with("mouth", true), HasSubstr("mouth"));
  EXPECT_EQ(with("sampling_timesteps", int64_t{5}), "it was taken");
  EXPECT_EQ(with("emo", std::string("[3, 6]")), "it was taken");
}

TEST(DittoGenerator, what_a_running_session_is_told_is_checked_as_what_it_began_with) {
  const auto refusal = [](const char* name, OptionValue value) -> std::string {
    try {
      model().live_options({{name, std::move(value)}});
      return "taken";
    } catch (const Error& error) {
      return error.what();
    }
  };
  for (const char* good : {"3", "sad", "[3, 6]", "[[0.5, 0.5, 0, 0, 0, 0, 0, 0]]"})
    EXPECT_EQ(refusal("emo", std::string(good)), "taken") << good;
  for (const char* bad : {"joy", "9", "[[", "{\"a\": 1}", "[]", "null"})
    EXPECT_THAT(refusal("emo", std::string(bad)), HasSubstr("emo")) << bad;
  EXPECT_THAT(refusal("gaze_x", std::string("0.5")), HasSubstr("got the text 0.5"));
  EXPECT_THAT(refusal("chunksize", std::vector<double>{3, 5, 2}), HasSubstr("cannot be changed"));
}

TEST(DittoGenerator, five_steps_whose_radicand_is_negative_give_frames) {
  Request request = request_of();
  request.options.set("sampling_timesteps", int64_t{5});
  const Video five = talk(request, speech(640 * 6));
  EXPECT_EQ(five.frames, 6);
  // Not a number would be drawn as one colour.
  EXPECT_NE(std::memcmp(five.pixels.data(), five.pixels.data() + five.pixels.size() / 6, five.pixels.size() / 6), 0);
}

TEST(DittoGenerator, emotions_reach_the_motion) {
  Request happy = request_of(), sad = request_of();
  happy.options.set("emo", std::string("3"));
  sad.options.set("emo", std::string("5"));
  EXPECT_FALSE(talk(happy, speech(640 * 12)).pixels == talk(sad, speech(640 * 12)).pixels);
}

TEST(DittoGenerator, motion_fades_in_from_the_first_frame_and_out_to_it) {
  Request request = request_of();
  request.video_frames = 12;
  request.options.set("fade_type", std::string("s"));
  request.options.set("fade_in", int64_t{4});
  const Video faded = talk(request, speech(640 * 12)), plain = [&] {
    request.options.set("fade_in", int64_t{-1});
    return talk(request, speech(640 * 12));
  }();
  const std::size_t frame = 96 * 80 * 3;
  EXPECT_NE(std::memcmp(faded.pixels.data(), plain.pixels.data(), frame), 0);
  EXPECT_EQ(std::memcmp(faded.pixels.data() + 6 * frame, plain.pixels.data() + 6 * frame, frame), 0);
}

TEST(DittoGenerator, a_fork_does_not_copy_the_minutes_of_speech_that_wait) {
  expect_forks_to_copy_no_speech(*start(model(), request_of()));
}

TEST(DittoGenerator, memory_of_a_session_does_not_grow_with_its_speech) {
  const auto generator = start(model(), request_of());
  std::vector<int64_t> bytes;
  for (int second = 0; second < 12; ++second) {
    Inbox inbox;
    inbox.speech = speech(16000);
    for (;;) {
      const StepResult result = generator->step(std::exchange(inbox, {}));
      if (result.outcome == StepOutcome::needs_input) break;
    }
    bytes.push_back(generator->bytes());
  }
  EXPECT_LE(bytes.back(), bytes[2] + 100'000);
}

}  // namespace
}  // namespace rushes::generation
