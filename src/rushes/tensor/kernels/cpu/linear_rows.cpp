#include "rushes/tensor/kernels/cpu/linear_rows.h"

#include <cpuid.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#include "rushes/base/instruction_set.h"
#include "rushes/tensor/kernels/cpu/in_rounds.h"
#include "rushes/tensor/kernels/cpu/row_panels_avx512.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

// What is packed of x for a step through the depth, 256 x 256 words, stays in the second cache beside the sums.
constexpr int64_t kDepthBlock = 256;
constexpr int64_t kRowBlock = 256;
constexpr int64_t kGroup = 64;            // columns of a task
constexpr int64_t kThreadFlop = 1 << 23;  // less is not worth another thread

struct Panel {
  int64_t first, vectors;  // in registers of 16 rows
};

/// As many whole panels as there are; four registers are two panels of two.
std::vector<Panel> panels_of(int64_t vectors) {
  std::vector<Panel> panels;
  for (int64_t first = 0; first < vectors;) {
    const int64_t rest = vectors - first, own = rest == 4 ? 2 : std::min(rest, kPanelVectors);
    panels.push_back({first, own});
    first += own;
  }
  return panels;
}

template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, float>, float, uint16_t>;

template <typename T>
const Stored<T>* stored(const T* x) {
  return reinterpret_cast<const Stored<T>*>(x);
}

/// One thread's part. A task is a group of columns for a block of rows, which the thread packs for itself when it comes
/// to it: that is less than waiting for each other.
template <typename T>
class Worker {
 public:
  Worker(const LinearRows<T>& layer, int64_t rows_of_block, uint32_t* packed, float* sums)
      : layer_(layer),
        words_(layer.depth * static_cast<int64_t>(sizeof(T)) / 4),
        groups_(groups_of(layer)),
        rows_of_block_(rows_of_block),
        packed_(packed),
        sums_(sums) {}

  static int64_t groups_of(const LinearRows<T>& layer) { return (layer.columns + kGroup - 1) / kGroup; }

  void run(int64_t task) {
    const int64_t first = task / groups_ * rows_of_block_;
    if (first != first_) pack(first);
    multiply(task % groups_);
  }

 private:
  void pack(int64_t first) {
    first_ = first;
    rows_ = std::min(rows_of_block_, layer_.rows - first);
    padded_ = (rows_ + kPanelLanes - 1) / kPanelLanes * kPanelLanes;
    panels_ = panels_of(padded_ / kPanelLanes);
    for (int64_t block = 0; block < depth_blocks(); ++block)
      for (const Panel& panel : panels_)
        for (int64_t v = 0; v < panel.vectors; ++v) {
          const int64_t row = (panel.first + v) * kPanelLanes;
          pack_lanes_avx512(words_of(layer_.x) + (first + row) * words_ + block * kDepthBlock, words_, rows_ - row,
                            words_in(block), packed_of(block, panel) + v * kPanelLanes, panel.vectors * kPanelLanes);
        }
  }

  void multiply(int64_t group) {
    const int64_t begin = group * kGroup, columns = std::min(kGroup, layer_.columns - begin);
    for (int64_t block = 0; block < depth_blocks(); ++block)
      for (int64_t column = 0; column < columns; column += kTileColumns) {
        const int64_t count = std::min(kTileColumns, columns - column);
        const uint32_t* w = words_of(layer_.weight) + (begin + column) * words_ + block * kDepthBlock;
        // Where the layer or its depth end nothing follows.
        const bool more = begin + column + 2 * kTileColumns <= layer_.columns;
        for (const Panel& panel : panels_)
          multiply_panel_avx512<Stored<T>>({.words = words_in(block),
                                            .vectors = panel.vectors,
                                            .columns = count,
                                            .x = packed_of(block, panel),
                                            .w = w,
                                            .w_stride = words_,
                                            .next = more && panel.first == 0 ? w + kTileColumns * words_ : nullptr,
                                            .sums = sums_ + column * padded_ + panel.first * kPanelLanes,
                                            .sums_stride = padded_,
                                            .add = block > 0});
      }
    for (int64_t row = 0; row < rows_; row += kPanelLanes)
      for (int64_t column = 0; column < columns; column += kPanelLanes) store_tile(row, begin, column, columns);
  }

