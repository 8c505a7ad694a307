// What a pickle of tensors may name, and its opcodes. Included by pickle.cpp only.
#pragma once
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace rushes::tensor {

enum class Role {
  ordered_dict,
  rebuild_tensor,
  rebuild_tensor_v2,
  rebuild_tensor_v3,
  rebuild_parameter,
  size,
  device,
  storage,
  dtype,
  array_reconstruct,
  array_class,
  array_type
};

// Those of NumPy, which checkpoints do not need.
constexpr bool is_of_arrays(Role role) { return role >= Role::array_reconstruct; }

struct Function {
  std::string_view module, name;
  Role role;
  std::optional<c10::ScalarType> dtype = std::nullopt;
};

using c10::ScalarType;
// Everything that a pickle may name. Nothing of it is ever called: each is a case in reduce() or persistent_load().
inline constexpr Function kFunctions[] = {
    {"collections", "OrderedDict", Role::ordered_dict},
    {"torch._utils", "_rebuild_tensor", Role::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Role::rebuild_tensor_v2},
    {"torch._utils", "_rebuild_tensor_v3", Role::rebuild_tensor_v3},
    {"torch._utils", "_rebuild_parameter", Role::rebuild_parameter},
    {"torch", "Size", Role::size},
    {"torch", "device", Role::device},
    {"torch", "DoubleStorage", Role::storage, ScalarType::Double},
    {"torch", "FloatStorage", Role::storage, ScalarType::Float},
    {"torch", "HalfStorage", Role::storage, ScalarType::Half},
    {"torch", "BFloat16Storage", Role::storage, ScalarType::BFloat16},
    {"torch", "LongStorage", Role::storage, ScalarType::Long},
    {"torch", "IntStorage", Role::storage, ScalarType::Int},
    {"torch", "ShortStorage", Role::storage, ScalarType::Short},
    {"torch", "CharStorage", Role::storage, ScalarType::Char},
    {"torch", "ByteStorage", Role::storage, ScalarType::Byte},
    {"torch", "BoolStorage", Role::storage, ScalarType::Bool},
    {"torch", "ComplexFloatStorage", Role::storage, ScalarType::ComplexFloat},
    {"torch", "ComplexDoubleStorage", Role::storage, ScalarType::ComplexDouble},
    {"torch.storage", "UntypedStorage", Role::storage},
    {"torch", "float64", Role::dtype, ScalarType::Double},
    {"torch", "float32", Role::dtype, ScalarType::Float},
    {"torch", "float16", Role::dtype, ScalarType::Half},
    {"torch", "bfloat16", Role::dtype, ScalarType::BFloat16},
    {"torch", "float8_e4m3fn", Role::dtype, ScalarType::Float8_e4m3fn},
    {"torch", "float8_e5m2", Role::dtype, ScalarType::Float8_e5m2},
    {"torch", "int64", Role::dtype, ScalarType::Long},
    {"torch", "int32", Role::dtype, ScalarType::Int},
    {"torch", "int16", Role::dtype, ScalarType::Short},
    {"torch", "int8", Role::dtype, ScalarType::Char},
    {"torch", "uint8", Role::dtype, ScalarType::Byte},
    {"torch", "bool", Role::dtype, ScalarType::Bool},
    {"torch", "uint16", Role::dtype, ScalarType::UInt16},
    {"torch", "uint32", Role::dtype, ScalarType::UInt32},
    {"torch", "uint64", Role::dtype, ScalarType::UInt64},
    {"torch", "float8_e8m0fnu", Role::dtype, ScalarType::Float8_e8m0fnu},
    {"torch", "complex64", Role::dtype, ScalarType::ComplexFloat},
    {"torch", "complex128", Role::dtype, ScalarType::ComplexDouble},
    {"numpy.core.multiarray", "_reconstruct", Role::array_reconstruct},
    {"numpy._core.multiarray", "_reconstruct", Role::array_reconstruct},
    {"numpy", "ndarray", Role::array_class},
    {"numpy", "dtype", Role::array_type},
};

// Opcodes of Python's pickletools.py, those that protocols 2 to 5 use for plain data.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kNone = 'N',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinString = 'U',
  kBinString = 'T',
  kShortBinBytes = 'C',
  kBinBytes = 'B',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kTuple = 't',
  kAppend = 'a',
  kAppends = 'e',
  kSetItem = 's',
  kSetItems = 'u',
  kGlobal = 'c',
  kReduce = 'R',
  kBuild = 'b',
  kBinPersid = 'Q',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95
};

}  // namespace rushes::tensor
