#include "rushes/generation/foresight/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::generation {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

Image image_of(int64_t height, int64_t width) {
  const auto bytes = std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(height * width * 3));
  return {.rgb = {bytes, bytes->data()}, .height = height, .width = width};
}

std::unique_ptr<ForesightPlan> plan_of(const Request& request, const ForesightShape& shape = {}) {
  const ForesightSettings defaults;
  const auto fields = foresight_options(defaults);
  return plan_foresight(request, defaults, fields, shape);
}

TEST(ForesightPlan, the_published_presets_have_their_sizes_and_lengths_and_numbers_go_before_them) {
  const struct {
    const char* preset;
    int64_t side, frames, latent_frames;
  } cases[] = {{"256", 256, 15, 3}, {"512", 512, 30, 5}, {"768", 768, 60, 9}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.preset);
    Request request;
    request.options.set("preset", each.preset);
    const auto plan = plan_of(request);
    EXPECT_EQ(plan->height, each.side);
    EXPECT_EQ(plan->width, each.side);
    EXPECT_EQ(plan->video_frames, each.frames);
    EXPECT_EQ(plan->latent_frames, each.latent_frames);
    request.width = 320;
    request.video_frames = 9;
    EXPECT_EQ(plan_of(request)->width, 320);
    EXPECT_EQ(plan_of(request)->height, each.side);
    EXPECT_EQ(plan_of(request)->video_frames, 9);
  }
}

TEST(ForesightPlan, a_preset_beyond_what_the_model_was_trained_for_is_taken_and_warned_of) {
  const ForesightShape shape{.trained_for = {.sizes = {{256, 256}}, .video_frames = 33}};
  const auto warnings = [&](const char* preset, const char* tracks = "both") {
    Request request;
    request.options.set("preset", preset);
    request.options.set("tracks", tracks);
    return plan_of(request, shape)->warnings;
  };
  EXPECT_THAT(warnings("256"), testing::IsEmpty());
  EXPECT_THAT(warnings("512"), testing::ElementsAre(HasSubstr("trained for 256x256, not for 512x512")));
  EXPECT_THAT(warnings("768"), testing::ElementsAre(HasSubstr("not for 768x768"), HasSubstr("33 frames at once")));
  EXPECT_THAT(warnings("768", "text"), testing::IsEmpty()) << "no video is made";
  Request published;
  published.options.set("preset", "768");
  EXPECT_THAT(plan_of(published)->warnings, testing::IsEmpty()) << "its files say nothing";
}

TEST(ForesightPlan, of_a_conversation_the_newest_pictures_are_read_as_many_as_wanted) {
  Request request{.image = image_of(40, 40)};
  request.video_frames = 33;
  request.earlier_images = {image_of(10, 10), image_of(20, 20), image_of(30, 30)};
  const auto all = plan_of(request);
  EXPECT_EQ(all->earlier_images.size(), 3u);
  EXPECT_TRUE(all->ignored.empty());
  request.options.set("pictures", int64_t{2});
  const auto two = plan_of(request);
  ASSERT_EQ(two->earlier_images.size(), 1u);
  EXPECT_EQ(two->earlier_images[0].height, 30);
  ASSERT_EQ(two->ignored.size(), 1u);
  EXPECT_EQ(two->ignored[0].field, "earlier_images");
  request.options.set("pictures", int64_t{1});
  const auto one = plan_of(request);
  EXPECT_TRUE(one->earlier_images.empty());
  EXPECT_EQ(one->image->height, 40);
}

TEST(ForesightPlan, the_model_is_told_the_rate_of_the_playback_unless_it_is_to_be_the_published_one) {
  Request request{.fps = 12};
  EXPECT_EQ(plan_of(request)->frame_rate(), 12);
  EXPECT_EQ(plan_of(request)->format().fps, 12);
  request.options.set("upstream_frame_rate", true);
  EXPECT_EQ(plan_of(request)->frame_rate(), 25);
  EXPECT_EQ(plan_of(request)->format().fps, 12);
}

TEST(ForesightPlan, names_what_of_a_request_changes_nothing) {
  const auto ignored = [](Options options, const ForesightShape& shape = {}, int64_t width = 512) {
    Request request{.image = image_of(512, width), .video_frames = 33, .options = std::move(options)};
    std::vector<std::string> fields;
    const auto plan = plan_of(request, shape);
    for (const Ignored& each : plan->ignored) fields.push_back(each.field);
    return fields;
  };
  const ForesightShape no_noise{.removes_noise = false};
  EXPECT_THAT(ignored({{"decode_timestep", 0.1}}), testing::IsEmpty());
  EXPECT_THAT(ignored({{"decode_timestep", 0.1}}, no_noise), testing::ElementsAre("decode_timestep"));
  const Options words{{"top_p", 0.5}, {"top_k", int64_t{3}}, {"temperature", 0.5}};
  Options surest = words;
  surest.set("temperature", 0.0);
  EXPECT_THAT(ignored(words), testing::IsEmpty());
  EXPECT_THAT(ignored(surest), UnorderedElementsAre("top_p", "top_k"));
  EXPECT_THAT(ignored({{"guidance_scale", 1.0}}), testing::IsEmpty());
  EXPECT_THAT(ignored({{"guidance_scale", 0.0}}), testing::ElementsAre("guidance_scale"));
  EXPECT_THAT(ignored({{"fit", "pad"}}), testing::ElementsAre("fit"));
  EXPECT_THAT(ignored({{"fit", "pad"}}, {}, 500), testing::IsEmpty());
}

