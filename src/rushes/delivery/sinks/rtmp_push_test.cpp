// A push towards servers that are not there, do not answer, or talk nonsense. What arrives at a real one is tested in
// tests/e2e/test_rtmp.py.
#include "rushes/delivery/sinks/rtmp_push.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rushes/base/error.h"
#include "rushes/generation/device_worker.h"
#include "rushes/generation/drawing_model.h"

namespace rushes::delivery {
namespace {
using generation::DeviceWorker;
using generation::DrawingModel;

using namespace std::chrono_literals;

/// Takes connections and answers each with the same bytes, which are no RTMP.
class Nonsense {
 public:
  explicit Nonsense(std::string answer)
      : answer_(std::move(answer)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(socket_, 8);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] {
      for (int client = ::accept(socket_, nullptr, nullptr); client >= 0;
           client = ::accept(socket_, nullptr, nullptr)) {
        ::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        if (answer_.empty())
          kept_.push_back(client);
        else
          ::close(client);
      }
    });
  }
  ~Nonsense() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
    for (const int client : kept_) ::close(client);
  }
  media::RtmpUrl url() const {
    return media::RtmpUrl::parse("rtmp://127.0.0.1:" + std::to_string(port_) + "/live/secret");
  }

 private:
  std::string answer_;
  int socket_;
  uint16_t port_ = 0;
  std::vector<int> kept_;  // silent ones stay open
  std::jthread thread_;
};

class RtmpPushTest : public testing::Test {
 protected:
  std::shared_ptr<EncodedStream> video() {
    generation::Request request;
    request.prompts = {"a"};
    const auto session = std::make_shared<generation::Session>(request, model_->plan(request));
    auto stream = std::make_shared<EncodedStream>(session, EncodedStreamOptions{});
    DeviceWorker worker;
    worker.submit(session, model_);
    EXPECT_TRUE(stream->wait_until_ended(20s));
    return stream;
  }
  static RtmpPush::Status end_of(const RtmpPush& push) {
    while (!push.over()) std::this_thread::sleep_for(2ms);
    return push.status();
  }
  std::shared_ptr<const DrawingModel> model_ = std::make_shared<DrawingModel>();
};

constexpr RtmpOptions kImpatient{.timeout = 200ms, .first_retry = 1ms, .longest_retry = 2ms, .attempts_after_end = 3};

TEST_F(RtmpPushTest, tells_why_it_reaches_nobody_and_gives_up_after_the_end) {
  const struct {
    const char* answer;
    const char* reason;
  } cases[] = {{"", "no answer within 200 ms"}, {"HTTP/1.1 400 Bad Request\r\n\r\n", "RTMP to"}};
  const auto stream = video();
  for (const auto& c : cases) {
    Nonsense server(c.answer);
    RtmpPush push(stream, server.url(), kImpatient);
    const auto status = end_of(push);
    EXPECT_EQ(status.state, RtmpState::failed);
    EXPECT_THAT(status.error, testing::HasSubstr(c.reason));
    EXPECT_THAT(status.error, testing::Not(testing::HasSubstr("secret")));
    EXPECT_EQ(status.connections, 0);
  }
  RtmpPush nobody(stream, media::RtmpUrl::parse("rtmp://127.0.0.1:1/live/x"), kImpatient);
  EXPECT_THAT(end_of(nobody).error, testing::HasSubstr("refused"));
}

TEST_F(RtmpPushTest, stops_at_once_while_a_server_keeps_silent) {
  Nonsense server("");
  const auto stream = video();
  const auto begin = std::chrono::steady_clock::now();
  {
    RtmpPush push(stream, server.url(), {.timeout = 600s});
    std::this_thread::sleep_for(20ms);
    push.stop();
    EXPECT_EQ(end_of(push).state, RtmpState::stopped);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 60s);
}

TEST(RtmpUrl, hides_the_stream_key_and_refuses_what_is_no_address) {
  const auto url = media::RtmpUrl::parse("rtmp://user:word@Live.Example.org:1936/app/key?token=1");
  EXPECT_EQ(url.host, "live.example.org");
  EXPECT_EQ(url.shown, "rtmp://Live.Example.org:1936/app/...");
  EXPECT_EQ(media::RtmpUrl::parse("rtmps://[::1]/app/key").host, "::1");
  for (const std::string& wrong :
       {std::string("http://a/b/c"), std::string("rtmp://"), std::string("rtmp:///app/x"), std::string("rtmp://host"),
        std::string("rtmp://host/"), std::string("rtmp://host:port/a/b"), std::string("rtmp://host:/a/b"),
        std::string("rtmp://[::1/a/b"), std::string("rtmp://host/app/x live=1"), std::string("rtmp://h\nost/a"),
        "rtmp://host/" + std::string(3000, 'a'), std::string("rtmp://host:1234567/a/b"), std::string()})
    try {
      media::RtmpUrl::parse(wrong);
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    }
}

}  // namespace
}  // namespace rushes::delivery
