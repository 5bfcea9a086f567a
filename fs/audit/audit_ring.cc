#include "fs/audit/audit_ring.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr uint64_t kMask = AuditRing::kRecords - 1;
static_assert((AuditRing::kRecords & kMask) == 0);
constexpr size_t kPage = 4096;

// What the writer's thread does; the appenders decide by it whether it must be woken.
constexpr uint32_t kAwake = 0;
constexpr uint32_t kAsleep = 1;
constexpr uint32_t kLingering = 2;

constexpr uint64_t kClaimed = ~uint64_t{0};  // a text that is being written
constexpr uint64_t kMaxHead = uint64_t{1} << 62;

using EventWords = std::array<uint64_t, sizeof(AuditEvent) / sizeof(uint64_t)>;

struct alignas(128) Slot {
  std::atomic<uint64_t> committed;  // position + 1 of the record that is wholly in it
  std::atomic<uint64_t> unique;     // of the record, for Find
  std::atomic<int64_t> arrival;
  std::array<std::atomic<uint64_t>, std::tuple_size_v<EventWords>> words;  // of the event

  // Whoever gets a word of an event also sees what was done before its Put: that its place had been taken.
  AuditEvent event() const {
    EventWords copy;
    for (size_t i = 0; i < copy.size(); ++i) copy[i] = words[i].load(std::memory_order_acquire);
    return std::bit_cast<AuditEvent>(copy);
  }
  void Put(const AuditEvent& event) {
    const auto copy = std::bit_cast<EventWords>(event);
    for (size_t i = 0; i < copy.size(); ++i) words[i].store(copy[i], std::memory_order_release);
  }
};
static_assert(sizeof(Slot) == 128 && AuditRing::kChunk * sizeof(Slot) % kPage == 0);
static_assert(AuditRing::kRecords % AuditRing::kChunk == 0 && AuditRing::kReplayWindow % AuditRing::kChunk == 0);

// Written by one thread, and readable whole after a kill at any instruction: the half that `current` names is never
// touched.
struct MarkCell {
  std::atomic<uint32_t> current;
  SinkMark halves[2];
};

struct Text {
  std::atomic<uint64_t> owner;  // position + 1 of its record; 0 free
  uint32_t size;
  char bytes[AuditRing::kTextBytes];
};

}  // namespace

struct AuditRing::Layout {
  std::atomic<uint32_t> layout;
  alignas(64) std::atomic<uint64_t> head;
  alignas(64) std::atomic<uint64_t> accepted;
  std::atomic<uint64_t> released;
  alignas(64) std::atomic<uint64_t> dropped;
  std::atomic<uint64_t> refused;
  std::atomic<uint64_t> voids;
  alignas(64) MarkCell marks[kSinkIds];
  leasefs::Text texts[kTexts];
  alignas(kPage) Slot slots[kRecords];

  Slot& at(uint64_t position) { return slots[position & kMask]; }
  bool Has(uint64_t position) { return at(position).committed.load() == position + 1; }
};

struct AuditRing::Local {
  static constexpr int64_t kUnset = INT64_MIN;
  std::atomic<uint32_t> sleep{kAwake};  // futex
  std::atomic<bool> poked{false};
  std::atomic<WriterState> writer{WriterState::kAbsent};
  std::atomic<int64_t> writer_since{0};
  // The arrival of a record that once was the oldest one: a lower bound of the oldest's, so that nothing is looked up
  // until max_wait after it.
  std::atomic<int64_t> oldest_seen{kUnset};
  std::atomic<int64_t> floor{kUnset};       // waiting before it does not count
  std::atomic<uint64_t> floor_position{0};  // accepted + 1 when the floor was last raised for a late record
};

size_t AuditRing::MemoryBytes() {
  return sizeof(Layout);  // whole pages, as its alignment says
}

