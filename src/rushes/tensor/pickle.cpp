#include "rushes/tensor/pickle.h"

#include <cstring>
#include <unordered_map>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/pickle_bytes.h"
#include "rushes/tensor/pickle_names.h"

namespace rushes::tensor {
namespace {

constexpr uint64_t kMaxPickleBytes =
    64'000'000;  // pickles of published checkpoints have 0.1 to 2 MB: the data is elsewhere
constexpr std::size_t kMaxValues = 2'000'000;
constexpr std::size_t kMaxTensors = 200'000;
constexpr std::size_t kMaxStack = 4'000'000, kMaxMarks = 100'000;
constexpr std::size_t kMaxAxes = 16;

class Machine : PickleBytes {
 public:
  Machine(std::string_view bytes, const std::string& file, PickleAllows allows)
      : PickleBytes(bytes, file), allows_(allows) {}

  PickleTree run() {
    for (;;) {
      begin_opcode();
      const auto opcode = take<uint8_t>();
      if (opcode == kStop) break;
      if (!(literal(opcode) || container(opcode) || memo(opcode) || object(opcode)))
        fail(ErrorCode::unsupported, "{}: opcode 0x{:02x} is not supported; load the file with {}", where(), opcode,
             allows_ == PickleAllows::tensors ? "torch and save its state_dict"
                                              : "Python and save it with pickle protocol 4, or as JSON");
    }
    tree_.root = pop();
    return std::move(tree_);
  }
  using PickleBytes::end;

