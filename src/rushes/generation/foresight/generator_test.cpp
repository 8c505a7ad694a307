#include "rushes/generation/foresight/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/generation/foresight/model.h"
#include "rushes/generation/foresight/tiny.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/peak_memory.h"

namespace rushes::generation {
namespace {

using testing::HasSubstr;

Image picture(int64_t height, int64_t width, uint8_t colour = 200) {
  const auto bytes = std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(height * width * 3), colour);
  for (std::size_t i = 0; i < bytes->size(); i += 7) (*bytes)[i] = static_cast<uint8_t>(i);
  return {.rgb = {bytes, bytes->data()}, .height = height, .width = width};
}

/// All that comes of a request, in order.
struct Answer {
  std::vector<Event> events;
  std::string text, conditioning;
  std::vector<uint8_t> frames;
  int64_t video_frames = 0, blocks = 0, previews = 0, steps = 0, last_chunks = 0;
  std::vector<TrackFailed> failures;
};

Answer answer_of(Generator& generator) {
  Answer answer;
  for (StepResult result; result.outcome == StepOutcome::again;) {
    result = generator.step({});
    for (Event& event : result.events) {
      if (const auto* chunk = std::get_if<TextChunk>(&event)) {
        answer.text += chunk->utf8;
        answer.last_chunks += chunk->last;
      } else if (const auto* block = std::get_if<FrameBlock>(&event)) {
        EXPECT_EQ(block->first_video_frame, answer.video_frames);
        EXPECT_EQ(block->block, answer.blocks);
        answer.frames.insert(answer.frames.end(), block->rgb.get(),
                             block->rgb.get() + static_cast<std::size_t>(block->video_frames) * block->frame_bytes());
        answer.video_frames += block->video_frames;
        ++answer.blocks;
      } else if (const auto* applied = std::get_if<PromptApplied>(&event)) {
        answer.conditioning = applied->conditioning;
      } else if (std::holds_alternative<PreviewFrames>(event)) {
        ++answer.previews;
      } else if (std::holds_alternative<BlockProgress>(event)) {
        ++answer.steps;
      } else if (const auto* failed = std::get_if<TrackFailed>(&event)) {
        answer.failures.push_back(*failed);
      }
      answer.events.push_back(std::move(event));
    }
  }
  return answer;
}

Answer answer_to(const Model& model, const Request& request) { return answer_of(*start(model, request)); }

template <typename What>
std::size_t first_of(const Answer& answer) {
  for (std::size_t i = 0; i < answer.events.size(); ++i)
    if (std::holds_alternative<What>(answer.events[i])) return i;
  return answer.events.size();
}

Request question(std::optional<Image> image = picture(61, 83)) {
  return {.prompts = {"What will happen if I push the ball?"}, .image = std::move(image), .seed = 7};
}

/// With a clock that goes on by a second each time that somebody looks at it.
struct Ticking {
  std::shared_ptr<int64_t> seconds = std::make_shared<int64_t>(0);
  std::unique_ptr<Generator> start(const ForesightModel& model, const Request& request) const {
    const std::shared_ptr<Plan> plan = model.plan(request);
    return std::make_unique<ForesightGenerator>(
        model.parts(), std::dynamic_pointer_cast<ForesightPlan>(plan),
        [seconds = seconds] { return ForesightGenerator::Clock::time_point(std::chrono::seconds((*seconds)++)); });
  }
};

TEST(ForesightGenerator, a_word_comes_first_then_what_the_frames_follow_then_the_first_frame) {
  const auto model = std::dynamic_pointer_cast<const ForesightModel>(random_foresight_model(1));
  const Answer answer = answer_of(*Ticking().start(*model, question()));
  EXPECT_FALSE(answer.text.empty());
  EXPECT_EQ(answer.last_chunks, 1);
  EXPECT_EQ(answer.video_frames, 15);
  EXPECT_EQ(answer.steps, 4);
  EXPECT_EQ(answer.conditioning, "ltx_condition");
  EXPECT_EQ(first_of<TextChunk>(answer), 0u);
  EXPECT_EQ(first_of<PromptApplied>(answer), 2u) << "a second word has earned the video's time";
  EXPECT_LT(first_of<PromptApplied>(answer), first_of<PreviewFrames>(answer));
  EXPECT_LT(first_of<PreviewFrames>(answer), first_of<BlockProgress>(answer));
  EXPECT_LT(first_of<BlockProgress>(answer), first_of<FrameBlock>(answer));
}

TEST(ForesightGenerator, words_go_on_within_a_denoising_step_and_their_time_is_not_the_videos) {
  const auto model = std::dynamic_pointer_cast<const ForesightModel>(random_foresight_model(1));
  Request request = question(std::nullopt);  // an autoencoder has many parts, within which words go on, too
  request.options.set("max_new_tokens", int64_t{1500});
  const Ticking clock;
  const Answer answer = answer_of(*clock.start(*model, request));
  std::vector<int64_t> words_before_step{0};
  int64_t words = 0;
  std::chrono::microseconds video{0};
  for (const Event& event : answer.events) {
    if (std::holds_alternative<TextChunk>(event)) ++words, ++words_before_step.back();
    if (std::holds_alternative<BlockProgress>(event)) words_before_step.push_back(0);
    if (const auto* block = std::get_if<FrameBlock>(&event))
      video += block->times.text + block->times.denoise + block->times.decode;
  }
  ASSERT_GT(words_before_step.size(), 2u);
  EXPECT_GT(words_before_step[1], 40) << "a step has some ten parts, and of five seconds four are the words'";
  EXPECT_LE(video, std::chrono::seconds(*clock.seconds - words));
  EXPECT_EQ(answer.frames, answer_to(*model, request).frames);
}

TEST(ForesightGenerator, can_be_interrupted_within_a_step_of_the_video) {
  const auto model = std::dynamic_pointer_cast<const ForesightModel>(random_foresight_model(1));
  const auto generator = Ticking().start(*model, question());
  bool wanted = true;
  const base::Interruptible interruptible([&] {
    if (!wanted) throw base::Interrupted();
  });
  for (bool has_begun = false; !has_begun;)
    for (const Event& event : generator->step({}).events) has_begun |= std::holds_alternative<PromptApplied>(event);
  generator->step({});
  wanted = false;
  EXPECT_THROW(
      {
        for (;;) generator->step({});
      },
      base::Interrupted);
}

TEST(ForesightGenerator, as_many_frames_come_as_were_asked_for_and_what_is_dropped_is_told) {
  const auto model = random_foresight_model(1);
  for (const int64_t wanted : {1, 9, 10, 15, 17}) {
    SCOPED_TRACE(wanted);
    Request request = question();
    request.video_frames = wanted;
    const auto plan = model->plan(request);
    EXPECT_EQ(plan->ignored.empty(), wanted % 8 == 1);
    EXPECT_EQ(plan->format().video_frames, wanted);
    EXPECT_EQ(answer_to(*model, request).video_frames, wanted);
  }
}

TEST(ForesightGenerator, neither_half_depends_on_whether_the_other_is_made) {
  const auto model = random_foresight_model(2);
  const Answer both = answer_to(*model, question());
  Request text = question(), video = question();
  text.options.set("tracks", "text");
  video.options.set("tracks", "video");
  const Answer words = answer_to(*model, text), frames = answer_to(*model, video);
  EXPECT_EQ(words.text, both.text);
  EXPECT_EQ(words.video_frames, 0);
  EXPECT_EQ(frames.frames, both.frames);
  EXPECT_EQ(frames.text, "");
}

TEST(ForesightGenerator, the_same_seed_gives_the_same_and_another_one_something_else) {
  const auto model = random_foresight_model(3);
  const Answer one = answer_to(*model, question()), same = answer_to(*model, question());
  EXPECT_EQ(one.text, same.text);
  EXPECT_EQ(one.frames, same.frames);
  Request other = question();
  other.seed = 8;
  const Answer different = answer_to(*model, other);
  EXPECT_NE(one.text, different.text);
  EXPECT_NE(one.frames, different.frames);
}

TEST(ForesightGenerator, the_most_probable_words_do_not_depend_on_the_seed) {
  const auto model = random_foresight_model(3);
  Request one = question(), other = question();
  other.seed = 8;
  for (Request* request : {&one, &other}) {
    request->options.set("temperature", 0.0);
    request->options.set("tracks", "text");
  }
  EXPECT_EQ(answer_to(*model, one).text, answer_to(*model, other).text);
}

TEST(ForesightGenerator, what_the_frames_follow_is_told_as_it_is) {
  const struct {
    TinyForesight parts;
    bool has_picture, adapts;
    const char* conditioning;
  } cases[] = {{{}, false, false, "text_only"},
               {{}, true, false, "ltx_condition"},
               {{}, true, true, "hybrid_encoder"},
               {{.encodes_images = false}, true, false, "first_frame_insert"}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.conditioning);
    const auto model = random_foresight_model(4, each.parts);
    Request request = each.has_picture ? question() : question(std::nullopt);
    if (each.adapts) request.options.set("conditioning", "adapter");
    const Answer answer = answer_to(*model, request);
    EXPECT_EQ(answer.conditioning, each.conditioning);
    EXPECT_EQ(answer.video_frames, 15);
    EXPECT_EQ(answer.previews, each.has_picture ? 1 : 0);
    EXPECT_LT(first_of<PromptApplied>(answer), first_of<PreviewFrames>(answer)) << "told before its first look";
    EXPECT_LT(first_of<PromptApplied>(answer), first_of<BlockProgress>(answer));
    EXPECT_FALSE(answer.text.empty());
  }
}

