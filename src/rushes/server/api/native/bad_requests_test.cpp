// Requests that are wrong, sent to each family: the same mistake gets the same status and a message that names it, and
// the session that it was sent to goes on.
#include <gmock/gmock.h>

#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

const std::string kUnknownId(32, '0'), kSessions = "/v1/sessions";

struct Mistake {
  std::string name, method, target, body;
  int status;
  std::string words;  // that the message must contain
};

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string base64(const std::string& bytes) {
  return encode_base64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

/// A PNG file whose header claims such a size.
std::string png_of(uint32_t width, uint32_t height) {
  std::string png = picture();
  for (int i = 0; i < 4; ++i) {
    png[static_cast<std::size_t>(16 + i)] = static_cast<char>(width >> (24 - 8 * i));
    png[static_cast<std::size_t>(20 + i)] = static_cast<char>(height >> (24 - 8 * i));
  }
  return png;
}

class BadRequest : public FamilySuite {
 protected:
  BadRequest() { start(); }

  void expect_mistakes(const std::vector<Mistake>& mistakes) {
    for (const Mistake& m : mistakes) {
      SCOPED_TRACE(m.name);
      const Reply reply = server().request(m.method, m.target, m.body);
      EXPECT_EQ(reply.status, m.status) << reply.body.substr(0, 300);
      const json answer = json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
      ASSERT_TRUE(answer.contains("error")) << reply.body.substr(0, 300);
      EXPECT_THAT(answer["error"]["message"].get<std::string>(), HasSubstr(m.words));
      EXPECT_FALSE(answer["error"]["code"].get<std::string>().empty());
    }
  }
  /// No mistake has begun a session, and those of this family are made as before.
  void expect_to_serve_with(std::size_t sessions) {
    EXPECT_EQ(server().request("GET", "/health").status, 200);
    EXPECT_EQ(server().request("GET", kSessions).json()["sessions"].size(), sessions);
    server().gate().open();
    expect_recording(make_video(), kBlocks);
  }
  static bool is(std::string_view name) { return name == family().name; }
};

INSTANTIATE_TEST_SUITE_P(Families, BadRequest, testing::ValuesIn(test_families()), family_name);

TEST_P(BadRequest, that_is_no_json_or_too_much_of_it_is_named) {
  const auto post = [](const char* name, std::string text, int status, const char* words) {
    return Mistake{name, "POST", kSessions, std::move(text), status, words};
  };
  const std::string valid = body(), open = valid.substr(0, valid.size() - 1) + ",";
  std::string many_names;
  for (int i = 0; i < 50'000; ++i) many_names += fmt::format("\"{}\":1,", i);
  expect_mistakes({
      post("no body", "", 400, "not JSON"),
      post("no JSON", "prompt=a", 400, "not JSON"),
      post("cut off", valid.substr(0, valid.size() - 1), 400, "byte"),
      post("list", "[" + valid + "]", 400, "object (got array)"),
      post("text after it", valid + " x", 400, "not JSON"),
      post("not UTF-8", open + "\"x\": \"\xff\xfe\"}", 400, "not JSON"),
      post("deep", std::string(60000, '['), 400, "nested more than 100 times"),
      post("deep and whole", std::string(20000, '[') + std::string(20000, ']'), 400, "nested more than 100 times"),
      post("very many values", open + "\"a\":[" + repeated("[],", 100'000) + "1]}", 413, "more than 65536 values"),
      post("very many objects", open + "\"a\":[" + repeated("{\"a\":1},", 60'000) + "1]}", 413, "values"),
      post("very many fields", open + many_names + "\"a\":1}", 413, "more than 1000 fields"),
      post("a number beyond all", open + "\"fps\":1e400}", 400, "too large"),
      post("twice", open + "\"seed\":1,\"seed\":2}", 400, "the field 'seed' twice"),
  });
  expect_to_serve_with(0);
}

TEST_P(BadRequest, with_a_wrong_field_names_the_field) {
  const auto with = [](const char* name, const json& more, int status, const char* words) {
    return Mistake{name, "POST", kSessions, body(more), status, words};
  };
  const json only_model{{"model", family().model}};
  const std::string number = is("talking_head_with_live_options") ? "shade" : "steps", wrong = number + " must be";
  if (family().missing) expect_mistakes({{"nothing", "POST", kSessions, only_model.dump(), 400, family().missing}});
  expect_mistakes({
      {"unknown field beside what is missing", "POST", kSessions,
       json{{"model", family().model}, {"promt", "a"}}.dump(), 400, "unknown field promt"},
      with("unknown field", {{"sead", 3}}, 400, "unknown field sead"),
      // ---- the model ----
      with("another model", {{"model", "gpt"}}, 404, "there is no model 'gpt'"),
      with("model number", {{"model", 1}}, 400, "model must be a string"),
      with("model without a name", {{"model", ""}}, 404, "there is no model ''"),
      // ---- prompts ----
      with("prompt number", {{"prompt", 5}}, 400, "prompt must be a string (got number)"),
      with("empty prompt", {{"prompt", ""}}, 400, "prompt is empty"),
      with("blank prompt", {{"prompt", " \n\t "}}, 400, "prompt is empty"),
      with("separators only", {{"prompt", " ; ;"}}, 400, "prompt has only separators"),
      with("NUL in a prompt", {{"prompt", std::string("a\0b", 3)}}, 400, "prompt must not contain NUL"),
      with("9 kB prompt", {{"prompt", std::string(9000, 'x')}}, 413, "the limit is 8192"),
      with("100 kB prompt", {{"prompt", std::string(100'000, 'x')}}, 413, "the limit is 8192"),
      with("both", {{"prompt", "a"}, {"prompts", {"b"}}}, 400, "give prompt or prompts, not both"),
      with("prompts string", {{"prompt", nullptr}, {"prompts", "a"}}, 400, "prompts must be a list"),
      with("prompts of numbers", {{"prompt", nullptr}, {"prompts", {"a", 3}}}, 400, "prompts[1] must be a string"),
      with("empty list", {{"prompt", nullptr}, {"prompts", json::array()}}, 400, "prompts is empty"),
      with("empty prompt in a list", {{"prompt", nullptr}, {"prompts", {"a", ""}}}, 400, "prompts[1] is empty"),
      with("long prompt in a list", {{"prompt", nullptr}, {"prompts", {std::string(9000, 'x')}}}, 413, "prompts[0]"),
      // ---- seed, length, pacing ----
      with("seed string", {{"seed", "3"}}, 400, "seed must be an integer"),
      with("seed fraction", {{"seed", 3.5}}, 400, "seed must be an integer"),
      with("seed negative", {{"seed", -1}}, 400, "seed must be an integer from 0"),
      with("seed beyond 64 bits", {{"seed", 18446744073709551616.0}}, 400,
           "seed must be an integer from 0 to 18446744073709551615 (got 1.8446744073709552e+19)"),
      with("seed bool", {{"seed", true}}, 400, "seed must be an integer"),
      with("segments negative", {{"segments", -1}}, 400, "segments must be an integer from 0"),
      with("segments beyond all", {{"segments", 1e12}}, 400, "segments must be an integer"),
      with("frames 0", {{"frames", 0}}, 400, "frames must be an integer from 1"),
      with("frames string", {{"frames", "81"}}, 400, "frames must be an integer"),
      with("lead negative", {{"max_lead", -1}}, 400, "max_lead must be a number from 0"),
      with("lead beyond an hour", {{"max_lead", 3601}}, 400, "max_lead must be a number from 0 to 3600"),
      with("pacing unknown", {{"pacing", "slow"}}, 400, "pacing must be asap or realtime"),
      with("pacing with a lead", {{"pacing", "asap"}, {"max_lead", 1}}, 400,
           "max_lead cannot be used with pacing asap"),
      // ---- size and rate ----
      with("fps 0", {{"fps", 0}}, 400, "fps must be a number from 1"),
      with("fps beyond all", {{"fps", 241}}, 400, "fps must be a number from 1 to 240"),
      with("fps string", {{"fps", "16"}}, 400, "fps must be a number"),
      with("size word", {{"size", "large"}}, 400, "size must be WIDTHxHEIGHT"),
      with("size negative", {{"size", "-64x64"}}, 400, "size must be WIDTHxHEIGHT"),
      with("size without an end", {{"size", "64x"}}, 400, "size must be WIDTHxHEIGHT"),
      with("size too great for a number", {{"size", "99999999999999999999x64"}}, 400, "size must be WIDTHxHEIGHT"),
      with("size number", {{"size", 64}}, 400, "size must be a string"),
      with("size twice", {{"size", "64x64"}, {"width", 64}}, 400, "give size, or width and height, not both"),
      with("width string", {{"width", "64"}}, 400, "width must be an integer"),
      with("height 0", {{"height", 0}}, 400, "height must be an integer from 1"),
      // ---- pictures ----
      with("image address", {{"image", "http://127.0.0.1/x.png"}}, 400, "image must be the image itself"),
      with("image file", {{"image", "file:///etc/passwd"}}, 400, "image must be the image itself"),
      with("image no base64", {{"image", "?*"}}, 400, "image is not valid base64"),
      with("image a character too long", {{"image", "aGVsbG8=a"}}, 400, "image is not valid base64"),
      with("image data address", {{"image", "data:image/png,abc"}}, 400, "image: a data URL"),
      with("image of text", {{"image", "data:text/plain;base64,aGVsbG8="}}, 400, "image: the data URL has the type"),
      with("image number", {{"image", 1}}, 400, "image must be a string"),
      with("image empty", {{"image", ""}}, 422, "the image is empty"),
      with("image no picture", {{"image", "aGVsbG8="}}, 415, "image"),
      with("image cut off", {{"image", base64(picture().substr(0, 60))}}, 422, "image"),
      with("image claims 400 megapixels", {{"image", base64(png_of(20'000, 20'000))}}, 413, "image"),
      with("image claims 54 megapixels", {{"image", base64(png_of(9'000, 6'000))}}, 413, "image"),
      with("image moves", {{"image", base64(animation())}}, 415, "image is animated"),
      // ---- options ----
      with("option of another type", {{number, "many"}}, 400, wrong.c_str()),
      with("option out of range", {{number, 100'000}}, 400, wrong.c_str()),
      with("option that is an object", {{number, json::object()}}, 400, wrong.c_str()),
      with("option that is a list", {{number, {1, 2}}}, 400, wrong.c_str()),
      with("video is no field here", {{"video", "aGVsbG8="}}, 400, "unknown field video"),
  });
  if (is("text_to_video")) {
    expect_mistakes({
        with("null prompt", {{"prompt", nullptr}}, 400, "give prompt or prompts"),
        with("width between the model's", {{"width", 65}}, 400, "width must be a multiple of 16"),
        with("height beyond the model", {{"height", 100'000}}, 400, "height must be"),
        with("steps list", {{"denoising_steps", {1000, "x"}}}, 400, "denoising_steps[1]"),
        with("guidance", {{"guidance_scale", 1e9}}, 400, "guidance_scale must be"),
        with("solver", {{"solver", "magic"}}, 400, "solver must be"),
        with("image that the model does not take", {{"image", picture_in_base64()}}, 415,
             "image: this model does not accept"),
        with("another family's option", {{"nfe", 10}}, 400, "unknown field nfe"),
    });
  } else if (is("avatar")) {
    expect_mistakes({with("guidance", {{"guidance_scale", 1e9}}, 400, "guidance_scale must be"),
                     with("another family's option", {{"nfe", 10}}, 400, "unknown field nfe")});
  } else if (is("talking_head_with_live_options")) {
    expect_mistakes({with("null image", {{"image", nullptr}}, 400, "image is missing"),
                     with("pieces of two numbers", {{"chunksize", {1, 2}}}, 400, "chunksize must"),
                     with("shade", {{"shade", 1.5}}, 400, "shade must be"),
                     with("another family's option", {{"guidance_scale", 3}}, 400, "unknown field guidance_scale")});
  } else {
    expect_mistakes({
        with("null image", {{"image", nullptr}}, 400, "image is missing"),
        with("width of its own", {{"width", 128}}, 415, "size cannot be set: this model generates 64x64"),
        with("size of its own", {{"size", "128x128"}}, 415, "size cannot be set: this model generates 64x64"),
        with("rate of its own", {{"fps", 30}}, 415, "fps cannot be changed: this model generates 25"),
        with("length", {{"frames", 81}}, 415, "frames cannot be set"),
        with("segments", {{"segments", 2}}, 415, "segments and frames"),
        with("prompt that the model does not take", {{"prompt", "a"}}, 415, "prompt: this model does not accept text"),
        with("pose list", {{"pose_style", {1, "x", 2}}}, 400, "pose_style[1]"),
        with("pose with two numbers", {{"pose_style", {1, 2}}}, 400, "pose_style must"),
        with("guidance", {{"cfg_scale", 1e9}}, 400, "cfg_scale must be"),
        with("mode", {{"mode", "magic"}}, 400, "mode must be"),
        with("crop", {{"crop", "yes"}}, 400, "crop must be"),
        with("another family's option", {{"guidance_scale", 3}}, 400, "unknown field guidance_scale"),
    });
  }
  expect_to_serve_with(0);
}

TEST_P(BadRequest, to_a_session_that_is_not_there_says_so_wherever_it_is_sent) {
  begin();
  const struct {
    const char *method, *what, *body;
  } routes[] = {{"GET", "", ""},
                {"DELETE", "", ""},
                {"POST", "/prompt", R"({"prompt":"a"})"},
                {"POST", "/fork", ""},
                {"POST", "/pacing", R"({"pacing":"asap"})"},
                {"POST", "/pause", ""},
                {"POST", "/resume", ""},
                {"POST", "/stop", ""},
                {"POST", "/audio?format=s16le", "xx"},
                {"GET", "/video.mp4", ""},
                {"GET", "/recording.mp4", ""},
                {"GET", "/hls/video.m3u8", ""},
                {"GET", "/stream.sse", ""},
                {"GET", "/stream.ndjson", ""}};
  const std::pair<std::string, std::pair<int, const char*>> ids[] = {
      {kUnknownId, {404, "there is no session"}},
      {"abc", {400, "32 lower-case hexadecimal"}},
      {std::string(32, 'A'), {400, "32 lower-case hexadecimal"}},
      {std::string(33, '0'), {400, "32 lower-case hexadecimal"}},
      {"..%2f..%2fetc%2fpasswd", {400, "32 lower-case hexadecimal"}},
      {"%00", {404, "there is nothing at"}},
      {"%ff%fe", {400, "32 lower-case hexadecimal"}}};
  for (const auto& [id, expected] : ids) {
    for (const auto& route : routes)
      expect_mistakes(
          {{id + route.what, route.method, path(id, route.what), route.body, expected.first, expected.second}});
    for (const char* method : {"GET", "DELETE"})
      expect_mistakes({{"recording " + id, method, "/v1/recordings/" + id, "", expected.first, expected.second}});
    for (const char* socket : {"/events", "/video", "/frames", "/audio"})
      EXPECT_EQ(TestClient(server().port()).upgrade(path(id, socket)).status, expected.first) << id << socket;
  }
  expect_to_serve_with(1);
}

TEST_P(BadRequest, to_a_session_is_named_and_the_session_goes_on) {
  const auto id = begin();
  ASSERT_TRUE(server().gate().wait_for(1));
  const std::string bare = "/audio?format=s16le";
  const auto post = [&](const char* name, const std::string& what, std::string text, int status, const char* words) {
    return Mistake{name, "POST", path(id, what), std::move(text), status, words};
  };
  const auto get = [&](const char* name, const std::string& what, int status, const char* words) {
    return Mistake{name, "GET", path(id, what), "", status, words};
  };
  expect_mistakes({
      // ---- methods and paths ----
      {"method", "PUT", kSessions, "{}", 405, "use POST, GET"},
      {"method of a session", "POST", path(id), "{}", 405, "use GET, HEAD, DELETE"},
      {"method of a control", "PUT", path(id, "/stop"), "", 405, "use POST"},
      {"method of a recording", "POST", "/v1/recordings/" + id, "", 405, "use GET, HEAD, DELETE"},
      {"method of health", "DELETE", "/health", "", 405, "use GET"},
      {"method of the page", "POST", "/index.html", "x", 405, "only GET"},
      {"unknown method", "BREW", kSessions, "", 405, "BREW"},
      {"unknown path", "GET", "/v1/nothing", "", 404, "/v1/nothing"},
      {"unknown control", "POST", path(id, "/faster"), "", 404, "/faster"},
      {"trailing slash", "GET", kSessions + "/", "", 404, "nothing at"},
      // ---- queries ----
      {"query", "GET", kSessions + "?x=%zz", "", 400, "hexadecimal"},
      {"query unknown", "GET", kSessions + "?stat=running", "", 400,
       "unknown query parameter stat; the known parameters are: token, state"},
      {"query of a control unknown", "POST", path(id, "/stop?now=1"), "", 400, "unknown query parameter now"},
      {"state unknown", "GET", kSessions + "?state=done", "", 400, "state must be one or more of"},
      {"state empty", "GET", kSessions + "?state=", "", 400, "state must be one or more of"},
      {"state and nothing", "GET", kSessions + "?state=paused,", "", 400, "state must be one or more of"},
      {"state between two", "GET", kSessions + "?state=paused,,running", "", 400, "state must be one or more of"},
      get("from", "/video.mp4?from=middle", 400, "from must be start or newest"),
      get("WebSocket by plain GET", "/events", 426, "WebSocket"),
      get("WebSocket of a video by plain GET", "/video", 426, "WebSocket"),
      // ---- controls ----
      post("prompt empty", "/prompt", R"({"prompt":""})", 400, "prompt is empty"),
      post("prompt missing", "/prompt", "{}", 400, "prompt is missing"),
      post("prompt number", "/prompt", R"({"prompt":1})", 400, "prompt must be a string"),
      post("prompt without a body", "/prompt", "", 400, "not JSON"),
      post("prompt unknown field", "/prompt", R"({"prompt":"a","when":1})", 400, "unknown field when"),
      post("prompt too long", "/prompt", json{{"prompt", std::string(9000, 'x')}}.dump(), 413, "8192"),
      post("prompt far too long", "/prompt", json{{"prompt", std::string(100'000, 'x')}}.dump(), 413, "65536"),
      post("fork of a list", "/fork", "[]", 400, "object (got array)"),
      post("fork with an empty prompt", "/fork", R"({"prompt": ""})", 400, "prompt is empty"),
      post("fork with a number for a prompt", "/fork", R"({"prompt": 1})", 400, "prompt must be a string"),
      post("fork with an unknown field", "/fork", R"({"block": 1})", 400, "unknown field block"),
      post("fork at no block", "/fork", R"({"blocks": -1})", 400, "blocks must be an integer from 0"),
      post("fork at a word", "/fork", R"({"blocks": "1"})", 400, "blocks must be an integer"),
      post("fork at a later block", "/fork", R"({"blocks": 6})", 409, "blocks must be 0 to 0 (got 6)"),
      post("pacing missing", "/pacing", "{}", 400, "pacing is missing"),
      post("pacing unknown", "/pacing", R"({"pacing": "slow"})", 400, "pacing must be asap or realtime"),
      post("pacing with a lead", "/pacing", R"({"pacing": "asap", "max_lead": 1})", 400,
           "max_lead cannot be used with pacing asap"),
      post("lead negative", "/pacing", R"({"max_lead": -1})", 400, "max_lead must be a number from 0"),
      post("pacing unknown field", "/pacing", R"({"max_lead": 1, "speed": 2})", 400, "unknown field speed"),
      {"recording that has not begun", "DELETE", "/v1/recordings/" + id, "", 404, "has no recording yet"},
  });
  EXPECT_EQ(TestClient(server().port()).upgrade(path(id, "/video?from=x")).status, 400);
  if (!family().takes_speech()) {
    for (const std::string& what : {bare, std::string("/audio"), std::string("/audio?end=true")})
      expect_mistakes({post("speech", what, "xx", 415, "does not accept speech")});
    EXPECT_EQ(TestClient(server().port()).upgrade(path(id, "/audio")).status, 415);
  } else {
    expect_mistakes({
        post("prompt", "/prompt", R"({"prompt":"a"})", 415, "does not accept prompts"),
        post("fork with a prompt", "/fork", R"({"prompt":"a"})", 415, "does not accept prompts"),
        post("no sound", "/audio", "no sound", 415, "audio"),
        post("noise", "/audio", std::string(3000, 'x'), 415, "audio"),
        post("unknown format", "/audio?format=mp3", "xx", 400, "format must be s16le, s16be or f32le (got 'mp3')"),
        post("rate too low", bare + "&rate=5", "xx", 400, "rate must be from 1000 to 768000 Hz (got 5)"),
        post("rate word", bare + "&rate=high", "xx", 400, "rate must be"),
        post("rate of a file", "/audio?rate=16000", "xx", 400, "rate can be given only with format=s16le"),
        post("end", "/audio?end=maybe", "xx", 400, "end must be true or false (got 'maybe')"),
        post("channels of a file", "/audio?channels=2", "xx", 400, "channels can be given only with format=s16le"),
        post("no channels", bare + "&channels=0", "xx", 400, "channels must be from 1 to 32 (got 0)"),
    });
    EXPECT_EQ(TestClient(server().port()).upgrade(path(id, "/audio?rate=5")).status, 400);
  }
  EXPECT_EQ(server().status(id)["state"], "running");
  server().gate().open();
  EXPECT_EQ(finish(id).back()["state"], family().end);
  expect_recording(id, kBlocks);
  expect_to_serve_with(1);
}

TEST_P(BadRequest, to_a_session_that_has_ended_is_a_conflict) {
  server().gate().open();
  const auto id = make_video();
  for (const char* control : {"/pause", "/resume"})
    expect_mistakes({{control, "POST", path(id, control), "", 409, fmt::format("has {}", family().end)}});
  expect_mistakes({{"/fork", "POST", path(id, "/fork"), "", 409, "has ended"},
                   {"/pacing", "POST", path(id, "/pacing"), R"({"pacing": "asap"})", 409, "change its pacing"},
                   {"/prompt", "POST", path(id, "/prompt"), R"({"prompt": "x"})", 409, "accept a prompt"}});
  expect_to_serve_with(1);
}

TEST_P(BadRequest, with_too_large_a_body_is_refused_before_it_is_sent) {
  const auto id = begin();
  const auto answer = [&](const std::string& target, int64_t bytes) {
    TestClient client(server().port());
    client.write("POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(bytes) +
                 "\r\n\r\n");
    return client.read_reply();
  };
  for (const auto& [target, allowed] : std::vector<std::pair<std::string, int64_t>>{{kSessions, 24 << 20},
                                                                                    {path(id, "/prompt"), 64 << 10},
                                                                                    {path(id, "/fork"), 64 << 10},
                                                                                    {path(id, "/audio"), 128 << 20}}) {
    SCOPED_TRACE(target);
    const Reply refused = answer(target, allowed + 1);
    EXPECT_EQ(refused.status, 413);
    EXPECT_THAT(refused.json()["error"]["message"].get<std::string>(), HasSubstr(std::to_string(allowed)));
  }
  expect_to_serve_with(1);
}

}  // namespace
}  // namespace rushes::server
