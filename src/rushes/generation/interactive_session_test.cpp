#include "rushes/generation/interactive_session.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "rushes/base/error.h"

namespace rushes::generation {
namespace {

using Place = InteractiveSession::Place;

InteractiveSession::Input prompt(std::string text) {
  InteractiveSession::Input input;
  input.prompt = std::move(text);
  return input;
}

InteractiveSession::Input control(Control what) {
  InteractiveSession::Input input;
  input.control = what;
  return input;
}

TEST(InteractiveSession, of_a_list_of_prompts_the_last_survives_the_queue) {
  auto session = InteractiveSession::from_prompts({"a", "b", "c"}, {.id = "x", .prompt = ""});
  EXPECT_EQ(session.prompt(), "a");
  EXPECT_EQ(session.evaluate_checkpoint(Place::segment, 1).new_prompt, "c");
  EXPECT_FALSE(session.evaluate_checkpoint(Place::segment, 2).new_prompt.has_value());
}

TEST(InteractiveSession, a_control_drops_a_waiting_prompt) {
  InteractiveSession session({.id = "x", .prompt = "a"});
  session.submit(prompt("b"));
  session.submit(control(Control::pause));
  EXPECT_TRUE(session.should_pause());
  EXPECT_EQ(session.state(), InteractiveState::paused);
  session.submit(control(Control::resume));
  EXPECT_FALSE(session.should_pause());
  EXPECT_FALSE(session.evaluate_checkpoint(Place::segment, 1).new_prompt.has_value());
  EXPECT_EQ(session.prompt(), "a");
}

TEST(InteractiveSession, stop_ends_a_pause_and_comes_before_a_waiting_prompt) {
  InteractiveSession session({.id = "x", .prompt = "a"});
  session.submit(control(Control::pause));
  session.submit(control(Control::stop));
  EXPECT_FALSE(session.should_pause());
  EXPECT_FALSE(session.evaluate_checkpoint(Place::segment, 1).should_continue);
}

TEST(InteractiveSession, the_policy_decides_where_an_input_is_taken_over) {
  InteractiveSession session({.id = "x", .prompt = "a", .policy = ApplyPolicy::next_block});
  session.submit(prompt("b"));
  EXPECT_FALSE(session.evaluate_checkpoint(Place::segment, 1).new_prompt.has_value());
  EXPECT_EQ(session.evaluate_checkpoint(Place::block, 0).new_prompt, "b");
}

TEST(InteractiveSession, stays_completed_whoever_submits_late_and_begins_anew_with_a_first_prompt) {
  InteractiveSession session({.id = "x", .prompt = "a"});
  session.end();
  session.submit(prompt("b"));
  EXPECT_EQ(session.status()["state"], "completed");
  EXPECT_EQ(session.prompt(), "a");
  session.set_initial("c", 5.0);
  EXPECT_EQ(session.status()["state"], "generating");
  EXPECT_EQ(session.prompt(), "c");
}

TEST(InteractiveSession, the_status_shows_100_characters_of_the_prompt) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "ü";
  const InteractiveSession session({.id = "x", .prompt = text});
  EXPECT_EQ(session.status()["current_params"]["prompt"].get<std::string>().size(), 200u);
}

TEST(InteractiveSession, unknown_words_are_refused_with_the_known_ones) {
  EXPECT_THROW(parse_apply_policy("now"), Error);
  EXPECT_THROW(parse_control("continue"), Error);
}

}  // namespace
}  // namespace rushes::generation
