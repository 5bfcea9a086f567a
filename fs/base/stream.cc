#include "fs/base/stream.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kLastReads = 16;  // more than a socket buffer holds
constexpr std::string_view kPeerClosed = "the peer closed the connection";

// What outlives the stream while one of its events runs. Owned by the stream and by the loop's callbacks.
class FdStreamState : public std::enable_shared_from_this<FdStreamState> {
 public:
  FdStreamState(FdLoop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}

  void Start(Stream::Events events);
  void Send(SecretBuffer bytes);
  // The first call wins. on_closed comes from the loop.
  void CloseLater(std::string why);
  void Destroy();
  size_t queued() const { return queued_; }

 private:
  void OnReady(uint32_t ready);
  // False: nothing was there.
  bool Read();
  void Write();
  void OnWriteFailed(int error_number);
  Status UpdateWatch();
  void Release();
  void DropQueue();
  void FinishClose();
  bool open() const { return fd_.valid(); }

  FdLoop& loop_;
  UniqueFd fd_;
  Stream::Events events_;
  std::deque<SecretBuffer> queue_;
  size_t sent_of_first_ = 0;
  size_t queued_ = 0;
  SecretBuffer input_;           // kReadBytes, once something was there to read
  bool wants_writable_ = false;  // EPOLLOUT is watched
  bool write_failed_ = false;
  bool destroyed_ = false;
  std::string why_closed_;
};

void FdStreamState::Start(Stream::Events events) {
  events_ = std::move(events);
  int flags = fcntl(fd_.get(), F_GETFL);
  if (flags < 0 || fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return CloseLater(ErrnoError("making the socket non-blocking", errno).message());
  }
  Status watched = UpdateWatch();
  if (!watched.ok()) CloseLater(watched.error().message());
}

Status FdStreamState::UpdateWatch() {
  uint32_t events = wants_writable_ ? EPOLLIN | EPOLLOUT : EPOLLIN;
  return loop_.Watch(fd_.get(), events, [self = shared_from_this()](uint32_t ready) { self->OnReady(ready); });
}

void FdStreamState::OnReady(uint32_t ready) {
  if (open() && (ready & EPOLLOUT) != 0) Write();
  // EPOLLHUP and EPOLLERR are told by reading: what the peer said before comes first.
  if (open() && (ready & ~uint32_t{EPOLLOUT}) != 0) Read();
}

bool FdStreamState::Read() {
  if (input_.empty()) input_.Resize(kReadBytes);
  std::span<std::byte> room = input_.ExposeMutable();
  ssize_t got = recv(fd_.get(), room.data(), room.size(), 0);
  if (got > 0) {
    std::span<std::byte> bytes = room.first(static_cast<size_t>(got));
    events_.on_bytes(bytes);
    Wipe(bytes.data(), bytes.size());
    return true;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  CloseLater(got == 0 ? std::string(kPeerClosed) : ErrnoError("receiving", errno).message());
  return false;
}

void FdStreamState::Send(SecretBuffer bytes) {
  if (!open() || write_failed_ || bytes.empty()) return;
  queued_ += bytes.size();
  queue_.push_back(std::move(bytes));
  if (queue_.size() == 1) Write();
}

void FdStreamState::Write() {
  while (!queue_.empty()) {
    std::span<const std::byte> rest = queue_.front().Expose().subspan(sent_of_first_);
    ssize_t put = send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    if (put < 0) return OnWriteFailed(errno);
    queued_ -= static_cast<size_t>(put);
    sent_of_first_ += static_cast<size_t>(put);
    if (sent_of_first_ < queue_.front().size()) continue;
    queue_.pop_front();
    sent_of_first_ = 0;
  }
  if (wants_writable_ == !queue_.empty()) return;
  wants_writable_ = !queue_.empty();
  Status watched = UpdateWatch();
  if (!watched.ok()) CloseLater(watched.error().message());
}

// The peer is gone, but its last words may be here: they are delivered before the end.
void FdStreamState::OnWriteFailed(int error_number) {
  write_failed_ = true;
  DropQueue();
  loop_.Post([self = shared_from_this(), why = ErrnoError("sending", error_number).message()] {
    for (int i = 0; i < kLastReads && self->open() && self->Read(); ++i) {
    }
    self->CloseLater(why);
  });
}

void FdStreamState::CloseLater(std::string why) {
  if (destroyed_ || !why_closed_.empty()) return;
  why_closed_ = why.empty() ? "closed" : std::move(why);
  Release();
  loop_.Post([self = shared_from_this()] { self->FinishClose(); });
}

void FdStreamState::FinishClose() {
  if (!destroyed_) events_.on_closed(why_closed_);
}

void FdStreamState::Release() {
  if (!fd_) return;
  loop_.Unwatch(fd_.get());
  fd_.Reset();
  DropQueue();
}

void FdStreamState::DropQueue() {
  queue_.clear();
  queued_ = 0;
  sent_of_first_ = 0;
}

void FdStreamState::Destroy() {
  destroyed_ = true;
  Release();
}

class FdStream final : public Stream {
 public:
  FdStream(FdLoop& loop, UniqueFd fd) : state_(std::make_shared<FdStreamState>(loop, std::move(fd))) {}
  ~FdStream() override { state_->Destroy(); }
  FdStream(const FdStream&) = delete;
  FdStream& operator=(const FdStream&) = delete;

  void Start(Events events) override { state_->Start(std::move(events)); }
  void Send(SecretBuffer bytes) override { state_->Send(std::move(bytes)); }
  void Close(std::string why) override { state_->CloseLater(std::move(why)); }
  size_t queued() const override { return state_->queued(); }

 private:
  std::shared_ptr<FdStreamState> state_;
};

}  // namespace

std::unique_ptr<Stream> MakeFdStream(FdLoop& loop, UniqueFd fd) {
  return std::make_unique<FdStream>(loop, std::move(fd));
}

}  // namespace leasefs
