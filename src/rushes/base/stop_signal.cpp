#include "rushes/base/stop_signal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "rushes/base/interruption.h"

namespace rushes::base {
namespace {

// Seconds until the process ends anyway: before an interruption point comes, and for what is left to do after it.
constexpr unsigned kToNotice = 1, kToComplete = 10;

// Set by the signal handlers only.
std::atomic<int> g_signal = 0;
std::atomic<bool> g_interrupts = true;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void on_stop_signal(int number) {
  int none = 0;
  if (!g_signal.compare_exchange_strong(none, number)) ::_exit(128 + number);
  static constexpr char kLine[] = "\nstopping; send the signal again to exit at once\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kLine, sizeof kLine - 1);
  if (g_interrupts) ::alarm(kToNotice);
}

extern "C" void on_alarm(int) { ::_exit(128 + g_signal); }

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_stop_signals(OnStop on_stop) {
  g_interrupts = on_stop == OnStop::interrupt;
  handle(SIGALRM, on_alarm);
  for (const int number : {SIGINT, SIGTERM}) handle(number, on_stop_signal);
  // Of a terminal that is closed; nohup and the like have it ignored, and then it stays so.
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) handle(SIGHUP, on_stop_signal);
}

int stop_signal() noexcept { return g_signal; }

void end_if_stopped() {
  if (!g_interrupts || g_signal == 0) return;
  static std::atomic<bool> completing = false;
  if (!completing.exchange(true)) ::alarm(kToComplete);
  throw Interrupted();
}

}  // namespace rushes::base
