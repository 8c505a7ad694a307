// What the standards of HTTP leave to servers, as clients, proxies and foreign pages meet it: spelling, framing,
// origins.
#include <gtest/gtest.h>

#include "rushes/server/api/json_check.h"
#include "rushes/server/http/access.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/forwarded.h"
#include "rushes/server/http/pace.h"
#include "rushes/server/http/route_test_server.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using namespace std::chrono_literals;

Reply send(uint16_t port, const std::string& text) {
  TestClient client(port);
  client.write(text);
  return client.read_reply();
}

TEST(Wire, takes_a_token_whatever_the_case_of_its_scheme) {
  RunningServer server([](ServerOptions& options) { options.access.tokens = {"secret"}; });
  for (const char* scheme : {"Bearer secret", "bearer secret", "BEARER secret", "bearer  secret"})
    EXPECT_EQ(server.request("GET", "/v1/sessions", {}, "Authorization: " + std::string(scheme) + "\r\n").status, 200)
        << scheme;
  for (const char* wrong : {"bearer Secret", "Basic secret", "bearersecret", "secret"})
    EXPECT_EQ(server.request("GET", "/v1/sessions", {}, "Authorization: " + std::string(wrong) + "\r\n").status, 401)
        << wrong;
}

TEST(Wire, takes_a_request_in_every_form_that_http_has) {
  RunningServer server;
  const std::string host = "127.0.0.1:" + std::to_string(server.port()), close = "Connection: close\r\n\r\n";
  const struct {
    const char* name;
    std::string text;
    int status;
  } cases[] = {
      {"HTTP/1.0 without Host", "GET /health HTTP/1.0\r\n\r\n", 200},
      {"HTTP/1.0 without Host, not only /health", "GET /v1/sessions HTTP/1.0\r\n\r\n", 200},
      {"HTTP/1.1 without Host", "GET /health HTTP/1.1\r\n" + close, 400},
      {"two Hosts", "GET /health HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n" + close, 400},
      {"the same Host twice", "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n" + close, 400},
      {"absolute form", "GET http://" + host + "/health HTTP/1.1\r\nHost: " + host + "\r\n" + close, 200},
      {"absolute form in capitals", "GET HTTP://LOCALHOST/health?token=b HTTP/1.1\r\nHost: x\r\n" + close, 200},
      {"absolute form without a path", "GET http://localhost HTTP/1.1\r\nHost: localhost\r\n" + close, 200},
      {"absolute form of a foreign host", "GET http://evil.example/v1/sessions HTTP/1.1\r\nHost: localhost\r\n" + close,
       403},
      {"absolute form with a user", "GET http://a@localhost/health HTTP/1.1\r\nHost: localhost\r\n" + close, 400},
      {"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n" + close, 204},
      {"a leading line break", "\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n" + close, 200},
      {"three of them", "\r\n\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n" + close, 200},
      {"Host in capitals", "GET /v1/sessions HTTP/1.1\r\nHOST: LOCALHOST:80\r\n" + close, 200},
      {"Connection in capitals", "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: CLOSE\r\n\r\n", 200},
      {"chunked in capitals",
       "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n" + close +
           "e\r\n{\"prompt\":\"a\"}\r\n0\r\n\r\n",
       201},
      {"the identity coding",
       "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: Identity\r\nContent-Length: 14\r\n" + close +
           "{\"prompt\":\"a\"}",
       201},
      {"a compressed body",
       "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: GZIP\r\nContent-Length: 4\r\n" + close +
           "\x1f\x8b\x08\x01",
       415},
  };
  for (const auto& c : cases) {
    const Reply reply = send(server.port(), c.text);
    EXPECT_EQ(reply.status, c.status) << c.name << ": " << reply.body;
    if (c.status == 415) {
      EXPECT_EQ(reply.headers.at("accept-encoding"), "identity");
    }
  }
  TestClient again(server.port());  // also between two requests of one connection
  EXPECT_EQ(again.request("GET", "/health").status, 200);
  again.write("\r\n\r\n");
  EXPECT_EQ(again.request("GET", "/health").status, 200);
}

TEST(Wire, never_takes_a_body_for_the_next_request) {
  RunningServer server;
  const std::string inner = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (const char* coding : {"xchunked", "chunked, identity", "identity", "gzip", "gzip, chunked", "chunked;q=1",
                             "chunked, chunked", "chunked\r\nTransfer-Encoding: x", "x\r\nTransfer-Encoding: chunked"})
    for (const char* line : {"POST /v1/sessions", "GET /health", "OPTIONS /health"}) {
      TestClient client(server.port());
      client.write(std::string(line) + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " + coding + "\r\n\r\n" +
                   inner);
      const Reply reply = client.read_reply();
      EXPECT_TRUE(reply.status == 501 || reply.status == 400) << coding << ": " << reply.status;
      EXPECT_EQ(client.read_reply().status, 0) << coding;
    }
  EXPECT_EQ(
      send(server.port(), "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xyz\r\n\r\n").status,
      501);
  for (const char* both :
       {"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/sessions HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"})
    EXPECT_EQ(send(server.port(), both).status, 400);
}

