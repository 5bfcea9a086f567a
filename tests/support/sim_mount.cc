#include "tests/support/sim_mount.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "fs/base/aead.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

class WatchedStream : public Stream {
 public:
  WatchedStream(std::unique_ptr<Stream> stream, const std::function<void()>& on_send)
      : stream_(std::move(stream)), on_send_(on_send) {}
  void Start(Events events) override { stream_->Start(std::move(events)); }
  void Send(SecretBuffer bytes) override {
    if (auto watch = on_send_) watch();  // a copy: it may take itself away
    stream_->Send(std::move(bytes));
  }
  void Close(std::string why) override { stream_->Close(std::move(why)); }
  size_t queued() const override { return stream_->queued(); }

 private:
  std::unique_ptr<Stream> stream_;
  const std::function<void()>& on_send_;
};

}  // namespace

SimMemory::SimMemory(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  bytes_ = {static_cast<std::byte*>(memory), size};
}

SimMemory::~SimMemory() {
  munmap(bytes_.data(), bytes_.size());
}

struct SimMount::Walk {
  std::string path;
  std::vector<std::string> components;
  size_t next = 0;
  NodeId at = kRootId;
  Caller caller;
  bool revalidate = false;  // walks again after ESTALE, without dentries
  bool keep = false;
  SimRead read;
  std::function<void(SimRead)> done;
  std::function<void(NodeId)> arrived;  // instead of an open

  void Fail(const Error& error, BootTime now) {
    read.error = error;
    read.ended = now;
    done(std::move(read));
  }
};

SimMount::SimMount(SimLoop& loop, Config config)
    : loop_(loop),
      config_(std::move(config)),
      state_memory_(StateMemoryBytes(kNames)),
      audit_memory_(AuditRing::MemoryBytes()),
      state_key_(kKeyBytes) {
  loop_.random().Fill(state_key_.ExposeMutable());
  Restart();
  RunAuditSink();
}

SimMount::~SimMount() {
  StopAuditSink();
  Crash();
}

void SimMount::Crash() {
  gate_.reset();
  audit_.reset();
}

void SimMount::Restart() {
  audit_ = std::make_unique<AuditRing>(AuditRing::Attach(audit_memory_.bytes()).value());
  SecretGate::Parts parts{
      loop_, StateMemory::Attach(state_memory_.bytes(), kNames).value(), state_key_, *audit_, groups_, notifier_};
  gate_ = SecretGate::Create(parts, config_, generation_).value();
  std::vector<uint64_t> uniques;
  for (const auto& [unique, request] : pending_) uniques.push_back(unique);
  for (uint64_t unique : uniques) {
    if (pending_.contains(unique)) Issue(unique);
  }
}

Status SimMount::Reload(Config config) {
  config_ = std::move(config);
  return gate_->Configure(config_, ++generation_);
}

void SimMount::Connect(const std::string& backend, BackendServer& server) {
  auto [gate_end, server_end] = MakeSimStreams(loop_, kMaxDelay);
  server.Connect(std::move(server_end));
  (void)gate_->ConnectBackend(backend, std::make_unique<WatchedStream>(std::move(gate_end), on_send));
}

Result<std::vector<gid_t>> SimMount::GroupTable::Groups(const Caller& caller) const {
  auto it = table.find(caller.tid);
  return it == table.end() ? std::vector<gid_t>() : it->second;
}

Result<ProcessId> SimMount::GroupTable::Process(const Caller& caller) const {
  auto it = processes.find(caller.tid);
  if (it == processes.end()) return Error(ErrorKind::kDenied, "no such thread");
  return ProcessId{it->second, 7};
}

void SimMount::Submit(const Caller& caller, std::function<void(const Request&)> issue) {
  uint64_t unique = next_unique_;
  next_unique_ += 2;
  pending_[unique] = {caller, loop_.Now(), false, std::move(issue)};
  if (gate_ != nullptr) Issue(unique);
}

