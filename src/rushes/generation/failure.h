// Exceptions as failures of a session.
#pragma once
#include <functional>

#include "rushes/generation/session_state.h"

namespace rushes::generation {

/// What a thrown exception means to a session: Error keeps its code; memory that ran out, of any library, is
/// `exhausted`; all else is `internal`. To be called inside a catch block.
Failure current_failure();

/// Does one round of something that goes on for as long as the program: what it throws is logged as of `what`, and the
/// next round comes all the same. False: it has thrown.
bool attempt(const char* what, const std::function<void()>& round) noexcept;

}  // namespace rushes::generation
