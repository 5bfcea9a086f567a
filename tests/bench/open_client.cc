// The client of the comparison: open, fstat, read to the end, close, over and over, on a list of paths.
//
//   open_client CLIENTS SECONDS CPU PATH…      prints the median of all cycles' time per client and cycle, in ns: wall
//   time / cycles
//
// The clients are threads, all on CPU (-1: anywhere). What is printed is microseconds per cycle of the whole: SECONDS /
// cycles.
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

bool Cycle(const std::string& path) {
  char buffer[65536];
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) return false;
  ssize_t total = 0, count = 0;
  while ((count = read(fd, buffer, sizeof buffer)) > 0) total += count;
  close(fd);
  return count == 0 && total == st.st_size && total > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  int clients = std::atoi(argv[1]);
  double seconds = std::atof(argv[2]);
  int cpu = std::atoi(argv[3]);
  std::vector<std::string> paths(argv + 4, argv + argc);
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) return 3;
  }
  for (const std::string& path : paths) {
    if (!Cycle(path)) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 4;
    }
  }
  std::atomic<bool> stop{false}, failed{false};
  std::atomic<uint64_t> cycles{0};
  std::vector<std::thread> threads;
  auto start = std::chrono::steady_clock::now();
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      uint64_t done = 0;
      for (size_t i = static_cast<size_t>(client) * 7919; !stop; ++i, ++done) {
        if (!Cycle(paths[i % paths.size()])) failed = true;
      }
      cycles += done;
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (auto& thread : threads) thread.join();
  double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (failed) return 5;
  std::printf("%.3f\n", elapsed * 1e6 / static_cast<double>(cycles));
}
