// A pickle of plain data and NumPy arrays as JSON, for configurations that were saved as such.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "rushes/tensor/file_bytes.h"

namespace rushes::tensor {

/// Dictionaries with text keys (others are left out), lists and tuples as lists, arrays as lists of lists; what has no
/// counterpart in JSON is null. Nothing of the file is executed (see pickle.h). Throws what read_pickle() throws,
/// Error(corrupt_data) for an array whose bytes do not fit its shape, Error(unsupported) for one of other types than
/// float16, float32, float64, int32, int64, uint8 and bool, Error(too_large) above a million numbers or 64 levels.
nlohmann::json plain_data(const FileBytes& file);

}  // namespace rushes::tensor