 private:
  // Stack -----------------------------------------------------------------------------------------------------------
  void push(PickleValue value) {
    require(tree_.values.size() < kMaxValues, ErrorCode::too_large, "{}: the pickle has more than {} objects", where(),
            kMaxValues);
    tree_.values.push_back(std::move(value));
    push_index(static_cast<uint32_t>(tree_.values.size() - 1));
  }
  void push_index(uint32_t index) {
    require(stack_.size() < kMaxStack, ErrorCode::too_large, "{}: the pickle's stack has more than {} objects", where(),
            kMaxStack);
    stack_.push_back(index);
  }
  void push_mark() {
    require(marks_.size() < kMaxMarks, ErrorCode::too_large, "{}: the pickle is nested deeper than {} levels", where(),
            kMaxMarks);
    marks_.push_back(stack_.size());
  }
  uint32_t pop() {
    check(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "the stack is empty");
    const uint32_t top = stack_.back();
    stack_.pop_back();
    return top;
  }
  uint32_t top() const {
    check(!stack_.empty() && stack_.size() > (marks_.empty() ? 0 : marks_.back()), "the stack is empty");
    return stack_.back();
  }
  std::vector<uint32_t> pop_to_mark() {
    check(!marks_.empty(), "there is no mark on the stack");
    std::vector<uint32_t> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  PickleValue& value(uint32_t index) { return tree_.values[index]; }

  void push_integer(int64_t number) { push({.kind = PickleKind::integer, .integer = number}); }
  void push_text(std::string_view text) { push({.kind = PickleKind::text, .text = text}); }
  void push_opaque(std::string_view text) { push({.kind = PickleKind::opaque, .text = text}); }
  void push_tuple(std::vector<uint32_t> items) { push({.kind = PickleKind::tuple, .items = std::move(items)}); }
  void push_tuple_of(int count) {
    std::vector<uint32_t> items(static_cast<std::size_t>(count));
    for (int i = count; i-- > 0;) items[static_cast<std::size_t>(i)] = pop();
    push_tuple(std::move(items));
  }

  void push_long(uint64_t length) {
    const auto digits = take_bytes(length);  // little-endian two's complement
    if (digits.size() > 8) return push_opaque("integer of more than 64 bits");
    uint64_t number = !digits.empty() && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    std::memcpy(&number, digits.data(), digits.size());
    push_integer(static_cast<int64_t>(number));
  }
  void push_real() {
    const auto big_endian = take<uint64_t>();
    const uint64_t bits = __builtin_bswap64(big_endian);
    PickleValue real{.kind = PickleKind::real};
    std::memcpy(&real.real, &bits, sizeof bits);
    push(std::move(real));
  }

  // Opcodes, by family; each returns false for those of another family
  // -------------------------------------------------
  bool literal(uint8_t opcode) {
    switch (opcode) {
      case kProto: check(take<uint8_t>() <= 5, "the pickle protocol is newer than 5"); return true;
      case kFrame: take_bytes(8); return true;
      case kNone: push({}); return true;
      case kNewTrue: push({.kind = PickleKind::boolean, .integer = 1}); return true;
      case kNewFalse: push({.kind = PickleKind::boolean}); return true;
      case kBinInt: push_integer(take<int32_t>()); return true;
      case kBinInt1: push_integer(take<uint8_t>()); return true;
      case kBinInt2: push_integer(take<uint16_t>()); return true;
      case kLong1: push_long(take<uint8_t>()); return true;
      case kLong4: push_long(take<uint32_t>()); return true;
      case kBinFloat: push_real(); return true;
      case kBinUnicode: push_text(take_bytes(take<uint32_t>())); return true;
      case kShortBinUnicode: push_text(take_bytes(take<uint8_t>())); return true;
      case kBinUnicode8: push_text(take_bytes(take<uint64_t>())); return true;
      case kShortBinString: push_text(take_bytes(take<uint8_t>())); return true;
      case kBinString: push_text(take_bytes(take<uint32_t>())); return true;
      case kShortBinBytes: push_opaque(take_bytes(take<uint8_t>())); return true;
      case kBinBytes: push_opaque(take_bytes(take<uint32_t>())); return true;
      case kBinBytes8: push_opaque(take_bytes(take<uint64_t>())); return true;
      default: return false;
    }
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case kMark: push_mark(); return true;
      case kPop: pop(); return true;
      case kPopMark: pop_to_mark(); return true;
      case kDup: push_index(top()); return true;
      case kEmptyDict: push({.kind = PickleKind::dict}); return true;
      case kEmptyList: push({.kind = PickleKind::list}); return true;
      case kEmptyTuple: push_tuple({}); return true;
      case kTuple: push_tuple(pop_to_mark()); return true;
      case kTuple1: push_tuple_of(1); return true;
      case kTuple2: push_tuple_of(2); return true;
      case kTuple3: push_tuple_of(3); return true;
      case kAppend: extend(PickleKind::list, {pop()}); return true;
      case kAppends: extend(PickleKind::list, pop_to_mark()); return true;
      case kSetItem: {
        const uint32_t item = pop();
        extend(PickleKind::dict, {pop(), item});
        return true;
      }
      case kSetItems: extend(PickleKind::dict, pop_to_mark()); return true;
      default: return false;
    }
  }
  void extend(PickleKind kind, const std::vector<uint32_t>& items) {
    PickleValue& target = value(top());
    check(target.kind == kind, "items are added to an object that cannot have items");
    check(kind != PickleKind::dict || items.size() % 2 == 0, "a dictionary has a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  bool memo(uint8_t opcode) {
    switch (opcode) {
      case kBinPut: remember(take<uint8_t>()); return true;
      case kLongBinPut: remember(take<uint32_t>()); return true;
      case kMemoize: remember(static_cast<uint32_t>(memo_.size())); return true;
      case kBinGet: recall(take<uint8_t>()); return true;
      case kLongBinGet: recall(take<uint32_t>()); return true;
      default: return false;
    }
  }
  void remember(uint32_t slot) {
    require(memo_.size() < kMaxValues, ErrorCode::too_large, "{}: the pickle remembers more than {} objects", where(),
            kMaxValues);
    memo_[slot] = top();
  }
  void recall(uint32_t slot) {
    const auto found = memo_.find(slot);
    check(found != memo_.end(), "object {} is used before it is defined", slot);
    push_index(found->second);
  }

  bool object(uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const auto module = take_line();
        push_function(module, take_line());
        return true;
      }
      case kStackGlobal: {
        const uint32_t name = pop(), module = pop();
        check(value(name).kind == PickleKind::text && value(module).kind == PickleKind::text,
              "a function's name is not a string");
        push_function(value(module).text, value(name).text);
        return true;
      }
      case kReduce: reduce(); return true;
      case kBinPersid: persistent_load(); return true;
      case kBuild: {
        const uint32_t state = pop();
        if (value(top()).kind == PickleKind::array) return set_array(value(top()), state), true;
        if (value(top()).kind == PickleKind::array_type) return set_array_type(state), true;
        // Attributes, such as the _metadata of a module's state_dict: no weights in them.
        check(value(top()).kind == PickleKind::dict, "attributes are set on an object that cannot have attributes");
        return true;
      }
      default: return false;
    }
  }

  void push_function(std::string_view module, std::string_view name) {
    for (std::size_t i = 0; i < std::size(kFunctions); ++i)
      if (kFunctions[i].module == module && kFunctions[i].name == name &&
          (kFunctions[i].role == Role::ordered_dict ||
           (allows_ == PickleAllows::arrays) == is_of_arrays(kFunctions[i].role))) {
        push({.kind = PickleKind::function, .integer = static_cast<int64_t>(i)});
        return;
      }
    fail(ErrorCode::unsupported,
         "'{}' uses the Python object '{}.{}'. rushes reads only {} and never executes code from a file. If you trust "
         "the "
         "source of the file, load it with {}",
         file_, printable(module), printable(name),
         allows_ == PickleAllows::tensors ? "tensors in dictionaries" : "dictionaries, lists, numbers and arrays",
         allows_ == PickleAllows::tensors ? "torch and save only its tensors as safetensors"
                                          : "Python and save its numbers as JSON");
  }

