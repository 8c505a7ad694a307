// The newest results of something that takes long and is asked for again: shared by all sessions of a model.
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace rushes::generation {

/// Any thread. Two that ask for the same at once both compute it: nobody waits for the other's device.
template <typename Value>
class Recent {
 public:
  explicit Recent(std::size_t capacity) : capacity_(capacity) {}

  std::shared_ptr<const Value> get(const std::string& key, const std::function<Value()>& make) {
    if (auto found = find(key)) return found;
    auto made = std::make_shared<const Value>(make());
    const std::scoped_lock lock(mutex_);
    kept_.emplace_front(key, made);
    if (kept_.size() > capacity_) kept_.pop_back();
    return made;
  }

 private:
  std::shared_ptr<const Value> find(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    for (auto each = kept_.begin(); each != kept_.end(); ++each)
      if (each->first == key) {
        kept_.splice(kept_.begin(), kept_, each);
        return each->second;
      }
    return nullptr;
  }

  const std::size_t capacity_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const Value>>> kept_;  // newest first
};

}  // namespace rushes::generation
