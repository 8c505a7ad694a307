// For tests: a client that writes and reads the bytes itself, so that it can also be late, rude and wrong; and a server
// with a drawing model to talk to.
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/server/server.h"

namespace rushes::server {

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool complete = false;  // the body ended as its header said
  nlohmann::json json() const { return nlohmann::json::parse(body); }
};

struct Frame {
  int opcode = -1;  // -1: the connection is closed
  bool last = true;
  std::string payload;
  int close_code() const {
    return payload.size() < 2 ? 0
                              : static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  }
};

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0) : port_(port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    const timeval patience{20, 0};  // bounds failures only
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TestClient() { close(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void half_close() { ::shutdown(socket_, SHUT_WR); }
  /// Resets the connection instead of closing it.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// True when the server has closed the connection; reads what still comes until then.
  bool closed_by_server() {
    while (fill()) {}
    return !timed_out_;
  }

  Reply request(const std::string& method, const std::string& target, const std::string& body = {},
                const std::string& headers = {}) {
    std::string text =
        method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n" + headers;
    if (!body.empty() || method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    write(text + "\r\n" + body);
    return read_reply(method == "HEAD");
  }

  Reply read_head() {
    Reply reply;
    std::string line = read_line();
    if (line.size() < 12) return reply;
    reply.status = std::atoi(line.c_str() + 9);
    while (!(line = read_line()).empty()) {
      const std::size_t colon = line.find(':');
      if (colon == std::string::npos) break;
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      reply.headers[name] = line.substr(line.find_first_not_of(' ', colon + 1));
    }
    return reply;
  }

  Reply read_reply(bool head_only = false) {
    Reply reply = read_head();
    reply.complete = reply.status != 0;
    if (head_only || reply.status == 0 || reply.status == 204 || reply.status == 304 || reply.status == 101)
      return reply;
    if (reply.headers.contains("transfer-encoding")) {
      for (std::string chunk; read_chunk(chunk);) reply.body += chunk;
      reply.complete = last_chunk_;
    } else if (reply.headers.contains("content-length")) {
      const auto size = static_cast<std::size_t>(std::stoll(reply.headers["content-length"]));
      reply.body = read_bytes(size);
      reply.complete = reply.body.size() == size;
    } else {
      while (fill()) {}
      reply.body = std::exchange(buffer_, {});
    }
    return reply;
  }

  /// False after the last one, or when the connection ended.
  bool read_chunk(std::string& chunk) {
    const std::string line = read_line();
    const auto size = static_cast<std::size_t>(std::strtoull(line.c_str(), nullptr, 16));
    last_chunk_ = size == 0 && !line.empty();
    chunk = read_bytes(size);
    read_line();
    return size > 0 && chunk.size() == size;
  }

  // ---- WebSocket ----

  Reply upgrade(const std::string& target, const std::string& headers = {}) {
    write("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
          "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
          "dGhlIHNhbXBsZSBub25jZQ==\r\n" +
          headers + "\r\n");
    return read_reply();
  }

  Frame read_frame() {
    const std::string head = read_bytes(2);
    if (head.size() < 2) return {};
    Frame frame;
    frame.opcode = head[0] & 0x0f;
    frame.last = (head[0] & 0x80) != 0;
    std::size_t size = static_cast<unsigned char>(head[1]) & 0x7f;
    if (size >= 126) {
      const std::string more = read_bytes(size == 126 ? 2 : 8);
      size = 0;
      for (const char c : more) size = size << 8 | static_cast<unsigned char>(c);
    }
    frame.payload = read_bytes(size);
    if (frame.payload.size() < size) return {};
    return frame;
  }

  /// The next whole data message, or the close frame, or the end.
  Frame read_message() {
    Frame message = read_frame();
    while (message.opcode == 9 || message.opcode == 10) message = read_frame();
    while (!message.last) {
      Frame next = read_frame();
      if (next.opcode == 9 || next.opcode == 10) continue;
      if (next.opcode != 0) return next;  // closed within a message
      message.payload += next.payload;
      message.last = next.last;
    }
    return message;
  }

  bool write_frame(int opcode, std::string payload, bool masked = true) {
    const auto size = static_cast<int>(payload.size());
    std::string frame{static_cast<char>(0x80 | opcode),
                      static_cast<char>((masked ? 0x80 : 0) | (size < 126 ? size : 126))};
    if (size >= 126) frame += {static_cast<char>(size >> 8), static_cast<char>(size)};
    if (masked) frame += std::string(4, '\0');  // a mask of zeros changes nothing
    return write(frame + payload);
  }

  std::string read_bytes(std::size_t count) {
    while (buffer_.size() < count && fill()) {}
    std::string bytes = buffer_.substr(0, count);
    buffer_.erase(0, bytes.size());
    return bytes;
  }

  /// Something has come, or comes within the time.
  bool readable(std::chrono::milliseconds time) {
    if (!buffer_.empty()) return true;
    pollfd poll{socket_, POLLIN, 0};
    return ::poll(&poll, 1, static_cast<int>(time.count())) > 0;
  }

 private:
  std::string read_line() {
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos)
      if (!fill()) return {};
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
  }

  bool fill() {
    char piece[65536];
    const ssize_t count = ::recv(socket_, piece, sizeof piece, 0);
    if (count < 0) timed_out_ = errno == EAGAIN || errno == EWOULDBLOCK;
    if (count <= 0) return false;
    buffer_.append(piece, static_cast<std::size_t>(count));
    return true;
  }

  uint16_t port_;
  int socket_ = -1;
  bool connected_ = false, last_chunk_ = false, timed_out_ = false;
  std::string buffer_;
};

/// A server on a free port of the loopback, whose model draws when the gate lets it.
class RunningServer {
 public:
  explicit RunningServer(const std::function<void(ServerOptions&)>& change = {}, std::vector<ModelSource> more = {},
                         std::shared_ptr<generation::Gate> gate = std::make_shared<generation::Gate>())
      : gate_(std::move(gate)) {
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.data_directory = directory_.path / "data";
    options.web_root = directory_.path / "web";
    options.drain = std::chrono::seconds(20);
    options.connections.closing = std::chrono::milliseconds(1500);  // most clients here do not answer a close
    if (change) change(options);
    more.insert(more.begin(),
                {"drawing", [this] { return std::make_shared<generation::DrawingModel>(gate_->hook()); }});
    server_ = std::make_unique<Server>(options, std::move(more));
    port_ = server_->ports().at(0);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~RunningServer() {
    gate_->open();
    stop();
  }
  /// Ends it, recordings included.
  void stop() {
    if (!thread_.joinable()) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }
  void ask_to_stop() { server_->stop(); }

  uint16_t port() const { return port_; }
  const std::filesystem::path& directory() const { return directory_.path; }
  generation::Gate& gate() { return *gate_; }
  Reply request(const std::string& method, const std::string& target, const std::string& body = {},
                const std::string& headers = {}) const {
    return TestClient(port_).request(method, target, body, headers);
  }
  /// Starts a session; its id.
  std::string create(const std::string& body = R"({"prompt": "a red circle"})") const {
    const Reply reply = request("POST", "/v1/sessions", body);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.status == 201 ? reply.json()["id"].get<std::string>() : std::string();
  }
  nlohmann::json status(const std::string& id) const { return request("GET", "/v1/sessions/" + id).json(); }
  /// Reads events until the session has ended; all of them.
  std::vector<nlohmann::json> events(const std::string& id) const {
    TestClient client(port_);
    EXPECT_EQ(client.upgrade("/v1/sessions/" + id + "/events").status, 101);
    std::vector<nlohmann::json> all;
    for (Frame frame = client.read_message(); frame.opcode == 1; frame = client.read_message())
      all.push_back(nlohmann::json::parse(frame.payload));
    return all;
  }

 private:
  const ScratchFolder directory_;
  const std::shared_ptr<generation::Gate> gate_;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

/// The video of a session as it came, initialization and fragments: a finished file holds the same frames in another
/// layout.
inline std::string fragments_of(uint16_t port, const std::string& id) {
  TestClient viewer(port);
  viewer.upgrade("/v1/sessions/" + id + "/video");
  std::string all;
  for (Frame frame = viewer.read_message(); frame.opcode == 2; frame = viewer.read_message()) all += frame.payload;
  return all;
}

/// Messages of a video WebSocket until it is closed.
inline std::vector<std::string> read_video(TestClient& client, Frame* close = nullptr) {
  std::vector<std::string> pieces;
  Frame frame = client.read_message();
  for (; frame.opcode == 2; frame = client.read_message()) pieces.push_back(frame.payload);
  if (close) *close = frame;
  return pieces;
}

}  // namespace rushes::server
