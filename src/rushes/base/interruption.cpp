#include "rushes/base/interruption.h"

#include <utility>

namespace rushes::base {
namespace {

thread_local const Interruptible* innermost = nullptr;

}  // namespace

Interruptible::Interruptible(std::function<void()> check) : check_(std::move(check)), outer_(innermost) {
  innermost = this;
}

Interruptible::~Interruptible() { innermost = outer_; }

void interruption_point() {
  if (innermost) innermost->check_();
}

}  // namespace rushes::base
