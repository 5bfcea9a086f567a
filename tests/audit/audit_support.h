// What the audit's tests share: ring memory that survives a fork, a scratch folder, and readers of lines.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "fs/audit/audit_ring.h"
#include "fs/audit/audit_writer.h"
#include "fs/base/sim_loop.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class SharedMemory {
 public:
  explicit SharedMemory(size_t size)
      : size_(size), data_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (data_ == MAP_FAILED) std::abort();
  }
  ~SharedMemory() { munmap(data_, size_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  std::span<std::byte> bytes() { return {static_cast<std::byte*>(data_), size_}; }

 private:
  size_t size_;
  void* data_;
};

class RingMemory : public SharedMemory {
 public:
  RingMemory() : SharedMemory(AuditRing::MemoryBytes()) {}
  AuditRing Attach() { return std::move(AuditRing::Attach(bytes())).value(); }
};

class ScratchFolder {
 public:
  ScratchFolder() {
    char path[] = "/tmp/leasefs-audit-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline UniqueFd OpenLog(const std::string& path, int flags = O_WRONLY) {
  return UniqueFd(open(path.c_str(), flags | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
}

inline std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The number behind "key": in a line, or -1.
inline int64_t NumberIn(const std::string& line, const std::string& key) {
  size_t at = line.find("\"" + key + "\":");
  return at == std::string::npos ? -1 : std::stoll(line.substr(at + key.size() + 3));
}

// Line n of a log that was written once and whole has sequence number n + 1 and ends as a line of JSON ends.
inline std::string FirstFlaw(const std::string& log) {
  if (!log.empty() && log.back() != '\n') return "ends within a line";
  std::vector<std::string> lines = LinesOf(log);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("{\"seq\":") || lines[i].back() != '}' || lines[i].find('{', 1) != std::string::npos ||
        NumberIn(lines[i], "seq") != static_cast<int64_t>(i + 1)) {
      return "line " + std::to_string(i + 1) + ": " + lines[i];
    }
  }
  return "";
}

inline AuditEvent OpenEvent(uint64_t unique) {
  AuditEvent event;
  event.unique = unique;
  event.node = static_cast<uint32_t>(unique % 100);
  event.uid = 1000;
  event.gid = 1000;
  event.tid = static_cast<uint32_t>(unique);
  event.latency_us = 7;
  return event;
}

inline void TestPath(uint32_t node, std::string& out) {
  out += "web/key-" + std::to_string(node);
}

constexpr Duration kMaxWait = std::chrono::milliseconds(250);  // S23

}  // namespace leasefs