AuditRing::AuditRing(Layout* layout, std::unique_ptr<Local> local) : layout_(layout), local_(std::move(local)) {}
AuditRing::AuditRing(AuditRing&&) noexcept = default;
AuditRing& AuditRing::operator=(AuditRing&&) noexcept = default;
AuditRing::~AuditRing() = default;

Result<AuditRing> AuditRing::Attach(std::span<std::byte> memory) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free);
  if (memory.size() < sizeof(Layout) || reinterpret_cast<uintptr_t>(memory.data()) % alignof(Layout) != 0) {
    return Error(ErrorKind::kInvalid,
                 StrCat("the audit's memory has ", memory.size(), " bytes, needs ", MemoryBytes()));
  }
  auto* layout = reinterpret_cast<Layout*>(memory.data());
  uint32_t found = layout->layout.load();
  if (found != 0 && found != kLayout) {
    return Error(ErrorKind::kInvalid, StrCat("the audit's memory has layout ", found, ", this leasefsd knows ", kLayout,
                                             ": stop all of leasefsd and start it again"));
  }
  layout->layout.store(kLayout);
  uint64_t head = layout->head.load();
  uint64_t released = layout->released.load();
  // Damaged by whatever ended the predecessor: go on without its records.
  if (head > kMaxHead || released > head || head - released > kCapacity) {
    for (Slot& slot : layout->slots) slot.committed.store(0);
    if (head > kMaxHead) layout->head.store(head = 0);
    released = head;
    layout->released.store(head);
  }
  layout->accepted.store(std::clamp(layout->accepted.load(), released, head));
  for (uint64_t position = released; position != head; ++position) {
    if (layout->Has(position)) continue;
    Slot& slot = layout->at(position);
    const Slot& before = layout->at(position - 1);  // its time is the nearest that is known
    AuditEvent unfinished;
    unfinished.kind = AuditEvent::Kind::kVoid;
    unfinished.boot_ns = before.event().boot_ns;
    unfinished.wall_ns = before.event().wall_ns;
    slot.Put(unfinished);
    slot.unique.store(0);
    slot.arrival.store(before.arrival.load());
    slot.committed.store(position + 1);
    layout->voids.fetch_add(1);
  }
  for (uint32_t i = 1; i < kTexts; ++i) {
    std::atomic<uint64_t>& owner = layout->texts[i].owner;
    uint64_t position = owner.load() - 1;
    bool used = owner.load() != 0 && position >= released && position < head && layout->at(position).event().text == i;
    if (!used) owner.store(0);
  }
  return AuditRing(layout, std::make_unique<Local>());
}

BootTime AuditRing::oldest() const {
  uint64_t accepted = layout_->accepted.load();
  if (accepted == layout_->head.load()) return kNever;
  Slot& slot = layout_->at(accepted);
  // Not finished, or accepted and used again meanwhile: whatever is the oldest now is young.
  if (slot.committed.load() != accepted + 1) return kNever;
  int64_t arrival = slot.arrival.load();
  return layout_->accepted.load() == accepted ? BootTimeFromNanoseconds(arrival) : kNever;
}

bool AuditRing::Late(BootTime now_time, Duration max_wait) {
  int64_t now = ToNanoseconds(now_time);
  int64_t seen = local_->oldest_seen.load(std::memory_order_relaxed);
  if (seen == Local::kUnset) {  // the first of this process
    local_->floor.store(now);
    local_->oldest_seen.store(now);
    return false;
  }
  if (now - seen <= max_wait.count()) return false;
  BootTime oldest_time = oldest();
  if (oldest_time == kNever) {
    local_->oldest_seen.store(now, std::memory_order_relaxed);
    return false;
  }
  int64_t since = std::max(ToNanoseconds(oldest_time), local_->floor.load());
  local_->oldest_seen.store(since, std::memory_order_relaxed);
  if (now - since <= max_wait.count()) return false;
  WriterState writer = local_->writer.load();
  bool held_up = writer == WriterState::kInSink && now - local_->writer_since.load() > max_wait.count();
  if (writer == WriterState::kAbsent || writer == WriterState::kFailing || held_up) return true;
  uint64_t position = layout_->accepted.load() + 1;
  if (local_->floor_position.load() == position) return now - local_->floor.load() > max_wait.count();
  local_->floor.store(now);
  local_->floor_position.store(position);
  Wake();
  return false;
}

