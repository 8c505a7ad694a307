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
    if (recorded.index) end = 0;  // a plain MP4: the samples lie anywhere behind its beginning
    for (const auto& fragment : recorded.fragments) {
      const rushes::media::FragmentPlace& place = fragment.place;
      if (place.data < end || place.head_bytes < 8 || place.data_bytes < 0) std::abort();
      end = place.data + place.data_bytes;
      if (end > static_cast<int64_t>(size)) std::abort();
      if (recorded.index) continue;
      if (place.head < 0 || place.head + place.head_bytes > place.data) std::abort();
      try {
        parser.units({data + place.head, static_cast<std::size_t>(end - place.head)});
      } catch (const rushes::Error&) {}
    }
  } catch (const rushes::Error&) {}
  return 0;
}
