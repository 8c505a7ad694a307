#include "rushes/server/streaming/pump.h"

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rushes::server {

void Pump::open(const net::any_io_executor& executor) {
  if (wakeup_) return;
  wakeup_ = std::make_shared<Wakeup>(executor);
  if (interest_.events)
    events_ = hosted_.session->stream().subscribe(interest_.events->role, interest_.events->from, wakeup_->notifier());
  if (interest_.gops) {
    if (const auto* from = std::get_if<delivery::EncodedStream::From>(&*interest_.gops))
      gops_ = hosted_.video->watch(*from, wakeup_->notifier());
    else
      gops_ = hosted_.video->watch_from(std::get<int64_t>(*interest_.gops), wakeup_->notifier());
  }
  if (interest_.jpegs) jpegs_ = hosted_.sinks->jpeg()->watch(*interest_.jpegs, wakeup_->notifier());
  take(dialect_->begin(hosted_));
}

net::awaitable<std::optional<Message>> Pump::next() {
  if (!wakeup_) open(co_await net::this_coro::executor);
  for (;;) {
    if (!ready_.empty()) {
      std::optional<Message> message = std::move(ready_.front());
      ready_.pop_front();
      co_return message;
    }
    if (over_) co_return std::nullopt;
    const bool ended = this->ended();  // asked first, so that nothing is missed
    if (auto item = poll()) {
      auto telling = tell(std::move(*item));
      co_await std::move(telling);
    } else if (ended) {
      over_ = true;
      take(dialect_->end(hosted_.session->status()));
    } else {
      co_await wakeup_->wait();
    }
  }
}

void Pump::add(Message message) {
  ready_.push_back(std::move(message));
  if (wakeup_) wakeup_->notifier()();
}

bool Pump::ended() const {
  return (!events_ || events_->ended()) && (!gops_ || gops_->ended()) && (!jpegs_ || jpegs_->ended());
}

std::optional<StreamItem> Pump::poll() {
  if (events_)
    if (generation::EventPtr event = events_->poll()) return event;
  if (gops_)
    if (delivery::GopPtr gop = gops_->poll()) return gop;
  if (jpegs_)
    if (delivery::JpegFrame frame = jpegs_->poll(); frame.bytes) return frame;
  if (interest_.video_end && gops_ && gops_->ended() && !std::exchange(told_video_end_, true))
    return VideoComplete{hosted_.video};
  return std::nullopt;
}

net::awaitable<void> Pump::tell(StreamItem item) {
  const auto* frame = std::get_if<delivery::JpegFrame>(&item);
  if (frame && interest_.paced) {
    auto waiting = wait_until_due(frame->seconds);
    co_await std::move(waiting);
  }
  if (!interest_.work) {
    take(dialect_->on(item));
    co_return;
  }
  auto working = interest_.work->run([&] { return dialect_->on(item); });
  take(co_await std::move(working));
}

net::awaitable<void> Pump::wait_until_due(double seconds) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  const auto offset = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  if (!start_ || *start_ + offset < now) {  // the first one, or it came late: from here on the others count from now
    start_ = now - offset;
    co_return;
  }
  net::steady_timer timer(co_await net::this_coro::executor, *start_ + offset);
  auto waiting = timer.async_wait(net::use_awaitable);
  co_await std::move(waiting);
}

void Pump::take(std::vector<Message> messages) {
  for (Message& message : messages) ready_.push_back(std::move(message));
}

std::pair<CloseCode, std::string> farewell(const generation::Session& session, bool draining) {
  const generation::SessionStatus status = session.status();
  if (status.state == generation::SessionState::failed)
    return {CloseCode::internal, "failed: " + status.failure->message};
  if (draining && status.state == generation::SessionState::stopped)
    return {CloseCode::going_away, "the server is shutting down"};
  return {CloseCode::normal, std::string(name(status.state))};
}

}  // namespace rushes::server
