#include "rushes/server/socket_io/client.h"

#include <utility>

#include "rushes/generation/session.h"
#include "rushes/server/socket_io/engine_packet.h"
#include "rushes/server/socket_io/packet.h"

namespace rushes::server::socket_io {
namespace {

/// 80 random bits.
std::string random_name() { return generation::SessionId::random().text().substr(0, 20); }

}  // namespace

Client::Client(net::any_io_executor executor, std::size_t queue_bytes)
    : executor_(executor),
      sid_(random_name()),
      id_(random_name()),
      queue_bytes_(queue_bytes),
      reader_(std::make_shared<Wakeup>(executor)),
      heartbeat_(executor) {}

void Client::emit(std::string_view event, const Json& argument) { send(event_packet(event, argument)); }

void Client::send(std::string packet) {
  if (closed_) return;
  if (queue_.size() >= kMostPackets) return close();
  queued_bytes_ += packet.size();
  queue_.push_back(std::move(packet));
  wake();
}

net::awaitable<void> Client::room() {
  if (closed_ || has_room()) co_return;
  const auto wakeup = std::make_shared<Wakeup>(executor_);
  writers_.push_back(wakeup);
  while (!closed_ && !has_room()) {
    auto waiting = wakeup->wait();
    co_await std::move(waiting);
  }
}

std::string Client::take() {
  std::string packet = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= packet.size();
  std::erase_if(writers_, [](const auto& writer) { return writer.expired(); });
  for (const auto& writer : writers_)
    if (const auto wakeup = writer.lock()) wakeup->notifier()();
  return packet;
}

std::string Client::take_several() {
  std::string body;
  for (std::size_t count = 0; has_packets() && count < kMostInAnswer; ++count) {
    if (!body.empty()) body += kSeparator;
    body += take();
  }
  return body;
}

void Client::close() {
  if (std::exchange(closed_, true)) return;
  heartbeat_.cancel();
  wake();
  for (const auto& writer : writers_)
    if (const auto wakeup = writer.lock()) wakeup->notifier()();
}

}  // namespace rushes::server::socket_io
