// PendingBackend: stands before a backend that cannot work yet, and says why not; then hands everything on to it.
//
// On the loop's thread only.
#pragma once

#include <string>
#include <utility>

#include "backend/backend.h"

namespace leasefs {

class PendingBackend : public Backend {
 public:
  // What stands in the way, for readers and for status.
  void SetProblem(const std::string& problem) {
    problem_ = problem;
    if (backend_ == nullptr) TellHealth(protocol::HealthState::kDown, problem_);
  }
  // Outlives this. Null: there is none any more.
  void Use(Backend* backend) {
    backend_ = backend;
    if (backend_ == nullptr) return;
    backend_->SetEvents(events_);
    TellHealth(protocol::HealthState::kUp, "");
    backend_->TellAgain();
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
    TellHealth(protocol::HealthState::kDown, problem_);
  }
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override {
    if (backend_ == nullptr) return done(Error(ErrorKind::kRemote, problem_));
    backend_->List(directory, purpose, std::move(done));
  }
  void Read(const std::string& secret, ReadReply done) override {
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
  Backend* backend_ = nullptr;
  std::string problem_ = "it is starting";
  Events events_;
};

}  // namespace leasefs