std::optional<uint64_t> AuditRing::Reserve() {
  uint64_t head = layout_->head.load();
  for (;;) {
    // A head that is older than `released` gives a huge difference: look again before calling the ring full.
    if (head - layout_->released.load() >= kCapacity) {
      uint64_t fresh = layout_->head.load();
      if (fresh == head) return std::nullopt;
      head = fresh;
    } else if (layout_->head.compare_exchange_weak(head, head + 1)) {
      return head;
    }
  }
}

void AuditRing::Commit(uint64_t position, const AuditEvent& event, BootTime now) {
  Slot& slot = layout_->at(position);
  slot.Put(event);
  slot.unique.store(event.unique, std::memory_order_relaxed);
  slot.arrival.store(ToNanoseconds(now), std::memory_order_relaxed);
  // Sequentially consistent, as is the writer's store to `sleep` and its look at `committed` after it: one of the two
  // sees the other.
  slot.committed.store(position + 1);
  uint32_t sleep = local_->sleep.load();
  if (sleep == kAwake) return;
  if (sleep == kAsleep || position - layout_->accepted.load() > kRecords / 4) Wake();
}

Status AuditRing::Refuse(bool required, std::string_view why) {
  if (!required) {
    layout_->dropped.fetch_add(1);
    return Ok();
  }
  layout_->refused.fetch_add(1);
  return Error(ErrorKind::kInternal, StrCat("not recorded, so not allowed: ", why, "; see `leasefs status`"));
}

Status AuditRing::Append(const AuditEvent& event, BootTime now, Duration max_wait, bool required) {
  if (Late(now, max_wait) && required) return Refuse(required, "no audit sink accepts records");
  std::optional<uint64_t> position = Reserve();
  if (!position) return Refuse(required, "the audit's ring is full");
  Commit(*position, event, now);
  return Ok();
}

Status AuditRing::AppendAdmin(AuditEvent event, std::string_view path, BootTime now, Duration max_wait, bool required) {
  if (Late(now, max_wait) && required) return Refuse(required, "no audit sink accepts records");
  uint32_t index = 1;
  for (; index < kTexts; ++index) {
    uint64_t free = 0;
    if (layout_->texts[index].owner.compare_exchange_strong(free, kClaimed)) break;
  }
  if (index == kTexts) {
    Wake();
    return Refuse(required, "too many acts wait for an audit sink");
  }
  leasefs::Text& text = layout_->texts[index];
  std::optional<uint64_t> position = Reserve();
  if (!position) {
    text.owner.store(0);
    return Refuse(required, "the audit's ring is full");
  }
  text.size = static_cast<uint32_t>(std::min(path.size(), kTextBytes));
  std::memcpy(text.bytes, path.data(), text.size);
  text.owner.store(*position + 1);
  event.kind = AuditEvent::Kind::kAdmin;
  event.text = index;
  Commit(*position, event, now);
  if (index > kTexts / 2) Wake();
  return Ok();
}

std::optional<AuditEvent> AuditRing::Find(uint64_t unique) const {
  uint64_t head = layout_->head.load();
  for (uint64_t back = 1; unique != 0 && back <= std::min<uint64_t>(head, kReplayWindow); ++back) {
    uint64_t position = head - back;
    Slot& slot = layout_->at(position);
    if (slot.unique.load(std::memory_order_relaxed) != unique || !layout_->Has(position)) continue;
    const AuditEvent event = slot.event();
    // While this runs others append, and the place may be taken anew (no `committed` tells of that) or given back.
    const bool kept = layout_->head.load() - position <= kRecords && layout_->Has(position);
    return kept ? std::optional(event) : std::nullopt;
  }
  return std::nullopt;
}

