#include "rushes/nn/solver.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/flow_match.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"

namespace rushes::nn {
namespace {

// x0 ~ N(0, kSpread^2): the exact velocity field of that distribution is linear in x, so its ODE has a known solution.
constexpr double kSpread = 0.5;

at::Tensor exact_velocity(const at::Tensor& x, double sigma) {
  const double variance = std::pow((1 - sigma) * kSpread, 2) + sigma * sigma;
  const double x0_share = (1 - sigma) * kSpread * kSpread / variance, noise_share = sigma / variance;
  return x * (noise_share - x0_share);
}

TEST(Solver, every_method_reaches_the_exact_solution_of_a_gaussian) {
  const at::Tensor noise = tensor::RandomStream(1).normal({1, 64}).to(at::kDouble);
  const struct {
    const char* name;
    double allowed;
  } methods[] = {{"euler", 0.2}, {"unipc", 4e-3}, {"dpm++", 4e-3}};
  for (const auto& method : methods) {
    SCOPED_TRACE(method.name);
    const auto solver = make_solver(method.name, 50, 5.0);
    at::Tensor x = noise;
    for (int64_t i = 0; i < 50; ++i) x = solver->step(exact_velocity(x, solver->sigmas()[i]), x);
    EXPECT_LT((x - noise * kSpread).abs().max().item<double>(), method.allowed);
  }
}

TEST(Solver, a_clone_continues_like_the_original) {
  for (const std::string& name : solver_names()) {
    SCOPED_TRACE(name);
    const auto one = make_solver(name, 8, 5.0);
    at::Tensor x = tensor::RandomStream(2).normal({1, 32});
    for (int i = 0; i < 3; ++i) x = one->step(x.tanh(), x);
    const auto two = one->clone();
    at::Tensor y = x;
    for (int i = 3; i < 8; ++i) {
      x = one->step(x.tanh(), x);
      y = two->step(y.tanh(), y);
    }
    EXPECT_TRUE(at::equal(x, y));
  }
}

TEST(Solver, few_steps_stay_finite) {
  for (const std::string& name : solver_names())
    for (const int64_t steps : {1, 2, 3}) {
      SCOPED_TRACE(name);
      const auto solver = make_solver(name, steps, 5.0);
      at::Tensor x = tensor::RandomStream(3).normal({1, 32});
      for (int64_t i = 0; i < steps; ++i) x = solver->step(x * 0.3, x);
      EXPECT_TRUE(at::isfinite(x).all().item<bool>());
    }
}

TEST(Solver, bad_options_name_the_allowed_values) {
  const struct {
    const char* name;
    int64_t steps;
    double shift;
    const char* words;
  } bad[] = {{"heun", 4, 5, "unipc, dpm++, euler"}, {"euler", 0, 5, "at least 1"}, {"euler", 4, 0, "greater than 0"}};
  for (const auto& b : bad) {
    SCOPED_TRACE(b.name);
    try {
      make_solver(b.name, b.steps, b.shift);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(b.words), std::string::npos) << error.what();
    }
  }
}

TEST(FlowMatchSchedule, conversions_are_inverse) {
  const FlowMatchSchedule schedule({.shift = 5.0});
  tensor::RandomStream random(4);
  const at::Tensor x0 = random.normal({2, 16}), noise = random.normal({2, 16});
  for (const double t : {1000.0, 625.0, 3.0}) {
    const at::Tensor xt = schedule.add_noise(x0, noise, t);
    EXPECT_LT((schedule.to_x0(noise - x0, xt, t) - x0).abs().max().item<double>(), 1e-5);
    EXPECT_LT((schedule.to_flow(x0, xt, t) - (noise - x0)).abs().max().item<double>(), 1e-3);
  }
}

TEST(RandomStream, a_copy_continues_alike_and_apart) {
  tensor::RandomStream one(9);
  one.normal({5});
  tensor::RandomStream two(one);
  const at::Tensor a = one.normal({40}), b = two.normal({40});
  EXPECT_TRUE(at::equal(a, b));
  EXPECT_FALSE(at::equal(one.normal({40}), a));
}

}  // namespace
}  // namespace rushes::nn
