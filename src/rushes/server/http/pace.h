// Whether the other side of a connection still takes part. What is timed is a stall, not the whole: who reads or sends
// steadily, however slowly, gets all of the time that it needs, down to a least rate.
#pragma once
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>

namespace rushes::server {

namespace net = boost::asio;

/// The times of one client. No clock, no socket.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  /// Of three stalls together; slower ones could hold memory for ever, one byte at a time.
  static constexpr int64_t kLeastBytesPerSecond = 500;
  static constexpr int kStallsOfWindow = 3;

  Pace(std::chrono::milliseconds stall, Clock::time_point now) : stall_(stall) { resume(now); }

  /// `bytes` in all have got through at `now`. False: too few for too long.
  bool goes_on(int64_t bytes, Clock::time_point now);
  /// There was nothing to do before: the time begins anew.
  void resume(Clock::time_point now) { progress_at_ = window_at_ = now, window_bytes_ = bytes_; }
  std::chrono::milliseconds stall() const noexcept { return stall_; }

 private:
  std::chrono::milliseconds stall_;
  int64_t bytes_ = 0, window_bytes_ = 0;
  Clock::time_point progress_at_, window_at_;
};

/// Sends to one client. Bytes count as taken when its side of the connection has acknowledged them: the kernel's own
/// buffer, which is far larger than what a slow client reads in a while, tells nothing.
class PacedWriter {
 public:
  PacedWriter(net::ip::tcp::socket& socket, std::chrono::milliseconds stall);

  using Buffers = std::array<net::const_buffer, 3>;
  /// Sends them one after the other. False: the connection has failed, or the client takes too little: late().
  net::awaitable<bool> write(Buffers buffers);
  /// Returns when the kernel has room. False: late().
  net::awaitable<bool> wait_writable();
  /// What was sent by others than write().
  void add(std::size_t bytes) { written_ += static_cast<int64_t>(bytes); }
  /// Call it before bytes that did not exist when the last ones were sent.
  void resume() { pace_.resume(Pace::Clock::now()); }
  bool late() const noexcept { return late_; }
  /// Bytes that have reached the client's side.
  int64_t taken() const;

 private:
  net::ip::tcp::socket& socket_;
  net::steady_timer timer_;
  Pace pace_;
  int64_t written_ = 0;
  bool late_ = false;
};

}  // namespace rushes::server
