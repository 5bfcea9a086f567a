// What a session test needs, in the order in which it must go away.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <span>

#include "fs/base/sim_loop.h"
#include "fs/fuse/session.h"
#include "tests/fuse/fake_gate.h"
#include "tests/support/fuse_client.h"

namespace leasefs {

// Zeros that take no room until they are touched, as a memfd's.
class SlotsMemory {
 public:
  SlotsMemory() {
    data_ =
        mmap(nullptr, SlotsMemoryBytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(data_, MAP_FAILED);
  }
  ~SlotsMemory() { munmap(data_, SlotsMemoryBytes()); }
  SlotsMemory(const SlotsMemory&) = delete;
  SlotsMemory& operator=(const SlotsMemory&) = delete;

  std::span<std::byte> bytes() const { return {static_cast<std::byte*>(data_), SlotsMemoryBytes()}; }
  // What would be left if the process died now.
  void CopyFrom(const SlotsMemory& other) { memcpy(data_, other.data_, SlotsMemoryBytes()); }

 private:
  void* data_ = nullptr;
};

class SessionTest : public testing::Test {
 protected:
  // Here, not in the destructor: before the members of tests.
  void TearDown() override { End(); }
  void End() {
    if (session_ != nullptr) session_->Stop();
    session_.reset();
  }

  FuseSession::Options OptionsFor(SlotsMemory& memory, Gate& gate) {
    return {client_.device_fd(), memory.bytes(), loop_, gate, notifier_, nullptr};
  }
  void Create() {
    auto session = FuseSession::Create(OptionsFor(memory_, gate_));
    ASSERT_TRUE(session.ok()) << session.error().message();
    session_ = std::move(session).value();
  }
  void Start(size_t workers = 2) {
    Status status = session_->Start(workers);
    ASSERT_TRUE(status.ok()) << status.error().message();
  }
  // A mount that serves.
  void Serve(size_t workers = 2) {
    Create();
    Start(workers);
    ASSERT_EQ(client_.Init().error, 0);
  }
  // Ends the session as a stop does, and begins another one on the same memory. What waits is forgotten by the gate.
  void Succeed(size_t workers = 2) {
    End();
    Create();
    Status recovered = session_->Recover();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message();
    if (workers > 0) Start(workers);
  }

  SlotsMemory memory_;
  SimLoop loop_{1};
  FakeGate gate_;
  InodeNotifier notifier_;
  FuseClient client_;
  std::unique_ptr<FuseSession> session_;
};

// Waits for what another thread does, without saying how long it may take.
template <class Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 20000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace leasefs
