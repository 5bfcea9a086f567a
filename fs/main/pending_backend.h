// PendingBackend: stands before a backend that cannot work yet; then hands everything on to it. What is asked while it
// starts waits for that, so that no reader fails because the process was killed a moment ago; what is asked while
// something stands in its way is told what.
//
// On the loop's thread only.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"

namespace leasefs {

class PendingBackend : public Backend {
 public:
  bool IsStarting() const { return backend_ == nullptr && problem_.empty(); }
  // What stands in the way, for readers and for status.
  void SetProblem(const std::string& problem) {
    problem_ = problem;
    if (backend_ != nullptr) return;
    TellHealth(protocol::HealthState::kDown, problem_);
    AskAgain();
  }
  // Outlives this.
  void Use(Backend& backend) {
    backend_ = &backend;
    backend_->SetEvents(events_);
    TellHealth(protocol::HealthState::kUp, "");
    backend_->TellAgain();
    AskAgain();
  }

  void TellHealth(protocol::HealthState state, const std::string& message) {
    if (events_.on_health) events_.on_health(state, message);
  }
  void TellReport(protocol::Report report) {
    if (events_.on_report) events_.on_report(std::move(report));
  }

  void SetEvents(Events events) override {
    events_ = std::move(events);
    if (backend_ != nullptr) return backend_->SetEvents(events_);
    TellHealth(protocol::HealthState::kDown, IsStarting() ? "it is starting" : problem_);
  }
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override {
    if (IsStarting()) {
      return waiting_.push_back([=, this, done = std::move(done)] { List(directory, purpose, done); });
    }
    if (backend_ == nullptr) return done(Error(ErrorKind::kRemote, problem_));
    backend_->List(directory, purpose, std::move(done));
  }
  void Read(const std::string& secret, ReadReply done) override {
    if (IsStarting()) return waiting_.push_back([=, this, done = std::move(done)] { Read(secret, done); });
    if (backend_ == nullptr) return done(Error(ErrorKind::kRemote, problem_));
    backend_->Read(secret, std::move(done));
  }
  void Forget(const std::string& secret) override {
    if (backend_ != nullptr) backend_->Forget(secret);
  }
  void TellAgain() override {
    if (backend_ != nullptr) backend_->TellAgain();
  }
  bool PushesChanges() const override { return false; }
  uint64_t Generation() const override { return 0; }
  Result<std::vector<std::string>> ChangedSince(uint64_t /*generation*/) const override {
    return Error(ErrorKind::kNotFound, "changes are not counted");
  }

 private:
  void AskAgain() {
    for (const auto& ask : std::exchange(waiting_, {})) ask();
  }

  Backend* backend_ = nullptr;
  std::string problem_;  // "": none is known
  std::vector<std::function<void()>> waiting_;  // one for each secret and directory at the most: the server's flights
  Events events_;
};

}  // namespace leasefs