void SimMount::Answered(uint64_t unique) {
  auto it = pending_.find(unique);
  longest_request_ = std::max(longest_request_, loop_.Now() - it->second.arrival);
  pending_.erase(it);
}

void SimMount::Issue(uint64_t unique) {
  Pending& pending = pending_.at(unique);
  Request request;
  request.unique = unique;
  request.caller = pending.caller;
  request.arrival = pending.issued ? pending.arrival : loop_.Now();
  request.replay = pending.issued;
  request.parking = &parking_;
  pending.arrival = request.arrival;
  pending.issued = true;
  auto issue = pending.issue;  // the reply erases it
  issue(request);
}

void SimMount::Step(std::shared_ptr<Walk> walk) {
  if (walk->next == walk->components.size()) {
    if (walk->arrived) return walk->arrived(walk->at);
    return OpenFinal(walk);
  }
  std::string prefix;
  for (size_t i = 0; i <= walk->next; ++i) prefix += "/" + walk->components[i];
  auto dentry = dentries_.find(prefix);
  if (dentry != dentries_.end() && !walk->revalidate) {
    walk->at = dentry->second;
    ++walk->next;
    return Step(walk);
  }
  Submit(walk->caller, [this, walk, prefix](const Request& request) {
    gate_->Lookup(request, walk->at, walk->components[walk->next],
                  [this, walk, prefix, unique = request.unique](auto result) {
                    Answered(unique);
                    if (!result.ok()) return walk->Fail(result.error(), loop_.Now());
                    dentries_.erase(prefix);
                    if (result->entry_timeout > Duration::zero()) dentries_[prefix] = result->id;
                    walk->at = result->id;
                    ++walk->next;
                    Step(walk);
                  });
  });
}

void SimMount::OpenFinal(std::shared_ptr<Walk> walk) {
  Submit(walk->caller, [this, walk](const Request& request) {
    gate_->Open(request, walk->at, O_RDONLY, [this, walk, unique = request.unique](Result<Opened> result) {
      Answered(unique);
      if (!result.ok() && result.error().kind() == ErrorKind::kStale && !walk->revalidate) {
        walk->revalidate = true;  // once, as do_filp_open does
        walk->next = 0;
        walk->at = kRootId;
        return Step(walk);
      }
      ++opens_answered_;
      if (!result.ok()) return walk->Fail(result.error(), loop_.Now());
      walk->read.inode = walk->at;
      walk->read.handle = result->handle;
      walk->read.direct = result->direct;
      walk->read.ended = loop_.Now();
      auto bytes = ReadAgain(walk->read);
      if (!bytes.ok()) {
        walk->read.error = bytes.error();
      } else {
        walk->read.bytes = *bytes;
      }
      if (!walk->keep) Close(walk->read);
      walk->done(std::move(walk->read));
    });
  });
}

void SimMount::Open(const std::string& path, const Caller& caller, bool keep, std::function<void(SimRead)> done) {
  auto walk = std::make_shared<Walk>();
  walk->path = path;
  walk->components = Split(path, '/');
  walk->caller = caller;
  walk->keep = keep;
  walk->read.started = loop_.Now();
  walk->done = std::move(done);
  Step(walk);
}

SimRead SimMount::OpenNow(const std::string& path, const Caller& caller, bool keep) {
  std::optional<SimRead> result;
  Open(path, caller, keep, [&](SimRead read) { result = std::move(read); });
  while (!result && loop_.Step()) {
  }
  return std::move(*result);
}

Result<std::string> SimMount::ReadAgain(const SimRead& open) {
  std::string bytes;
  for (;;) {
    auto slice = gate_->Read(open.handle, open.inode, bytes.size(), 4096);
    if (!slice.ok()) return std::move(slice).error();
    if (slice->bytes.empty()) return bytes;
    bytes.append(reinterpret_cast<const char*>(slice->bytes.data()), slice->bytes.size());
  }
}