TEST(Wire, knows_a_host_of_this_machine_from_one_that_looks_like_it) {
  for (const char* ours : {"localhost", "localhost:8000", "LocalHost:1", "127.0.0.1", "127.3.2.1:80", "[::1]",
                           "[::1]:8000", "localhost:", "localhost.", "localhost.:8000", "LOCALHOST.", "127.0.0.1."})
    EXPECT_TRUE(is_loopback_host(ours)) << ours;
  for (const char* foreign : {"",
                              "[::1].evil",
                              "[::1]evil:80",
                              "127.0.0.1.evil.example",
                              "localhost.evil",
                              "127.0.0.1@evil",
                              "127.0.0.1:80:80",
                              "127.0.0.1:x",
                              "0.0.0.0",
                              "[::2]",
                              "[::1",
                              "::1",
                              "127.1",
                              "127..0.1",
                              "127.0.0.1 evil",
                              "evil",
                              ".",
                              "localhost..",
                              ".localhost",
                              "[::1]."})
    EXPECT_FALSE(is_loopback_host(foreign)) << foreign;
  RunningServer server;
  for (const char* host : {"[::1].evil", "127.0.0.1@evil", "127.0.0.1:80:80", "", "evil.example"}) {
    const int status =
        send(server.port(), "GET /v1/sessions HTTP/1.1\r\nHost: " + std::string(host) + "\r\nConnection: close\r\n\r\n")
            .status;
    EXPECT_TRUE(status == 400 || status == 403) << host << ": " << status;
  }
}

TEST(Wire, takes_a_host_with_a_final_dot_for_the_same) {
  const RunningServer server([](ServerOptions& options) { options.access.allow_origins = {"https://app.example"}; });
  const auto status_of = [&](const std::string& host, const std::string& origin) {
    return send(server.port(), "POST /v1/sessions HTTP/1.1\r\nHost: " + host + "\r\nOrigin: " + origin +
                                   "\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"prompt\": \"a\"}")
        .status;
  };
  EXPECT_EQ(status_of("localhost.", "http://localhost."), 201);
  EXPECT_EQ(status_of("localhost.:8000", "http://localhost:8000"), 201);
  EXPECT_EQ(status_of("localhost", "http://localhost.:80"), 201);
  EXPECT_EQ(status_of("localhost", "https://app.example."), 201);
  EXPECT_EQ(status_of("localhost.", "http://evil.example."), 403);
  EXPECT_EQ(status_of("localhost.:8000", "http://localhost.:8001"), 403);
  EXPECT_EQ(status_of("evil.example.", "http://evil.example."), 403);
  const std::string id = server.create();
  const auto push = [&](const char* url) {
    return server.request("POST", "/v1/sessions/" + id + "/rtmp", nlohmann::json{{"url", url}}.dump()).status;
  };
  EXPECT_EQ(push("rtmp://localhost.:9/app/key"), 201);
  EXPECT_EQ(push("rtmp://evil.example./app/key"), 400);
}

