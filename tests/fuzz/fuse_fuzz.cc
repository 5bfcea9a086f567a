// A stream of requests that no kernel sends, with takeovers in between, through the real libfuse session.
//
// Oracle: a request has one reply at most and only requests have one; none is longer than was asked for; no OPEN
// succeeds that the gate did not allow to this very request, no READ that the gate was not asked for; a change is never
// anything but refused.
#include <fuzzer/FuzzedDataProvider.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "fs/base/log.h"
#include "fs/base/sim_loop.h"
#include "fs/fuse/session.h"
#include "tests/fuse/fake_gate.h"

namespace leasefs {
namespace {

[[noreturn]] void Broken(const char* what, uint64_t unique) {
  fprintf(stderr, "broken: %s (request %llu)\n", what, static_cast<unsigned long long>(unique));
  abort();
}
void Require(bool holds, const char* what, uint64_t unique) {
  if (!holds) Broken(what, unique);
}

class WatchedGate : public FakeGate {
 public:
  void Open(const Request& request, NodeId id, int flags, Reply<Opened> done) override {
    uint64_t unique = request.unique;
    bool may = request.caller.uid % 2 == 0;
    FakeGate::Open(request, id, flags, [this, unique, may, done](Result<Opened> opened) {
      if (opened.ok() && !may) opened = Error(ErrorKind::kDenied, "odd");
      if (opened.ok()) allowed.insert(unique);
      done(std::move(opened));
    });
  }
  Result<Slice> Read(uint64_t handle, NodeId id, uint64_t offset, size_t size) override {
    ++reads;
    return FakeGate::Read(handle, id, offset, size);
  }

  std::set<uint64_t> allowed;
  uint64_t reads = 0;
};

// The memory of all runs, zeros at the beginning of each.
std::span<std::byte> Memory() {
  static void* memory =
      mmap(nullptr, SlotsMemoryBytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return {static_cast<std::byte*>(memory), SlotsMemoryBytes()};
}

struct Ends {
  int kernel = -1;
  int device = -1;
};
const Ends& Sockets() {
  static const Ends ends = [] {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) abort();
    return Ends{pair[0], pair[1]};
  }();
  return ends;
}

bool IsChange(uint32_t opcode) {
  static const std::set<uint32_t> changes = {FUSE_SETATTR, FUSE_SYMLINK,   FUSE_MKNOD,       FUSE_MKDIR,
                                             FUSE_UNLINK,  FUSE_RMDIR,     FUSE_RENAME,      FUSE_LINK,
                                             FUSE_WRITE,   FUSE_SETXATTR,  FUSE_REMOVEXATTR, FUSE_CREATE,
                                             FUSE_RENAME2, FUSE_FALLOCATE, FUSE_TMPFILE,     FUSE_COPY_FILE_RANGE};
  return changes.contains(opcode);
}

class Run {
 public:
  explicit Run(FuzzedDataProvider& data) : data_(data) {
    madvise(Memory().data(), Memory().size(), MADV_DONTNEED);
    Begin();
  }
  ~Run() {
    session_.reset();
    Drain();
  }

  void Step() {
    switch (data_.ConsumeIntegralInRange(0, 15)) {
      case 0:
        TakeOver();
        break;
      case 1:
        gate_->mode = data_.ConsumeBool() ? FakeGate::Mode::kWait : FakeGate::Mode::kAnswer;
        break;
      case 2:
        if (!sent_.empty()) gate_->Complete(PickSent());
        break;
      case 3:
        SendInit();
        break;
      case 4:
        SendInterrupt();
        break;
      default:
        SendRequest();
    }
    Drain();
  }

 private:
  struct Sent {
    uint32_t opcode = 0;
    uint32_t size = 0;       // what READ and its like ask for
    bool ambiguous = false;  // its number was used twice: nothing can be said about its replies
    int replies = 0;
  };

