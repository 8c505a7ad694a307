// The OpenAI-style API over real sockets; tests/e2e/test_openai.py has the client library itself.
#include <gmock/gmock.h>

#include <set>

#include "rushes/media/image.h"
#include "rushes/media/test_video.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
using nlohmann::json;

const std::string kForm = "Content-Type: multipart/form-data; boundary=XX\r\n";
std::string field(const std::string& name, const std::string& value, const std::string& more = {}) {
  return "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n" + value + "\r\n";
}

json wait_until_over(const RunningServer& server, const std::string& id) {
  server.events(id.substr(6));
  for (json video;;) {  // the encoder may still have the last block
    video = server.request("GET", "/v1/videos/" + id).json();
    if (video["status"] == "completed" || video["status"] == "failed") return video;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST(OpenAiVideos, are_made_downloaded_and_deleted) {
  RunningServer server;
  const Reply created =
      server.request("POST", "/v1/videos", R"({"prompt": "a; b", "seconds": "5.25", "size": "64x48", "seed": 3})");
  ASSERT_EQ(created.status, 200) << created.body;
  json video = created.json();
  const std::string id = video["id"];
  EXPECT_EQ(video["object"], "video");
  EXPECT_EQ(video["model"], "drawing");
  EXPECT_EQ(video["prompt"], "a; b");
  EXPECT_EQ(video["size"], "64x48");
  EXPECT_EQ(video["seconds"], "5.25");
  EXPECT_EQ(video["error"], nullptr);
  server.gate().open();
  video = wait_until_over(server, id);
  EXPECT_EQ(video["status"], "completed");
  EXPECT_EQ(video["progress"], 100);
  EXPECT_GE(video["completed_at"], video["created_at"]);
  const Reply content = server.request("GET", "/v1/videos/" + id + "/content?variant=video");
  EXPECT_EQ(content.headers.at("content-type"), "video/mp4");
  EXPECT_EQ(media::decode_bytes("openai_test.mp4", media::Bytes(content.body.begin(), content.body.end())).size(), 84u);
  EXPECT_EQ(server.request("DELETE", "/v1/videos/" + id).json(),
            (json{{"id", id}, {"object", "video.deleted"}, {"deleted", true}}));
  EXPECT_EQ(server.request("GET", "/v1/videos/" + id).status, 404);
}

TEST(OpenAiVideos, are_whole_also_where_they_cannot_be_recorded) {
  RunningServer server([](ServerOptions& options) { options.sessions.max_recording_bytes = 2000; });
  const std::string id =
      server.request("POST", "/v1/videos", R"({"prompt": "a", "seconds": "5.25", "size": "64x48"})").json()["id"];
  server.gate().open();
  wait_until_over(server, id);
  const Reply content = server.request("GET", "/v1/videos/" + id + "/content");
  EXPECT_EQ(content.status, 200);
  EXPECT_EQ(content.headers.at("content-length"), std::to_string(content.body.size()));
  EXPECT_EQ(media::decode_bytes("openai_test.mp4", media::Bytes(content.body.begin(), content.body.end())).size(), 84u);
  const Reply missing = server.request("GET", "/v1/videos/" + id.substr(0, 6) + std::string(32, '0') + "/content");
  EXPECT_EQ(missing.status, 404);
  EXPECT_TRUE(missing.json()["error"].is_object());
}

TEST(OpenAiVideos, with_a_picture_for_which_there_is_no_room_are_refused_before_it_is_decoded) {
  constexpr int64_t kSide = 256;
  RunningServer server([](ServerOptions& options) { options.sessions.max_input_bytes = kSide * kSide * 3 - 1; });
  const auto png = media::encode_png(media::test_frame(kSide, kSide, 3).data(), kSide, kSide);
  // Its header tells the size; whoever looks at the rest finds that it is cut off.
  const std::string image = encode_base64(std::span(png).first(64));
  const Reply refused =
      server.request("POST", "/v1/videos", json{{"prompt", "a"}, {"input_reference", {{"image_url", image}}}}.dump());
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.json()["error"]["message"].get<std::string>(), testing::HasSubstr("--max-input-mib"));
}

TEST(OpenAiVideos, can_be_asked_for_in_a_form_and_remixed) {
  RunningServer server;
  const Reply created = server.request(
      "POST", "/v1/videos", field("prompt", "a red circle") + field("seconds", "2") + field("seed", "9") + "--XX--\r\n",
      kForm);
  ASSERT_EQ(created.status, 200) << created.body;
  const std::string id = created.json()["id"];
  EXPECT_EQ(server.status(id.substr(6))["seed"], 9);
  const Reply remixed = server.request("POST", "/v1/videos/" + id + "/remix", R"({"prompt": "a blue circle"})");
  ASSERT_EQ(remixed.status, 200) << remixed.body;
  EXPECT_EQ(remixed.json()["remixed_from_video_id"], id);
  EXPECT_EQ(remixed.json()["prompt"], "a blue circle");
  EXPECT_EQ(server.status(remixed.json()["id"].get<std::string>().substr(6))["seed"], 9);
  EXPECT_EQ(server.request("POST", "/v1/sessions/" + id.substr(6) + "/stop").status, 200);
  EXPECT_EQ(wait_until_over(server, id)["error"]["code"], "stopped");
}

TEST(OpenAiVideos, are_listed_in_pages) {
  RunningServer server;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(server.request("POST", "/v1/videos", R"({"prompt": "a"})").json()["id"]);
  const auto page = [&](const std::string& query) { return server.request("GET", "/v1/videos" + query).json(); };
  EXPECT_EQ(page("")["data"].size(), 5u);
  EXPECT_EQ(page("")["first_id"], ids[4]);
  EXPECT_EQ(page("")["has_more"], false);
  const json first = page("?limit=2&order=asc");
  EXPECT_EQ(first["last_id"], ids[1]);
  EXPECT_EQ(first["has_more"], true);
  EXPECT_EQ(page("?limit=3&order=asc&after=" + ids[1])["data"][2]["id"], ids[4]);
  EXPECT_EQ(page("?limit=0")["last_id"], nullptr);
  for (const char* wrong : {"?limit=-1", "?limit=101", "?limit=x", "?order=up"})
    EXPECT_EQ(server.request("GET", std::string("/v1/videos") + wrong).status, 400) << wrong;
  EXPECT_EQ(server.request("GET", "/v1/videos?after=video_1").status, 404);
}

std::vector<std::string> fields_of(const json& ignored) {
  std::vector<std::string> fields;
  for (const json& each : ignored) fields.push_back(each["field"]);
  return fields;
}

TEST(OpenAiVideos, take_the_fields_of_vllm_omni_sglang_and_dynamo_and_name_those_without_use) {
  RunningServer server;
  const struct {
    const char *headers, *body;
    std::vector<std::string> ignored;
  } clients[] = {
      {"",
       R"({"prompt": "a", "seconds": 4, "size": "64x48", "fps": 16, "num_frames": null, "seed": 1024, "generator_device": "cuda",
           "num_inference_steps": 4, "guidance_scale": 3, "guidance_scale_2": null, "enable_teacache": false, "output_quality": "default",
           "rollout": false, "rollout_sde_type": "sde", "diffusers_kwargs": {"timestep_shift": 3, "eta": 0}})",
       {"generator_device", "output_quality", "rollout_sde_type", "diffusers_kwargs.eta"}},
      {"",
       R"({"prompt": "a", "model": "drawing", "seconds": 4, "size": "64x48", "user": "u", "response_format": "b64_json", "stream": false,
           "nvext": {"fps": 16, "seed": 1024, "num_inference_steps": 4, "negative_prompt": "blur", "boundary_ratio": 0.5, "annotations": []}})",
       {"user", "response_format", "boundary_ratio", "negative_prompt"}},
      {kForm.c_str(), nullptr, {"lora", "seconds", "extra_params.turbo"}},
  };
  for (const auto& client : clients) {
    const std::string form = field("prompt", "a") + field("seconds", "4") + field("num_frames", "64") +
                             field("width", "64") + field("height", "48") + field("fps", "16") + field("seed", "1024") +
                             field("lora", R"({"name": "x"})") + field("guidance_scale", "1.5") +
                             field("extra_params", R"({"steps": 4, "turbo": true})") + "--XX--\r\n";
    const Reply reply = server.request("POST", "/v1/videos", client.body ? client.body : form, client.headers);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const json video = reply.json();
    EXPECT_THAT(fields_of(video["ignored"]), testing::UnorderedElementsAreArray(client.ignored)) << video["ignored"];
    EXPECT_EQ(video["size"], "64x48");
    EXPECT_EQ(video["seed"], 1024);
    EXPECT_EQ(server.status(video["id"].get<std::string>().substr(6))["format"]["fps"], 16);
  }
}

