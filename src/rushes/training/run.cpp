#include "rushes/training/run.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <numbers>
#include <numeric>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"

namespace rushes::training {

using Clock = std::chrono::steady_clock;

namespace {

double now(const RunOptions& options) {
  if (options.progress.empty() || !options.device.is_cpu())
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);  // std::clock() wraps
  return (static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec)) /
         static_cast<double>(options.threads);
}

std::filesystem::path progress_file(const RunOptions& options) {
  return options.directory / (options.progress + ".progress");
}

}  // namespace

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Run::Run(const RunOptions& options, std::string stage, std::vector<std::string> columns)
    : options_(options),
      stage_(std::move(stage)),
      columns_(std::move(columns)),
      sums_(columns_.size(), 0.0),
      start_(now(options)) {
  if (!options_.progress.empty()) std::ifstream(progress_file(options_)) >> before_;
  saved_ = before_;
  std::error_code ignored;
  std::filesystem::create_directories(options_.directory, ignored);
  const auto file = options_.directory / (stage_ + ".csv");
  const bool fresh = !std::filesystem::exists(file);
  csv_.open(file, std::ios::app);
  require(csv_.is_open(), ErrorCode::unavailable, "cannot write {}; choose another folder with --directory",
          file.string());
  if (!fresh) return;
  csv_ << "step,seconds";
  for (const std::string& column : columns_) csv_ << ',' << column;
  csv_ << '\n';
}

double Run::progress() const {
  return base::stop_signal() != 0 ? 1 : seconds() / static_cast<double>(options_.time_limit.count());
}

double Run::seconds() const { return before_ + now(options_) - start_; }

double Run::schedule() const {
  return 0.02 + 0.98 * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, progress())));
}

void Run::record(int64_t step, const std::vector<double>& values, int64_t every) {
  for (std::size_t i = 0; i < values.size(); ++i) sums_[i] += values[i];
  ++count_;
  if (step % every != 0) return;
  std::string line = fmt::format("{} step {} {:.0f} s of {} s", stage_, step, seconds(), options_.time_limit.count());
  csv_ << step << ',' << fmt::format("{:.1f}", seconds());
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const double mean = sums_[i] / static_cast<double>(count_);
    csv_ << ',' << fmt::format("{:.6g}", mean);
    line += fmt::format(" {} {:.4g}", columns_[i], mean);
    sums_[i] = 0;
  }
  count_ = 0;
  csv_ << std::endl;
  log::info("{}", line);
}

bool Run::due() {
  if (seconds() - saved_ < static_cast<double>(options_.save_every.count())) return false;
  saved_ = seconds();
  return true;
}

void Run::saved() {
  if (options_.progress.empty()) return;
  const auto file = progress_file(options_), temporary = options_.directory / (options_.progress + ".progress.new");
  std::ofstream(temporary) << fmt::format("{:.1f}\n", seconds());
  std::filesystem::rename(temporary, file);
}

}  // namespace rushes::training