  void Begin() {
    gate_ = std::make_unique<WatchedGate>();
    auto session = FuseSession::Create({Sockets().device, Memory(), loop_, *gate_, notifier_, nullptr});
    Require(session.ok(), "no session", 0);
    session_ = std::move(session).value();
  }
  void TakeOver() {
    session_.reset();
    std::set<uint64_t> allowed = gate_->allowed;
    Begin();
    gate_->allowed = allowed;
    loop_.RunFor(std::chrono::seconds(1));
    (void)session_->Recover();
  }

  uint64_t PickSent() {
    auto it = sent_.begin();
    std::advance(it, data_.ConsumeIntegralInRange<size_t>(0, sent_.size() - 1));
    return it->first;
  }

  // From memory of exactly its size, so that a look behind the end is seen.
  void Deliver(const fuse_in_header& header, const std::vector<uint8_t>& body) {
    std::vector<std::byte> request(sizeof header + body.size());
    memcpy(request.data(), &header, sizeof header);
    if (!body.empty()) memcpy(request.data() + sizeof header, body.data(), body.size());
    auto exact = std::make_unique<std::byte[]>(request.size());
    memcpy(exact.get(), request.data(), request.size());
    session_->ProcessForTest({exact.get(), request.size()});
  }

  void Send(uint32_t opcode, std::vector<uint8_t> body) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    if (data_.ConsumeIntegralInRange(0, 30) == 0) header.len = data_.ConsumeIntegral<uint32_t>();
    header.opcode = opcode;
    header.unique = next_unique_ += 2;
    if (data_.ConsumeIntegralInRange(0, 30) == 0 && !sent_.empty()) header.unique = PickSent();
    header.nodeid =
        NodeId{data_.ConsumeIntegralInRange<uint32_t>(0, 4), data_.ConsumeIntegralInRange<uint32_t>(0, 4)}.inode();
    header.uid = data_.ConsumeIntegral<uint8_t>();
    header.gid = data_.ConsumeIntegral<uint8_t>();
    header.pid = data_.ConsumeIntegral<uint8_t>();
    auto [entry, fresh] = sent_.try_emplace(header.unique);
    Sent& sent = entry->second;
    sent.ambiguous = !fresh;
    sent.opcode = opcode;
    if (body.size() >= sizeof(fuse_read_in))
      memcpy(&sent.size, body.data() + offsetof(fuse_read_in, size), sizeof sent.size);
    Deliver(header, body);
  }

  void SendInit() {
    fuse_init_in init{};
    init.major = data_.ConsumeIntegralInRange<uint32_t>(6, 8) == 6 ? 6 : 7;
    init.minor = data_.ConsumeIntegralInRange<uint32_t>(25, 60);
    init.flags = data_.ConsumeIntegral<uint32_t>();
    init.flags2 = data_.ConsumeIntegral<uint32_t>();
    std::vector<uint8_t> body(sizeof init);
    memcpy(body.data(), &init, sizeof init);
    if (data_.ConsumeIntegralInRange(0, 7) == 0) body.resize(data_.ConsumeIntegralInRange<size_t>(0, 104));
    Send(FUSE_INIT, body);
  }

  void SendInterrupt() {
    fuse_interrupt_in interrupt{sent_.empty() ? data_.ConsumeIntegral<uint64_t>() : PickSent()};
    fuse_in_header header{};
    header.opcode = FUSE_INTERRUPT;
    header.unique = interrupt.unique | 1;
    std::vector<uint8_t> body(sizeof interrupt);
    memcpy(body.data(), &interrupt, sizeof interrupt);
    if (data_.ConsumeIntegralInRange(0, 15) == 0) body.resize(data_.ConsumeIntegralInRange<size_t>(0, 16));
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    Deliver(header, body);
  }

