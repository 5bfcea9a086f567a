// The inside of BackendServer, shared by its three files; see server.h.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "backend/server.h"
#include "fs/base/frame.h"

namespace leasefs {

// Makes of what a backend gave what a Published may carry, or says why it cannot be shown.
Status FitToPublish(SecretVersion& version, uint64_t value_bytes);

struct BackendServer::Impl : std::enable_shared_from_this<BackendServer::Impl> {
  // A question under way to the backend. Whoever asks meanwhile shares the answer, which must be asked for again when
  // it may be older than something that fs has been told since.
  struct Flight {
    bool running = false;
    bool repeat = false;
    uint64_t asked_by = 0;  // the connection that waits for the answer; 0 none
    int outages = 0;        // in a row
  };
  struct Secret {
    Flight flight;
    bool wanted = false;                   // between Want and Idle
    uint64_t known_version = 0;            // what the askers have; 0 when they do not agree
    uint64_t version = 0;                  // as read last, with no change heard of since; 0 unknown
    protocol::Freshness freshness;         // of `version`
    uint64_t told_version = 0;             // what fs believes to be current; 0 none
    uint64_t told_on = 0;                  // the connection on which it was told
    uint64_t changed_sequence = 0;         // of a Changed that no answer followed yet
    bool minted = false;                   // to read it makes something new: it is not read but for who asks
    Loop::TimerId timer = Loop::kNoTimer;  // to read it again
  };
  struct Directory {
    Flight flight;
    protocol::Purpose purpose = protocol::Purpose::kNames;  // of who asked last
    bool listed = false;
  };
  struct Act {
    protocol::Record record;
    std::function<void(bool)> done;
    Loop::TimerId timer = Loop::kNoTimer;
  };
  struct AppliedWaiter {
    uint64_t sequence = 0;
    std::function<void(bool)> done;
    Loop::TimerId timer = Loop::kNoTimer;
  };
  // What fs missed is being told: the names first, which the backend is asked for, then the secrets.
  struct CatchUp {
    uint64_t id = 0;
    std::vector<std::string> secrets;
    uint64_t generation = 0;                                   // reached when all is told
    std::map<std::string, std::set<std::string>> directories;  // and the folders in them that may have come or gone
    size_t outstanding = 0;
    bool repeat = false;  // something changed meanwhile
    bool failed = false;
  };

  Impl(Loop& its_loop, Backend& its_backend, ServerOptions its_options)
      : loop(its_loop), backend(its_backend), options(its_options) {}
  ~Impl();

  // server.cc
  void Start();
  void Connect(std::unique_ptr<Stream> stream);
  void Disconnect();
  void OnFrame(uint16_t type, std::span<const std::byte> payload);
  Status Dispatch(protocol::FrameType type, std::span<const std::byte> payload);
  void OnHello(const protocol::Hello& frame);
  Status OnApplied(const protocol::Applied& frame);
  Status OnRecorded(const protocol::Recorded& frame);
  void FinishAct(uint64_t id, bool ok);
  void FinishAppliedWaiters();
  void FinishAppliedWaiter(uint64_t id, bool applied);
  void RetargetAppliedWaiters();
  void SendHealth();
  void OnReport(protocol::Report news);
  void SendReport();
  template <class Frame>
  void Send(const Frame& frame) {
    if (greeted) connection->Send(static_cast<uint16_t>(Frame::kType), frame.Encode());
  }

  // server_answers.cc
  void OnList(const protocol::List& frame);
  void OnWant(const std::string& name, uint64_t known_version, bool refresh);
  void OnIdle(const std::string& name);
  void StartList(const std::string& directory);
  void StartRead(const std::string& name, std::shared_ptr<Listing> names_after = nullptr);
  void OnListed(const std::string& name, Result<Listing> result);
  void OnRead(const std::string& name, Result<SecretVersion> result);
  void OnVersion(const std::string& name, Secret& secret, SecretVersion version);
  void OnReadFailed(const std::string& name, Secret& secret, const Error& error);
  void SendEntries(const std::string& directory, Listing listing);
  bool Brings(const std::string& name, const Directory& directory, const Result<Listing>& result) const;
  void ReadBeforeNames(const std::string& name, Listing listing);
  void SendFailed(protocol::Failed::What what, const std::string& path, const Error& error, BootTime retry_at);
  void Revalidate(const std::string& name, Secret& secret, BootTime when);
  void ForgetIfUnused(const std::string& name);
  protocol::Freshness FreshnessFor(const SecretVersion& version);
  BootTime RetryAt(const Error& error, Flight& flight);
  bool Asked(const Flight& flight) const { return greeted && flight.asked_by == connection_id; }

  // server_changes.cc
  void OnChanged(const std::string& name);
  void OnEntry(const std::string& name, const protocol::Entry& entry, bool present);
  void OnHealth(protocol::HealthState state, const std::string& message);
  void OnEverythingChanged();
  void OnPublished(const std::string& name, SecretVersion version);
  void OnExtended(const std::string& name, uint64_t version, const protocol::Freshness& freshness);
  void SendChanged(const std::string& name);
  void SendEntryChanged(const std::string& directory, const protocol::Entry& entry, bool present);
  void SettleGenerationSoon();
  void TellWhatWasMissed(bool welcome);
  void TellEverythingChanged();
  void TellSecrets(std::vector<std::string> changed, uint64_t generation);
  void OnCatchUpListed(const std::string& directory, Result<Listing> result);
  void FinishCatchUp();

  Loop& loop;
  Backend& backend;
  ServerOptions options;
  std::function<void(bool)> on_stop;

  std::unique_ptr<FrameConnection> connection;  // null: none
  uint64_t connection_id = 0;                   // counts connections
  bool greeted = false;                         // fs has said Hello on it
  bool tell_all_names = false;                  // fs holds things that this process does not know of
  uint64_t told_generation = 0;                 // everything up to it has been told on this connection, or fs said so
  bool must_catch_up = false;                   // what changed before could not be known when fs said Hello
  std::unique_ptr<CatchUp> catch_up;
  uint64_t last_catch_up = 0;
  bool settle_posted = false;

  std::unordered_map<std::string, Secret> secrets;
  std::unordered_map<std::string, Directory> directories;

  uint64_t last_sequence = 0;  // given out
  uint64_t sent_sequence = 0;  // the last one sent on this connection; 0 none
  uint64_t applied_sequence = 0;
  uint64_t last_waiter = 0;
  std::map<uint64_t, AppliedWaiter> applied_waiters;
  uint64_t last_act = 0;
  std::map<uint64_t, Act> acts;

  protocol::HealthState health = protocol::HealthState::kUp;
  std::string health_message;
  std::optional<protocol::Report> report;       // the last one
  bool report_sent = false;                     // on this connection
  Loop::TimerId report_timer = Loop::kNoTimer;  // until the next one may be sent
  Figures figures;
};

}  // namespace leasefs
