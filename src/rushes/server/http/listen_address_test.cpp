#include "rushes/server/http/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseListenAddresses, takes_addresses_and_the_names_of_apis) {
  const struct {
    const char *option, *url;
    std::vector<std::string> sets;
  } kOptions[] = {{"127.0.0.1:8000", "http://127.0.0.1:8000", {}},
                  {"8000", "http://127.0.0.1:8000", {}},
                  {"localhost:80", "http://127.0.0.1:80", {}},
                  {"[::1]:9999", "http://[::1]:9999", {}},
                  {"127.0.0.1:8080=openai", "http://127.0.0.1:8080", {"openai"}},
                  {"8080=openai,imtalker", "http://127.0.0.1:8080", {"openai", "imtalker"}},
                  {"[::1]:0=native", "http://[::1]:0", {"native"}}};
  for (const auto& [option, url, sets] : kOptions) {
    const auto addresses = parse_listen_addresses({option});
    ASSERT_EQ(addresses.size(), 1u) << option;
    EXPECT_EQ(url_of(addresses[0].endpoint), url);
    EXPECT_EQ(addresses[0].sets, sets) << option;
  }
}

TEST(ParseListenAddresses, gives_a_name_by_itself_to_the_address_before_it) {
  // What RUSHES_LISTEN=8080=openai,imtalker,9000,9001=native becomes.
  const auto addresses = parse_listen_addresses({"8080=openai", "imtalker", "9000", "9001=native"});
  ASSERT_EQ(addresses.size(), 3u);
  EXPECT_THAT(addresses[0].sets, ElementsAre("openai", "imtalker"));
  EXPECT_THAT(addresses[1].sets, IsEmpty());
  EXPECT_THAT(addresses[2].sets, ElementsAre("native"));
}

TEST(ParseListenAddresses, refuses_what_is_neither_naming_it) {
  const std::vector<std::string> kWrong[] = {
      {"nonsense"},     {"127.0.0.1:"},   {"127.0.0.1:99999"},  {"=openai"},        {"8000="},
      {"8000=openai,"}, {"8000=,openai"}, {"example.org:8000"}, {"8000", "openai"}, {""}};
  for (const auto& options : kWrong) try {
      parse_listen_addresses(options);
      ADD_FAILURE() << options.back();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), HasSubstr("--listen '" + options.back().substr(0, options.back().find('='))));
    }
}

}  // namespace
}  // namespace rushes::server
