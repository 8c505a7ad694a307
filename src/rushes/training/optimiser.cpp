#include "rushes/training/optimiser.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/parallel.h"
#include "rushes/training/precision.h"

namespace rushes::training {
namespace {

// The nearest matrix with singular values around 1, by five Newton-Schulz steps of the quintic polynomial whose
// coefficients K. Jordan et al. chose for the steepest start (singular values end within about 0.7 .. 1.2).
at::Tensor orthogonalised(const at::Tensor& gradient) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = gradient.size(0) > gradient.size(1);
  at::Tensor x = tall ? gradient.t() : gradient;
  x = (x / (x.norm() + 1e-7)).to(product_dtype(x.device()));  // as in the source: the steps forgive rounding
  for (int i = 0; i < 5; ++i) {
    const at::Tensor square = at::mm(x, x.t());
    x = a * x + at::mm(b * square + c * at::mm(square, square), x);
  }
  return (tall ? x.t() : x).to(at::kFloat);
}

}  // namespace

bool Optimiser::uses_muon(std::size_t index) const {
  const int64_t axes = leaves_[index].dim();
  return !options_.muon_prefix.empty() && (axes == 2 || axes == 5) && names_[index].starts_with(options_.muon_prefix);
}

Optimiser::Optimiser(const std::map<std::string, at::Tensor>& initial, const OptimiserOptions& options)
    : options_(options) {
  for (const auto& [name, value] : initial) {
    names_.push_back(name);
    leaves_.push_back(value.detach().to(at::kFloat).clone(at::MemoryFormat::Contiguous).set_requires_grad(true));
    first_.push_back(at::zeros_like(leaves_.back()));
    second_.push_back(at::zeros_like(leaves_.back()));
    averages_.push_back(leaves_.back().detach().clone());
    step_counts_.push_back(at::zeros({}, leaves_.back().options().requires_grad(false)));
  }
}

tensor::WeightMap Optimiser::weights() const {
  std::map<std::string, at::Tensor> tensors;
  for (std::size_t i = 0; i < names_.size(); ++i) tensors.emplace(names_[i], leaves_[i]);
  tensor::WeightMap weights(std::move(tensors));
  weights.set_trainable(true);
  return weights;
}

tensor::WeightMap Optimiser::average() const {
  std::map<std::string, at::Tensor> tensors;
  for (std::size_t i = 0; i < names_.size(); ++i) tensors.emplace(names_[i], averages_[i]);
  return tensor::WeightMap(std::move(tensors));
}

// No clipping: the update's size does not depend on the gradient's.
void Optimiser::move_by_muon(std::size_t i, double rate) {
  const at::Tensor leaf = leaves_[i].detach().flatten(1), gradient = leaves_[i].mutable_grad().flatten(1);
  const at::Tensor momentum = first_[i].flatten(1);
  momentum.lerp_(gradient, 1 - options_.muon_momentum);
  step_counts_[i].add_(1);
  const at::Tensor ahead = at::lerp(gradient, momentum, options_.muon_momentum);  // Nesterov
  const auto longer = static_cast<double>(std::max(leaf.size(0), leaf.size(1)));
  leaf.mul_(1 - rate * options_.weight_decay).add_(orthogonalised(ahead), -rate * 0.2 * std::sqrt(longer));
}

double Optimiser::step(double scale) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> leaves, gradients, first, second, counts;
  std::vector<std::size_t> matrices;
  double square = 0;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    at::Tensor& gradient = leaves_[i].mutable_grad();
    if (!gradient.defined()) continue;
    const double norm = gradient.norm().item<double>();
    square += norm * norm;
    if (uses_muon(i)) {
      matrices.push_back(i);
      continue;
    }
    leaves.push_back(leaves_[i].detach());
    gradients.push_back(gradient.is_contiguous() ? gradient : gradient.contiguous());
    first.push_back(first_[i]);
    second.push_back(second_[i]);
    counts.push_back(step_counts_[i]);
  }
  const double norm = std::sqrt(square);
  if (std::isfinite(norm)) {
    if (norm > options_.clip && !gradients.empty()) at::_foreach_mul_(gradients, options_.clip / norm);
    const double warm = std::min(1.0, static_cast<double>(steps_ + 1) / static_cast<double>(options_.warm_up_steps));
    const double rate = options_.learning_rate * scale * warm;
    in_parallel(options_.threads, [&](int64_t part) {
      const at::NoGradGuard also_here;
      for (std::size_t m = static_cast<std::size_t>(part); m < matrices.size();
           m += static_cast<std::size_t>(options_.threads))
        move_by_muon(matrices[m], rate);
    });
    if (!leaves.empty()) {
      at::_foreach_add_(counts, 1);  // the operator reads the count of this update
      at::_fused_adamw_(leaves, gradients, first, second, {}, counts, rate, options_.beta1, options_.beta2,
                        options_.weight_decay, 1e-8, /*amsgrad=*/false,
                        /*maximize=*/false);
    }
    ++steps_;
    const double keep =
        std::min(options_.average, (1.0 + static_cast<double>(steps_)) / (10.0 + static_cast<double>(steps_)));
    std::vector<at::Tensor> all;
    for (const at::Tensor& leaf : leaves_) all.push_back(leaf.detach());
    at::_foreach_lerp_(averages_, all, 1 - keep);
  } else {
    log::warning("training: gradient norm is not finite, update {} skipped", steps_);
  }
  for (at::Tensor& leaf : leaves_) leaf.mutable_grad() = at::Tensor();
  return norm;
}

void Optimiser::save(const std::filesystem::path& file) const {
  std::map<std::string, at::Tensor> tensors;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    tensors.emplace("weight." + names_[i], leaves_[i].detach());
    tensors.emplace("average." + names_[i], averages_[i]);
    tensors.emplace("first." + names_[i], first_[i]);
    tensors.emplace("second." + names_[i], second_[i]);
    tensors.emplace("count." + names_[i], step_counts_[i].reshape({1}));
  }
  tensor::save_safetensors(file, tensors, {{"steps", std::to_string(steps_)}});
}

bool Optimiser::load(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return false;
  const at::NoGradGuard no_grad;
  const tensor::WeightMap saved = tensor::load_safetensors(file);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const at::Tensor weight = saved.at("weight." + names_[i]);
    require(weight.sizes() == leaves_[i].sizes(), ErrorCode::corrupt_data,
            "{}: '{}' belongs to a model with other dimensions; choose another folder for the training", file.string(),
            names_[i]);
    leaves_[i].detach().copy_(weight);
    averages_[i].copy_(saved.at("average." + names_[i]));
    first_[i].copy_(saved.at("first." + names_[i]));
    second_[i].copy_(saved.at("second." + names_[i]));
    step_counts_[i].fill_(saved.at("count." + names_[i]).item<float>());
    steps_ = std::max(steps_, static_cast<int64_t>(step_counts_[i].item<float>()));
  }
  return true;
}

}  // namespace rushes::training