TEST(ForesightGenerator, a_picture_that_cannot_be_encoded_is_put_in_front_of_the_video) {
  const auto model = random_foresight_model(4, {.encodes_images = false});
  Request with = question(), without = question(std::nullopt);
  for (Request* request : {&with, &without}) request->options.set("tracks", "video");
  with.image = picture(64, 64);  // as large as a frame: nothing is resized
  const Answer inserted = answer_to(*model, with), plain = answer_to(*model, without);
  ASSERT_EQ(inserted.frames.size(), plain.frames.size());
  const std::size_t frame = 64 * 64 * 3;
  EXPECT_EQ(std::memcmp(inserted.frames.data(), with.image->rgb.get(), frame), 0);
  EXPECT_EQ(std::memcmp(inserted.frames.data() + frame, plain.frames.data(), plain.frames.size() - frame), 0);
}

TEST(ForesightGenerator, looks_at_the_clean_sample_come_as_often_as_wanted_and_change_nothing) {
  const auto model = random_foresight_model(5);
  Request plain = question(), looked = question();
  for (Request* request : {&plain, &looked}) {
    request->options.set("tracks", "video");
    request->options.set("steps", int64_t{7});
  }
  looked.options.set("previews", int64_t{2});
  const Answer with = answer_to(*model, looked), without = answer_to(*model, plain);
  EXPECT_EQ(without.previews, 1);
  EXPECT_EQ(with.previews, 1 + 3);  // the first frame; after steps 2, 4 and 6
  EXPECT_EQ(with.frames, without.frames);
  int64_t last = -1;
  for (const Event& event : with.events)
    if (const auto* preview = std::get_if<PreviewFrames>(&event)) {
      EXPECT_GT(preview->step, last);
      EXPECT_EQ(preview->video_frames, last < 0 ? 1 : 15);
      last = preview->step;
    }
  EXPECT_EQ(last, 6);
}

