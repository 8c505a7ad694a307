// Requests of OmniAvatar's clients as tables.
#include "rushes/server/api/omniavatar/avatar_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rushes::server::omniavatar {
namespace {

using testing::HasSubstr;

TEST(AvatarRequest, has_the_fields_of_the_body_and_passes_over_others) {
  const AvatarRequest wanted = read_request(
      R"({"prompt": "a man", "audio_base64": "QQ==", "image_base64": "Qg==", "height": 96, "width": 64.0,
          "num_steps": 4, "guidance_scale": 4.5, "audio_scale": null, "negative_prompt": "blur", "colour": "x"})");
  EXPECT_EQ(wanted.prompt, "a man");
  EXPECT_EQ(wanted.audio, "QQ==");
  EXPECT_EQ(wanted.image, "Qg==");
  EXPECT_EQ(wanted.height, 96);
  EXPECT_EQ(wanted.width, 64);
  EXPECT_EQ(wanted.steps, 4);
  EXPECT_EQ(wanted.guidance_scale, 4.5);
  EXPECT_EQ(wanted.audio_scale, std::nullopt);
  EXPECT_EQ(wanted.negative_prompt, "blur");
  EXPECT_TRUE(wanted.with_sound);
  EXPECT_FALSE(read_request(R"({"prompt": "a", "audio": false})").with_sound);
}