TEST(ForesightPlan, says_what_of_a_picture_the_video_shows_and_nothing_where_there_is_none) {
  Request request{.image = image_of(300, 600)};
  const auto use = plan_of(request)->image_use;
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->fit, "crop");
  ASSERT_TRUE(use->shown.has_value());
  EXPECT_THAT(*use->shown, testing::ElementsAre(150, 0, 450, 300));
  request.options.set("tracks", "text");
  EXPECT_FALSE(plan_of(request)->image_use.has_value());
}

TEST(ForesightPlan, pictures_of_one_pixel_and_of_the_greatest_proportion_are_taken) {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 2}, {2, 1}, {3, 600}, {600, 3}}) {
    const auto plan = plan_of({.image = image_of(height, width)});
    ASSERT_TRUE(plan->image_use && plan->image_use->shown) << width << "x" << height;
    const auto& [x1, y1, x2, y2] = *plan->image_use->shown;
    EXPECT_TRUE(0 <= x1 && x1 < x2 && x2 <= width && 0 <= y1 && y1 < y2 && y2 <= height) << width << "x" << height;
  }
}

TEST(ForesightPlan, who_asks_nothing_gets_a_question) {
  EXPECT_EQ(plan_of({})->prompt, kDefaultQuestion);
  EXPECT_EQ(plan_of({.prompts = {"why?"}})->prompt, "why?");
}

TEST(ForesightPlan, what_cannot_be_is_refused_with_what_could) {
  const auto with = [](const char* name, OptionValue value) {
    Request request;
    request.options.set(name, std::move(value));
    return request;
  };
  Request narrow{.image = image_of(3, 900)};
  Request earlier{.earlier_images = {image_of(9, 9)}};
  const struct {
    Request request;
    ForesightShape shape;
    ErrorCode code;
    const char* words;
  } cases[] = {
      {{.width = 100}, {}, ErrorCode::invalid_argument, "width must be a multiple of 32 (got 100; use 96 or 128)"},
      {{.height = 4096}, {}, ErrorCode::invalid_argument, "height must be from 32 to 2048"},
      {{.video_frames = 100'000}, {}, ErrorCode::too_large, "at most"},
      {{.segments = 2}, {}, ErrorCode::unsupported, "one clip"},
      {{.prompts = {"a", "b"}}, {}, ErrorCode::unsupported, "one prompt"},
      {narrow, {}, ErrorCode::invalid_argument, "at most 200 times"},
      {earlier, {}, ErrorCode::invalid_argument, "without a newest one"},
      {with("steps", int64_t{1}), {}, ErrorCode::invalid_argument, "steps"},
      {with("preset", "1024"), {}, ErrorCode::invalid_argument, "preset"},
      {with("conditioning", "adapter"), {}, ErrorCode::unsupported, "no adapter"},
      {with("conditioning", "adapter"), {.has_adapter = true}, ErrorCode::invalid_argument, "there is none"},
      {{}, {.has_text = false}, ErrorCode::unsupported, "no language model"},
      {{}, {.has_video = false}, ErrorCode::unsupported, "no video model"},
      {{.image = image_of(9, 9)}, {.has_vision = false}, ErrorCode::unsupported, "cannot see"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.words);
    try {
      plan_of(each.request, each.shape);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), each.code) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(each.words));
    }
  }
}

TEST(ForesightPlan, what_changes_nothing_is_told) {
  Request request{.video_frames = 33};
  EXPECT_TRUE(plan_of(request)->ignored.empty());
  request.video_frames = 30;
  ASSERT_EQ(plan_of(request)->ignored.size(), 1u);
  EXPECT_THAT(plan_of(request)->ignored[0].reason, HasSubstr("the last 3 are dropped"));
}

TEST(ForesightPlan, what_belongs_to_the_half_that_is_not_made_is_told_with_the_reason_and_the_way_out) {
  Request request{.image = image_of(40, 40), .earlier_images = {image_of(9, 9)}, .video_frames = 30, .fps = 8};
  request.options.set("tracks", "text");
  request.options.set("steps", int64_t{9});
  request.options.set("preset", "256");
  const auto told = [](const ForesightPlan& plan) {
    std::vector<std::string> fields;
    for (const Ignored& each : plan.ignored) fields.push_back(each.field);
    return fields;
  };
  const auto words = plan_of(request);
  EXPECT_THAT(told(*words), UnorderedElementsAre("preset", "steps", "frames", "fps"));
  EXPECT_EQ(words->ignored[0].reason, "tracks text makes no video; tracks both or video makes one");
  EXPECT_EQ(plan_of(request, {.has_video = false})->ignored[0].reason,
            "this model has no video model and makes no video");

  Request film{.image = image_of(40, 40), .earlier_images = {image_of(9, 9)}, .video_frames = 33};
  film.options.set("tracks", "video");
  film.options.set("temperature", 0.5);
  film.options.set("picture_pixels", int64_t{1000});
  const auto frames = plan_of(film);
  EXPECT_THAT(told(*frames), UnorderedElementsAre("temperature", "picture_pixels", "earlier_images"));
  EXPECT_EQ(frames->ignored[0].reason, "tracks video writes no text; tracks both or text writes one");
  film.options.set("conditioning", "adapter");
  EXPECT_THAT(told(*plan_of(film, {.has_adapter = true})), UnorderedElementsAre("temperature", "earlier_images"))
      << "the adapter sees the picture";
}

}  // namespace
}  // namespace rushes::generation