  static const uint32_t* words_of(const T* x) { return reinterpret_cast<const uint32_t*>(x); }
  int64_t depth_blocks() const { return (words_ + kDepthBlock - 1) / kDepthBlock; }
  int64_t words_in(int64_t block) const { return std::min(kDepthBlock, words_ - block * kDepthBlock); }
  uint32_t* packed_of(int64_t block, const Panel& panel) const {
    return packed_ + block * kDepthBlock * padded_ + panel.first * kPanelLanes * words_in(block);
  }

  void store_tile(int64_t row, int64_t begin, int64_t column, int64_t columns) const {
    const int64_t rows = std::min(kPanelLanes, rows_ - row), count = std::min(kPanelLanes, columns - column);
    T* out = layer_.out + (first_ + row) * layer_.columns + begin + column;
    store_panel_avx512<Stored<T>>({.rows = rows,
                                   .columns = count,
                                   .sums = sums_ + column * padded_ + row,
                                   .sums_stride = padded_,
                                   .bias = layer_.bias == nullptr ? nullptr : stored(layer_.bias + begin + column),
                                   .out = reinterpret_cast<Stored<T>*>(out),
                                   .out_stride = layer_.columns});
    if (!layer_.gelu) return;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < count; i += kLanes) {
        T* values = out + r * layer_.columns + i;
        store_some(values, count - i, gelu_tanh(load_some(values, count - i)));
      }
  }

  const LinearRows<T>& layer_;
  int64_t words_, groups_, rows_of_block_;
  uint32_t* packed_;                            // [depth blocks][panels][words][16 vectors]
  float* sums_;                                 // [kGroup][rows]
  int64_t first_ = -1, rows_ = 0, padded_ = 0;  // of the block that is packed
  std::vector<Panel> panels_;
};

/// By CPUID, leaf 7: Clang 14 does not know the name of this one.
bool has_amx_bf16() {
  constexpr unsigned kAmxBf16 = 1u << 22;  // of EDX
  static const bool has = [] {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAmxBf16) != 0;
  }();
  return has;
}

/// bfloat16 not where oneDNN has matrix units (AMX), which multiply some eight times as fast as vectors.
template <typename T>
bool has_instructions() {
  const InstructionSet set = instruction_set();
  if (std::is_same_v<T, float>) return set >= InstructionSet::avx512;
  return set >= InstructionSet::avx512_bf16 && !has_amx_bf16();
}

}  // namespace

template <typename T>
bool linear_rows_gains(int64_t rows, int64_t columns, int64_t depth) {
  constexpr int64_t kWeights = 1 << 16;  // of fewer a library's product is as fast
  const bool whole_words = depth * static_cast<int64_t>(sizeof(T)) % 4 == 0;
  return has_instructions<T>() && whole_words && rows >= kPanelLanes / 2 && columns * depth >= kWeights;
}

template <typename T>
void linear_rows(const LinearRows<T>& layer) {
  // Blocks alike in size: a small rest would be as dear as a whole one.
  const int64_t blocks = (layer.rows + kRowBlock - 1) / kRowBlock;
  const int64_t rows = ((layer.rows + blocks - 1) / blocks + kPanelLanes - 1) / kPanelLanes * kPanelLanes;
  const int64_t words = layer.depth * static_cast<int64_t>(sizeof(T)) / 4;
  const int64_t flop = 2 * rows * layer.depth * kGroup, tasks = blocks * Worker<T>::groups_of(layer);
  const int64_t threads = std::clamp<int64_t>(tasks * flop / kThreadFlop, 1, at::get_num_threads());
  const at::Tensor packed = at::empty({threads, rows * words}, at::kInt),
                   sums = at::empty({threads, rows * kGroup}, at::kFloat);
  std::vector<Worker<T>> workers;
  for (int64_t i = 0; i < threads; ++i)
    workers.emplace_back(layer, rows,
                         reinterpret_cast<uint32_t*>(packed.mutable_data_ptr<int32_t>()) + i * rows * words,
                         sums.mutable_data_ptr<float>() + i * rows * kGroup);
  in_rounds_as_threads_are_free(tasks, flop, threads,
                                [&](int64_t task, int64_t thread) { workers[static_cast<size_t>(thread)].run(task); });
}

template bool linear_rows_gains<float>(int64_t, int64_t, int64_t);
template bool linear_rows_gains<Bf16>(int64_t, int64_t, int64_t);
template void linear_rows<float>(const LinearRows<float>&);
template void linear_rows<Bf16>(const LinearRows<Bf16>&);

}  // namespace rushes::tensor::kernels
