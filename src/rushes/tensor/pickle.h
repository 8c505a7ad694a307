// Restricted reader of Python pickles as torch.save writes them. It runs the pickle's stack machine over plain data;
// of the functions that a pickle may name it knows a dozen that rebuild tensors and dictionaries, and refuses all
// others by name. It imports nothing, calls nothing, and opens nothing.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/ScalarType.h>

namespace rushes::tensor {

enum class PickleKind {
  none,
  boolean,
  integer,
  real,
  text,
  tuple,
  list,
  dict,
  storage,
  tensor,
  opaque,
  function,
  array,
  array_type
};

/// Where a tensor's elements are: storage number, offset and strides in elements.
struct PickleTensor {
  uint32_t storage = 0;  // index into PickleTree::storages
  int64_t offset = 0;
  std::vector<int64_t> sizes, strides;
};

struct PickleStorage {
  std::string_view key;                  // of its bytes: in a zip archive the name of the entry below data/
  std::optional<c10::ScalarType> dtype;  // nothing: untyped, in bytes
  int64_t elements = 0;
};

/// An array of NumPy, which lies in the pickle itself.
struct PickleArray {
  std::string_view type = {};  // as NumPy spells it, little-endian: f4, f8, i8, b1, ...
  std::vector<int64_t> sizes = {};
  bool column_major = false;
  std::string_view bytes = {};
};

/// What a pickle may hold beside plain data.
enum class PickleAllows { tensors, arrays };

struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;  // integer, boolean; index into tensors, storages or arrays; which function
  double real = 0;
  std::string_view text = {};        // text, opaque: into the pickle's bytes
  std::vector<uint32_t> items = {};  // of tuple and list; key, value, key, value, ... of dict: indices into values
};

/// The object graph of a pickle. Values name each other by index, so that a graph with cycles is plain data: whoever
/// walks it limits depth and length. Texts point into the pickle's bytes.
struct PickleTree {
  std::vector<PickleValue> values;
  std::vector<PickleTensor> tensors;
  std::vector<c10::ScalarType> tensor_dtypes;  // one per tensor
  std::vector<PickleStorage> storages;
  std::vector<PickleArray> arrays;
  uint32_t root = 0;
};

/// `file` stands in messages. Throws Error(unsupported) naming a function or class outside the list or an opcode that
/// torch.save does not write, Error(corrupt_data) with the byte offset for anything that is no valid pickle,
/// Error(too_large) above 64 MB or two million objects. Any thread.
PickleTree read_pickle(std::string_view bytes, const std::string& file, PickleAllows allows = PickleAllows::tensors);

/// The same of the pickle at the front of `bytes`, which it takes off: more may follow.
PickleTree take_pickle(std::string_view& bytes, const std::string& file);

}  // namespace rushes::tensor
