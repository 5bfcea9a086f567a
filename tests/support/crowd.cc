// A crowd of threads that open and read one file at the same moment:  crowd THREADS PATH [EXPECTED]
// Prints how many read exactly EXPECTED, or without it what the first one read, how many failed by errno, and the
// longest
// time in milliseconds.
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace {

const char* path;
const char* expected;  // null: what the first one reads
std::atomic<bool> go{false};
int same = 0;
std::atomic<int64_t> longest{0};
std::mutex mutex;
std::map<int, int> errors;

void* Read(void*) {
  go.wait(false);
  auto start = std::chrono::steady_clock::now();
  char buffer[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  ssize_t size = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
  if (fd >= 0 && size < 0) error = errno;
  if (fd >= 0) close(fd);
  int64_t took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  int64_t before = longest;
  while (took > before && !longest.compare_exchange_weak(before, took)) {
  }
  std::lock_guard lock(mutex);
  if (error == 0 && expected == nullptr) expected = strndup(buffer, static_cast<size_t>(size));
  if (error == 0 && static_cast<size_t>(size) == std::strlen(expected) &&
      std::memcmp(buffer, expected, std::strlen(expected)) == 0) {
    ++same;
  } else {
    ++errors[error];
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) return 2;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;  // a descriptor for each of them; a shell from sudo has 1,024
  setrlimit(RLIMIT_NOFILE, &files);
  path = argv[2];
  expected = argc == 4 ? argv[3] : nullptr;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  std::vector<pthread_t> threads(static_cast<size_t>(std::atoi(argv[1])));
  for (auto& thread : threads) {
    if (pthread_create(&thread, &attributes, Read, nullptr) != 0) return 3;
  }
  go = true;
  go.notify_all();
  for (auto thread : threads) pthread_join(thread, nullptr);
  std::printf("{\"same\": %d, \"longest_ms\": %ld, \"errors\": {", same, longest.load());
  const char* comma = "";
  for (auto [error, count] : errors) {
    std::printf("%s\"%d\": %d", comma, error, count);
    comma = ", ";
  }
  std::printf("}}\n");
}