TEST(ForesightGenerator, in_temporal_tiles_frames_come_piece_by_piece) {
  const auto model = random_foresight_model(5);
  Request request = question();
  request.video_frames = 30;
  request.options.set("temporal_tiles", true);
  const auto plan = model->plan(request);
  const Answer answer = answer_to(*model, request);
  EXPECT_EQ(answer.video_frames, 30);
  EXPECT_EQ(answer.blocks, 4);
  EXPECT_EQ(plan->format().blocks_per_segment, 4);
}

TEST(ForesightGenerator, a_half_that_fails_is_told_and_the_other_goes_on) {
  // Its adapter's vision transformer takes squares of multiples of 14 only: the video fails where it is asked.
  const auto model = std::dynamic_pointer_cast<const ForesightModel>(random_foresight_model(6));
  AdapterParts broken = *model->parts()->adapter();
  broken.square = 41;
  const ForesightModel other(
      {.name = "broken"}, model->defaults(),
      std::make_shared<const ForesightParts>(model->parts()->language(), model->parts()->video(), std::move(broken)));
  Request request = question();
  request.options.set("conditioning", "adapter");
  const Answer answer = answer_to(other, request);
  ASSERT_EQ(answer.failures.size(), 1u);
  EXPECT_EQ(answer.failures[0].track, Track::video);
  EXPECT_EQ(answer.failures[0].code, ErrorCode::invalid_argument);
  EXPECT_THAT(answer.failures[0].message, HasSubstr("multiples of 14"));
  EXPECT_EQ(answer.video_frames, 0);
  EXPECT_EQ(answer.text, answer_to(*model, question()).text);
  request.options.set("tracks", "video");
  EXPECT_THROW(answer_to(other, request), Error);  // nothing is left
}

