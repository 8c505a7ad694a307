// What may be asked of an avatar.
#include "rushes/generation/omniavatar/plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>

#include "rushes/generation/omniavatar/avatar_test_video.h"

namespace rushes::generation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(AvatarPlan, a_pictures_proportions_choose_the_size_unless_one_is_asked_for) {
  Request request = request_of();
  request.options.set("max_hw", int64_t{720});
  const auto size = [&] {
    const VideoFormat format = model().plan(request)->format();
    return std::pair(format.height, format.width);
  };
  request.image = picture(30, 52);
  EXPECT_EQ(size(), std::pair(int64_t{400}, int64_t{720}));
  request.image = picture(52, 30);
  EXPECT_EQ(size(), std::pair(int64_t{720}, int64_t{400}));
  request.options.set("max_hw", int64_t{1280});
  EXPECT_EQ(size(), std::pair(int64_t{1280}, int64_t{720}));
  request.height = 48;
  EXPECT_EQ(size(), std::pair(int64_t{48}, int64_t{32}));
}

TEST(AvatarPlan, its_format_tells_what_is_heard_before_its_frames_come) {
  Request request = request_of();
  EXPECT_EQ(model().plan(request)->format().hearing, Hearing::as_it_comes);
  request.options.set("online_mode", false);
  EXPECT_EQ(model().plan(request)->format().hearing, Hearing::whole);
  EXPECT_EQ(model().plan(request)->format().most_clip_seconds, kMostClipSeconds);
  EXPECT_EQ(model(Sampler::bidirectional).plan(request_of())->format().hearing, Hearing::utterances);
}

TEST(AvatarPlan, sides_become_the_nearest_that_can_be_made_and_that_is_said) {
  Request request = request_of();
  const struct { int64_t asked, made; } kSides[] = {{1, 16}, {23, 16}, {24, 32}, {32, 32}, {40, 48}, {2050, 2048}};
  for (const auto& [asked, made] : kSides) {
    SCOPED_TRACE(asked);
    request.width = asked;
    const auto plan = model().plan(request);
    EXPECT_EQ(plan->format().width, made);
    const std::vector<Ignored> said{{"width", fmt::format("{} is not a multiple of 16; {} is taken", asked, made)}};
    EXPECT_EQ(plan->ignored, asked == made ? std::vector<Ignored>{} : said);
  }
}

TEST(AvatarPlan, a_size_that_the_model_was_not_trained_for_is_taken_and_warned_of) {
  OmniAvatarSettings one, several;
  one.height = one.width = 96;
  one.max_hw = 0;
  const auto warnings = [](const OmniAvatarSettings& own, int64_t height, int64_t width) {
    const Request request{.prompts = {"a"}, .height = height, .width = width};
    const OmniAvatarShape shape{.trained_for = published_training(own)};
    return plan_omniavatar(request, own, omniavatar_options(own), shape)->warnings;
  };
  EXPECT_THAT(warnings(one, 96, 96), ElementsAre());
  EXPECT_THAT(warnings(one, 97, 96), ElementsAre()) << "of what is made, not of what was asked for";
  EXPECT_THAT(warnings(one, 64, 128),
              ElementsAre("the model was trained for 96x96, not for 128x64: the picture may be poor"));
  for (const auto& [height, width] : {std::pair(400, 720), {720, 400}, {720, 720}, {528, 960}, {1280, 720}})
    EXPECT_THAT(warnings(several, height, width), ElementsAre());
  EXPECT_THAT(warnings(several, 96, 96), ElementsAre(HasSubstr("trained for 720x400, 720x720, ")));
}

TEST(AvatarPlan, what_the_files_say_of_sizes_and_lengths_goes_before_the_published_lists) {
  OmniAvatarSettings own;
  const Request request{.prompts = {"a"}, .height = 96, .width = 96};
  const OmniAvatarShape shape{.trained_for = {.sizes = {{96, 96}}, .video_frames = 57}};
  EXPECT_THAT(plan_omniavatar(request, own, omniavatar_options(own), shape)->warnings, ElementsAre())
      << "blocks follow each other without end";
  own.sampler = Sampler::bidirectional;
  EXPECT_THAT(plan_omniavatar(request, own, omniavatar_options(own), shape)->warnings,
              ElementsAre(HasSubstr("at most 57 frames at once")));
  EXPECT_EQ(model().card().trained_for.sizes, (std::vector<FrameSize>{{32, 32}})) << "of a model that says nothing";
}

