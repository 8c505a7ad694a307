// Runners of the sampler cases: schedules, solvers, random numbers.
#include <fmt/format.h>

#include "rushes/nn/flow_match.h"
#include "rushes/nn/solver.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

at::Tensor floats(const std::vector<double>& values) { return at::tensor(values, at::kDouble).to(at::kFloat); }

/// Applies `formula(row, t)` to every row of a batch whose rows have their own timesteps.
template <typename Formula>
at::Tensor per_row(const at::Tensor& times, Formula formula) {
  std::vector<at::Tensor> rows;
  for (int64_t row = 0; row < times.size(0); ++row) rows.push_back(formula(row, times[row].item<double>()));
  return at::stack(rows);
}

Produced fm_scheduler(const Case& c) {
  const double shift = c.hyper.at("shift").get<double>();
  nn::FlowMatchOptions options{.shift = shift,
                               .steps = c.hyper.at("num_train_timesteps").get<int64_t>(),
                               .train_timesteps = c.hyper.at("num_train_timesteps").get<int64_t>(),
                               .sigma_max = c.hyper.value("sigma_max", 1.0),
                               .sigma_min = c.hyper.value("sigma_min", 0.0),
                               .extra_one_step = c.hyper.value("extra_one_step", true)};
  const nn::FlowMatchSchedule table(options);
  const at::Tensor &x0 = c.input("x0"), &noise = c.input("noise"), &flow = c.input("flow");
  const at::Tensor t = c.recorded.at("t");
  Produced out;
  out.tensors["add_noise"] = per_row(t, [&](int64_t i, double time) { return table.add_noise(x0[i], noise[i], time); });
  out.tensors["flow_to_x0"] = per_row(t, [&](int64_t i, double time) { return table.to_x0(flow[i], x0[i], time); });
  out.tensors["x0_to_flow"] = per_row(t, [&](int64_t i, double time) { return table.to_flow(x0[i], noise[i], time); });
  out.tensors["sigmas_1000"] = floats(table.sigmas());
  out.tensors["timesteps_1000"] = floats(table.timesteps());
  out.tensors["training_weights_1000"] = floats(table.training_weights());
  const auto listed = c.hyper.at("denoising_step_list").get<std::vector<double>>();
  out.tensors["warped_steps"] = floats(c.hyper.value("warp", true) ? table.warp(listed) : listed);

  options.steps = c.hyper.at("euler_steps").get<int64_t>();
  options.sigma_min = c.hyper.value("euler_sigma_min", 0.0);
  const nn::FlowMatchSchedule brief(options);
  out.tensors["euler_timesteps"] = floats(brief.timesteps());
  out.tensors["euler_sigmas"] = floats(brief.sigmas());
  options.extra_one_step = false;
  options.sigma_min = c.hyper.value("default_sigma_min", 0.003 / 1.002);
  const nn::FlowMatchSchedule plain(options);
  out.tensors["plain_timesteps"] = floats(plain.timesteps());
  out.tensors["plain_sigmas"] = floats(plain.sigmas());

  const auto euler = nn::make_solver("euler", brief.sigmas().size(), shift);
  const at::Tensor toy = flow.narrow(0, 0, 1);
  at::Tensor x = noise.narrow(0, 0, 1).to(at::kFloat);  // Note: samples stay float32
  for (int64_t i = 0; i < euler->steps(); ++i) {
    const at::Tensor seen = x.to(noise.scalar_type());
    x = euler->step((seen * 0.7).tanh() + toy * 0.1 * (euler->timestep(i) / 1000.0), x);
    if (i < 2) out.tensors[fmt::format("euler_after_step{}", i)] = x;
  }
  out.tensors["euler_after_step_last"] = x;
  return out;
}

/// Kinds unipc and dpmpp: the solver on the toy velocity tanh(0.7 x) + 0.3 c t / 1000.
Produced multistep_solver(const Case& c) {
  const auto solver = nn::make_solver(c.hyper.at("solver").get<std::string>(), c.hyper.at("steps").get<int64_t>(),
                                      c.hyper.at("shift").get<double>());
  Produced out;
  out.tensors["timesteps"] = at::tensor(solver->timesteps(), at::kDouble).to(at::kLong);
  out.tensors["sigmas"] = floats(solver->sigmas());
  // Note: samples stay float32. As in the pipelines, only what the model sees and returns is narrower.
  at::Tensor x = c.input("x").to(at::kFloat);
  for (int64_t i = 0; i < solver->steps(); ++i) {
    const at::Tensor seen = x.to(c.target.dtype);
    x = solver->step((seen * 0.7).tanh() + c.input("c") * 0.3 * (solver->timestep(i) / 1000.0), x);
    out.tensors[fmt::format("x_after_{}", i)] = x;
  }
  return out;
}

Produced rng_cpu(const Case& c) {
  const auto first = c.hyper.at("first_draw_shape").get<std::vector<int64_t>>();
  const auto next = c.hyper.at("next_draw_shape").get<std::vector<int64_t>>();
  Produced out;
  for (const auto seed : c.hyper.at("seeds").get<std::vector<uint64_t>>()) {
    const auto name = [&](const std::string& what) { return fmt::format("seed{}_{}", seed, what); };
    tensor::RandomStream stream(seed);
    const at::Tensor draw = stream.normal(first).flatten();
    out.tensors[name("first16")] = draw.narrow(0, 0, 16);
    out.tensors[name("last16")] = draw.narrow(0, draw.numel() - 16, 16);
    out.tensors[name("next_draw_first16")] = stream.normal(next).flatten().narrow(0, 0, 16);
    out.tensors[name("bf16_first16")] =
        tensor::RandomStream(seed).normal(first, at::kBFloat16).flatten().narrow(0, 0, 16);
    for (const auto size : c.hyper.value("small_draw_sizes", std::vector<int64_t>{}))
      out.tensors[name(fmt::format("size{}", size))] = tensor::RandomStream(seed).normal({size});
  }
  return out;
}

}  // namespace

void add_wan_sampling(Registry& registry) {
  registry[{"wan", "fm_scheduler"}] = fm_scheduler;
  registry[{"wan", "unipc"}] = multistep_solver;
  registry[{"wan", "dpmpp"}] = multistep_solver;
  registry[{"wan", "rng_cpu"}] = rng_cpu;
}

}  // namespace rushes::verify