  const Function& function(uint32_t index) {
    check(value(index).kind == PickleKind::function, "an object that is not a function is called");
    return kFunctions[value(index).integer];
  }
  int64_t integer(uint32_t index, const char* what) {
    check(value(index).kind == PickleKind::integer, "{} is not an integer", what);
    return value(index).integer;
  }
  std::vector<int64_t> integers(uint32_t index, const char* what) {
    const PickleValue& list = value(index);
    check(list.kind == PickleKind::tuple || list.kind == PickleKind::list, "{} is not a tuple", what);
    check(list.items.size() <= kMaxAxes, "{} has {} numbers; at most {} are allowed", what, list.items.size(),
          kMaxAxes);
    std::vector<int64_t> numbers;
    for (const uint32_t item : list.items) numbers.push_back(integer(item, what));
    return numbers;
  }

  void reduce() {
    const uint32_t arguments = pop();
    check(value(arguments).kind == PickleKind::tuple, "the arguments of a call are not a tuple");
    const Function& callee = function(pop());
    const auto& given = value(arguments).items;
    const auto takes = [&](std::size_t least, std::size_t most) {
      check(given.size() >= least && given.size() <= most, "{}.{} is called with {} arguments, which is not supported",
            callee.module, callee.name, given.size());
    };
    switch (callee.role) {
      case Role::ordered_dict: takes(0, 1); return push_dict(given);
      case Role::size:
        takes(1, 1);
        push_index(given[0]);
        return;
      case Role::device:
        takes(1, 2);
        push_opaque("device");
        return;
      case Role::rebuild_parameter:
        takes(3, 3);
        check(value(given[0]).kind == PickleKind::tensor, "a parameter is made of an object that is not a tensor");
        push_index(given[0]);
        return;
      case Role::rebuild_tensor: takes(4, 4); return push_tensor(given, std::nullopt);
      case Role::rebuild_tensor_v2: takes(6, 7); return push_tensor(given, std::nullopt);
      case Role::rebuild_tensor_v3:
        takes(7, 8);
        check(function(given[6]).role == Role::dtype, "the seventh argument of _rebuild_tensor_v3 is not a dtype");
        return push_tensor(given, function(given[6]).dtype);
      case Role::array_reconstruct:  // (numpy.ndarray, (0,), b'b'): an empty one, which BUILD fills
        takes(3, 3);
        check(function(given[0]).role == Role::array_class, "an array is made of another class");
        require(tree_.arrays.size() < kMaxTensors, ErrorCode::too_large, "{}: the pickle has more than {} arrays",
                where(), kMaxTensors);
        tree_.arrays.emplace_back();
        push({.kind = PickleKind::array, .integer = static_cast<int64_t>(tree_.arrays.size() - 1)});
        return;
      case Role::array_type:  // ('f4', False, True)
        takes(1, 3);
        check(value(given[0]).kind == PickleKind::text, "the type of an array is not a string");
        push({.kind = PickleKind::array_type, .text = value(given[0]).text});
        return;
      case Role::array_class:
      case Role::storage:
      case Role::dtype: check(false, "{}.{} is called, but it is not a function", callee.module, callee.name);
    }
  }

  // Python 2 gives an OrderedDict its items as a list of pairs.
  void push_dict(const std::vector<uint32_t>& given) {
    PickleValue dict{.kind = PickleKind::dict};
    if (!given.empty()) {
      check(value(given[0]).kind == PickleKind::list, "a dictionary is made of an object that is not a list");
      for (const uint32_t pair : value(given[0]).items) {
        const PickleValue& both = value(pair);
        check((both.kind == PickleKind::list || both.kind == PickleKind::tuple) && both.items.size() == 2,
              "an item of a dictionary is not a pair");
        dict.items.insert(dict.items.end(), both.items.begin(), both.items.end());
      }
      // One list can be given to many.
      pairs_ += dict.items.size() / 2;
      require(pairs_ <= kMaxValues, ErrorCode::too_large, "{}: the pickle's dictionaries have more than {} items",
              where(), kMaxValues);
    }
    push(std::move(dict));
  }

