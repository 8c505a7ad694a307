#include "rushes/tensor/checkpoint.h"

#include <fmt/ranges.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/checkpoint_folder.h"
#include "rushes/tensor/file_bytes.h"
#include "rushes/tensor/legacy_torch.h"
#include "rushes/tensor/pickle_checkpoint.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::tensor {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

constexpr uint64_t kMaxIndexBytes = 64'000'000;
constexpr std::size_t kMaxShards = 1'000;

struct Recognised {
  std::string_view begin;
  const char* what;
  const char* advice;
};
using namespace std::string_view_literals;
constexpr Recognised kRecognised[] = {
    {"\x80"sv, "a bare Python pickle", "load it with torch or Python and save its tensors as safetensors"},
    {"version https://git-lfs.github.com/"sv, "a Git LFS pointer, not the file itself",
     "run `git lfs pull` in its repository"},
    {"<!DOCTYPE"sv, "a web page", "download the file itself, not the page that shows it"},
    {"<html"sv, "a web page", "download the file itself, not the page that shows it"},
    {"GGUF"sv, "a GGUF file", "get the safetensors or .pth file that it was made from"},
    {"\x89HDF\r\n"sv, "an HDF5 file", "get the safetensors or .pth file that it was made from"},
    {"\x1f\x8b"sv, "compressed with gzip", "unpack it first"},
    {"\xfd\x37zXZ"sv, "compressed with xz", "unpack it first"},
    {"\x28\xb5\x2f\xfd"sv, "compressed with zstd", "unpack it first"},
};

bool begins_json_object(std::string_view bytes) {
  const auto first = bytes.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && bytes[first] == '{';
}

[[noreturn]] void refuse(const FileBytes& file) {
  for (const Recognised& known : kRecognised)
    if (file.view().starts_with(known.begin))
      fail(ErrorCode::unsupported, "'{}' is {}: {}", file.name(), known.what, known.advice);
  if (file.size() > 262 && file.view().substr(257, 5) == "ustar")
    fail(ErrorCode::unsupported,
         "'{}' is a tar archive (perhaps of a very old torch): unpack it, or save it again with torch", file.name());
  fail(ErrorCode::unsupported,
       "'{}' is not a checkpoint that rushes can read: it is neither safetensors nor a zip file of torch.save",
       file.name());
}

std::map<std::string, std::string> read_index(const FileBytes& file) {
  require(file.size() <= kMaxIndexBytes, ErrorCode::too_large, "'{}' has {} bytes; an index can have at most {}",
          file.name(), file.size(), kMaxIndexBytes);
  // The callback stops at depth 3, so brackets of brackets cannot fill the memory.
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    require(depth <= 3, ErrorCode::corrupt_data, "'{}' is nested deeper than an index of shards", file.name());
    return true;
  };
  const json index = json::parse(file.view().begin(), file.view().end(), shallow, /*allow_exceptions=*/false);
  require(index.is_object(), ErrorCode::corrupt_data, "'{}' is not valid JSON", file.name());
  const auto found = index.find("weight_map");
  require(found != index.end() && found->is_object(), ErrorCode::unsupported,
          "'{}' is JSON without a 'weight_map' and therefore not an index of shards; give the folder or the "
          ".safetensors file",
          file.name());
  std::map<std::string, std::string> shard_of;
  for (const auto& [key, shard] : found->items()) {
    check_key(key, file.name());
    require(shard.is_string(), ErrorCode::corrupt_data, "'{}': the shard of '{}' is not a file name", file.name(), key);
    const auto& text = shard.get_ref<const std::string&>();
    const fs::path path(text);
    require(!text.empty() && text.size() < 256 && text.find('\0') == std::string::npos && path.filename() == path &&
                text != "." && text != "..",
            ErrorCode::corrupt_data, "'{}': shard '{}' of '{}' is not a file in the folder of the index", file.name(),
            printable(text), key);
    shard_of.emplace(key, text);
  }
  require(!shard_of.empty(), ErrorCode::corrupt_data, "'{}': its weight_map is empty", file.name());
  return shard_of;
}

/// A file that is no index.
Checkpoint load_whole(const std::shared_ptr<const FileBytes>& file, const fs::path& path) {
  const bool is_legacy = is_legacy_torch(file->view());
  if (is_legacy || file->view().starts_with("PK\x03\x04")) {
    auto contents = read_pickle_checkpoint(file);
    return {is_legacy ? CheckpointFormat::torch_legacy : CheckpointFormat::torch_zip,
            {path},
            std::move(contents.tensors),
            std::move(contents.metadata)};
  }
  if (file->size() > 8 && file->view()[8] == '{') {
    auto contents = read_safetensors(file);
    return {CheckpointFormat::safetensors, {path}, std::move(contents.tensors), std::move(contents.metadata)};
  }
  refuse(*file);
}

Checkpoint load_sharded(const FileBytes& index, const fs::path& path) {
  const auto shard_of = read_index(index);
  std::set<std::string> names;
  for (const auto& [key, shard] : shard_of) names.insert(shard);
  require(names.size() <= kMaxShards, ErrorCode::too_large, "'{}' names {} shards; at most {} are allowed",
          index.name(), names.size(), kMaxShards);
  Checkpoint checkpoint{CheckpointFormat::sharded, {}, {}, {}};
  for (const std::string& name : names) {
    const fs::path file = path.parent_path() / name;
    std::error_code ignored;
    require(fs::exists(file, ignored), ErrorCode::not_found, "'{}' is missing: '{}' lists it as one of {} shards",
            file.string(), index.name(), names.size());
    const Checkpoint contents = load_whole(FileBytes::map(file), file);
    for (const auto& [key, tensor] : contents.tensors.tensors()) {
      const auto told = shard_of.find(key);
      require(told == shard_of.end() || told->second == name, ErrorCode::corrupt_data,
              "'{}' has the tensor '{}', which '{}' expects in '{}'; do the files belong together?", file.string(), key,
              index.name(), told->second);
      checkpoint.tensors.set(key, tensor);
    }
    checkpoint.metadata.insert(contents.metadata.begin(), contents.metadata.end());
    checkpoint.files.push_back(file);
  }
  for (const auto& [key, shard] : shard_of)
    require(checkpoint.tensors.contains(key), ErrorCode::corrupt_data,
            "according to '{}', '{}' has the tensor '{}', but it does not", index.name(), shard, key);
  return checkpoint;
}

}  // namespace

std::string_view name(CheckpointFormat format) noexcept {
  switch (format) {
    case CheckpointFormat::safetensors: return "safetensors";
    case CheckpointFormat::sharded: return "sharded";
    case CheckpointFormat::torch_zip: return "torch_zip";
    case CheckpointFormat::torch_legacy: return "torch_legacy";
  }
  return "?";
}

Checkpoint load_checkpoint(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return load_checkpoint(checkpoint_in(path));
  const auto file = FileBytes::map(path);
  if (begins_json_object(file->view().substr(0, 64))) return load_sharded(*file, path);
  return load_whole(file, path);
}

}  // namespace rushes::tensor
