// What may be asked of a source that talks, and what of it changes nothing.
#include "rushes/generation/ditto/plan.h"

#include <gtest/gtest.h>

#include "rushes/generation/ditto/family.h"
#include "rushes/generation/spoken_test_video.h"

namespace rushes::generation {
namespace {

const Model& model() {
  static const auto kModel = ditto_family().tiny(0);
  return *kModel;
}

Request request_of() {
  Request request{.image = test_picture(96, 80), .seed = 42};
  request.faces = {{20, 20, 60, 70}};
  return request;
}

Video talk(const Request& request, const std::vector<float>& wave) {
  return talk(*start(model(), request), wave, {100'000});
}

TEST(DittoPlan, names_options_that_change_nothing_and_that_is_so) {
  const std::vector<float> wave = speech(640 * 8);
  const auto fields_of = [](const Request& request) {
    std::vector<std::string> fields;
    const auto plan = model().plan(request);
    for (const Ignored& each : plan->ignored) fields.push_back(each.field);
    return fields;
  };
  const Video wanted = talk(request_of(), wave);
  const std::pair<const char*, OptionValue> unused[] = {
      {"smo_k_s", int64_t{3}}, {"eye_f0_mode", true},           {"relative_d", false}, {"N_d", int64_t{20}},
      {"fade_in", int64_t{4}}, {"fade_type", std::string("s")}, {"blink_rate", 9.0},   {"fade_out", int64_t{2}}};
  for (const auto& [name, value] : unused) {
    Request request = request_of();
    request.options.set(name, value);
    EXPECT_EQ(fields_of(request), std::vector<std::string>{name});
    EXPECT_TRUE(talk(request, wave).pixels == wanted.pixels) << name;
  }
  Request fading = request_of();
  fading.options = {{"fade_type", std::string("s")}, {"fade_in", int64_t{4}}};
  EXPECT_EQ(fields_of(fading), std::vector<std::string>{});
  EXPECT_FALSE(talk(fading, wave).pixels == wanted.pixels);
}

}  // namespace
}  // namespace rushes::generation