void SimMount::Close(const SimRead& open) {
  Submit({}, [this, handle = open.handle](const Request& request) {
    gate_->Release(handle);
    Answered(request.unique);
  });
}

Result<Attributes> SimMount::StatNow(const std::string& path, const Caller& caller) {
  std::optional<Result<Attributes>> result;
  auto walk = std::make_shared<Walk>();
  walk->components = Split(path, '/');
  if (path.empty()) walk->components.clear();
  walk->caller = caller;
  walk->done = [&](SimRead read) { result = *read.error; };
  walk->arrived = [&](NodeId id) {
    Submit(caller, [&, id](const Request& request) {
      gate_->GetAttributes(request, id, 0, [&, unique = request.unique](Result<Attributes> attributes) {
        Answered(unique);
        result = std::move(attributes);
      });
    });
  };
  Step(walk);
  while (!result && loop_.Step()) {
  }
  return std::move(*result);
}

Result<std::vector<std::string>> SimMount::ListNow(const std::string& path, const Caller& caller) {
  std::optional<Result<std::vector<std::string>>> result;
  auto walk = std::make_shared<Walk>();
  walk->components = path.empty() ? std::vector<std::string>() : Split(path, '/');
  walk->caller = caller;
  walk->done = [&](SimRead read) { result = *read.error; };
  walk->arrived = [&](NodeId id) {
    Submit(caller, [&, id](const Request& request) {
      gate_->OpenDirectory(request, id, [&, id, request](Status opened) {
        Answered(request.unique);
        if (!opened.ok()) {
          result = std::move(opened).error();
          return;
        }
        std::vector<std::string> names;
        (void)gate_->ReadDirectory(request, id, 0, [&](const DirectoryEntry& entry) {
          names.emplace_back(entry.name);
          return true;
        });
        result = std::move(names);
      });
    });
  };
  Step(walk);
  while (!result && loop_.Step()) {
  }
  return std::move(*result);
}

void SimMount::Signal(pid_t tid) {
  std::vector<uint64_t> uniques;
  for (const auto& [unique, request] : pending_) {
    if (request.caller.tid == tid) uniques.push_back(unique);
  }
  for (uint64_t unique : uniques) {
    if (gate_ != nullptr) gate_->Interrupt(unique);
  }
}

void SimMount::DrainAudit() {
  if (audit_ == nullptr) return;
  AuditEvent batch[64];
  while (size_t count = audit_->Peek(audit_taken_, batch)) {
    audited_.insert(audited_.end(), batch, batch + count);
    audit_taken_ += count;
  }
  audit_->Accept(audit_taken_);
  audit_->Release(audit_taken_);
}

void SimMount::RunAuditSink() {
  DrainAudit();
  audit_timer_ = loop_.After(std::chrono::milliseconds(20), [this] { RunAuditSink(); });
}

void SimMount::ResumeAuditSink() {
  if (audit_timer_ == Loop::kNoTimer) RunAuditSink();
}

std::vector<AuditEvent> SimMount::TakeAudit() {
  DrainAudit();
  return std::exchange(audited_, {});
}

Config SimConfig(std::vector<TreeOptions> trees, std::vector<AllowRule> rules) {
  Config config;
  config.limits.names = SimMount::kNames;
  BackendOptions backend;
  backend.name = "local";
  config.backends.push_back(backend);
  config.trees = std::move(trees);
  config.rules = std::move(rules);
  return config;
}

TreeOptions SimTree(const std::string& path, const std::string& source) {
  TreeOptions tree;
  tree.path = path;
  tree.backend = "local";
  tree.source = source;
  return tree;
}

AllowRule AllowUser(const std::string& path, uid_t uid) {
  AllowRule rule;
  rule.path = path;
  rule.users.push_back({uid, uid, std::to_string(uid)});
  return rule;
}

AllowRule AllowGroup(const std::string& path, gid_t gid) {
  AllowRule rule;
  rule.path = path;
  rule.groups.push_back({gid, std::to_string(gid)});
  return rule;
}

}  // namespace leasefs
