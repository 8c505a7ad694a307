// A program of this project that runs beside the main one, for libraries that cannot live in one process with libtorch:
// what is asked goes to its standard input, what it answers comes from its standard output.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace rushes {

/// Beside the running program, else where it was built (apps/FOLDER); empty if it is nowhere.
std::filesystem::path find_program(const std::string& name, const std::string& folder);

/// Ends with its owner. One thread at a time.
class ChildProgram {
 public:
  /// Throws Error(unavailable) if it cannot be started. A read or a write that takes longer than `patience` fails.
  ChildProgram(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               std::chrono::seconds patience);
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  /// All of it. Throws Error(unavailable) if the program has gone or does not read.
  void write(std::span<const std::byte> bytes);
  /// Exactly so many bytes. Throws Error(unavailable) if the program has gone or does not write.
  void read(std::span<std::byte> bytes);
  /// What comes until the program ends; false if that takes too long or it does not end with 0.
  bool read_all(std::string& answer);

 private:
  void kill();

  int socket_ = -1;
  pid_t child_ = -1;
};

}  // namespace rushes
