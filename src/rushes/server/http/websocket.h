// One viewer's WebSocket as a feed sees it: send, and close with a reason. A viewer that does not read holds up
// nothing: after a while without progress it is closed.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::server {

enum class CloseCode : uint16_t {
  normal = 1000,
  going_away = 1001,
  unsupported_data = 1003,  // a kind of message that is not read
  invalid_data = 1007,      // a message whose content is not what its kind promises
  policy = 1008,
  too_big = 1009,
  internal = 1011
};

/// The viewer has gone, or was closed for not reading. Ends the feed; caught by the connection only.
class ViewerGone : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  /// One whole message. Throws ViewerGone.
  virtual boost::asio::awaitable<void> send_text(std::string message) = 0;
  virtual boost::asio::awaitable<void> send_binary(std::shared_ptr<const std::vector<uint8_t>> message) = 0;
  /// `callback` gets each text message that comes from now on, on the server's thread; it must return at once. Without
  /// one they are thrown away.
  virtual void on_text(std::function<void(std::string)> callback) = 0;
  /// The same for binary messages.
  virtual void on_binary(std::function<void(std::string)> callback) = 0;
  /// Instead of both, where messages are large or take their time: one after the other, the next is read when this one
  /// is done with. While it is not, a large one is counted among the bodies of requests (uploads.h). A callback must
  /// not throw.
  virtual void on_message(std::function<boost::asio::awaitable<void>(std::string message, bool is_text)> callback) = 0;
  /// The reason is cut to the 123 bytes that the protocol has room for.
  virtual boost::asio::awaitable<void> close(CloseCode code, std::string reason) = 0;
};

}  // namespace rushes::server
