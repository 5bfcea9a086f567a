#include <algorithm>
#include <deque>

#include "fs/base/stream.h"

namespace leasefs {
namespace {

// One direction: from the end that sends to the end that has the events. Both ends and the loop's callbacks own it.
class SimPipe : public std::enable_shared_from_this<SimPipe> {
 public:
  SimPipe(Loop& loop, Duration max_delay) : loop_(loop), max_delay_(max_delay) {}

  // The receiver's side.
  void Start(Stream::Events events);
  void StopReceiving() { receiving_ = false; }
  bool receiving() const { return receiving_; }
  // on_closed comes from the loop, before anything that is still under way.
  void CloseReceiver(std::string why);

  // The sender's side.
  void Send(SecretBuffer bytes);
  // The sender is gone: of what is under way, a beginning of random length arrives, as when a process dies.
  void CloseSender();
  size_t in_flight() const { return in_flight_; }

 private:
  void Schedule(Loop::Callback arrival);
  void Arrive(SecretBuffer bytes);
  void Deliver();

  Loop& loop_;
  Duration max_delay_;
  BootTime last_arrival_{};
  size_t in_flight_ = 0;
  size_t still_delivered_ = SIZE_MAX;  // bytes, once the sender is gone
  bool sender_closed_ = false;

  Stream::Events events_;
  bool started_ = false;
  bool receiving_ = true;  // until on_closed was called or the receiver is gone
  std::deque<SecretBuffer> arrived_;
  std::string why_closed_;  // the end of the stream arrived
};

void SimPipe::Start(Stream::Events events) {
  events_ = std::move(events);
  started_ = true;
  loop_.Post([self = shared_from_this()] { self->Deliver(); });
}

void SimPipe::Schedule(Loop::Callback arrival) {
  auto delay = Duration(static_cast<int64_t>(loop_.random().Below(static_cast<uint64_t>(max_delay_.count()) + 1)));
  last_arrival_ = std::max(last_arrival_, loop_.Now() + delay);
  loop_.At(last_arrival_, std::move(arrival));
}

void SimPipe::Send(SecretBuffer bytes) {
  if (sender_closed_ || bytes.empty()) return;
  in_flight_ += bytes.size();
  auto shared = std::make_shared<SecretBuffer>(std::move(bytes));  // std::function wants to be copied
  Schedule([self = shared_from_this(), shared] { self->Arrive(std::move(*shared)); });
}

void SimPipe::CloseSender() {
  if (sender_closed_) return;
  sender_closed_ = true;
  still_delivered_ = loop_.random().Below(in_flight_ + 1);
  Schedule([self = shared_from_this()] {
    if (self->why_closed_.empty()) self->why_closed_ = "the peer closed the connection";
    self->Deliver();
  });
}

void SimPipe::CloseReceiver(std::string why) {
  if (!receiving_ || !why_closed_.empty()) return;
  why_closed_ = why.empty() ? "closed" : std::move(why);
  arrived_.clear();
  loop_.Post([self = shared_from_this()] { self->Deliver(); });
}

void SimPipe::Arrive(SecretBuffer bytes) {
  in_flight_ -= bytes.size();
  size_t kept = std::min(bytes.size(), still_delivered_);
  if (still_delivered_ != SIZE_MAX) still_delivered_ -= kept;
  bytes.Resize(kept);
  if (bytes.empty() || !receiving_ || !why_closed_.empty()) return;
  arrived_.push_back(std::move(bytes));
  Deliver();
}

void SimPipe::Deliver() {
  auto self = shared_from_this();
  while (started_ && receiving_ && !arrived_.empty()) {
    SecretBuffer bytes = std::move(arrived_.front());
    arrived_.pop_front();
    events_.on_bytes(bytes.Expose());
  }
  if (!started_ || !receiving_ || why_closed_.empty()) return;
  receiving_ = false;
  events_.on_closed(why_closed_);
}

class SimStream final : public Stream {
 public:
  SimStream(std::shared_ptr<SimPipe> in, std::shared_ptr<SimPipe> out) : in_(std::move(in)), out_(std::move(out)) {}
  ~SimStream() override {
    in_->StopReceiving();
    out_->CloseSender();
  }
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;

  void Start(Events events) override { in_->Start(std::move(events)); }
  void Send(SecretBuffer bytes) override {
    if (in_->receiving()) out_->Send(std::move(bytes));
  }
  void Close(std::string why) override {
    in_->CloseReceiver(std::move(why));
    out_->CloseSender();
  }
  size_t queued() const override { return out_->in_flight(); }

 private:
  std::shared_ptr<SimPipe> in_;
  std::shared_ptr<SimPipe> out_;
};

}  // namespace

std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> MakeSimStreams(Loop& loop, Duration max_delay) {
  auto there = std::make_shared<SimPipe>(loop, max_delay);
  auto back = std::make_shared<SimPipe>(loop, max_delay);
  return {std::make_unique<SimStream>(back, there), std::make_unique<SimStream>(there, back)};
}

}  // namespace leasefs