  // Arguments: storage, offset, sizes, strides, ... (torch/_utils.py, _rebuild_tensor*).
  void push_tensor(const std::vector<uint32_t>& given, std::optional<ScalarType> dtype) {
    check(value(given[0]).kind == PickleKind::storage, "a tensor is made of an object that is not a storage");
    PickleTensor tensor{static_cast<uint32_t>(value(given[0]).integer), integer(given[1], "a tensor's offset"),
                        integers(given[2], "a tensor's size"), integers(given[3], "a tensor's stride")};
    const auto& storage = tree_.storages[tensor.storage];
    check(tensor.sizes.size() == tensor.strides.size(), "a tensor has {} extents but {} strides", tensor.sizes.size(),
          tensor.strides.size());
    check(storage.dtype.has_value() || dtype.has_value(), "a tensor of an untyped storage has no dtype");
    require(tree_.tensors.size() < kMaxTensors, ErrorCode::too_large, "{}: the pickle has more than {} tensors",
            where(), kMaxTensors);
    tree_.tensors.push_back(std::move(tensor));
    tree_.tensor_dtypes.push_back(dtype.value_or(storage.dtype.value_or(ScalarType::Undefined)));
    push({.kind = PickleKind::tensor, .integer = static_cast<int64_t>(tree_.tensors.size() - 1)});
  }

  // (version, sizes, type, column-major, bytes): numpy/core/src/multiarray/methods.c, array_reduce.
  void set_array(PickleValue& target, uint32_t state) {
    const auto& given = value(state).items;
    check(value(state).kind == PickleKind::tuple && given.size() == 5 &&
              value(given[2]).kind == PickleKind::array_type && value(given[3]).kind == PickleKind::boolean,
          "an array's state is not (version, shape, type, order, bytes)");
    require(value(given[4]).kind == PickleKind::opaque, ErrorCode::unsupported,
            "{}: the elements of an array are not bytes: save the file with pickle protocol 4", where());
    tree_.arrays[static_cast<std::size_t>(target.integer)] = {value(given[2]).text,
                                                              integers(given[1], "an array's shape"),
                                                              value(given[3]).integer != 0, value(given[4]).text};
  }
  // (version, byte order, ...)
  void set_array_type(uint32_t state) {
    const auto& given = value(state).items;
    check(value(state).kind == PickleKind::tuple && given.size() >= 2 && value(given[1]).kind == PickleKind::text,
          "an array type's state is not (version, byte order, ...)");
    require(value(given[1]).text != ">", ErrorCode::unsupported, "{}: arrays of big-endian numbers are not read",
            where());
  }

  // ('storage', class, key, location, elements): torch/serialization.py, persistent_id of the zip format; before it
  // there was a sixth, which torch 0.1 used for storages that are parts of others.
  void persistent_load() {
    const uint32_t id = pop();
    const auto& parts = value(id).items;
    check(value(id).kind == PickleKind::tuple && (parts.size() == 5 || parts.size() == 6) &&
              value(parts[0]).kind == PickleKind::text && value(parts[0]).text == "storage" &&
              value(parts[2]).kind == PickleKind::text,
          "a reference to data is not ('storage', class, key, device, size)");
    require(parts.size() == 5 || value(parts[5]).kind == PickleKind::none, ErrorCode::unsupported,
            "{}: a storage is a part of another one; load the file with torch and save its state_dict", where());
    const Function& type = function(parts[1]);
    check(type.role == Role::storage, "{}.{} is not a storage class", type.module, type.name);
    const int64_t elements = integer(parts[4], "the size of a storage");
    check(elements >= 0, "a storage has {} elements", elements);
    tree_.storages.push_back({value(parts[2]).text, type.dtype, elements});
    push({.kind = PickleKind::storage, .integer = static_cast<int64_t>(tree_.storages.size() - 1)});
  }

  const PickleAllows allows_;
  std::vector<uint32_t> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<uint32_t, uint32_t> memo_;
  std::size_t pairs_ = 0;  // that dictionaries were made of
  PickleTree tree_;
};

}  // namespace

PickleTree read_pickle(std::string_view bytes, const std::string& file, PickleAllows allows) {
  require(bytes.size() <= kMaxPickleBytes, ErrorCode::too_large,
          "'{}': its pickle has {} bytes; at most {} are allowed", file, bytes.size(), kMaxPickleBytes);
  return Machine(bytes, file, allows).run();
}

PickleTree take_pickle(std::string_view& bytes, const std::string& file) {
  Machine machine(bytes.substr(0, kMaxPickleBytes), file, PickleAllows::tensors);
  PickleTree tree = machine.run();
  bytes.remove_prefix(machine.end());
  return tree;
}

}  // namespace rushes::tensor
