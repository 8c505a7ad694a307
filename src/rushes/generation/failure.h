// Exceptions as failures of a session.
#pragma once
#include "rushes/generation/session_state.h"

namespace rushes::generation {

/// What a thrown exception means to a session: Error keeps its code; memory that ran out, of any library, is
/// `exhausted`; all else is `internal`. To be called inside a catch block.
Failure current_failure();

}  // namespace rushes::generation
