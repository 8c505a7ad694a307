// For tests: what a process has at the moment. A test and its server share one.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace rushes::server {

struct ProcessUsage {
  int64_t resident_kib = 0, threads = 0, descriptors = 0;

  static ProcessUsage now() {
    ProcessUsage usage;
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      if (word == "VmRSS:") status >> usage.resident_kib;
      if (word == "Threads:") status >> usage.threads;
    }
    const std::filesystem::directory_iterator open("/proc/self/fd");
    usage.descriptors = std::distance(begin(open), end(open));
    return usage;
  }
};

/// Expects that there are soon no more threads and descriptors than in `before`: they go a moment after what they were
/// for.
inline void expect_no_more_than(const ProcessUsage& before, std::chrono::seconds patience = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  ProcessUsage usage = ProcessUsage::now();
  while ((usage.threads > before.threads || usage.descriptors > before.descriptors) &&
         std::chrono::steady_clock::now() < deadline)
    usage = ProcessUsage::now();
  EXPECT_LE(usage.threads, before.threads);
  EXPECT_LE(usage.descriptors, before.descriptors);
}

}  // namespace rushes::server
