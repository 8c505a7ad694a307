// A model whose first generations are measured: those of the sessions that begin with a server.
#pragma once
#include <memory>

#include "profiling_options.h"
#include "rushes/generation/model.h"

namespace rushes::app {

/// `model`, with the first `generations` that it starts measured. Each writes its reports when it ends, also where it
/// is stopped; those after the first into folders 2, 3, ... of that of the options.
std::shared_ptr<const generation::Model> profiled_model(std::shared_ptr<const generation::Model> model,
                                                        const ProfilingOptions& options,
                                                        const generation::ModelOptions& model_options,
                                                        const generation::Request& request, int64_t generations,
                                                        profiling::Microseconds load_time);

}  // namespace rushes::app