TEST(OpenAiVideos, take_every_field_but_prompt_and_model_also_in_each_object_of_fields) {
  RunningServer server;
  for (const char* object :
       {"sampling_params", "video_params", "nvext", "extra_params", "extra_body", "diffusers_kwargs"}) {
    SCOPED_TRACE(object);
    const json inner{
        {"seed", 77},  {"fps", 8},        {"width", 64},          {"height", 48}, {"num_inference_steps", 2},
        {"user", "u"}, {"seconds", "21"}, {"prompt", "a circle"}, {"model", "x"}};
    const Reply reply = server.request("POST", "/v1/videos", json{{"prompt", "a"}, {object, inner}}.dump());
    ASSERT_EQ(reply.status, 200) << reply.body;
    const json video = reply.json();
    EXPECT_EQ(video["seed"], 77);
    EXPECT_EQ(video["size"], "64x48");
    EXPECT_EQ(server.status(video["id"].get<std::string>().substr(6))["format"]["fps"], 8);
    EXPECT_THAT(fields_of(video["ignored"]),
                testing::UnorderedElementsAre("user", std::string(object) + ".prompt", std::string(object) + ".model"));
  }
}

TEST(OpenAiVideos, read_an_empty_field_of_a_form_as_absent) {
  RunningServer server;
  std::string form = field("prompt", "a") + field("steps", "") + field("num_inference_steps", "3");
  for (const char* empty : {"seed", "fps", "size", "width", "height", "guidance_scale", "model", "seconds",
                            "num_frames", "negative_prompt", "input_reference[image_url]", "lora", "extra_params"})
    form += field(empty, "");
  form +=
      "--XX\r\nContent-Disposition: form-data; name=\"image_reference\"; filename=\"\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\n\r\n";
  const Reply reply = server.request("POST", "/v1/videos", form + "--XX--\r\n", kForm);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json()["seconds"], "5.25");  // a segment, which has the usual 4 s
  EXPECT_EQ(reply.json()["model"], "drawing");
  EXPECT_EQ(reply.json()["ignored"], json::array());
  const Reply without = server.request("POST", "/v1/videos", field("prompt", "") + "--XX--\r\n", kForm);
  EXPECT_EQ(without.status, 400);
  EXPECT_THAT(without.body, testing::HasSubstr("prompt is missing"));
}

