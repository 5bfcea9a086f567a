// A LeaseMachine over a ScriptedSource in simulated time.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/lease/machine.h"
#include "fs/base/sim_loop.h"
#include "tests/lease/map_records.h"
#include "tests/lease/scripted_source.h"

namespace leasefs::lease {

using namespace std::chrono_literals;

class MachineFixture : public ::testing::Test {
 protected:
  MachineFixture() : loop_(1), source_(loop_) {
    options_.trees = {NewTree("db", Engine::kDynamic), NewTree("kv", Engine::kKv2)};
    Start();
  }

  static Tree NewTree(const std::string& name, Engine engine) {
    Tree tree;
    tree.name = name;
    tree.source = "source/" + name;
    tree.engine = engine;
    tree.ttl = 60s;
    tree.max_stale = 15min;
    tree.mint_interval = 10s;
    return tree;
  }
  Tree& db() { return options_.trees[0]; }

  // A new process over the same records.
  void Start() {
    machine_ = std::make_unique<LeaseMachine>(loop_, source_, records_, options_);
    Backend::Events events;
    events.on_changed = [this](const std::string& secret) { changed_.push_back(secret); };
    events.on_published = [this](const std::string& secret, SecretVersion version) {
      published_.push_back(secret);
      last_published_ = std::move(version);
    };
    events.on_extended = [this](const std::string&, uint64_t, const protocol::Freshness& freshness) {
      extended_.push_back(freshness);
    };
    machine_->SetEvents(std::move(events));
  }
  void Kill() { machine_.reset(); }
  void Restart() {
    Kill();
    Start();
  }

  // The answer, when it has come within `wait`.
  Result<SecretVersion> Read(const std::string& secret, Duration wait = 4ms) {
    auto answer = std::make_shared<std::optional<Result<SecretVersion>>>();
    machine_->Read(secret, [answer](Result<SecretVersion> result) { answer->emplace(std::move(result)); });
    BootTime end = loop_.Now() + wait;
    while (!*answer && loop_.Now() < end) loop_.RunUntil(std::min(end, loop_.Now() + 1ms));
    if (!*answer) return Error(ErrorKind::kInterrupted, "no answer yet");
    return std::move(**answer);
  }
  Result<Listing> List(const std::string& directory) {
    auto answer = std::make_shared<std::optional<Result<Listing>>>();
    machine_->List(directory, protocol::Purpose::kNames,
                   [answer](Result<Listing> result) { answer->emplace(std::move(result)); });
    loop_.RunFor(4ms);
    if (!*answer) return Error(ErrorKind::kInterrupted, "no answer yet");
    return std::move(**answer);
  }
  static std::string Text(const Result<SecretVersion>& version) {
    if (!version.ok()) return std::string(ErrorKindName(version.error().kind()));
    return std::string(version->fields.at(0).value.ExposeText());
  }

  SimLoop loop_;
  ScriptedSource source_;
  MapRecords records_;
  MachineOptions options_;
  std::unique_ptr<LeaseMachine> machine_;
  std::vector<std::string> changed_;
  std::vector<std::string> published_;
  SecretVersion last_published_;
  std::vector<protocol::Freshness> extended_;
};

}  // namespace leasefs::lease