size_t AuditRing::Peek(uint64_t position, std::span<AuditEvent> out) const {
  size_t count = 0;
  while (count < out.size() && layout_->Has(position + count)) {
    out[count] = layout_->at(position + count).event();
    ++count;
  }
  return count;
}

std::string AuditRing::Text(uint64_t position, const AuditEvent& event) const {
  if (event.text == 0 || event.text >= kTexts) return {};
  const leasefs::Text& text = layout_->texts[event.text];
  if (text.owner.load() != position + 1) return {};
  return std::string(text.bytes, std::min<size_t>(text.size, kTextBytes));
}

SinkMark AuditRing::mark(SinkId sink) const {
  const MarkCell& cell = layout_->marks[static_cast<size_t>(sink)];
  return cell.halves[cell.current.load() & 1];
}

void AuditRing::SetMark(SinkId sink, const SinkMark& mark) {
  MarkCell& cell = layout_->marks[static_cast<size_t>(sink)];
  uint32_t next = ~cell.current.load() & 1;
  cell.halves[next] = mark;
  cell.current.store(next);
}

void AuditRing::Accept(uint64_t position) {
  if (position > layout_->accepted.load()) layout_->accepted.store(position);
}

void AuditRing::Release(uint64_t position) {
  for (uint64_t at = layout_->released.load(); at < position;) {
    const uint64_t end = std::min(position, (at / kChunk + 1) * kChunk);
    for (; at < end; ++at) FreeText(at);
    layout_->released.store(end);
    if (end % kChunk == 0) GiveBackChunk(end);
  }
}

void AuditRing::FreeText(uint64_t position) {
  const AuditEvent event = layout_->at(position).event();
  if (event.text == 0 || event.text >= kTexts) return;
  uint64_t owner = position + 1;
  layout_->texts[event.text].owner.compare_exchange_strong(owner, 0);
}

// The chunk just before the replay window. While `released` stands here no appender takes a place of it: kCapacity ends
// there. A kill before this leaves the chunk for the next lap.
void AuditRing::GiveBackChunk(uint64_t released) {
  if (released < kReplayWindow + kChunk) return;
  Slot& first = layout_->at(released - kReplayWindow - kChunk);
  (void)madvise(&first, kChunk * sizeof(Slot), MADV_REMOVE);  // refused (EINVAL): memory that is no shared file
}

void AuditRing::SetWriterState(WriterState state, BootTime now) {
  local_->writer_since.store(ToNanoseconds(now));
  local_->writer.store(state);
}

void AuditRing::Sleep(uint32_t how, uint64_t position, Duration timeout) {
  local_->sleep.store(how);
  bool stay_awake = local_->poked.exchange(false) || (how == kAsleep && layout_->Has(position));
  if (!stay_awake) {
    auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
    timespec relative{seconds.count(), static_cast<long>((timeout - seconds).count())};
    // Ends early on a signal, or when `sleep` has changed meanwhile: the caller looks again.
    syscall(SYS_futex, &local_->sleep, FUTEX_WAIT_PRIVATE, how, timeout == Duration::max() ? nullptr : &relative,
            nullptr, 0);
    local_->poked.store(false);
  }
  local_->sleep.store(kAwake);
}

void AuditRing::WaitForRecord(uint64_t position, Duration timeout) {
  Sleep(kAsleep, position, timeout);
}
void AuditRing::Linger(Duration timeout) {
  Sleep(kLingering, 0, timeout);
}

void AuditRing::Wake() {
  local_->poked.store(true);
  if (local_->sleep.exchange(kAwake) == kAwake) return;
  syscall(SYS_futex, &local_->sleep, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

AuditRing::Figures AuditRing::figures() const {
  return {.appended = layout_->head.load(),
          .accepted = layout_->accepted.load(),
          .released = layout_->released.load(),
          .dropped = layout_->dropped.load(),
          .refused = layout_->refused.load(),
          .voids = layout_->voids.load()};
}

}  // namespace leasefs
