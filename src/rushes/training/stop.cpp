#include "rushes/training/stop.h"

#include <csignal>

namespace rushes::training {
namespace {

volatile std::sig_atomic_t requested = 0;

void note(int signal) {
  requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void note_stop_signals() {
  std::signal(SIGTERM, note);
  std::signal(SIGINT, note);
}

bool stop_requested() { return requested != 0; }

}  // namespace rushes::training
