// Callbacks of readers that wait for something to grow.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace rushes::base {

/// Null: none. Shared, so that a call may outlast the reader that asked for it.
using Notifier = std::shared_ptr<const std::function<void()>>;

inline Notifier notifier(std::function<void()> call) {
  return call ? std::make_shared<const std::function<void()>>(std::move(call)) : nullptr;
}

/// Calls each reader's `notify`, without `mutex`, which guards the list.
template <typename Reader>
void notify_all(std::mutex& mutex, const std::vector<std::shared_ptr<Reader>>& readers) {
  std::vector<Notifier> calls;
  {
    const std::scoped_lock lock(mutex);
    for (const auto& reader : readers)
      if (reader->notify) calls.push_back(reader->notify);
  }
  for (const Notifier& call : calls) (*call)();
}

}  // namespace rushes::base
