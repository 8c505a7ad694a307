// A training stage that is told to stop (SIGTERM, Ctrl-C) saves its state first.
#pragma once

namespace rushes::training {

/// From now on the first SIGTERM or SIGINT is only noted; the second ends the process.
void note_stop_signals();
/// Run then has no time left, so that a stage leaves its loop and saves.
bool stop_requested();

}  // namespace rushes::training
