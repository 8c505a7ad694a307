// For end-to-end tests: writes a tiny OmniAvatar model with random weights that makes segments, with guidance.
//
//   write_segment_avatar DIRECTORY TOKENIZER
#include <cstdio>

#include "rushes/generation/omniavatar/tiny.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: write_segment_avatar DIRECTORY TOKENIZER\n", stderr);
    return 2;
  }
  rushes::generation::write_random_omniavatar_model(argv[1], argv[2], 0, rushes::omniavatar::Sampler::bidirectional);
  return 0;
}
