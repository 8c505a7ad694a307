// Any bytes as a recording are fragments that lie within the file, one after the other, and each of them access units,
// or an Error.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "rushes/base/error.h"
#include "rushes/media/fragment_parser.h"
#include "rushes/media/recorded_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("recording", 0);
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  try {
    const auto recorded = rushes::media::read_recorded_file("/proc/self/fd/" + std::to_string(file));
    const rushes::media::FragmentParser parser(recorded.init_segment);
    auto end = static_cast<int64_t>(recorded.init_segment.size());
    for (const auto& fragment : recorded.fragments) {
      if (fragment.offset < end || fragment.size < 16) std::abort();
      end = fragment.offset + fragment.size;
      if (end > static_cast<int64_t>(size)) std::abort();
      try {
        parser.units({data + fragment.offset, static_cast<std::size_t>(fragment.size)});
      } catch (const rushes::Error&) {}
    }
  } catch (const rushes::Error&) {}
  return 0;
}
