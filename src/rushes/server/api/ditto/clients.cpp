#include "rushes/server/api/ditto/clients.h"

#include <algorithm>
#include <utility>

namespace rushes::server::ditto {

bool Client::cancel(std::string reason, generation::EndReason kind) {
  if (!stream_) return false;
  const auto stream = std::exchange(stream_, nullptr);
  stream->cancelled = true;
  if (stream->hosted) stream->hosted->session->stop(std::move(reason), kind);
  stream->room->notifier()();
  messages_.clear();
  return true;
}

void Client::reply(Json message) {
  replies_.push_back({std::move(message)});
  wake();
}

void Client::add(Message message, Clock::duration period) {
  messages_.push_back({std::move(message), period});
  wake();
}

std::optional<Client::Clock::time_point> Client::due() const {
  if (!replies_.empty()) return Clock::time_point{};
  if (messages_.empty()) return std::nullopt;
  return messages_.front().period.count() > 0 ? next_frame_ : Clock::time_point{};
}

Message Client::take(Clock::time_point now) {
  if (!replies_.empty()) {
    Message reply = std::move(replies_.front());
    replies_.pop_front();
    return reply;
  }
  Waiting next = std::move(messages_.front());
  messages_.pop_front();
  // One that is late by half its time or more was not there sooner: the others follow it.
  if (next.period.count() > 0) next_frame_ = (now - next_frame_ < next.period / 2 ? next_frame_ : now) + next.period;
  if (stream_) stream_->room->notifier()();
  return std::move(next.message);
}

std::shared_ptr<Client> Clients::enter(const std::string& id, std::shared_ptr<Wakeup> connection) {
  connections_.insert(connection);
  std::shared_ptr<Client>& client = by_id_[id];
  if (!client) client = std::make_shared<Client>(id);
  client->connect(std::move(connection));
  return client;
}

void Clients::leave(const Client& client, const std::shared_ptr<Wakeup>& connection) {
  connections_.erase(connection);
  if (!client.is_at(connection)) return;
  const auto found = by_id_.find(client.id());
  found->second->cancel("the client has disconnected", generation::EndReason::client_left);
  by_id_.erase(found);
}

std::size_t Clients::active_streams() const {
  return static_cast<std::size_t>(
      std::count_if(by_id_.begin(), by_id_.end(), [](const auto& each) { return each.second->streams(); }));
}

}  // namespace rushes::server::ditto
