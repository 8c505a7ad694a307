// How a trained Foresight model leaves training: the directory that the product opens.
#pragma once
#include <filesystem>

namespace rushes::training {

/// The halves that training wrote into `directory`, one of them at least, as `output`, weights in bfloat16, and beside
/// them an example picture of each cue. Throws Error(not_found) if neither is there.
void export_foresight(const std::filesystem::path& directory, const std::filesystem::path& output);

/// The opposite: what the stages go on from, of which one is left out is trained anew. Weights come back in the
/// precision that ships. Throws Error(not_found) for a part that a model directory of export_foresight() has and this
/// one has not.
void import_foresight(const std::filesystem::path& model, const std::filesystem::path& directory);

}  // namespace rushes::training
