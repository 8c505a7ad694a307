// Published checkpoints of an avatar's transformer: a base of Wan's with low-rank adapters, speech modules and a wider
// patch embedding over it, or all of that merged in one file. Names are the published ones.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/omniavatar/model_directory.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::omniavatar {

/// Names and shapes of all parameters of a transformer without adapters.
tensor::Shapes parameter_shapes(const TransformerConfig& config);

enum class CheckpointKind {
  merged,   // a whole transformer with speech modules
  adapter,  // low-rank pairs, speech modules and a patch embedding, for a base
};

/// What names tell; nothing for checkpoints of something else.
std::optional<CheckpointKind> kind_of(const tensor::WeightMap& tensors);

/// The tensors under their published names: those of training wrappers and the prefix "model." are left out, adapters
/// have the same names with and without ".default". Shares storage. Throws Error(corrupt_data) for two tensors of one
/// name.
tensor::WeightMap with_published_names(const tensor::WeightMap& tensors);

/// Dimensions from the shapes of published names; `group` is told by none. Of an adapter those that it has: the others
/// stay as in `base`. Throws Error(corrupt_data) for shapes of no such transformer.
TransformerConfig infer_transformer(const tensor::WeightMap& tensors, const wan::TransformerConfig& base);

/// `base` with the adapter's tensors in it, under published names, of `dtype`: W + alpha / rank * B A, added in float32
/// and rounded once; all other tensors of the adapter replace the base's or are new. Throws Error(corrupt_data) naming
/// the key for half a pair, for shapes that do not fit, for another rank than `lora` says, and if the patch embedding
/// for the picture's channels is not the adapter's own: the base has none to offer. Error(unsupported) for adapters of
/// another kind.
tensor::WeightMap merge_adapter(const tensor::WeightMap& base, const tensor::WeightMap& adapter, const Lora& lora,
                                at::ScalarType dtype);

/// Complete weights of the right shapes, as one transformer. A merged file is mapped and keeps its dtype; with an
/// adapter they are new tensors of `dtype`. Throws what tensor::load_checkpoint(), tensor::take_complete() and
/// merge_adapter() throw, Error(not_found) if a file holds no such part.
tensor::WeightMap load_transformer(const TransformerPart& part, at::ScalarType dtype,
                                   tensor::Extra extra = tensor::Extra::report);

/// By which the published loader knows files: MD5 of the sorted names, or of the sorted names and names with shapes.
/// Only a hint for people: other files hold the same model, too.
std::string fingerprint(const tensor::WeightMap& tensors, bool with_shapes);
/// Name of the published file with these names and shapes; nothing for others.
std::optional<std::string> known_file(const tensor::WeightMap& tensors);

}  // namespace rushes::omniavatar