  void SendRequest() {
    uint32_t opcode = data_.ConsumeIntegralInRange<uint32_t>(0, 56);
    if (opcode == FUSE_INTERRUPT || opcode == FUSE_INIT) opcode = FUSE_LOOKUP;
    if (opcode > 52) opcode = opcode == 56 ? data_.ConsumeIntegral<uint32_t>() : FUSE_OPEN;
    static const char* const kNames[] = {"key", "folder", ".", ".."};
    std::vector<uint8_t> body;
    if (opcode == FUSE_LOOKUP && data_.ConsumeBool()) {
      const char* name = data_.PickValueInArray(kNames);
      body.assign(name, name + strlen(name) + 1);
    } else {
      body = data_.ConsumeBytes<uint8_t>(data_.ConsumeIntegralInRange<size_t>(0, 96));
    }
    if (data_.ConsumeBool()) body.resize(std::max<size_t>(body.size(), 64));
    if (opcode == FUSE_OPEN && data_.ConsumeBool()) std::fill(body.begin(), body.end(), 0);
    if (opcode == FUSE_READ && body.size() >= sizeof(fuse_read_in) && !gate_->allowed.empty() && data_.ConsumeBool()) {
      uint64_t handle = *gate_->allowed.begin();
      memcpy(body.data(), &handle, sizeof handle);
    }
    Send(opcode, std::move(body));
  }

  void Drain() {
    static std::vector<std::byte> packet(size_t{1} << 20);
    for (;;) {
      ssize_t n = recv(Sockets().kernel, packet.data(), packet.size(), MSG_DONTWAIT);
      if (n < 0) return;
      fuse_out_header header;
      Require(static_cast<size_t>(n) >= sizeof header, "a reply without a header", 0);
      memcpy(&header, packet.data(), sizeof header);
      Require(header.len == static_cast<size_t>(n), "a reply whose length lies", header.unique);
      Check(header, static_cast<size_t>(n) - sizeof header);
    }
  }

  void Check(const fuse_out_header& header, size_t size) {
    auto found = sent_.find(header.unique);
    Require(found != sent_.end(), "a reply to nothing", header.unique);
    Sent& sent = found->second;
    if (sent.ambiguous) return;
    Require(++sent.replies == 1, "two replies", header.unique);
    Require(header.error <= 0 && header.error > -1000, "an errno that is none", header.unique);
    if (header.error != 0) {
      Require(size == 0, "an error with a body", header.unique);
      bool checks = sent.opcode == FUSE_OPEN || sent.opcode == FUSE_ACCESS || sent.opcode == FUSE_OPENDIR;
      Require(!checks || header.error != -ENOSYS, "ENOSYS for what checks", header.unique);
      Require(header.error != -EAGAIN, "EAGAIN", header.unique);
      return;
    }
    Require(!IsChange(sent.opcode), "a change that succeeded", header.unique);
    if (sent.opcode == FUSE_OPEN)
      Require(gate_->allowed.contains(header.unique), "an open without a check", header.unique);
    if (sent.opcode == FUSE_READ) Require(gate_->reads > 0, "a read past the gate", header.unique);
    if (sent.opcode == FUSE_READ || sent.opcode == FUSE_READDIR) {
      Require(size <= sent.size, "longer than was asked for", header.unique);
    }
  }

  FuzzedDataProvider& data_;
  SimLoop loop_{1};
  InodeNotifier notifier_;
  std::unique_ptr<WatchedGate> gate_;
  std::unique_ptr<FuseSession> session_;
  std::map<uint64_t, Sent> sent_;
  uint64_t next_unique_ = 0;
};

}  // namespace
}  // namespace leasefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const bool quiet = [] {
    signal(SIGPIPE, SIG_IGN);
    leasefs::InitLog("fuzz", leasefs::LogLevel::kError);
    return true;
  }();
  (void)quiet;
  FuzzedDataProvider data(bytes, size);
  leasefs::Run run(data);
  while (data.remaining_bytes() > 0) run.Step();
  return 0;
}
