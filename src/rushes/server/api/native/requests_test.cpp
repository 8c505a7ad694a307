// Requests that are taken: what of them has no effect is named, and seeds and limits are what the documents say; in
// each family.
#include <gmock/gmock.h>

#include <fstream>

#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

class TakenRequest : public FamilySuite {};
INSTANTIATE_TEST_SUITE_P(Families, TakenRequest, testing::ValuesIn(test_families()), family_name);

TEST_P(TakenRequest, tells_its_seed_of_64_bits_also_after_a_restart) {
  start();
  std::vector<std::string> ids;
  const uint64_t seeds[] = {0, 1ull << 32, (1ull << 53) + 1, UINT64_MAX};
  for (const uint64_t seed : seeds) {
    server().gate().open();
    ids.push_back(make_video({{"seed", seed}}));
    EXPECT_EQ(server().status(ids.back())["seed"].get<uint64_t>(), seed);
  }
  start();
  for (std::size_t i = 0; i < ids.size(); ++i)
    EXPECT_EQ(server().status(ids[i])["seed"].get<uint64_t>(), seeds[i]) << "after a restart";
}

TEST_P(TakenRequest, may_write_an_integer_as_a_number_without_a_fraction) {
  start();
  const Reply reply = ask({{"seed", 9.0}});
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json()["seed"].get<uint64_t>(), 9u);
  EXPECT_EQ(ask({{"seed", 9.5}}).status, 400);
}

TEST_P(TakenRequest, names_nothing_where_all_of_it_has_an_effect) {
  start();
  EXPECT_EQ(server().status(begin())["ignored"], json::array());
}

TEST_P(TakenRequest, has_the_limits_of_the_one_list_in_the_document_and_in_the_docs) {
  start();
  const json properties =
      server().request("GET", "/openapi.json").json()["components"]["schemas"]["SessionRequest"]["properties"];
  std::ifstream file(RUSHES_SOURCE_DIR "/docs/api.md");
  const std::string docs{std::istreambuf_iterator<char>(file), {}};
  for (const OptionField& field : generation::request_fields()) {
    SCOPED_TRACE(field.name);
    const json& schema = properties.at(field.name);
    EXPECT_EQ(schema["minimum"].get<double>(), field.least);
    EXPECT_EQ(schema["maximum"].get<double>(), field.most);
    EXPECT_THAT(docs, HasSubstr(fmt::format("| `{}` | {} {:.0f} to {:.0f} |", field.name, name(field.type), field.least,
                                            field.most)));
    for (const double beyond : {field.least - 1, field.most + 1}) {
      const json value = field.type == OptionType::integer ? json(static_cast<int64_t>(beyond)) : json(beyond);
      const Reply reply = ask({{field.name, value}});
      EXPECT_EQ(reply.status, 400) << value;
      EXPECT_THAT(reply.body, HasSubstr(field.name + " must be " + field.allowed()));
    }
  }
  EXPECT_EQ(properties["seed"]["minimum"], 0);
  EXPECT_EQ(properties["seed"]["maximum"].get<uint64_t>(), UINT64_MAX);
  const json listed = server().request("GET", "/v1/models").json();
  for (const json& model : listed["models"])
    for (const json& option : model["options"]) EXPECT_TRUE(properties.contains(option["name"])) << option;
}

/// Of a model that is prompted with text.
class TakenPrompt : public FamilySuite {
 protected:
  TakenPrompt() { start(); }
  Reply post(const std::string& target, const json& fields) { return server().request("POST", target, fields.dump()); }
};
INSTANTIATE_TEST_SUITE_P(Families, TakenPrompt, testing::Values(test_families().front()), family_name);

TEST_P(TakenPrompt, names_in_the_answer_what_has_no_effect_and_why) {
  const json ignored = {{{"field", "negative_prompt"}, {"reason", "a drawing has no guidance"}}};
  server().gate().open();
  const std::string id = make_video({{"negative_prompt", "blur"}});
  EXPECT_EQ(server().status(id)["ignored"], ignored);
  EXPECT_EQ(server().request("GET", "/v1/videos/video_" + id).json()["ignored"], ignored);
  start();
  EXPECT_EQ(server().status(id)["ignored"], ignored) << "after a restart";
}

TEST_P(TakenPrompt, that_is_longer_than_the_model_reads_is_named_also_when_it_is_set_later) {
  const std::string id = begin_endless({{"prompt", std::string(2000, 'x')}});
  EXPECT_EQ(server().status(id)["ignored"][0]["field"], "prompt");
  EXPECT_EQ(post(path(id, "/prompt"), {{"prompt", "short"}}).json()["ignored"], json::array());
  EXPECT_THAT(post(path(id, "/prompt"), {{"prompt", std::string(1001, 'y')}}).json()["ignored"].dump(),
              HasSubstr("only the first 1000 bytes"));
  EXPECT_THAT(post(path(id, "/fork"), {{"prompt", std::string(1001, 'z')}}).json()["ignored"].dump(),
              HasSubstr("only the first 1000 bytes"));
}

TEST_P(TakenPrompt, is_refused_where_it_would_never_be_shown) {
  const auto refused = [&](const json& more) {
    const Reply reply = ask(more);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr("'b' would never be shown"));
  };
  refused({{"prompt", "a; b"}, {"frames", 21}});
  refused({{"prompt", "a; b"}, {"segments", 1}});
  refused({{"prompt", nullptr}, {"prompts", {"a", "b"}}, {"segments", 1}});
  for (const json& taken :
       {json{{"prompt", "a; b"}}, json{{"prompt", "a; b"}, {"segments", 0}}, json{{"prompt", "a; b"}, {"segments", 3}},
        json{{"prompt", R"(a\; b)"}, {"frames", 21}}, json{{"prompt", "Tom &amp; Jerry"}, {"segments", 1}},
        json{{"prompt", nullptr}, {"prompts", {"a; b"}}, {"segments", 1}}})
    EXPECT_EQ(ask(taken).status, 201) << taken;
}

}  // namespace
}  // namespace rushes::server
