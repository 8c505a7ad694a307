// The command line of rushes: one sub-command a file.
#include <c10/util/Exception.h>

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "commands.h"
#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/base/interruption.h"
#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/cpu_allocator.h"

namespace {

// libgomp's threads spin for milliseconds after each parallel loop, on cores that encoding and delivery need: on two
// busy cores that makes generation several times slower. It reads its settings when it is loaded, before main.
void shorten_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "1000", 1);  // some microseconds
  ::execv("/proc/self/exe", argv);        // returns only if it fails: then on with long spins
}

/// Decoded pictures, sound and bodies go back to the system when they are freed. By itself glibc raises the size from
/// which it does so with every large block, up to 32 MiB, and what lies below stays with the thread that took it: two
/// gigabytes after half an hour of uploads. (Tensors have an allocator of their own.)
void give_back_large_blocks() {
  constexpr int kLarge = 4 << 20;       // bytes
  ::mallopt(M_MMAP_THRESHOLD, kLarge);  // NOLINT(concurrency-mt-unsafe): there is one thread yet
  ::mallopt(M_TRIM_THRESHOLD, kLarge);  // NOLINT(concurrency-mt-unsafe)
}

/// The word that stands where a command should, if it is none; null: another mistake.
const char* unknown_command(const CLI::App& app, int argc, char** argv) {
  if (!app.get_subcommands().empty()) return nullptr;
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] != '-' && std::strcmp(argv[i - 1], "--log-level") != 0) return argv[i];
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  shorten_spinning(argv);
  give_back_large_blocks();
  rushes::tensor::install_cpu_allocator();  // before the first tensor
  rushes::base::catch_stop_signals();
  const rushes::base::Interruptible interruptible(rushes::base::end_if_stopped);
  CLI::App app{"rushes: watch generated video while it is still being generated"};
  app.set_version_flag("--version", std::string(RUSHES_VERSION));
  app.require_subcommand(1);
  std::string log_level = "info";
  app.add_option("--log-level", log_level, "log level: debug, info, warning, error or off")
      ->envname("RUSHES_LOG_LEVEL")
      ->capture_default_str();
  app.parse_complete_callback([&] {
    rushes::log::set_level(rushes::log::parse_level(log_level));
    rushes::instruction_set();  // a wrong RUSHES_ISA is told before anything is loaded
  });
  rushes::app::add_bench(app);
#ifdef RUSHES_HAS_SERVER
  rushes::app::add_avatar(app);
  rushes::app::add_client(app);
  rushes::app::add_describe(app);
  rushes::app::add_foresee(app);
  rushes::app::add_generate(app);
  rushes::app::add_portrait(app);
  rushes::app::add_serve(app);
  rushes::app::add_talk(app);
  rushes::app::add_stream(app);
#endif
  rushes::app::add_inspect(app);
  rushes::app::add_report(app);
  rushes::app::add_train(app);
  rushes::app::add_verify(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& error) {  // a command has said itself what is wrong
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (const char* command = unknown_command(app, argc, argv)) {
      std::fprintf(stderr, "rushes: there is no command '%s'; rushes --help lists them\n", command);
      return 2;
    }
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  } catch (const rushes::Error& error) {
    std::fprintf(stderr, "rushes: %s\n", error.what());
    return rushes::exit_code(error.code());
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "rushes: internal error: %s\n", error.what_without_backtrace());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rushes: internal error: %s\n", error.what());
    return 1;
  }
}