TEST(AvatarRequest, is_refused_in_the_words_of_the_published_server) {
  const struct {
    const char *body, *words;
  } kBodies[] = {{"{}", "No JSON data provided"},
                 {"null", "No JSON data provided"},
                 {"[]", "No JSON data provided"},
                 {"0", "No JSON data provided"},
                 {"\"\"", "No JSON data provided"},
                 {"false", "No JSON data provided"},
                 {"{\"audio_base64\": \"QQ==\"}", "Prompt is required"},
                 {"{\"prompt\": \"\"}", "Prompt is required"},
                 {"{\"prompt\": null}", "Prompt is required"},
                 {"", "400 Bad Request: The browser"},
                 {"{\"prompt\":", "400 Bad Request: The browser"},
                 {"[1]", "'list' object has no attribute 'get'"},
                 {"3", "'int' object has no attribute 'get'"},
                 {"\"a\"", "'str' object has no attribute 'get'"},
                 {"{\"prompt\": 3}", "prompt must be a string"},
                 {"{\"prompt\": \"a\", \"num_steps\": \"4\"}", "num_steps must be a number"},
                 {"{\"prompt\": \"a\", \"num_steps\": 4.5}", "num_steps must be an integer"},
                 {"{\"prompt\": \"a\", \"audio\": 1}", "audio must be true or false"}};
  for (const auto& [body, words] : kBodies) {
    SCOPED_TRACE(body);
    try {
      read_request(body);
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  }
}

TEST(AvatarRequest, of_an_event_has_a_prompt_of_its_own) {
  EXPECT_EQ(read_event(Json::object()).prompt, "A person speaking naturally with lip sync to the audio");
  EXPECT_EQ(read_event({{"prompt", "a man"}}).prompt, "a man");
  EXPECT_THROW(read_event("text"), Error);
}

TEST(AvatarRequest, has_a_seed_of_64_bits_or_a_random_one) {
  EXPECT_EQ(read_event({{"seed", 18446744073709551615u}}).seed, 18446744073709551615u);
  for (const Json& random : {Json(nullptr), Json(-1)}) EXPECT_EQ(read_event({{"seed", random}}).seed, std::nullopt);
  for (const Json& wrong : {Json(1.5), Json("7"), Json::parse("99999999999999999999")})
    EXPECT_THROW(read_event({{"seed", wrong}}), Error) << wrong;
}

TEST(AvatarRequest, becomes_options_that_the_model_has_and_sides_that_are_the_models_to_judge) {
  const OptionField steps{.name = "steps", .type = OptionType::integer, .doc = "", .least = 1, .most = 200};
  const auto list_of = [&](int64_t longest) {
    return std::vector<OptionField>{
        steps, {.name = "max_hw", .type = OptionType::integer, .doc = "", .standard = longest, .most = 1280}};
  };
  const auto request_of = [](const AvatarRequest& wanted, std::span<const OptionField> fields) {
    generation::Request request;
    put_numbers(wanted, fields, request);
    return request;
  };
  const auto several = list_of(720), one = list_of(0);
  generation::Request request = request_of({.prompt = "a", .steps = 8, .guidance_scale = 3.0}, one);
  EXPECT_EQ(request.options.get<int64_t>("steps"), 8);
  ASSERT_EQ(request.ignored.size(), 1u);
  EXPECT_EQ(request.ignored[0].field, "guidance_scale");
  const struct {
    AvatarRequest wanted;
    std::span<const OptionField> fields;
    std::optional<int64_t> height, width;
    const char* why;  // empty: nothing is ignored
  } kSides[] = {{{.prompt = "a", .height = 100, .width = 96}, several, 100, 96, ""},
                {{.prompt = "a", .height = 100, .width = 96}, one, 100, 96, ""},
                {{.prompt = "a", .height = 720, .width = 720}, several, 720, 720, ""},
                {{.prompt = "a", .height = 720, .width = 720}, one, {}, {}, "not told a size"},
                {{.prompt = "a", .height = 720}, one, {}, {}, "not told a size"},
                {{.prompt = "a", .height = 720, .width = 64}, one, 720, 64, ""},
                {{.prompt = "a", .image = "Qg==", .height = 64}, several, {}, {}, "an image chooses"},
                {{.prompt = "a", .image = "Qg==", .width = 64}, one, {}, {}, "an image chooses"}};
  for (const auto& [wanted, fields, height, width, why] : kSides) {
    SCOPED_TRACE(fmt::format("{} {} {}", wanted.height.value_or(0), wanted.width.value_or(0), why));
    request = request_of(wanted, fields);
    EXPECT_EQ(request.height, height);
    EXPECT_EQ(request.width, width);
    EXPECT_EQ(request.ignored.empty(), *why == '\0');
    for (const auto& each : request.ignored) EXPECT_THAT(each.reason, HasSubstr(why));
  }
}

TEST(AvatarRequest, names_the_field_that_has_no_file_in_base64) {
  AvatarRequest sound{.prompt = "a", .audio = "****"},
      picture{.prompt = "a", .audio = "QUJD", .image = "data:image/png;base64,"};
  const auto message = [](AvatarRequest& wanted) {
    try {
      decode_files(wanted);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(message(sound), HasSubstr("audio_base64 has 4 characters"));
  AvatarRequest other_sound{.prompt = "a", .audio = "data:image/png;base64,QUJD"},
      other_picture{.prompt = "a", .image = "data:text/plain;base64,QUJD"},
      video{.audio = "data:video/webm;base64,QUJD"};
  EXPECT_THAT(message(other_sound), HasSubstr("audio_base64: the type of the data URL must be one of audio/"));
  EXPECT_THAT(message(other_picture), HasSubstr("image_base64: the type of the data URL must be one of image/"));
  EXPECT_EQ(message(video), "accepted") << "browsers record speech so";
  EXPECT_THAT(message(picture), HasSubstr("image_base64 has 22 characters, but none of a file in base64"));
}

TEST(LenientBase64, is_decoded_as_python_does) {
  const struct {
    const char *text, *bytes;
  } kTexts[] = {{"", ""},
                {"QUJD", "ABC"},
                {"QUI=", "AB"},
                {"QQ==", "A"},
                {" Q U\nJ*D-_", "ABC"},
                {"data:audio/wav;base64,QUJD", "ABC"},
                {"QQ==QUJD", "A"},
                {"Q=UJD", "ABC"},
                {"====", ""},
                {"QUJDRA==", "ABCD"}};
  for (const auto& [text, bytes] : kTexts) EXPECT_EQ(decode_lenient_base64(text), bytes) << text;
  for (const char* text : {"QQ", "QQ=", "QUI", "Q", "QUJDR"}) EXPECT_THROW(decode_lenient_base64(text), Error) << text;
  try {
    decode_lenient_base64("QUI");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "Incorrect padding");
  }
}

TEST(PythonJson, has_spaces_and_ascii) {
  EXPECT_EQ(
      python_json(
          {{"message", "caf\xc3\xa9 \"x\""}, {"total_segments", 2}, {"segment_base64", nullptr}, {"is_final", true}}),
      R"({"message": "caf\u00e9 \"x\"", "total_segments": 2, "segment_base64": null, "is_final": true})");
  EXPECT_EQ(python_json({{"image", {{"width", 64}, {"shown", {0.5, 1.0}}}}, {"ignored", Json::array()}}),
            R"({"image": {"width": 64, "shown": [0.5, 1.0]}, "ignored": []})");
}

}  // namespace
}  // namespace rushes::server::omniavatar
