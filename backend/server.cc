#include "backend/server.h"

#include <algorithm>
#include <utility>

#include "backend/server_impl.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {

using protocol::FrameType;

namespace {

constexpr Duration kReportInterval = std::chrono::seconds(1);

Error Violation(std::string message) {
  return {ErrorKind::kInvalid, std::move(message)};
}

// Decodes a frame and hands it on.
template <class Frame, class Handle>
Status Deliver(std::span<const std::byte> payload, Handle handle) {
  LEASEFS_ASSIGN_OR_RETURN(frame, Frame::Decode(payload));
  handle(frame);
  return Ok();
}

}  // namespace

BackendServer::Impl::~Impl() {
  for (auto& [name, secret] : secrets) loop.Cancel(secret.timer);
  for (auto& [id, act] : acts) loop.Cancel(act.timer);
  for (auto& [id, waiter] : applied_waiters) loop.Cancel(waiter.timer);
  loop.Cancel(report_timer);
}

void BackendServer::Impl::Start() {
  std::weak_ptr<Impl> weak = weak_from_this();
  Backend::Events events;
  events.on_changed = [weak](const std::string& secret) {
    if (auto self = weak.lock()) self->OnChanged(secret);
  };
  events.on_entry = [weak](const std::string& directory, const protocol::Entry& entry, bool present) {
    if (auto self = weak.lock()) self->OnEntry(directory, entry, present);
  };
  events.on_health = [weak](protocol::HealthState state, const std::string& message) {
    if (auto self = weak.lock()) self->OnHealth(state, message);
  };
  events.on_everything_changed = [weak] {
    if (auto self = weak.lock()) self->OnEverythingChanged();
  };
  events.on_published = [weak](const std::string& secret, SecretVersion version) {
    if (auto self = weak.lock()) self->OnPublished(secret, std::move(version));
  };
  events.on_extended = [weak](const std::string& secret, uint64_t version, protocol::Freshness freshness) {
    if (auto self = weak.lock()) self->OnExtended(secret, version, freshness);
  };
  events.on_report = [weak](protocol::Report news) {
    if (auto self = weak.lock()) self->OnReport(std::move(news));
  };
  backend.SetEvents(std::move(events));
}

void BackendServer::Impl::Connect(std::unique_ptr<Stream> stream) {
  Disconnect();
  ++connection_id;
  sent_sequence = 0;
  FrameConnection::Events events;
  events.on_frame = [this](uint16_t type, std::span<const std::byte> payload) { OnFrame(type, payload); };
  events.on_closed = [this](const std::string& why) {
    LogDebug(StrCat("the connection to fs ended: ", why));
    Disconnect();
  };
  connection = std::make_unique<FrameConnection>(
      std::move(stream), FrameConnection::Options{.max_payload = kMaxFramePayload}, std::move(events));
}

void BackendServer::Impl::Disconnect() {
  greeted = false;
  must_catch_up = false;
  catch_up.reset();
  connection.reset();
}

void BackendServer::Impl::OnFrame(uint16_t type, std::span<const std::byte> payload) {
  auto self = shared_from_this();  // a callback may destroy the server
  Status status = Dispatch(static_cast<FrameType>(type), payload);
  if (status.ok()) return;
  LogError(StrCat("fs broke the protocol with a frame of type ", type,
                  ", its connection is closed: ", status.error().message()));
  Disconnect();
}

Status BackendServer::Impl::Dispatch(FrameType type, std::span<const std::byte> payload) {
  if (type == FrameType::kHello) {
    if (greeted) return Violation("Hello a second time");
    return Deliver<protocol::Hello>(payload, [&](const protocol::Hello& frame) { OnHello(frame); });
  }
  if (!greeted) return Violation("Hello must come first");
  if (type == FrameType::kList) {
    return Deliver<protocol::List>(payload, [&](const protocol::List& frame) { OnList(frame); });
  }
  if (type == FrameType::kWant) {
    return Deliver<protocol::Want>(payload,
                                   [&](const auto& frame) { OnWant(frame.secret, frame.known_version, false); });
  }
  if (type == FrameType::kRefresh) {
    return Deliver<protocol::Refresh>(payload,
                                      [&](const auto& frame) { OnWant(frame.secret, frame.known_version, true); });
  }
  if (type == FrameType::kIdle) {
    return Deliver<protocol::Idle>(payload, [&](const protocol::Idle& frame) { OnIdle(frame.secret); });
  }
  if (type == FrameType::kApplied) {
    LEASEFS_ASSIGN_OR_RETURN(frame, protocol::Applied::Decode(payload));
    return OnApplied(frame);
  }
  if (type == FrameType::kRecorded) {
    LEASEFS_ASSIGN_OR_RETURN(frame, protocol::Recorded::Decode(payload));
    return OnRecorded(frame);
  }
  if (type == FrameType::kStop) {
    return Deliver<protocol::Stop>(payload, [&](const protocol::Stop& frame) {
      if (auto callback = on_stop) callback(frame.revoke);
    });
  }
  return Violation("not a frame that fs sends");
}