TEST(Wire, protects_a_get_that_starts_work_like_a_post) {
  Router routes;
  Route working;
  working.method = "GET";
  working.pattern = "/work";
  working.answer = [](const Request&) { return json_response(200, {}); };
  working.effect = Route::Effect::changes;
  routes.add(working);
  routes.answer("GET", "/read", [](const Request&) { return json_response(200, {}); });
  routes.answer("POST", "/work", [](const Request&) { return json_response(200, {}); });
  RouteServer server(
      std::move(routes), ConnectionLimits{},
      AccessOptions{.allow_origins = {"https://good.example/", "https://Port.example:443", "http://other.example:81"}});
  const std::string here = "http://127.0.0.1:" + std::to_string(server.port());
  const struct {
    std::string headers;
    int status;
  } cases[] = {
      {"", 200},
      {"Origin: https://evil.example\r\n", 403},
      {"Origin: null\r\n", 403},
      {"Origin: http://localhost:" + std::to_string(server.port()) + "\r\n", 403},
      {"Origin: " + here + "\r\n", 200},
      {"Origin: HTTPS://GOOD.example\r\n", 200},
      {"Origin: https://good.example:443\r\n", 200},
      {"Origin: http://good.example\r\n", 403},
      {"Origin: https://port.example\r\n", 200},
      {"Origin: https://port.example:444\r\n", 403},
      {"Origin: http://other.example:81\r\n", 200},
      {"Origin: http://other.example\r\n", 403},
      {"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image\r\n", 403},
      {"Sec-Fetch-Site: same-site\r\n", 403},
      {"Sec-Fetch-Site: none\r\n", 200},
      {"Sec-Fetch-Site: same-origin\r\n", 200},
      {"Referer: https://evil.example/page\r\n", 403},
      {"Referer: " + here + "/page\r\n", 200},
      {"Sec-Fetch-Site: cross-site\r\nReferer: https://good.example/page\r\n", 200},
      // A proxy that has another host or port; the page cannot write this header itself.
      {"Origin: https://public.example\r\nSec-Fetch-Site: same-origin\r\n", 200},
      {"Origin: https://public.example\r\nX-Forwarded-Host: public.example\r\n", 200},
      {"Origin: http://public.example:81\r\nX-Forwarded-Host: public.example\r\nX-Forwarded-Port: 81\r\n", 200},
      {"Origin: https://evil.example\r\nX-Forwarded-Host: public.example\r\n", 403},
  };
  for (const auto& c : cases) {
    for (const char* method : {"GET", "POST"})
      EXPECT_EQ(TestClient(server.port()).request(method, "/work", {}, c.headers).status, c.status)
          << method << c.headers;
    EXPECT_EQ(TestClient(server.port()).request("GET", "/read", {}, c.headers).status, 200) << c.headers;
  }
}

TEST(Wire, takes_a_page_for_its_own_behind_a_proxy_that_leaves_the_port_out) {
  Router routes;
  routes.answer("POST", "/work", [](const Request&) { return json_response(200, {}); });
  RouteServer server(std::move(routes));
  for (const auto& [host, origin, status] : {std::tuple{"127.0.0.1", "http://127.0.0.1:8081", 200},
                                             {"127.0.0.1", "http://localhost:8081", 403},
                                             {"127.0.0.1", "http://127.0.0.1.evil", 403},
                                             {"[::1]", "http://[::1]:8081", 200},
                                             {"127.0.0.1:8080", "http://127.0.0.1:8081", 403}})
    EXPECT_EQ(send(server.port(), fmt::format("POST /work HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nContent-Length: "
                                              "0\r\nConnection: close\r\n\r\n",
                                              host, origin))
                  .status,
              status)
        << host << origin;
}

