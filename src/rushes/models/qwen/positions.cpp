#include "rushes/models/qwen/positions.h"

#include <vector>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {
namespace {

/// Positions of the tokens of one text, in order, without its padding.
class Walk {
 public:
  explicit Walk(int64_t L) { places_.reserve(static_cast<size_t>(3 * L)); }

  void text() {
    put(position_, position_, position_);
    ++position_;
  }
  void picture(int64_t t, int64_t h, int64_t w) {
    for (int64_t frame = 0; frame < t; ++frame)
      for (int64_t row = 0; row < h; ++row)
        for (int64_t column = 0; column < w; ++column) put(position_ + frame, position_ + row, position_ + column);
    position_ += std::max({t, h, w});
  }
  int64_t end() const { return position_; }
  int64_t tokens() const { return static_cast<int64_t>(places_.size() / 3); }
  const std::vector<int64_t>& places() const { return places_; }

 private:
  void put(int64_t time, int64_t height, int64_t width) { places_.insert(places_.end(), {time, height, width}); }
  std::vector<int64_t> places_;  // [tokens, 3]
  int64_t position_ = 0;
};

}  // namespace

Positions rope_index(const at::Tensor& ids, const at::Tensor& mask, const at::Tensor& grid,
                     const PictureTokens& tokens) {
  require(ids.dim() == 2 && (!mask.defined() || mask.sizes() == ids.sizes()), ErrorCode::invalid_argument,
          "ids and mask must be [B, L] both");
  const int64_t B = ids.size(0), L = ids.size(1), pictures = grid.defined() ? grid.size(0) : 0;
  const at::Tensor id = ids.cpu().to(at::kLong).contiguous(),
                   real = mask.defined() ? mask.cpu().ne(0).to(at::kLong).contiguous() : at::ones_like(id);
  at::Tensor places = at::zeros({B, L, 3}, at::TensorOptions(at::kLong)),
             deltas = at::zeros({B, 1}, at::TensorOptions(at::kLong));
  const at::Tensor sizes = pictures > 0 ? grid.cpu().to(at::kLong).contiguous() : at::Tensor();
  int64_t picture = 0;
  for (int64_t b = 0; b < B; ++b) {
    std::vector<int64_t> text, where;
    for (int64_t i = 0; i < L; ++i)
      if (real.const_data_ptr<int64_t>()[b * L + i] != 0) {
        text.push_back(id.const_data_ptr<int64_t>()[b * L + i]);
        where.push_back(i);
      }
    Walk walk(L);
    for (size_t i = 0; i < text.size();) {
      if (text[i] != tokens.image_token_id) {
        walk.text();
        ++i;
        continue;
      }
      require(picture < pictures, ErrorCode::invalid_argument,
              "the text has image tokens for more than the {} pictures given", pictures);
      const int64_t* size = sizes.const_data_ptr<int64_t>() + 3 * picture++;
      const int64_t h = size[1] / tokens.merge_size, w = size[2] / tokens.merge_size;
      const auto count = static_cast<size_t>(size[0] * h * w);
      require(count > 0 && i + count <= text.size() &&
                  std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i),
                              text.begin() + static_cast<std::ptrdiff_t>(i + count),
                              [&](int64_t token) { return token == tokens.image_token_id; }),
              ErrorCode::invalid_argument, "picture {} needs {} image tokens in a row", picture, count);
      walk.picture(size[0], h, w);
      i += count;
    }
    for (size_t i = 0; i < where.size(); ++i)
      std::copy_n(walk.places().data() + 3 * i, 3, places.mutable_data_ptr<int64_t>() + (b * L + where[i]) * 3);
    deltas.mutable_data_ptr<int64_t>()[b] = walk.end() - walk.tokens();
  }
  require(picture == pictures, ErrorCode::invalid_argument, "the text has image tokens for {} of {} pictures", picture,
          pictures);
  return {places.permute({2, 0, 1}).contiguous().to(ids.device()), deltas.to(ids.device())};
}

}  // namespace rushes::qwen
