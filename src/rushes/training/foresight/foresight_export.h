// How a trained Foresight model leaves training: the directory that the product opens.
#pragma once
#include <filesystem>

namespace rushes::training {

/// The halves that training wrote into `directory`, one of them at least, as `output`, weights in bfloat16. Throws
/// Error(not_found) if neither is there.
void export_foresight(const std::filesystem::path& directory, const std::filesystem::path& output);

}  // namespace rushes::training
