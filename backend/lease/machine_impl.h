// The inside of LeaseMachine, shared by its files; see machine.h.
//
//   machine.cc          the Backend: where a path leads, static places, names
//   machine_options.cc  settings, what a predecessor left
//   machine_stop.cc     the end, and the report
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/lease/context.h"
#include "backend/lease/leased_secret.h"
#include "backend/lease/leftovers.h"
#include "backend/lease/lifetime.h"
#include "backend/lease/machine.h"
#include "backend/lease/session.h"
#include "backend/lease/static_places.h"

namespace leasefs::lease {

struct LeaseMachine::Impl {
  // Where a path of the protocol leads.
  struct Where {
    std::shared_ptr<const Tree> tree;
    std::string below;
    bool instance = false;  // of a scoped tree
  };
  // A place of a tree, when something is known of it. By the path that fs has for it, without an instance's id.
  struct Known {
    std::optional<Place> place;
    BootTime not_before{};  // it failed a moment ago, or the server asked for time
    std::optional<Error> failure;
  };

  Impl(Loop& loop, Source& source, SurvivingRecords& records, LeaseList* list);

  // machine.cc
  std::optional<Where> Resolve(const std::string& path) const;
  void List(const std::string& directory, protocol::Purpose purpose, const ListReply& done);
  void Read(const std::string& secret, ReadReply done);
  void Forget(const std::string& secret);
  void TellAgain();
  void FindPlace(const std::string& name, const Where& where, std::function<void(Result<Place>)> then);
  void ListPlace(const std::string& name, const Where& where, const Place& place, const ListReply& done);
  void ListStatic(const Where& where, protocol::Purpose purpose, ListReply done);
  void ReadStatic(const std::string& name, const Where& where, const ReadReply& done);
  LeasedSecret& MintedAt(const std::string& secret, const Where& where);
  Listing NamesAbove(const std::string& directory) const;
  Error Failed(const std::string& name, const Failure& failure);
  void SweepSoon();

  // machine_options.cc
  void SetOptions(MachineOptions options);
  void Load();
  void LoadSecret(const std::string& name);
  void LoadIntent(const std::string& name);
  Session& SessionOf(const std::string& identity);
  void TokensChanged();

  // machine_stop.cc
  void Stop(bool revoke, Duration timeout, std::function<void()> done);
  bool IsBusy() const;
  void Leave(Duration timeout, std::function<void()> done);
  void WhenIdle(BootTime limit, std::function<void()> done);
  void RevokeTokens();
  void FinishStop();
  protocol::Report Report() const;

  Context context;
  std::vector<std::shared_ptr<const Tree>> trees;
  std::map<std::string, std::string> identities;  // as MachineOptions has them
  OnStop on_stop = OnStop::kKeep;
  bool loaded = false;
  std::map<std::string, std::unique_ptr<Session>> sessions;
  StaticPlaces static_places;
  Leftovers leftovers;
  std::map<std::string, Known> known;
  std::map<std::string, std::unique_ptr<LeasedSecret>> minted;  // by secret, with an instance's id
  std::vector<std::string> problems;
  Loop::TimerId sweep_timer = Loop::kNoTimer;

  size_t leases_to_revoke = 0, tokens_to_revoke = 0;
  std::function<void()> stopped;
  Loop::TimerId stop_timer = Loop::kNoTimer;
  Loop::TimerId tokens_timer = Loop::kNoTimer;
  Lifetime lifetime;
};

}  // namespace leasefs::lease