TEST(AvatarPlan, a_bad_request_is_told_what_is_allowed) {
  const struct {
    const char* name;
    std::function<void(Request&)> change;
    const char* words;
  } cases[] = {
      {"a side that is too long", [](Request& r) { r.width = 2060; }, "width must be from 16 to 2048 (got 2060)"},
      {"two prompts",
       [](Request& r) {
         r.prompts = {"a", "b"};
       },
       "takes one prompt"},
      {"another rate", [](Request& r) { r.fps = 25; }, "fps cannot be changed"},
      {"segments", [](Request& r) { r.segments = 3; }, "segments cannot be set"},
      {"endless and a length",
       [](Request& r) {
         r.segments = 0;
         r.video_frames = 9;
       },
       "segments 0 means endless"},
      {"no steps", [](Request& r) { r.options.set("steps", int64_t{0}); }, "steps must be"},
      {"100,000 steps", [](Request& r) { r.options.set("steps", int64_t{100'000}); }, "steps must be"},
      {"another list of sizes", [](Request& r) { r.options.set("max_hw", int64_t{700}); }, "720, 1280 or 0"},
      {"a sink as large as the window", [](Request& r) { r.options.set("sink", int64_t{9}); }, "room for a block"},
      {"an empty image", [](Request& r) { r.image = Image{}; }, "image must not be empty"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    Request request = request_of();
    each.change(request);
    EXPECT_THAT(message_of(request), HasSubstr(each.words));
  }
}

TEST(AvatarPlan, options_of_the_other_sampler_are_taken_and_said_to_change_nothing) {
  Request request = request_of();
  request.options.set("guidance_scale", 3.0);
  request.options.set("tiled_vae", false);
  const auto ignored = [&](Sampler sampler) {
    const auto plan = model(sampler).plan(request);
    std::vector<std::string> fields;
    for (const Ignored& each : plan->ignored) fields.push_back(each.field);
    return fields;
  };
  EXPECT_THAT(ignored(Sampler::causal), ElementsAre("guidance_scale", "tiled_vae"));
  request.options.set("window", int64_t{9});
  EXPECT_THAT(ignored(Sampler::bidirectional), ElementsAre("window"));
}

TEST(AvatarPlan, names_what_a_video_of_a_known_length_or_shape_leaves_without_effect) {
  const auto ignored = [](Options options, std::optional<int64_t> video_frames = {},
                          Sampler sampler = Sampler::causal) {
    Request request = request_of();
    const int64_t side = sampler == Sampler::causal ? 48 : 32;
    request.image = picture(side, side);
    request.height = request.width = side;
    request.video_frames = video_frames;
    request.options = std::move(options);
    std::vector<std::string> fields;
    const auto plan = model(sampler).plan(request);
    for (const Ignored& each : plan->ignored) fields.push_back(each.field);
    return fields;
  };
  const Options window{{"window", int64_t{6}}, {"sink", int64_t{1}}};
  EXPECT_THAT(ignored(window), testing::IsEmpty()) << "the speech may be long";
  EXPECT_THAT(ignored(window, 21), testing::UnorderedElementsAre("window", "sink")) << "two blocks of 3 latent frames";
  EXPECT_THAT(ignored(window, 22), testing::IsEmpty());
  EXPECT_THAT(ignored({{"silent", true}, {"reference_lengths", true}}), ElementsAre("reference_lengths"));
  EXPECT_THAT(ignored({{"silent", true}, {"sink", int64_t{1}}, {"window", int64_t{21}}}), ElementsAre("sink", "window"))
      << "81 frames are 21 latent frames";
  EXPECT_THAT(ignored({{"fit", std::string("pad")}}), ElementsAre("fit"));
  EXPECT_THAT(ignored({{"guidance_scale", 0.0}}, {}, Sampler::bidirectional), ElementsAre("prompt"));
  EXPECT_THAT(ignored({{"guidance_scale", 0.0}, {"audio_scale", 2.0}}, {}, Sampler::bidirectional), testing::IsEmpty());
}

}  // namespace
}  // namespace rushes::generation
