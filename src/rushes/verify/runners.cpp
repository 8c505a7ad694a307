#include "rushes/verify/runners.h"

namespace rushes::verify {

const Registry& runners() {
  static const Registry all = [] {
    Registry registry;
    return registry;
  }();
  return all;
}

}  // namespace rushes::verify
