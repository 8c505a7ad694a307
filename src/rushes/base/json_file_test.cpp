#include "rushes/base/json_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/message_of.h"
#include "rushes/base/scratch_folder.h"

namespace rushes {
namespace {

TEST(JsonFile, holds_an_object_of_a_bounded_size) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch.path / "config.json";
  EXPECT_EQ(message_of([&] { json_object_in(file); }, ErrorCode::not_found), "'" + file.string() + "' is missing");
  for (const char* broken : {"", "[1]", "{\"a\": ", "3"}) {
    std::ofstream(file) << broken;
    EXPECT_EQ(message_of([&] { json_object_in(file); }), "'" + file.string() + "' is not a JSON object") << broken;
  }
  std::ofstream(file) << "{\"a\": 7}";
  EXPECT_EQ(json_object_in(file), nlohmann::json({{"a", 7}}));
  std::ofstream(file) << "{}" << std::string(kMostJsonBytes - 2, ' ');
  EXPECT_EQ(json_object_in(file), nlohmann::json::object());
  std::ofstream(file, std::ios::app) << ' ';
  message_of([&] { json_object_in(file); }, ErrorCode::too_large);
}

}  // namespace
}  // namespace rushes
