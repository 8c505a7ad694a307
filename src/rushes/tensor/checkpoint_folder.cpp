#include "rushes/tensor/checkpoint_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "rushes/base/error.h"

namespace rushes::tensor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxEntries = 100'000;  // of a folder; who keeps more there did not mean a model
constexpr int kMaxDepth = 3;                  // ComfyUI's repositories have split_files/diffusion_models/
constexpr std::size_t kMaxFolders = 64, kMaxCheckpoints = 256;
constexpr std::string_view kStandardStems[] = {"diffusion_pytorch_model", "model", "pytorch_model"};
constexpr std::string_view kTorchExtensions[] = {".bin", ".pt", ".pth", ".ckpt"};
constexpr std::string_view kSafetensors = ".safetensors", kIndex = ".index.";
enum Format { index_of_shards, safetensors, pickle };

struct Name {
  std::string stem, variant;  // "model" and "fp16"
  Format format;
  bool is_shard = false;
};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// Takes "-00001-of-00005" off the end.
bool take_shard_number(std::string& stem) {
  const auto of = stem.rfind("-of-");
  if (of == std::string::npos || of == 0 || !is_number(std::string_view(stem).substr(of + 4))) return false;
  const auto dash = stem.rfind('-', of - 1);
  if (dash == std::string::npos || !is_number(std::string_view(stem).substr(dash + 1, of - dash - 1))) return false;
  stem.resize(dash);
  return true;
}

/// A precision, the only kind of variant: other dots belong to the name ("model2.1").
bool is_variant(std::string_view word) {
  return word.starts_with("fp") || word.starts_with("bf") || word == "ema" || word == "non_ema";
}

void take_variant(Name& name) {
  const auto dot = name.stem.rfind('.');
  if (dot == std::string::npos || !is_variant(std::string_view(name.stem).substr(dot + 1))) return;
  name.variant = name.stem.substr(dot + 1);
  name.stem.resize(dot);
}

std::optional<Name> parsed(const std::string& file) {
  if (is_index_name(file)) {  // "model.safetensors.index.json", "model.safetensors.index.fp16.json"
    const auto at = file.rfind(kIndex);
    Name name{file.substr(0, at), "", index_of_shards};
    const std::string rest = file.substr(at + kIndex.size());
    if (rest != "json") name.variant = rest.substr(0, rest.size() - 5);
    name.stem.resize(name.stem.rfind('.'));
    return name;
  }
  const std::string extension = fs::path(file).extension().string();
  const bool is_pickle =
      std::find(std::begin(kTorchExtensions), std::end(kTorchExtensions), extension) != std::end(kTorchExtensions);
  if (extension != kSafetensors && !is_pickle) return std::nullopt;
  Name name{file.substr(0, file.size() - extension.size()), "", is_pickle ? pickle : safetensors};
  name.is_shard = take_shard_number(name.stem);
  take_variant(name);
  return name;
}

}  // namespace

bool is_index_name(std::string_view name) {
  const auto at = name.rfind(kIndex);
  if (at == std::string_view::npos || at == 0 || !name.ends_with(".json")) return false;
  const auto before = name.substr(0, at), after = name.substr(at + kIndex.size());
  return (before.ends_with(kSafetensors) || before.ends_with(".bin")) &&
         (after == "json" || is_variant(after.substr(0, after.size() - 5)));
}

std::vector<CheckpointFile> checkpoints_in(const fs::path& folder) {
  struct Entry {
    fs::path path;
    Name name;
  };
  std::vector<Entry> entries;
  std::error_code refused, ignored;
  std::size_t seen = 0;
  for (fs::directory_iterator entry(folder, refused), end; !refused && entry != end && seen < kMaxEntries;
       entry.increment(refused), ++seen)
    if (auto name = parsed(entry->path().filename().string()); name && !fs::is_directory(entry->path(), ignored))
      entries.push_back({entry->path(), std::move(*name)});

  std::vector<CheckpointFile> files;
  for (const Entry& entry : entries) {
    const Name& name = entry.name;
    const auto lists_it = [&](const Entry& other) {
      return other.name.format == index_of_shards && other.name.stem == name.stem && other.name.variant == name.variant;
    };
    if (name.is_shard && std::any_of(entries.begin(), entries.end(), lists_it)) continue;
    const bool is_standard =
        std::find(std::begin(kStandardStems), std::end(kStandardStems), name.stem) != std::end(kStandardStems);
    files.push_back({entry.path, {!is_standard, !name.variant.empty(), name.format}});
  }
  std::sort(files.begin(), files.end(), [](const CheckpointFile& a, const CheckpointFile& b) {
    return std::tie(a.rank, a.path) < std::tie(b.rank, b.path);
  });
  return files;
}

fs::path checkpoint_in(const fs::path& folder) {
  const auto files = checkpoints_in(folder);
  require(!files.empty(), ErrorCode::not_found,
          "'{}' has no checkpoint (.safetensors, .safetensors.index.json, .bin, .pt, .pth or .ckpt)", folder.string());
  std::vector<std::string> equal;
  for (const CheckpointFile& file : files)
    if (file.rank == files.front().rank) equal.push_back(file.path.filename().string());
  require(equal.size() == 1 || files.front().rank.is_variant, ErrorCode::invalid_argument,
          "'{}' has several checkpoints ({}); give the path of one of them", folder.string(), fmt::join(equal, ", "));
  return files.front().path;
}

std::vector<fs::path> folders_of_model(const fs::path& folder) {
  std::vector<fs::path> folders{folder};
  std::error_code refused;
  for (fs::recursive_directory_iterator entry(folder, refused), end;
       !refused && entry != end && folders.size() < kMaxFolders; entry.increment(refused)) {
    std::error_code ignored;
    if (!entry->is_directory(ignored)) continue;
    const bool is_hidden = entry->path().filename().string().starts_with('.');
    if (is_hidden || entry.depth() + 1 >= kMaxDepth) entry.disable_recursion_pending();
    if (!is_hidden) folders.push_back(entry->path());
  }
  std::sort(folders.begin() + 1, folders.end());
  return folders;
}

PartFiles find_parts(const fs::path& folder, const std::function<std::vector<std::string>(const fs::path&)>& parts_of) {
  PartFiles found;
  std::size_t seen = 0;
  for (const fs::path& each : folders_of_model(folder)) {
    std::map<std::string, CheckpointRank> best;
    for (const CheckpointFile& file : checkpoints_in(each)) {
      if (++seen > kMaxCheckpoints) return found;
      for (const std::string& part : parts_of(file.path)) {
        const auto [known, is_first] = best.emplace(part, file.rank);
        if (is_first || known->second == file.rank) found[part].push_back(file.path);
      }
    }
  }
  return found;
}

}  // namespace rushes::tensor
