// Ends work that nobody wants any more, or holds it up, between its parts. Whoever has work done says how for its
// thread; the work itself only says where: between layers, denoising steps, tensors of a checkpoint, frames of a file.
#pragma once
#include <functional>

#include "rushes/base/error.h"

namespace rushes::base {

/// Ends the work in progress on a thread. Not a failure: whoever asked for the end knows why.
class Interrupted final : public Error {
 public:
  Interrupted() : Error(ErrorCode::cancelled, "interrupted") {}
};

/// While it lives, interruption_point() calls `check` on this thread. It may wait, and throws to end the work:
/// Interrupted, or what the caller of the work is to get. Of several the innermost counts.
class Interruptible {
 public:
  explicit Interruptible(std::function<void()> check);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  friend void interruption_point();
  const std::function<void()> check_;
  const Interruptible* const outer_;
};

/// A place where work can end without a trace but what it has changed so far. Costs next to nothing. Nothing happens on
/// threads that were not made Interruptible, such as those of a parallel loop: these end with their loop.
void interruption_point();

}  // namespace rushes::base
