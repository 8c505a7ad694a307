// The command line of rushes: one sub-command a file.
#include <c10/util/Exception.h>

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "commands.h"
#include "finite_numbers.h"
#include "log_options.h"
#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/base/interruption.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/cpu_allocator.h"
#include "suggestion.h"

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

/// What people mean is often one letter away; what is missing can be said when all words are known.
void tell(const CLI::App& app, const CLI::ParseError& error) {
  const bool words_first =
      dynamic_cast<const CLI::ExtrasError*>(&error) || dynamic_cast<const CLI::RequiredError*>(&error);
  const std::string unknown = words_first ? rushes::app::unknown_word(app) : std::string();
  if (unknown.empty())
    app.exit(error);
  else
    std::fprintf(stderr, "rushes: %s\n", unknown.c_str());
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
  rushes::app::add_log_options(app);
  // A wrong RUSHES_ISA is told before anything is loaded.
  app.parse_complete_callback([] { rushes::instruction_set(); });
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
  rushes::app::refuse_what_is_not_finite(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& error) {  // a command has said itself what is wrong
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    tell(app, error);
    return 2;
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