TEST(OpenAiVideos, take_numbers_in_strings_and_whole_numbers_with_a_point) {
  RunningServer server;
  const json asked[] = {
      {{"prompt", "a"},
       {"seed", "18446744073709551615"},
       {"fps", "8"},
       {"width", 64.0},
       {"height", "48"},
       {"steps", 2.0}},
      {{"prompt", "a"}, {"nvext", {{"seed", "7"}, {"fps", 8}, {"width", "64.0"}, {"height", 48.0}, {"steps", "2"}}}},
  };
  const uint64_t seeds[] = {std::numeric_limits<uint64_t>::max(), 7};
  for (std::size_t i = 0; i < std::size(asked); ++i) {
    const Reply reply = server.request("POST", "/v1/videos", asked[i].dump());
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json()["seed"], seeds[i]);
    EXPECT_EQ(reply.json()["size"], "64x48");
    const json session = server.status(reply.json()["id"].get<std::string>().substr(6));
    EXPECT_EQ(session["format"]["fps"], 8);
  }
  for (const char* wrong : {R"("")", R"("seven")", R"("1 2")", "1.5", R"("1.5")", "true", "[7]", "1e300"}) {
    const Reply reply = server.request("POST", "/v1/videos", fmt::format(R"({{"prompt": "a", "seed": {}}})", wrong));
    EXPECT_EQ(reply.status, 400) << wrong;
    EXPECT_THAT(reply.body, testing::HasSubstr("seed must be")) << wrong;
  }
}

TEST(OpenAiVideos, have_a_random_seed_that_is_told_where_none_is_named) {
  RunningServer server;
  std::set<uint64_t> seeds;
  for (const char* body : {R"({"prompt": "a"})", R"({"prompt": "a", "seed": -1})", R"({"prompt": "a", "seed": null})"})
    seeds.insert(server.request("POST", "/v1/videos", body).json()["seed"].get<uint64_t>());
  const Reply form =
      server.request("POST", "/v1/videos", field("prompt", "a") + field("seed", "-1") + "--XX--\r\n", kForm);
  EXPECT_EQ(form.status, 200) << form.body;
  seeds.insert(form.json()["seed"].get<uint64_t>());
  EXPECT_EQ(seeds.size(), 4u);
  EXPECT_LT(*seeds.rbegin(), 1ull << 32) << "JavaScript's numbers hold it";
}

