// What backends say of themselves: that they are there, how they are, what they did; and that they are gone.
#include <algorithm>
#include <cerrno>

#include "fs/base/errno_map.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/secrets/gate_answers.h"

namespace leasefs {

void GateAnswers::ForgetEverythingLocked(const std::string& backend) {
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    const Tree* tree = trees_.Of(node);
    if (tree == nullptr || tree->options.backend != backend || !nodes_.IsDirectory(node)) continue;
    nodes_[node].listed = 0;
    held_.Expire(node);
  }
  auto of_backend = [&](const auto& item) REQUIRES(mutex_) {
    const Tree* tree = trees_.Of(item.first);
    return tree != nullptr && tree->options.backend == backend;
  };
  std::erase_if(failures_, of_backend);
  std::erase_if(listing_failures_, of_backend);
}

// It is back: nobody need wait for the end of a back-off. Its answers stay.
void GateAnswers::ForgetOutagesLocked(const std::string& backend) {
  auto outage = [&](const auto& item) REQUIRES(mutex_) {
    const Tree* tree = trees_.Of(item.first);
    return tree != nullptr && tree->options.backend == backend && IsOutage(item.second.error.kind());
  };
  std::erase_if(failures_, outage);
  std::erase_if(listing_failures_, outage);
}

void GateAnswers::OnWelcome(const std::string& backend, const protocol::Welcome& frame) {
  MutexLock lock(mutex_);
  Link* link = FindLinkLocked(backend);
  if (link == nullptr) return;
  if (!link->connected) {
    link->connected = true;
    link->since = loop_.Now();
    link->health = protocol::HealthState::kUp;
    link->message.clear();
    ForgetOutagesLocked(backend);
  }
  if (frame.everything_changed) {
    ForgetEverythingLocked(backend);
    link->record.generation = frame.generation;
  }
  RequestPumpLocked();
}

void GateAnswers::OnHealth(const std::string& backend, const protocol::Health& frame) {
  MutexLock lock(mutex_);
  Link* link = FindLinkLocked(backend);
  if (link == nullptr) return;
  if (link->health != frame.state) {
    link->since = loop_.Now();
    if (frame.state == protocol::HealthState::kUp) ForgetOutagesLocked(backend);
  }
  link->health = frame.state;
  link->message = frame.message;
  link->record.generation = std::max<uint64_t>(link->record.generation, frame.generation);
}

void GateAnswers::OnReport(const std::string& backend, protocol::Report frame) {
  MutexLock lock(mutex_);
  Link* link = FindLinkLocked(backend);
  if (link != nullptr) link->report = std::move(frame);
}

bool GateAnswers::OnRecord(const std::string& backend, const protocol::Record& frame) {
  MutexLock lock(mutex_);
  BootTime now = loop_.Now();
  AuditEvent event;
  event.kind = AuditEvent::Kind::kAdmin;
  event.boot_ns = ToNanoseconds(now);
  event.wall_ns = loop_.WallNow().time_since_epoch().count();
  event.generation = policy_->generation();
  event.secret_version = frame.version;
  event.uid = frame.uid;
  event.gid = frame.gid;
  event.tid = frame.pid;
  // kInvalid: here it is the caller's input.
  const int why = frame.outcome == ErrorKind::kInvalid ? EINVAL : ErrnoOf(frame.outcome, false);
  event.error = frame.allowed ? 0 : why;
  std::copy_n(frame.verb.begin(), std::min(frame.verb.size(), sizeof event.verb - 1), event.verb);
  return audit_.AppendAdmin(event, StrCat(backend, ":", frame.path), now, kAuditMaxWait, audit_required_).ok();
}

void GateAnswers::OnDisconnected(const std::string& backend, const std::string& why) {
  MutexLock lock(mutex_);
  Link* link = FindLinkLocked(backend);
  if (link == nullptr) return;
  link->connected = false;
  link->health = protocol::HealthState::kDown;
  link->message = why;
  link->since = loop_.Now();
  link->partial_listings.clear();
  waits_.ForgetAsked([&](uint32_t directory) REQUIRES(mutex_) {
    const Tree* tree = trees_.Of(directory);
    return tree != nullptr && tree->options.backend == backend;
  });
}

}  // namespace leasefs