TEST(ForesightGenerator, a_prompt_beyond_what_the_language_model_reads_is_refused_before_any_work) {
  const auto model = random_foresight_model(6);
  Request request = question();
  request.earlier_images = {picture(60, 90)};
  const auto refusal = [&]() -> std::string {
    try {
      model->plan(request);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::too_large);
      return error.what();
    }
    return "taken";
  };
  request.prompts = {std::string(8000, 'z')};  // each letter is a token; the tiny model reads 4096
  EXPECT_THAT(refusal(), HasSubstr("reads at most 4095"));
  // What its pictures take is known from their sizes, to the token.
  const auto language = std::dynamic_pointer_cast<const ForesightModel>(model)->parts()->language();
  int64_t seen = 0;
  for (const Image& image : {request.earlier_images[0], *request.image}) {
    const at::Tensor pixels = tensor::borrowed_pixels(image);
    const int64_t tokens = language->picture_tokens({image.height, image.width});
    EXPECT_EQ(tokens, language->see(pixels).tokens.size(0));
    seen += tokens;
  }
  EXPECT_THAT(refusal(), HasSubstr(fmt::format("{} of them of pictures", seen)));
  request.options.set("tracks", "video");
  EXPECT_EQ(refusal(), "taken") << "the video follows the first tokens, and says so";
}

TEST(ForesightGenerator, earlier_pictures_change_the_words_and_not_the_video) {
  const auto model = random_foresight_model(7);
  Request alone = question(), more = question();
  more.earlier_images = {picture(70, 40, 3), picture(30, 90, 90)};
  const Answer one = answer_to(*model, alone), several = answer_to(*model, more);
  EXPECT_EQ(one.frames, several.frames);
  EXPECT_NE(one.text, several.text);
}

TEST(ForesightGenerator, a_model_with_one_half_makes_that) {
  const auto words = random_foresight_model(8, {.video = false}),
             frames = random_foresight_model(8, {.language = false});
  const Answer text = answer_to(*words, question()), video = answer_to(*frames, question());
  EXPECT_FALSE(text.text.empty());
  EXPECT_EQ(text.video_frames, 0);
  EXPECT_EQ(video.text, "");
  EXPECT_EQ(video.video_frames, 15);
  EXPECT_FALSE(words->capabilities().yields.has(Modality::video));
  EXPECT_FALSE(frames->capabilities().yields.has(Modality::text));
  Request request = question();
  request.options.set("tracks", "both");
  EXPECT_THROW(words->plan(request), Error);
  EXPECT_THROW(frames->plan(request), Error);
}

TEST(ForesightGenerator, takes_about_the_memory_that_its_plan_tells) {
  const auto model = random_foresight_model(9);
  for (const auto& [side, frames] : {std::pair(128, 33), std::pair(256, 33), std::pair(256, 65)})
    for (const char* pieces : {"", "temporal_tiles", "spatial_tiles"}) {
      SCOPED_TRACE(testing::Message() << side << ", " << frames << " frames " << pieces);
      Request request = question();
      request.height = request.width = side;
      request.video_frames = frames;
      request.options.set("tracks", "video");
      request.options.set("steps", int64_t{2});
      if (*pieces != 0) request.options.set(pieces, true);
      const int64_t told = model->plan(request)->working_bytes;
      const int64_t taken = tensor::peak_memory([&] {
        const auto generator = start(*model, request);
        while (generator->step({}).outcome == StepOutcome::again) {}
      });
      EXPECT_GT(told, taken * 4 / 5);
      EXPECT_LT(told, taken * 4);
    }
}

TEST(ForesightGenerator, memory_is_counted_and_given_back) {
  const auto model = random_foresight_model(9);
  const auto generator = start(*model, question());
  int64_t most = 0;
  while (generator->step({}).outcome == StepOutcome::again) most = std::max(most, generator->bytes());
  EXPECT_GT(most, 0);
  EXPECT_EQ(generator->bytes(), 0);
  EXPECT_THROW(start(*model, question())->fork(), Error);
}

}  // namespace
}  // namespace rushes::generation
