#include "rushes/models/ditto/conditions.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

int64_t mirror_index(int64_t i, int64_t count) {
  const int64_t turn = i / count, rest = i % count;
  return turn % 2 == 0 ? rest : count - 1 - rest;
}

at::Tensor emotion_rows(const std::vector<std::vector<int64_t>>& labels) {
  at::Tensor rows = at::zeros({static_cast<int64_t>(labels.size()), kEmotions}, at::kFloat);
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (const int64_t label : labels[i]) {
      require(label >= 0 && label < kEmotions, ErrorCode::invalid_argument, "emotion {} is not from 0 to {}", label,
              kEmotions - 1);
      rows[static_cast<int64_t>(i)][label] = 8.0f;
    }
  return at::softmax(rows, 1);
}

at::Tensor Conditions::rows(const at::Tensor& audio, int64_t start) const {
  const int64_t T = audio.size(0);
  const auto chosen = [&](const at::Tensor& from, auto&& row_of) {
    at::Tensor index = at::empty({T}, at::kLong);
    for (int64_t i = 0; i < T; ++i)
      index.data_ptr<int64_t>()[i] = row_of(std::max<int64_t>(start + i, 0), from.size(0));
    return at::index_select(from, 0, index.to(from.device()));
  };
  const auto eyes = [this](int64_t q, int64_t n) { return moving_eyes ? mirror_index(q, n) : 0; };
  std::vector<at::Tensor> parts{audio.to(at::kFloat)};
  if (emotion.defined()) parts.push_back(chosen(emotion, [](int64_t q, int64_t m) { return q % m; }));
  if (eye_open.defined()) parts.push_back(chosen(eye_open, eyes));
  if (eye_ball.defined()) parts.push_back(chosen(eye_ball, eyes));
  if (sc.defined()) parts.push_back(sc.view({1, -1}).expand({T, -1}));
  return at::cat(parts, 1);
}

}  // namespace rushes::ditto
