// SIGINT, SIGTERM and SIGHUP (but where that is ignored) as something that the work of a command looks at, so that it
// ends in good order, and soon.
#pragma once

namespace rushes::base {

/// What the first signal does. A second one ends the process at once, with the exit code 128 + its number.
enum class OnStop {
  interrupt,  // ends the work of main()'s thread at its next interruption_point(); none within a second: the process
  note,       // sets stop_signal(), no more
};

/// From now on. To be called again to change it.
void catch_stop_signals(OnStop on_stop = OnStop::interrupt);

/// The one that came first; 0: none. Any thread.
int stop_signal() noexcept;

/// For main()'s thread as the check of an Interruptible. Throws Interrupted after a signal; what follows, such as
/// completing a file, may take ten seconds.
void end_if_stopped();

}  // namespace rushes::base
