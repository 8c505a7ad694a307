// Checkpoints of torch.save (.pt, .pth, .ckpt): a zip archive of a pickle, which says what the tensors are called, and
// one stored entry of bytes for each storage; or before torch 1.6 both in one file, see legacy_torch.h. The pickle is
// read by pickle.h, the tensors stay in the mapped file.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "rushes/tensor/file_bytes.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

struct PickleContents {
  WeightMap tensors;                            // dictionaries in dictionaries give keys with dots: "generator.model.x"
  std::map<std::string, std::string> metadata;  // numbers and texts found beside the tensors ("step": "600")
};

/// Told apart by their first bytes. Tensors are not copied, unless their data lies where the processor cannot read its
/// type, as it mostly does in the old format; they keep the mapping alive and must not be written to. Throws
/// Error(corrupt_data) for archives and pickles that are cut short or lie (offsets, sizes, strides, missing or
/// overlapping data, cycles), Error(unsupported) with advice for what cannot be read without executing something, and
/// for compressed entries, TorchScript and big-endian files; Error(too_large) beyond 200,000 tensors. Any thread.
PickleContents read_pickle_checkpoint(const std::shared_ptr<const FileBytes>& file);

}  // namespace rushes::tensor
