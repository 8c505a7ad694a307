#include "settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"

namespace rushes::app {
namespace {

/// A command with an option of each kind, and a file for its settings.
class Settings : public testing::Test {
 protected:
  Settings() {
    add_config_option(command_);
    command_.add_option("--max-sessions", sessions_)->check(CLI::Range(1, 100));
    command_.add_option("--listen", listen_);
    command_.add_flag("--no-auth", no_auth_);
    command_.add_option("--token,--secret", token_);
    command_.callback([this] { complete_options(command_); });
  }
  ~Settings() override {
    for (const char* variable :
         {"RUSHES_MAX_SESSIONS", "RUSHES_LISTEN", "RUSHES_NO_AUTH", "RUSHES_TOKEN", "RUSHES_CONFIG"})
      ::unsetenv(variable);
  }

  std::string write(const std::string& text) {
    const std::string path = directory_.path / "rushes.yaml";
    std::ofstream(path) << text;
    return path;
  }
  /// Reads the arguments; what refuses them, or nothing.
  std::string parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    try {
      command_.parse(arguments);
      return {};
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
  }

  const ScratchFolder directory_;
  CLI::App command_;
  int sessions_ = 16;
  std::vector<std::string> listen_{"127.0.0.1:8000"};
  bool no_auth_ = false;
  std::string token_;
};

TEST_F(Settings, come_from_a_file) {
  const auto file =
      write("# comments are fine\nmax-sessions: 4\nlisten: [127.0.0.1:8000, '[::1]:9999']\nno_auth: true\n");
  EXPECT_EQ(parse({"--config", file}), "");
  EXPECT_EQ(sessions_, 4);
  EXPECT_THAT(listen_, testing::ElementsAre("127.0.0.1:8000", "[::1]:9999"));
  EXPECT_TRUE(no_auth_);
  EXPECT_EQ(token_, "");
}

TEST_F(Settings, of_the_environment_win_over_the_file_and_those_of_the_command_line_over_both) {
  const auto file = write("max-sessions: 4\ntoken: from-file\nlisten: 127.0.0.1:1\n");
  ::setenv("RUSHES_CONFIG", file.c_str(), 1);
  ::setenv("RUSHES_MAX_SESSIONS", "5", 1);
  ::setenv("RUSHES_LISTEN", "127.0.0.1:2,127.0.0.1:3", 1);
  EXPECT_EQ(parse({"--max-sessions", "6"}), "");
  EXPECT_EQ(sessions_, 6);
  EXPECT_THAT(listen_, testing::ElementsAre("127.0.0.1:2", "127.0.0.1:3"));
  EXPECT_EQ(token_, "from-file");
}

TEST_F(Settings, that_are_empty_variables_count_as_absent) {
  ::setenv("RUSHES_MAX_SESSIONS", "", 1);
  EXPECT_EQ(parse({}), "");
  EXPECT_EQ(sessions_, 16);
}

TEST_F(Settings, that_are_wrong_are_refused_with_their_place) {
  const struct {
    const char* text;
    std::vector<const char*> words;
  } kCases[] = {{"max-sessions: 0\n", {"rushes.yaml:1", "max-sessions", "100"}},
                {"\nmax-sessions: many\n", {"rushes.yaml:2", "max-sessions"}},
                {"max-session: 3\n", {"rushes.yaml:1", "max-session", "unknown setting", "max-sessions"}},
                {"max-sessions: [1, 2]\n", {"rushes.yaml:1", "single value"}},
                {"max-sessions: {a: 1}\n", {"rushes.yaml:1", "single value"}},
                {"listen: [[a]]\n", {"rushes.yaml:1", "plain values"}},
                {"max-sessions: 1\nmax_sessions: 2\n", {"rushes.yaml:2", "twice"}},
                {"config: other.yaml\n", {"unknown setting"}},
                {"no-auth: perhaps\n", {"rushes.yaml:1", "no-auth"}},
                {"- a\n- b\n", {"rushes.yaml", "max-sessions: 4"}},
                {"max-sessions: 'x\n", {"rushes.yaml:"}}};
  for (const auto& each : kCases) {
    SCOPED_TRACE(each.text);
    const std::string message = parse({"--config", write(each.text)});
    for (const char* word : each.words) EXPECT_THAT(message, testing::HasSubstr(word));
  }
  EXPECT_THAT(parse({"--config", "/nowhere.yaml"}), testing::HasSubstr("/nowhere.yaml"));
  ::setenv("RUSHES_MAX_SESSIONS", "101", 1);
  EXPECT_THAT(parse({}), testing::HasSubstr("RUSHES_MAX_SESSIONS"));
}

TEST_F(Settings, of_the_program_are_settings_of_its_command_too) {
  CLI::App program;
  std::string level, format;
  program.add_option("--log-level", level);
  program.add_option("--log-format", format);
  CLI::App* command = program.add_subcommand("serve", "");
  program.fallthrough();
  add_config_option(*command);
  command->callback([command] { complete_options(*command); });
  program.parse("--log-level debug serve --config " + write("log-level: error\nlog_format: json\n"));
  EXPECT_EQ(level, "debug");
  EXPECT_EQ(format, "json");
}

TEST_F(Settings, that_take_each_value_by_itself_do_so_from_a_file) {
  std::vector<std::vector<std::string>> given;
  command_
      .add_option_function<std::vector<std::string>>("--prompt", [&](const auto& words) { given.push_back(words); })
      ->trigger_on_parse();
  EXPECT_EQ(parse({"--config", write("prompt: [circle, star]\n")}), "");
  EXPECT_EQ(given, (std::vector<std::vector<std::string>>{{"circle"}, {"star"}}));
}

}  // namespace
}  // namespace rushes::app
