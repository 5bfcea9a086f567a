// A mutex that clang's -Wthread-safety understands. Ranks are written where a mutex is declared; a thread takes them in
// rising order only. None is held across backend I/O, a system call that may block, a reply or a notification.
#pragma once

#include <mutex>

#if defined(__clang__)
#define LEASEFS_TSA(x) __attribute__((x))
#else
#define LEASEFS_TSA(x)
#endif
#define GUARDED_BY(x) LEASEFS_TSA(guarded_by(x))
#define REQUIRES(...) LEASEFS_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) LEASEFS_TSA(locks_excluded(__VA_ARGS__))

namespace leasefs {

class LEASEFS_TSA(capability("mutex")) Mutex {
 public:
  void Lock() LEASEFS_TSA(acquire_capability()) { mutex_.lock(); }
  void Unlock() LEASEFS_TSA(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class LEASEFS_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) LEASEFS_TSA(acquire_capability(mutex)) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() LEASEFS_TSA(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace leasefs