TEST(Wire, tells_pages_of_allowed_origins_all_that_they_need) {
  RunningServer server([](ServerOptions& options) { options.access.allow_origins = {"https://app.example"}; });
  server.gate().open();
  const std::string origin = "Origin: https://app.example\r\n";
  const Reply asked =
      server.request("OPTIONS", "/v1/videos", {},
                     origin +
                         "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, "
                         "x-stainless-os\r\nAccess-Control-Request-Private-Network: true\r\n");
  EXPECT_EQ(asked.status, 204);
  EXPECT_EQ(asked.headers.at("access-control-allow-origin"), "https://app.example");
  EXPECT_EQ(asked.headers.at("access-control-allow-headers"), "authorization, x-stainless-os");
  EXPECT_EQ(asked.headers.at("access-control-allow-methods"), "GET, HEAD, POST, DELETE");
  EXPECT_EQ(asked.headers.at("access-control-allow-private-network"), "true");
  EXPECT_TRUE(asked.headers.contains("access-control-max-age"));
  EXPECT_NE(asked.headers.at("vary").find("Origin"), std::string::npos);
  const Reply foreign = server.request("OPTIONS", "/v1/videos", {}, "Origin: https://evil.example\r\n");
  EXPECT_FALSE(foreign.headers.contains("access-control-allow-origin"));
  EXPECT_FALSE(foreign.headers.contains("access-control-allow-headers"));
  EXPECT_NE(foreign.headers.at("vary").find("Origin"), std::string::npos);

  const Reply created = server.request("POST", "/v1/sessions", R"({"prompt": "a red circle"})", origin);
  EXPECT_EQ(created.headers.at("access-control-allow-origin"), "https://app.example");
  EXPECT_NE(created.headers.at("access-control-expose-headers").find("Location"), std::string::npos);
  const auto id = created.json()["id"].get<std::string>();
  EXPECT_EQ(server.events(id).back()["state"], "finished");
  const Reply part =
      server.request("GET", "/v1/sessions/" + id + "/recording.mp4", {}, origin + "Range: Bytes=0-9\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_NE(part.headers.at("access-control-expose-headers").find("Content-Range"), std::string::npos);
  for (const auto& [target, status] :
       {std::pair{"/v1/nothing", 404}, {"/v1/sessions?state=x", 400}, {"/nothing", 404}}) {
    const Reply reply = server.request("GET", target, {}, origin);
    EXPECT_EQ(reply.status, status) << target;
    EXPECT_EQ(reply.headers.at("access-control-allow-origin"), "https://app.example") << target;
  }
  EXPECT_NE(server.request("GET", "/v1/sessions").headers.at("vary").find("Origin"), std::string::npos);
}

TEST(Wire, gives_addresses_as_the_client_of_a_proxy_sees_them) {
  RunningServer server;
  server.gate().open();
  const auto made = [&](const std::string& path, const std::string& headers) {
    return server.request("POST", path, R"({"prompt": "a red circle"})", headers);
  };
  const Reply plain = made("/v1/sessions", "");
  EXPECT_TRUE(plain.json()["urls"]["mp4"].get<std::string>().starts_with("/v1/sessions/"));
  for (const char* prefix : {"/rushes", "/rushes/", "/a%20b/c"}) {
    const std::string base = std::string(prefix).substr(0, std::string(prefix).find_last_not_of('/') + 1);
    // The proxy passes the path on without the prefix, or with it.
    for (const std::string& path : {std::string("/v1/sessions"), base + "/v1/sessions"}) {
      const Reply reply = made(path, "X-Forwarded-Prefix: " + std::string(prefix) + "\r\n");
      ASSERT_EQ(reply.status, 201) << path;
      EXPECT_TRUE(reply.headers.at("location").starts_with(base + "/v1/sessions/"));
      const auto told = reply.json();
      for (const auto& [name, url] : told["urls"].items())
        EXPECT_TRUE(url.get<std::string>().starts_with(base + "/v1/sessions/")) << name << url;
    }
  }
  for (const char* wrong : {"//evil.example", "rushes", "/a/../b", "/a b", "/\"x", "https://evil.example"}) {
    const Reply reply = made("/v1/sessions", "X-Forwarded-Prefix: " + std::string(wrong) + "\r\n");
    EXPECT_TRUE(reply.headers.at("location").starts_with("/v1/sessions/")) << wrong;
  }
  EXPECT_EQ(server.request("GET", "/rushes?a=b", {}, "X-Forwarded-Prefix: /rushes\r\n").headers["location"],
            "/rushes/?a=b");
}

TEST(Wire, is_found_below_its_base_path_and_trusts_only_the_proxies_that_it_knows) {
  RunningServer server([](ServerOptions& options) {
    options.proxy.base_path = "/rushes/";
    options.proxy.trusted = {"none"};
  });
  server.gate().open();
  for (const char* path : {"/v1/sessions", "/rushes/v1/sessions"}) {
    const Reply reply =
        server.request("POST", path, R"({"prompt": "a red circle"})", "X-Forwarded-Prefix: /elsewhere\r\n");
    EXPECT_TRUE(reply.headers.at("location").starts_with("/rushes/v1/sessions/")) << path;
  }
  EXPECT_EQ(server.request("GET", "/rushesv1/sessions").status, 404);
  ProxyOptions options{.base_path = {}, .trusted = {"10.0.0.0/8", "2001:db8::/32"}};
  const Proxies proxies(options);
  const auto seen_by = [&](const char* peer) {
    Request request;
    request.path = "/health";
    request.headers = {
        {"host", "inside:8000"}, {"x-forwarded-proto", "HTTPS, http"}, {"x-forwarded-host", "out.example, in"}};
    proxies.apply(net::ip::make_address(peer), 8000, request);
    return request.whole_address("/x");
  };
  EXPECT_EQ(seen_by("10.1.2.3"), "https://out.example/x");
  EXPECT_EQ(seen_by("::ffff:10.1.2.3"), "https://out.example/x");
  EXPECT_EQ(seen_by("2001:db8::1"), "https://out.example/x");
  EXPECT_EQ(seen_by("11.1.2.3"), "http://inside:8000/x");
  EXPECT_EQ(seen_by("127.0.0.1"), "http://inside:8000/x");
  EXPECT_THROW(Proxies({.base_path = "rushes"}), Error);
  EXPECT_THROW(Proxies({.base_path = {}, .trusted = {"proxy.example"}}), Error);
}

TEST(Wire, decodes_the_parts_of_a_path_once) {
  Router routes;
  routes.answer("GET", "/v1/things/{name}/{file}", [](const Request& request) {
    return json_response(200, {request.path_value("name"), request.path_value("file")});
  });
  RouteServer server(std::move(routes));
  for (const auto& [target, name] : {std::pair{"/v1/things/Wan%202.1/x", "Wan 2.1"},
                                     {"/v1/things/m%C3%BCde/x", "müde"},
                                     {"/v1/things/a%2Fb/x", "a/b"},
                                     {"/v1/things/a%252Fb/x", "a%2Fb"},
                                     {"/v1/things/a+b/x", "a+b"},
                                     {"/v1/th%69ngs/a/x", "a"}}) {
    const Reply reply = TestClient(server.port()).request("GET", target);
    ASSERT_EQ(reply.status, 200) << target;
    EXPECT_EQ(reply.json()[0], name);
  }
  EXPECT_EQ(TestClient(server.port()).request("GET", "/v1/things/%zz/x").status, 404);
}

TEST(Base64, is_read_as_mime_mail_and_urls_write_it) {
  for (const char* text :
       {"+/8BAg==", "+/8BAg", "-_8BAg", "+/8B\r\nAg==\r\n", "  +/8BAg==\n",
        "data:image/png;base64,+/8BAg==", "DATA:image/png;charset=x;BASE64,+/8BAg", "data:;base64,%2B%2F8BAg%3D%3D"})
    EXPECT_EQ(decode_base64("image", text), std::string("\xfb\xff\x01\x02")) << text;
  EXPECT_EQ(decode_base64("image", ""), "");
  for (const char* text : {"A", "AA=A", "A===", "AAA====", "AA AA", "AAA*", "data:image/png,AAAA", "=AAA"})
    EXPECT_THROW(decode_base64("image", text), Error) << text;
}

TEST(Base64, of_a_data_url_has_the_type_that_is_wanted) {
  for (const char* text : {"AA==", "data:image/png;base64,AA==", "DATA:IMAGE/x-any;BASE64,AA==",
                           "data:application/octet-stream;base64,AA=="})
    EXPECT_EQ(decode_base64("image", text, kPictureTypes), std::string(1, '\0')) << text;
  for (const char* text : {"data:text/plain;base64,AA==", "data:;base64,AA==", "data:imagepng;base64,AA=="})
    EXPECT_THROW(decode_base64("image", text, kPictureTypes), Error) << text;
  for (const char* type : {"audio/wav", "video/webm", "application/octet-stream"})
    EXPECT_NO_THROW(decode_base64("audio", fmt::format("data:{};base64,AA==", type), kSoundTypes)) << type;
  EXPECT_THROW(decode_base64("audio", "data:image/png;base64,AA==", kSoundTypes), Error);
}

TEST(JsonText, has_half_surrogate_pairs_replaced_and_nothing_else) {
  const struct {
    const char *text, *read;
  } kTexts[] = {
      {R"("\ud800")", R"("\ufffd")"},
      {R"("\uDC00\uD800")", R"("\ufffd\ufffd")"},
      {R"("\ud83d\ude00")", R"("\ud83d\ude00")"},
      {R"("\ud83d\ud83d\ude00")", R"("\ufffd\ud83d\ude00")"},
      {R"("\\ud800")", R"("\\ud800")"},
      {R"("\\\ud800")", R"("\\\ufffd")"},
      {R"("\ud80")", R"("\ud80")"},
      {R"("\ud800\n\u00e9")", R"("\ufffd\n\u00e9")"},
      {"\"\\", "\"\\"},
      {"", ""},
  };
  for (const auto& [text, read] : kTexts) {
    std::string kept;
    EXPECT_EQ(whole_characters(text, kept), read) << text;
  }
}

TEST(Pace, times_stalls_and_not_the_whole) {
  const Pace::Clock::time_point start{};
  Pace slow(20s, start);
  for (int i = 1; i <= 600; ++i) EXPECT_TRUE(slow.goes_on(i * 20'000, start + i * 15s)) << i;
  EXPECT_TRUE(slow.goes_on(600 * 20'000, start + 600 * 15s + 19s));
  EXPECT_FALSE(slow.goes_on(600 * 20'000, start + 600 * 15s + 20s));
  Pace drop(20s, start);  // a byte each 19 s
  int bytes = 0;
  while (bytes < 10 && drop.goes_on(bytes + 1, start + (bytes + 1) * 19s)) ++bytes;
  EXPECT_LT(bytes, 5);
  Pace idle(20s, start);
  EXPECT_TRUE(idle.goes_on(100'000, start + 1s));
  idle.resume(start + 1000s);  // there was nothing to send
  EXPECT_TRUE(idle.goes_on(100'000, start + 1019s));
}

}  // namespace
}  // namespace rushes::server
