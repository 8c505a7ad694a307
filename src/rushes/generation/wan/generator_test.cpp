#include "rushes/generation/wan/generator.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>
#include <set>

#include "rushes/base/error.h"
#include "rushes/generation/wan/model.h"
#include "rushes/generation/wan/tiny.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/peak_memory.h"

namespace rushes::generation {
namespace {

const Model& model() {
  static const auto shared = random_wan_model();
  return *shared;
}

Request request(std::vector<std::string> prompts = {"a red circle moves left"}) {
  Request r;
  r.prompts = std::move(prompts);
  r.options.set("segment_length", int64_t{9});
  return r;
}

struct Video {
  std::vector<uint8_t> rgb;
  std::vector<FrameBlock> blocks;
  std::vector<PromptApplied> prompts;
  std::vector<BlockProgress> progress;
};

void collect(StepResult&& result, Video& video) {
  for (Event& event : result.events) {
    if (auto* block = std::get_if<FrameBlock>(&event)) {
      video.rgb.insert(video.rgb.end(), block->rgb.get(),
                       block->rgb.get() + block->video_frames * static_cast<int64_t>(block->frame_bytes()));
      video.blocks.push_back(*block);
    }
    if (const auto* prompt = std::get_if<PromptApplied>(&event)) video.prompts.push_back(*prompt);
    if (const auto* progress = std::get_if<BlockProgress>(&event)) video.progress.push_back(*progress);
  }
}

/// Steps until the end, or until so many blocks are finished and the generator stands at a block border.
Video run(Generator& generator, std::size_t blocks = SIZE_MAX) {
  Video video;
  for (;;) {
    if (video.blocks.size() >= blocks && generator.at_block_border()) return video;
    StepResult result = generator.step({});
    const bool finished = result.outcome == StepOutcome::finished;
    collect(std::move(result), video);
    if (finished) return video;
  }
}

Video generate(const Request& r) { return run(*start(model(), r)); }

TEST(WanGenerator, delivers_9_then_12_frames_a_block_without_repeating_the_overlap) {
  Request r = request();
  r.segments = 3;
  const Video video = generate(r);
  std::vector<int64_t> frames, segments, first;
  for (const FrameBlock& block : video.blocks) {
    frames.push_back(block.video_frames);
    segments.push_back(block.segment);
    first.push_back(block.first_video_frame);
  }
  EXPECT_EQ(frames, (std::vector<int64_t>{9, 12, 12, 12, 12, 12, 12}));
  EXPECT_EQ(segments, (std::vector<int64_t>{0, 0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(first, (std::vector<int64_t>{0, 9, 21, 33, 45, 57, 69}));
  EXPECT_EQ(model().plan(r)->format().video_frames, 81);
}

TEST(WanGenerator, reports_every_denoising_step_and_the_time_of_each_stage) {
  const Video video = generate(request({"a prompt that no other test has had encoded"}));
  ASSERT_EQ(video.progress.size(), 3u * 4u);
  for (size_t i = 0; i < video.progress.size(); ++i) {
    EXPECT_EQ(video.progress[i].block, static_cast<int64_t>(i) / 4);
    EXPECT_EQ(video.progress[i].step, static_cast<int64_t>(i) % 4 + 1);
    EXPECT_EQ(video.progress[i].steps, 4);
  }
  EXPECT_GT(video.blocks[0].times.text.count(), 0);
  for (const FrameBlock& block : video.blocks) {
    EXPECT_GT(block.times.denoise.count(), 0);
    EXPECT_GT(block.times.decode.count(), 0);
  }
}

TEST(WanGenerator, the_same_seed_gives_the_same_video_and_another_seed_another) {
  Request r = request();
  r.segments = 2;
  r.seed = 7;
  const Video one = generate(r), two = generate(r);
  EXPECT_EQ(one.rgb, two.rgb);
  r.seed = 8;
  EXPECT_NE(generate(r).rgb, one.rgb);
}

TEST(WanGenerator, all_64_bits_of_a_seed_count) {
  std::set<std::vector<uint8_t>> videos;
  for (const uint64_t seed : {0ull, 1ull << 32, 1ull << 63, ~0ull}) {
    Request r = request();
    r.options.set("segment_length", int64_t{3});
    r.seed = seed;
    videos.insert(generate(r).rgb);
  }
  EXPECT_EQ(videos.size(), 4u);
}

TEST(WanGenerator, names_what_of_a_request_changes_nothing_and_that_is_so) {
  const auto fields_of = [](const Request& r) {
    std::vector<std::string> fields;
    const auto plan = model().plan(r);
    for (const Ignored& each : plan->ignored) fields.push_back(each.field);
    return fields;
  };
  Request plain = request();
  plain.options.set("segment_length", int64_t{3});
  EXPECT_EQ(fields_of(plain), std::vector<std::string>{});
  const Video wanted = generate(plain);
  std::string long_prompt = "a";
  for (int i = 1; i < 31; ++i) long_prompt += " word" + std::to_string(i);
  const struct {
    const char* field;
    std::function<void(Request&)> change;
    bool changes_prompt = false;
  } rows[] = {
      {"guidance_scale", [](Request& r) { r.options.set("guidance_scale", 9.0); }},
      {"negative_prompt", [](Request& r) { r.options.set("negative_prompt", std::string("red")); }},
      {"overlap", [](Request& r) { r.options.set("overlap", int64_t{0}); }},
      {"prompt", [&](Request& r) { r.prompts = {long_prompt + " and more"}; }, true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.field);
    Request r = plain;
    row.change(r);
    EXPECT_EQ(fields_of(r), std::vector<std::string>{row.field});
    Request without = plain;
    if (row.changes_prompt) without.prompts = {long_prompt};
    EXPECT_EQ(fields_of(without), std::vector<std::string>{});
    EXPECT_EQ(generate(r).rgb, row.changes_prompt ? generate(without).rgb : wanted.rgb);
  }
  EXPECT_EQ(model().ignored_in(long_prompt + " and more", "prompt"),
            (std::vector<Ignored>{{"prompt", "the text encoder reads 32 tokens; the last 2 of 34 are cut off"}}));
  Request guided = plain;
  guided.options = {{"segment_length", int64_t{3}},
                    {"solver", std::string("unipc")},
                    {"steps", int64_t{1}},
                    {"guidance_scale", 2.0},
                    {"negative_prompt", std::string("red")}};
  EXPECT_EQ(fields_of(guided), std::vector<std::string>{});
  guided.options.set("guidance_scale", 1.0);
  EXPECT_EQ(fields_of(guided), std::vector<std::string>{"negative_prompt"});
  guided.options.set("guidance_scale", 0.0);
  EXPECT_EQ(fields_of(guided), std::vector<std::string>{"prompt"});
  Request other = guided;
  other.prompts = {"a blue square"};
  EXPECT_EQ(generate(guided).rgb, generate(other).rgb);
}

TEST(WanGenerator, sessions_that_take_turns_do_not_change_each_other) {
  Request a = request(), b = request({"a blue square"});
  b.seed = 5;
  const auto first = start(model(), a), second = start(model(), b);
  Video first_video, second_video;
  for (bool first_runs = true, second_runs = true; first_runs || second_runs;) {
    const auto turn = [](Generator& generator, Video& video, bool& runs) {
      if (!runs) return;
      StepResult result = generator.step({});
      runs = result.outcome != StepOutcome::finished;
      collect(std::move(result), video);
    };
    turn(*first, first_video, first_runs);
    turn(*second, second_video, second_runs);
  }
  EXPECT_EQ(first_video.rgb, generate(a).rgb);
  EXPECT_EQ(second_video.rgb, generate(b).rgb);
}

TEST(WanGenerator, a_fork_continues_like_the_original_and_apart_from_it) {
  Request r = request();
  r.segments = 2;
  const auto original = start(model(), r);
  run(*original, 2);
  const auto same = original->fork(), other = original->fork();
  other->step({.prompt = "a yellow star"});
  const Video wanted = run(*original), got = run(*same), different = run(*other);
  EXPECT_EQ(got.rgb, wanted.rgb);
  EXPECT_NE(different.rgb, wanted.rgb);
  EXPECT_EQ(different.rgb.size(), wanted.rgb.size());
}

TEST(WanGenerator, a_fork_between_any_two_steps_continues_like_the_original) {
  Request r = request();
  r.options.set("solver", std::string("unipc"));
  r.options.set("steps", int64_t{3});
  const auto original = start(model(), r);
  std::vector<std::unique_ptr<Generator>> forks;
  for (int step = 0; step < 8; ++step) {
    forks.push_back(original->fork());
    original->step({});
  }
  const Video wanted = run(*original);
  for (const auto& fork : forks) {
    const Video got = run(*fork);
    ASSERT_GE(got.rgb.size(), wanted.rgb.size());
    EXPECT_TRUE(std::equal(wanted.rgb.rbegin(), wanted.rgb.rend(), got.rgb.rbegin()));
  }
}

TEST(WanGenerator, a_prompt_switch_takes_effect_at_the_next_block_and_stays) {
  Request r = request({"first", "second"});
  r.segments = 3;
  const auto generator = start(model(), r), undisturbed = start(model(), r);
  Video video, wanted;
  // In the middle of block 1: that block is still made under the old prompt.
  while (video.progress.size() < 6) collect(generator->step({}), video);
  collect(generator->step({.prompt = "third"}), video);
  const Video rest = run(*generator);
  video.rgb.insert(video.rgb.end(), rest.rgb.begin(), rest.rgb.end());
  wanted = run(*undisturbed);
  const auto same_until =
      std::mismatch(video.rgb.begin(), video.rgb.end(), wanted.rgb.begin()).first - video.rgb.begin();
  EXPECT_EQ(same_until / (32 * 32 * 3), 21);  // blocks 0 and 1: 9 + 12 frames
  ASSERT_EQ(rest.prompts.size(), 1u);
  EXPECT_EQ(rest.prompts[0].prompt, "third");
  EXPECT_EQ(rest.prompts[0].block, 2);
  for (size_t i = 1; i < rest.blocks.size(); ++i) EXPECT_EQ(rest.blocks[i].prompt, "third");
}

TEST(WanGenerator, prompts_are_cycled_per_segment) {
  Request r = request({"one", "two"});
  r.segments = 3;
  const Video video = generate(r);
  for (const FrameBlock& block : video.blocks) EXPECT_EQ(block.prompt, block.segment == 1 ? "two" : "one");
  ASSERT_EQ(video.prompts.size(), 3u);
}

TEST(WanGenerator, video_frames_ends_the_video_exactly_there) {
  for (const int64_t frames : {1, 9, 10, 33, 34, 50, 100}) {
    SCOPED_TRACE(frames);
    Request r = request();
    r.video_frames = frames;
    const Video video = generate(r);
    EXPECT_EQ(video.rgb.size(), static_cast<size_t>(frames * 32 * 32 * 3));
    EXPECT_EQ(model().plan(r)->format().video_frames, frames);
    r.options.set("overlap", int64_t{0});
    EXPECT_EQ(generate(r).rgb.size(), static_cast<size_t>(frames * 32 * 32 * 3));
  }
}

TEST(WanGenerator, a_longer_video_begins_with_the_shorter_one) {
  Request r = request();
  r.segments = 1;
  const Video brief = generate(r);
  r.segments = 3;
  const Video whole = generate(r);
  ASSERT_GT(whole.rgb.size(), brief.rgb.size());
  EXPECT_TRUE(std::equal(brief.rgb.begin(), brief.rgb.end(), whole.rgb.begin()));
}

TEST(WanGenerator, the_streamed_frames_are_those_of_one_whole_decode) {
  const auto& wan = dynamic_cast<const WanModel&>(model());
  Request r = request();
  const auto generator = start(wan, r);
  auto& inner = dynamic_cast<WanGenerator&>(*generator);
  std::vector<at::Tensor> frames;
  for (bool finished = false; !finished;) {
    const StepResult result = inner.step({});
    for (const Event& event : result.events)
      if (std::holds_alternative<FrameBlock>(event)) frames.push_back(inner.newest().frames);
    finished = result.outcome == StepOutcome::finished;
  }
  const c10::InferenceMode inference;
  const at::Tensor whole = wan.parts()->decoder->decoder()->decode(inner.segment_latents()[0]);
  EXPECT_LT((at::cat(frames) - whole).abs().max().item<double>(), 1e-5);
}

TEST(WanGenerator, an_endless_video_keeps_its_memory) {
  Request r = request();
  r.segments = 0;
  const auto generator = start(model(), r);
  EXPECT_FALSE(generator->format().video_frames.has_value());
  run(*generator, 20);
  const int64_t bytes = generator->bytes();
  const auto before = mallinfo2().uordblks;
  for (int i = 0; i < 8; ++i) {
    run(*generator, 10);
    EXPECT_LE(generator->bytes(), bytes * 11 / 10);
  }
  EXPECT_LT(mallinfo2().uordblks, before + (4 << 20));
}

TEST(WanGenerator, takes_about_the_memory_that_its_plan_tells) {
  for (const auto& [solver, side] : {std::pair("few_step", 128), std::pair("few_step", 512), std::pair("euler", 256)}) {
    SCOPED_TRACE(testing::Message() << solver << ' ' << side);
    Request r = request();
    r.height = r.width = side;
    r.options.set("solver", std::string(solver));
    const int64_t told = model().plan(r)->working_bytes;
    const int64_t taken = tensor::peak_memory([&] { run(*start(model(), r), 2); });
    EXPECT_GT(told, taken * 4 / 5);
    EXPECT_LT(told, taken * 4);
  }
}

TEST(WanGenerator, every_solver_makes_a_whole_video) {
  for (const char* solver : {"few_step", "unipc", "dpm++", "euler"}) {
    SCOPED_TRACE(solver);
    Request r = request();
    r.options.set("solver", std::string(solver));
    r.options.set("steps", int64_t{2});
    r.options.set("guidance_scale", double{2.0});
    EXPECT_EQ(generate(r).rgb.size(), 33u * 32 * 32 * 3);
  }
}

TEST(WanGenerator, a_given_image_is_the_first_frame_and_the_video_has_its_usual_length) {
  Request r = request();
  const std::shared_ptr<uint8_t> pixels(new uint8_t[48 * 40 * 3], std::default_delete<uint8_t[]>());
  std::fill_n(pixels.get(), 48 * 40 * 3, uint8_t{200});
  r.image = Image{pixels, 48, 40};
  r.segments = 2;
  const Video with_image = generate(r);
  std::vector<int64_t> frames;
  for (const FrameBlock& block : with_image.blocks) frames.push_back(block.video_frames);
  EXPECT_EQ(frames, (std::vector<int64_t>{9, 12, 12, 12, 12}));  // the first block is the image and two latent frames
  EXPECT_EQ(model().plan(r)->format().video_frames, 57);
  std::fill_n(pixels.get(), 48 * 40 * 3, uint8_t{20});
  EXPECT_NE(generate(r).rgb, with_image.rgb);
}

struct BadRequest {
  const char* name;
  std::function<void(Request&)> change;
  ErrorCode code;
  const char* words;
};

TEST(WanModel, a_bad_request_is_refused_with_the_field_and_what_is_allowed) {
  using R = Request;
  const ErrorCode bad = ErrorCode::invalid_argument;
  const BadRequest table[] = {
      {"no prompt", [](R& r) { r.prompts.clear(); }, bad, "prompts must have at least one prompt"},
      {"empty prompt", [](R& r) { r.prompts = {" \n"}; }, bad, "prompt must not be empty"},
      {"second prompt empty",
       [](R& r) {
         r.prompts = {"a", ""};
       },
       bad, "prompts[1] must not be empty"},
      {"100 kB prompt", [](R& r) { r.prompts = {std::string(100'000, 'a')}; }, ErrorCode::too_large,
       "prompt is 100000 bytes; the limit is 8192"},
      {"no UTF-8", [](R& r) { r.prompts = {"a\xff"}; }, bad, "prompt"},
      {"NUL", [](R& r) { r.prompts = {std::string("a\0b", 3)}; }, bad, "NUL"},
      {"length no multiple", [](R& r) { r.options.set("segment_length", int64_t{20}); }, bad,
       "segment_length must be a multiple of 3 (got 20; use 18 or 21)"},
      {"length zero", [](R& r) { r.options.set("segment_length", int64_t{0}); }, bad,
       "segment_length must be an integer from 1 to 252 (got 0)"},
      {"length 2", [](R& r) { r.options.set("segment_length", int64_t{2}); }, bad, "use 3"},
      {"overlap no multiple", [](R& r) { r.options.set("overlap", int64_t{4}); }, bad,
       "overlap must be 0 or a multiple of 3 (got 4; use 3 or 6)"},
      {"overlap too long", [](R& r) { r.options.set("overlap", int64_t{9}); }, bad,
       "less than segment_length, 9 (got 9)"},
      {"overlap negative", [](R& r) { r.options.set("overlap", int64_t{-3}); }, bad,
       "overlap must be an integer from 0"},
      {"segments negative", [](R& r) { r.segments = -1; }, bad,
       "segments must be an integer from 0 to 1000000 (got -1)"},
      {"frames zero", [](R& r) { r.video_frames = 0; }, bad, "frames must be an integer from 1 to 100000000"},
      {"frames huge", [](R& r) { r.video_frames = INT64_MAX; }, bad, "frames must be an integer from 1 to 100000000"},
      {"height", [](R& r) { r.height = 100; }, bad, "height must be a multiple of 16 (got 100; use 96 or 112)"},
      {"width huge", [](R& r) { r.width = 1 << 20; }, bad, "width must be an integer from 1 to 16384"},
      {"fps", [](R& r) { r.fps = 0; }, bad, "fps must be a number from 1 to 240 (got 0)"},
      {"fps not a number", [](R& r) { r.fps = std::nan(""); }, bad, "fps must be"},
      {"second prompt in one segment",
       [](R& r) {
         r.prompts = {"a", "b"}, r.segments = 1;
       },
       bad, "'b' would never be shown"},
      {"second prompt behind the last frame",
       [](R& r) {
         r.prompts = {"a", "b"}, r.video_frames = 21;
       },
       bad, "2 prompts take turns, one for each segment, but the video has 1 segment"},
      {"two lengths", [](R& r) { r.segments = 3, r.video_frames = 21; }, bad, "give one of the two"},
      {"steps", [](R& r) { r.options.set("steps", int64_t{0}); }, bad,
       "steps must be an integer from 1 to 200 (got 0)"},
      {"list rises",
       [](R& r) {
         r.options.set("denoising_steps", std::vector<double>{500, 1000});
       },
       bad, "denoising_steps must decrease"},
      {"list empty of sense",
       [](R& r) {
         r.options.set("denoising_steps", std::vector<double>{1000, 0});
       },
       bad, "to above 0"},
      {"list and steps",
       [](R& r) {
         r.options.set("steps", int64_t{2});
         r.options.set("denoising_steps", std::vector<double>{1000, 500});
       },
       bad, "not both"},
      {"solver", [](R& r) { r.options.set("solver", std::string("heun")); }, bad,
       "solver must be one of few_step, unipc, dpm++, euler (got heun)"},
      {"shift", [](R& r) { r.options.set("timestep_shift", double{0}); }, bad, "timestep_shift must be a number from"},
      {"guidance", [](R& r) { r.options.set("guidance_scale", double{-1}); }, bad,
       "guidance_scale must be a number from 0 to 100 (got -1)"},
      {"image without pixels", [](R& r) { r.image = Image{}; }, bad, "image must not be empty"},
  };
  for (const BadRequest& row : table) {
    SCOPED_TRACE(row.name);
    Request r = request();
    row.change(r);
    try {
      model().plan(r);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), row.code);
      EXPECT_NE(std::string(error.what()).find(row.words), std::string::npos) << error.what();
    }
    EXPECT_THROW(start(model(), r), Error);
  }
}

}  // namespace
}  // namespace rushes::generation
