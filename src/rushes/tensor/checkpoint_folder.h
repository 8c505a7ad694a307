// Which files of a folder are checkpoints, by the naming conventions of the field: shards with their index, variants of
// another precision, a pickle beside the same weights as safetensors. What is in them only their contents tell.
#pragma once
#include <compare>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::tensor {

/// How well a file stands for its folder; less is better. Of the names: those that the transformers and diffusers
/// libraries load; then full precision before variants ("model.fp16.safetensors"); then an index before a whole
/// safetensors file before a pickle.
struct CheckpointRank {
  bool is_other_name = false, is_variant = false;
  int format = 0;
  auto operator<=>(const CheckpointRank&) const = default;
};

struct CheckpointFile {
  std::filesystem::path path;  // a checkpoint file, or an index of shards
  CheckpointRank rank;
};

/// An index of shards: "*.index.json", with a variant "*.index.fp16.json".
bool is_index_name(std::string_view name);

/// The checkpoints in `folder`, not below it: best first, then by name. Shards are none of their own where they have an
/// index. Nothing is opened. Throws nothing; a folder that cannot be read has none.
std::vector<CheckpointFile> checkpoints_in(const std::filesystem::path& folder);

/// The one that the folder stands for: the best, of variants the first by name. Throws Error(not_found), and
/// Error(invalid_argument) naming those that are equally good.
std::filesystem::path checkpoint_in(const std::filesystem::path& folder);

/// `folder` and what lies below it, as deep as models are published, without hidden folders. A folder of very many has
/// only its first ones here: it is a collection, not a model.
std::vector<std::filesystem::path> folders_of_model(const std::filesystem::path& folder);

/// Where the parts of a model are: in each of its folders the best file that holds one, and all equally good ones.
/// `parts_of` names those in a file, and none for files of something else.
using PartFiles = std::map<std::string, std::vector<std::filesystem::path>>;
PartFiles find_parts(const std::filesystem::path& folder,
                     const std::function<std::vector<std::string>(const std::filesystem::path& file)>& parts_of);

}  // namespace rushes::tensor
