// Worker: one thread that reads the device into its slot and delivers what it read. Private to fs/fuse.
//
// A thread that sits in read(2) is woken by a signal, which the kernel answers with EINTR and never with the loss of a
// request. Start and Stop on the owner's thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <semaphore>
#include <thread>

#include "fs/fuse/session_core.h"

namespace leasefs {

class Worker {
 public:
  // `on_over` is called when nothing more will come; on the worker's thread, perhaps by several workers.
  Worker(SessionCore& core, size_t slot, std::function<void()> on_over);
  ~Worker() { Stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  void Stop();

  // Makes the signal that wakes workers harmless. Once per process.
  static void InstallWakeSignal();

 private:
  enum class Got { kRequest, kNothing, kOver };

  void Run();
  Got ReadRequest(size_t* size);

  SessionCore& core_;
  const size_t slot_;
  const std::function<void()> on_over_;
  std::atomic<bool> stop_{false};
  std::counting_semaphore<> ended_{0};
  std::thread thread_;
};

}  // namespace leasefs
