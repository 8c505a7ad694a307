// A generator whose steps are measured: wraps another one and tells by its events what each step was.
#pragma once
#include <memory>

#include "rushes/generation/generator.h"

namespace rushes::profiling {

class Profiler;

/// The same video, each step a span of `profiler`. A fork of it is not measured.
std::unique_ptr<generation::Generator> profiled(std::unique_ptr<generation::Generator> generator,
                                                std::shared_ptr<Profiler> profiler);

}  // namespace rushes::profiling
