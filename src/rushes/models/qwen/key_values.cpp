#include "rushes/models/qwen/key_values.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {
namespace {

at::Tensor grown(const at::Tensor& old, const std::vector<int64_t>& shape, int64_t tokens,
                 const at::TensorOptions& storage) {
  at::Tensor larger = at::empty(shape, storage);
  if (old.defined() && tokens > 0) larger.narrow(1, 0, tokens).copy_(old.narrow(1, 0, tokens));
  return larger;
}

}  // namespace

KeyValues::KeyValues(const Options& options, const at::TensorOptions& storage)
    : options_(options), storage_(storage), layers_(static_cast<size_t>(options.layers)) {
  require(options.layers > 0 && options.heads > 0 && options.head_size > 0 && options.batch > 0 &&
              options.capacity_tokens > 0,
          ErrorCode::invalid_argument, "keys and values need at least one layer, head, token and text");
}

KeyValues::KeyValues(const KeyValues& other)
    : options_(other.options_), storage_(other.storage_), layers_(other.layers_), tokens_(other.tokens_) {
  for (nn::KeyValue& layer : layers_)
    if (layer.k.defined()) layer = {layer.k.clone(), layer.v.clone()};
}

KeyValues& KeyValues::operator=(const KeyValues& other) {
  if (this != &other) *this = KeyValues(other);
  return *this;
}

nn::KeyValue KeyValues::append(int64_t layer, const at::Tensor& k, const at::Tensor& v) {
  const int64_t L = k.size(1), end = tokens_ + L;
  RUSHES_ASSERT(k.sizes() == v.sizes() && k.size(0) == options_.batch && k.size(2) == options_.heads &&
                k.size(3) == options_.head_size);
  nn::KeyValue& own = layers_.at(static_cast<size_t>(layer));
  if (!own.k.defined() || own.k.size(1) < end) {
    int64_t capacity = own.k.defined() ? own.k.size(1) : options_.capacity_tokens;
    while (capacity < end) capacity *= 2;
    const std::vector<int64_t> shape{options_.batch, capacity, options_.heads, options_.head_size};
    own = {grown(own.k, shape, tokens_, storage_), grown(own.v, shape, tokens_, storage_)};
  }
  own.k.narrow(1, tokens_, L).copy_(k);
  own.v.narrow(1, tokens_, L).copy_(v);
  return {own.k.narrow(1, 0, end), own.v.narrow(1, 0, end)};
}

void KeyValues::commit(int64_t tokens) { tokens_ += tokens; }

int64_t KeyValues::bytes() const noexcept {
  int64_t bytes = 0;
  for (const nn::KeyValue& layer : layers_)
    if (layer.k.defined()) bytes += 2 * static_cast<int64_t>(layer.k.nbytes());
  return bytes;
}

}  // namespace rushes::qwen
