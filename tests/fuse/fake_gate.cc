#include "tests/fuse/fake_gate.h"

#include <algorithm>
#include <chrono>

namespace leasefs {

namespace {

std::shared_ptr<const SecretBuffer> Value() {
  static const auto value = std::make_shared<const SecretBuffer>(SecretBuffer::CopyOf(kKeyBytes));
  return value;
}

}  // namespace

void FakeGate::Note(const Request& request) {
  if (before) before(request);
  std::lock_guard lock(mutex_);
  requests_.push_back(request);
  requests_.back().parking = nullptr;
}

template <class T>
bool FakeGate::MustWait(const Request& request, const Reply<T>& done, std::function<void()> again) {
  if (mode == Mode::kAnswer) return false;
  bool parked;
  {
    std::lock_guard lock(mutex_);
    parked = request.parking != nullptr && request.parking->Park();
    if (parked) {
      waiting_[request.unique] = [done, again = std::move(again)](std::optional<Error> error) {
        error ? done(*error) : again();
      };
    }
  }
  if (!parked) done(Error(ErrorKind::kBusy, "no room"));
  return true;
}

Result<Attributes> FakeGate::Describe(NodeId id) const {
  if (auto kind = failure()) return Error(*kind, "as told");
  Attributes attributes;
  attributes.id = id;
  attributes.changed = WallTime(std::chrono::seconds(1700000000) + std::chrono::nanoseconds(123456789));
  attributes.entry_timeout = std::chrono::hours(1);
  attributes.attribute_timeout = std::chrono::milliseconds(1500);
  attributes.uid = 33;
  attributes.gid = 44;
  if (id == kRootId || id == kFolderNode) {
    attributes.directory = true;
    attributes.permissions = 0755;
    return attributes;
  }
  if (id.node != kKeyNode.node) return Error(ErrorKind::kNotFound, "no such node");
  attributes.permissions = 0440;
  attributes.size = kKeyBytes.size();
  return attributes;
}

void FakeGate::Lookup(const Request& request, NodeId parent, std::string_view name, Reply<Attributes> done) {
  Note(request);
  auto answer = [this, parent, name = std::string(name), done] {
    if (parent == kRootId && name == "key") return done(Describe(kKeyNode));
    if (parent == kRootId && name == "folder") return done(Describe(kFolderNode));
    if (parent == kFolderNode && name == "..") return done(Describe(kRootId));
    done(Error(failure().value_or(ErrorKind::kNotFound), "no such name"));
  };
  if (!MustWait<Attributes>(request, done, answer)) answer();
}

void FakeGate::GetAttributes(const Request& request, NodeId id, uint64_t handle, Reply<Attributes> done) {
  Note(request);
  auto answer = [this, id, handle, done] {
    Result<Attributes> attributes = Describe(id);
    if (attributes.ok() && handle != 0) attributes->size = handle;  // so that tests see it
    done(attributes);
  };
  if (!MustWait<Attributes>(request, done, answer)) answer();
}

Result<Opened> FakeGate::Decide(const Request& request, NodeId id, int flags) {
  if (auto kind = failure()) return Error(*kind, "as told");
  if ((flags & O_ACCMODE) != O_RDONLY) return Error(ErrorKind::kReadOnly, "read only");
  if (!request.caller.known()) return Error(ErrorKind::kDenied, "unknown caller");
  if (id.node != kKeyNode.node) return Error(ErrorKind::kNotFound, "no such node");
  std::lock_guard lock(mutex_);
  handles_.insert(request.unique);
  return Opened{request.unique, id != kKeyNode};
}

void FakeGate::Open(const Request& request, NodeId id, int flags, Reply<Opened> done) {
  Note(request);
  auto answer = [this, copy = request, id, flags, done] { done(Decide(copy, id, flags)); };
  if (!MustWait<Opened>(request, done, answer)) answer();
}

void FakeGate::Abandon(uint64_t handle) {
  std::lock_guard lock(mutex_);
  handles_.erase(handle);
  abandoned_.push_back(handle);
}

Result<Slice> FakeGate::Read(uint64_t handle, NodeId id, uint64_t offset, size_t size) {
  std::lock_guard lock(mutex_);
  if (auto kind = failure()) return Error(*kind, "as told");
  if (!handles_.contains(handle)) return Error(ErrorKind::kInternal, "no such handle");
  Slice slice;
  slice.value = Value();
  auto bytes = slice.value->Expose();
  slice.bytes = bytes.subspan(std::min<uint64_t>(offset, bytes.size()));
  slice.bytes = slice.bytes.first(std::min(size, slice.bytes.size()));
  if (id != kKeyNode) slice.foreign = id;
  return slice;
}

void FakeGate::Release(uint64_t handle) {
  std::lock_guard lock(mutex_);
  handles_.erase(handle);
}

void FakeGate::OpenDirectory(const Request& request, NodeId id, Reply<Done> done) {
  Note(request);
  auto answer = [this, id, done] {
    if (auto kind = failure()) return done(Error(*kind, "as told"));
    id == kRootId || id == kFolderNode ? done(Ok()) : done(Error(ErrorKind::kNotDirectory, "a file"));
  };
  if (!MustWait<Done>(request, done, answer)) answer();
}

Status FakeGate::ReadDirectory(const Request& request, NodeId id, uint64_t cookie,
                               const std::function<bool(const DirectoryEntry&)>& visit) {
  Note(request);
  if (auto kind = failure()) return Error(*kind, "as told");
  if (cookie > kManyEntries) return Error(ErrorKind::kInvalid, "no such place");
  if (id == kRootId) {
    if (cookie < 1 && !visit({"key", kKeyNode, false, 1})) return Ok();
    if (cookie < 2) visit({"folder", kFolderNode, true, 2});
    return Ok();
  }
  for (auto i = static_cast<uint32_t>(cookie) + 1; i <= kManyEntries; ++i) {
    std::string name = "entry-" + std::to_string(i);
    if (!visit({name, {100 + i, 1}, false, i})) break;
  }
  return Ok();
}

void FakeGate::Access(const Request& request, NodeId, int mask, Reply<Done> done) {
  Note(request);
  auto answer = [this, mask, done] {
    if (auto kind = failure()) return done(Error(*kind, "as told"));
    (mask & 2) != 0 ? done(Error(ErrorKind::kReadOnly, "read only")) : done(Ok());
  };
  if (!MustWait<Done>(request, done, answer)) answer();
}

Result<std::string> FakeGate::GetExtendedAttribute(const Request& request, NodeId, std::string_view name) {
  Note(request);
  if (name == "user.leasefs.status") return std::string("fresh");
  return Error(ErrorKind::kNoAttribute, "no such attribute");
}

std::vector<std::string> FakeGate::ListExtendedAttributes(NodeId) {
  return {"user.leasefs.status", "user.leasefs.version"};
}

void FakeGate::Interrupt(uint64_t unique) {
  Resume resume;
  {
    std::lock_guard lock(mutex_);
    auto node = waiting_.extract(unique);
    if (node.empty()) return;
    resume = std::move(node.mapped());
  }
  resume(Error(ErrorKind::kInterrupted, "signalled"));
}

bool FakeGate::Complete(uint64_t unique) {
  Resume resume;
  {
    std::lock_guard lock(mutex_);
    auto node = waiting_.extract(unique);
    if (node.empty()) return false;
    resume = std::move(node.mapped());
  }
  resume(std::nullopt);
  return true;
}

size_t FakeGate::waiting() const {
  std::lock_guard lock(mutex_);
  return waiting_.size();
}

bool FakeGate::Waits(uint64_t unique) const {
  std::lock_guard lock(mutex_);
  return waiting_.contains(unique);
}

std::set<uint64_t> FakeGate::handles() const {
  std::lock_guard lock(mutex_);
  return handles_;
}

std::vector<Request> FakeGate::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<uint64_t> FakeGate::abandoned() const {
  std::lock_guard lock(mutex_);
  return abandoned_;
}

}  // namespace leasefs