TEST(OpenAiVideos, have_the_largest_seed_where_that_is_named) {
  RunningServer server;
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  const Reply reply = server.request("POST", "/v1/videos", json{{"prompt", "a"}, {"seed", kLargest}}.dump());
  const Reply form = server.request(
      "POST", "/v1/videos", field("prompt", "a") + field("seed", std::to_string(kLargest)) + "--XX--\r\n", kForm);
  for (const json& video : {reply.json(), form.json()}) {
    EXPECT_EQ(video["seed"], kLargest);
    EXPECT_EQ(server.status(video["id"].get<std::string>().substr(6))["seed"], kLargest);
  }
}

TEST(OpenAiVideos, say_what_is_wrong_in_the_shape_that_the_client_reads) {
  RunningServer server;
  struct Case {
    const char *headers, *body;
    int status;
    const char* words;
  };
  const Case kCases[] = {
      {"", "{}", 400, "prompt is missing"},
      {"", R"({"prompt": 3})", 400, "prompt is missing"},
      {"", R"({"prompt": ""})", 400, "empty"},
      {"", R"({"prompt": "a", "seconds": "long"})", 400, "seconds"},
      {"", R"({"prompt": "a", "seconds": 0})", 400, "seconds"},
      {"", R"({"prompt": "a", "seconds": 1e300})", 400, "seconds"},
      {"", R"({"prompt": "a", "size": "huge"})", 400, "size"},
      {"", R"({"prompt": "a", "size": "63x63"})", 400, "multiple of 16"},
      {"", R"({"prompt": "a", "model": "sora-2"})", 404, "sora-2"},
      {"", R"({"prompt": "a", "colour": "red"})", 400, "unknown field colour"},
      {"", R"({"prompt": "a", "seed": -2})", 400, "or -1 for a random one"},
      {"", R"({"prompt": "a", "seed": 18446744073709551616})", 400, "from 0 to 18446744073709551615"},
      {"", R"({"prompt": "a", "nvext": 3})", 400, "nvext must be an object"},
      {"", R"({"prompt": "a", "seed": [1]})", 400, "seed"},
      {"", R"({"prompt": "a", "prompt": "b"})", 400, "twice"},
      {"", R"({"prompt": "a", "input_reference": {"file_id": "x"}})", 415, "image_url"},
      {"", R"({"prompt": "a", "input_reference": {"image_url": "http://x/y.png"}})", 400, "does not fetch"},
      {"Content-Type: multipart/form-data\r\n", "x", 400, "boundary"},
      {"Content-Type: multipart/form-data; boundary=XX\r\n", "--XX\r\n", 400, "no closing boundary"},
      {"Content-Type: multipart/form-data; boundary=XX\r\n",
       "--XX\r\nContent-Disposition: form-data; name=\"seed\"\r\n\r\nx\r\n--XX--", 400, "seed must be a number"},
      {"Content-Type: multipart/form-data; boundary=XX\r\n",
       "--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na\r\n--XX\r\nContent-Disposition: form-data; "
       "name=\"input_reference\"; filename=\"a.png\"\r\n\r\nno "
       "picture\r\n--XX--",
       415, "JPEG"},
  };
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.body);
    const Reply reply = server.request("POST", "/v1/videos", each.body, each.headers);
    EXPECT_EQ(reply.status, each.status) << reply.body;
    const json error = reply.json()["error"];
    EXPECT_NE(error["message"].get<std::string>().find(each.words), std::string::npos) << reply.body;
    EXPECT_EQ(error["type"], "invalid_request_error");
    EXPECT_TRUE(error.contains("param") && error.contains("code"));
  }
  EXPECT_EQ(server.request("GET", "/v1/videos/video_0123456789abcdef0123456789abcdef").status, 404);
  EXPECT_EQ(server.request("GET", "/v1/videos/..%2f").status, 404);
  const std::string id = server.request("POST", "/v1/videos", R"({"prompt": "a"})").json()["id"];
  EXPECT_EQ(server.request("GET", "/v1/videos/" + id + "/content?variant=thumbnail").status, 400);
  EXPECT_EQ(server.request("POST", "/v1/sessions/" + id.substr(6) + "/stop").status, 200);
  wait_until_over(server, id);
}

}  // namespace
}  // namespace rushes::server
