// For tests only: `generate` on a model that draws, as slow as $DRAWING_STEP_MS says and failing at step
// $DRAWING_FAILS_AT. Prints errors and ends as the real program does.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/base/stop_signal.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/generation/registry.h"

namespace rushes::generation {

std::shared_ptr<const Model> load_model(const ModelOptions&) {
  const auto number = [](const char* name, int64_t otherwise) {
    const char* value = std::getenv(name);
    return value ? std::atoll(value) : otherwise;
  };
  return std::make_shared<DrawingModel>([pause = std::chrono::milliseconds(number("DRAWING_STEP_MS", 0)),
                                         fails_at = number("DRAWING_FAILS_AT", -1)](const Request&, int64_t step) {
    require(step != fails_at, ErrorCode::exhausted, "the device is out of memory");
    std::this_thread::sleep_for(pause);
  });
}

}  // namespace rushes::generation

int main(int argc, char** argv) {
  rushes::base::catch_stop_signals();
  const rushes::base::Interruptible interruptible(rushes::base::end_if_stopped);
  CLI::App app;
  rushes::app::add_generate(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const rushes::Error& error) {
    std::fprintf(stderr, "rushes: %s\n", error.what());
    return rushes::exit_code(error.code());
  }
}