void BackendServer::Impl::OnHello(const protocol::Hello& frame) {
  greeted = true;
  tell_all_names = frame.generation != 0;
  told_generation = frame.generation;
  if (backend.PushesChanges()) {
    if (frame.generation == 0) {  // fs starts from nothing
      for (auto& [name, secret] : secrets) secret.wanted = false, secret.told_version = 0;
      std::erase_if(secrets, [](const auto& item) { return !item.second.flight.running; });
      std::erase_if(directories, [](const auto& item) { return !item.second.flight.running; });
    }
    TellWhatWasMissed(true);
  } else {
    Send(protocol::Welcome{});
    for (auto& [name, secret] : secrets) {  // told to the last connection, which did not say that it heard
      if (secret.wanted && secret.changed_sequence > applied_sequence) SendChanged(name);
    }
    RetargetAppliedWaiters();
    SendHealth();
    backend.TellAgain();
  }
  for (auto& [id, act] : acts) Send(act.record);
  report_sent = false;
  if (report_timer == Loop::kNoTimer) SendReport();
}

void BackendServer::Impl::OnReport(protocol::Report news) {
  if (report == news) return;
  report = std::move(news);
  report_sent = false;
  if (report_timer == Loop::kNoTimer) SendReport();
}

void BackendServer::Impl::SendReport() {
  if (report_sent || !report || !greeted) return;
  report_sent = true;
  Send(*report);
  report_timer = loop.After(kReportInterval, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->report_timer = Loop::kNoTimer;
    self->SendReport();
  });
}

void BackendServer::Impl::SendHealth() {
  Send(protocol::Health{health, health_message, told_generation});
}

Status BackendServer::Impl::OnApplied(const protocol::Applied& frame) {
  if (frame.sequence > sent_sequence) return Violation("Applied for what was not sent");
  applied_sequence = std::max(applied_sequence, frame.sequence);
  FinishAppliedWaiters();
  return Ok();
}

void BackendServer::Impl::FinishAppliedWaiters() {
  std::vector<uint64_t> finished;
  for (const auto& [id, waiter] : applied_waiters) {
    if (waiter.sequence <= applied_sequence) finished.push_back(id);
  }
  for (uint64_t id : finished) FinishAppliedWaiter(id, true);
}

void BackendServer::Impl::FinishAppliedWaiter(uint64_t id, bool applied) {
  auto node = applied_waiters.extract(id);
  if (node.empty()) return;
  loop.Cancel(node.mapped().timer);
  node.mapped().done(applied);
}

// fs was replaced and has been told what its predecessor had not applied: now it is the successor's word that counts.
void BackendServer::Impl::RetargetAppliedWaiters() {
  for (auto& [id, waiter] : applied_waiters) waiter.sequence = sent_sequence;
  FinishAppliedWaiters();
}

Status BackendServer::Impl::OnRecorded(const protocol::Recorded& frame) {
  if (frame.id > last_act) return Violation("Recorded for what was not asked");
  FinishAct(frame.id, frame.ok);
  return Ok();
}

void BackendServer::Impl::FinishAct(uint64_t id, bool ok) {
  auto node = acts.extract(id);
  if (node.empty()) return;  // it came too late
  loop.Cancel(node.mapped().timer);
  node.mapped().done(ok);
}

BackendServer::BackendServer(Loop& loop, Backend& backend, ServerOptions options)
    : impl_(std::make_shared<Impl>(loop, backend, options)) {
  impl_->Start();
}

BackendServer::~BackendServer() {
  impl_->Disconnect();
}

void BackendServer::Connect(std::unique_ptr<Stream> stream) {
  impl_->Connect(std::move(stream));
}
void BackendServer::SetOptions(ServerOptions options) {
  bool other_limit = options.value_bytes != impl_->options.value_bytes;
  impl_->options = options;
  if (other_limit) impl_->OnEverythingChanged();  // what was too large may be sent now, or may not be any more
}
bool BackendServer::connected() const {
  return impl_->greeted;
}
void BackendServer::OnStop(std::function<void(bool)> callback) {
  impl_->on_stop = std::move(callback);
}

void BackendServer::WhenApplied(Duration timeout, std::function<void(bool)> done) {
  Impl& impl = *impl_;
  if (!impl.greeted) return done(false);
  if (impl.applied_sequence >= impl.sent_sequence) return done(true);
  uint64_t id = ++impl.last_waiter;
  Loop::TimerId timer = impl.loop.After(timeout, [weak = std::weak_ptr<Impl>(impl_), id] {
    if (auto self = weak.lock()) self->FinishAppliedWaiter(id, false);
  });
  impl.applied_waiters[id] = {impl.sent_sequence, std::move(done), timer};
}

void BackendServer::RecordAct(protocol::Record act, Duration timeout, std::function<void(bool)> done) {
  Impl& impl = *impl_;
  act.id = ++impl.last_act;
  impl.Send(act);
  Loop::TimerId timer = impl.loop.After(timeout, [weak = std::weak_ptr<Impl>(impl_), id = act.id] {
    if (auto self = weak.lock()) self->FinishAct(id, false);
  });
  uint64_t id = act.id;
  impl.acts[id] = {std::move(act), std::move(done), timer};
}

BackendServer::Figures BackendServer::figures() const {
  Figures figures = impl_->figures;
  figures.held =
      static_cast<uint64_t>(std::count_if(impl_->secrets.begin(), impl_->secrets.end(), [](const auto& item) {
        return item.second.wanted && item.second.told_version != 0;
      }));
  return figures;
}

}  // namespace leasefs
