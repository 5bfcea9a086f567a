#include "fs/keeper/supervised_child.h"

#include <sys/epoll.h>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/keeper/run_files.h"

namespace leasefs {
namespace {

constexpr Duration kLookInterval = std::chrono::milliseconds(50);
constexpr int kLooks = 4;  // a thread that has a request copied into a slot that is swapped out is done by then

}  // namespace

SupervisedChild::SupervisedChild(FdLoop& loop, Options options, Events events)
    : loop_(loop), options_(std::move(options)), events_(std::move(events)) {}

SupervisedChild::~SupervisedChild() {
  if (process_) process_->Kill();
  Forget();
  for (const ChildProcess& process : left_) loop_.Unwatch(process.pidfd());
}

void SupervisedChild::Start() {
  Status launched = Launch();
  if (launched.ok()) {
    events_.on_started();
    return;
  }
  if (process_) process_->KillAndReap();
  Forget();
  PlanStart(launched.error().message(), false);
}

Status SupervisedChild::Launch() {
  LEASEFS_ASSIGN_OR_RETURN(pair, MakeMessagePair());
  LEASEFS_ASSIGN_OR_RETURN(spec, events_.prepare(std::move(pair.second)));
  LEASEFS_ASSIGN_OR_RETURN(process, ChildProcess::Spawn(spec));
  process_.emplace(std::move(process));
  socket_ = std::move(pair.first);
  LEASEFS_RETURN_IF_ERROR(loop_.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { ReadMessages(); }));
  LEASEFS_RETURN_IF_ERROR(loop_.Watch(process_->pidfd(), EPOLLIN, [this](uint32_t) { CheckDeath(); }));
  ping_timer_ = loop_.After(options_.ping_interval, [this] { Ping(); });
  start_timer_ = loop_.After(options_.start_limit, [this] {
    LogError(StrCat(options_.name, " is not ready after its time to start: it is killed"));
    Kill();
  });
  LogDebug(StrCat(options_.name, ": started, pid ", process_->pid()));
  return Ok();
}

void SupervisedChild::Stop(bool revoke) {
  stopping_ = true;
  Send(ChildMessage::Make(ChildMessageType::kStop, revoke ? 1 : 0));
  loop_.Cancel(ping_timer_);
  loop_.Cancel(start_timer_);
}

void SupervisedChild::Kill() {
  if (!process_) return;
  process_->Kill();
  if (look_timer_ == Loop::kNoTimer) look_timer_ = loop_.After(kLookInterval, [this] { CheckHeldUp(); });
}

void SupervisedChild::Send(const ChildMessage& message) {
  if (!socket_) return;
  Status sent = SendChildMessage(socket_.get(), message);
  if (!sent.ok()) LogDebug(StrCat(options_.name, ": ", sent.error().message()));
}

void SupervisedChild::Ping() {
  if (unanswered_ >= options_.missed_pings) {
    LogError(StrCat(options_.name, " does not answer (", unanswered_, " pings): it is killed and replaced"));
    Kill();
    return;
  }
  if (!socket_) {
    LogError(StrCat(options_.name, " closed its socket and lives on: it is killed and replaced"));
    Kill();
    return;
  }
  if (ready_) ++unanswered_;  // before that the limit of the start holds
  Send(ChildMessage::Make(ChildMessageType::kPing, ++pings_));
  ping_timer_ = loop_.After(options_.ping_interval, [this] { Ping(); });
}

void SupervisedChild::ReadMessages() {
  while (socket_) {
    auto received = ReceiveChildMessage(socket_.get());
    if (!received.ok()) {
      if (received.error().kind() == ErrorKind::kInvalid) Violation(received.error().message());
      loop_.Unwatch(socket_.get());
      socket_.Reset();  // it is ending; if not, the next ping finds out
      return;
    }
    if (!received->has_value()) return;
    Dispatch(std::move(**received));
  }
}

void SupervisedChild::Dispatch(ChildMessage message) {
  switch (message.type) {
    case ChildMessageType::kReady:
      if (ready_) return;
      ready_ = true;
      unanswered_ = 0;
      loop_.Cancel(start_timer_);
      events_.on_ready();
      return;
    case ChildMessageType::kPong:
      if (message.number > pings_) return Violation("it answered a ping that was not sent");
      unanswered_ = 0;
      events_.on_pong();
      return;
    case ChildMessageType::kStatus:
      status_ = Printable(message.text, 1000);
      events_.on_message(std::move(message));
      return;
    case ChildMessageType::kReloadRequest:
    case ChildMessageType::kPeerRequest:
    case ChildMessageType::kFileRequest:
    case ChildMessageType::kStopRequest:
    case ChildMessageType::kConfigResult:
      events_.on_message(std::move(message));
      return;
    case ChildMessageType::kPing:
    case ChildMessageType::kPeer:
    case ChildMessageType::kConfig:
    case ChildMessageType::kAuditFile:
    case ChildMessageType::kStop:
    case ChildMessageType::kReloadResult:
    case ChildMessageType::kStoreKey:
    case ChildMessageType::kFile:
    case ChildMessageType::kFileProblem:
      return Violation("it sent what only the keeper sends");
  }
}

void SupervisedChild::Violation(const std::string& what) {
  LogError(StrCat(options_.name, ": ", what, ": it is killed"));
  Kill();
}

void SupervisedChild::CheckDeath() {
  ReadMessages();  // its last words
  auto how = process_->Reap();
  if (!how) return;
  bool was_ready = ready_;
  Forget();
  PlanStart(*how, was_ready);
}

void SupervisedChild::CheckHeldUp() {
  looks_held_up_ = process_->HeldUpInKernel() ? looks_held_up_ + 1 : 0;
  // When everything stops there is no successor, and the end of the connection is what ends it.
  if (looks_held_up_ >= kLooks && (options_.may_leave_held_up || stopping_)) return LeaveHeldUp();
  look_timer_ = loop_.After(kLookInterval, [this] { CheckHeldUp(); });
}

void SupervisedChild::LeaveHeldUp() {
  LogWarning(StrCat(options_.name, ", pid ", process_->pid(), ": it is killed, and the kernel holds up its end"));
  bool was_ready = ready_;
  loop_.Unwatch(process_->pidfd());
  left_.push_back(std::move(*process_));
  process_.reset();
  Status watched = loop_.Watch(left_.back().pidfd(), EPOLLIN, [this](uint32_t) { ReapLeft(); });
  if (!watched.ok()) LogWarning(std::move(watched).error().Context("watching a process that ends").message());
  Forget();
  PlanStart("killed, not yet gone", was_ready);
}

void SupervisedChild::ReapLeft() {
  std::erase_if(left_, [this](const ChildProcess& process) {
    if (!process.Reap()) return false;
    loop_.Unwatch(process.pidfd());
    return true;
  });
}

void SupervisedChild::PlanStart(const std::string& how, bool was_ready) {
  Duration delay = stopping_ ? Duration::zero() : restart_delay_.NextAfterDeath(loop_.Now(), was_ready);
  if (!stopping_) start_timer_ = loop_.After(delay, [this] { Start(); });
  events_.on_death(how);
}

void SupervisedChild::Forget() {
  if (socket_) loop_.Unwatch(socket_.get());
  if (process_) loop_.Unwatch(process_->pidfd());
  socket_.Reset();
  process_.reset();
  ready_ = false;
  unanswered_ = 0;
  looks_held_up_ = 0;
  loop_.Cancel(ping_timer_);
  loop_.Cancel(start_timer_);
  loop_.Cancel(look_timer_);
  look_timer_ = Loop::kNoTimer;
}

}  // namespace leasefs
