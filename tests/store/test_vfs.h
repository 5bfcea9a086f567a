// A SQLite VFS that counts what changes files, and at one of these operations ends the process, fails, or just
// remembers all of them. One per process; it wraps the default VFS.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace leasefs::store_test {

inline constexpr const char* kTestVfs = "leasefs-test";
inline constexpr int kKilled = 77;  // the exit status of a process that the VFS ended

enum class Fault {
  kNone,
  kExit,        // ends the process before the operation
  kExitMidway,  // ends it when half of a write is done
  kFull,        // this operation fails for lack of space, later ones work
  kFullForAll,  // this one and all later ones
  kIoError,     // a sync, write or truncation fails once
};

struct FileOperation {
  enum class Kind { kWrite, kTruncate, kSync, kDelete } kind{};
  std::string file;    // path
  int64_t offset = 0;  // of a write; the size after a truncation
  std::string data;
};

// Registers the VFS at first use. `at` counts from 1.
void SetFault(Fault fault, int64_t at);
int64_t OperationsSinceSetFault();
// Every operation is added to `log` until it is called with null.
void LogOperations(std::vector<FileOperation>* log);

}  // namespace leasefs::store_test
