#include "tests/backend/admin_fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace leasefs {

using store_admin::AdminReply;
using store_admin::AdminRequest;
using store_admin::Verb;

namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// False: the connection ended before.
bool ReadExactly(int fd, std::byte* to, size_t size) {
  while (size > 0) {
    ssize_t got = recv(fd, to, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

AdminClient::AdminClient(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = AddressOf(path);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) socket_ = std::move(fd);
  timeval patience{.tv_sec = 20, .tv_usec = 0};
  if (socket_) setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

void AdminClient::Write(std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
}

void AdminClient::Send(const AdminRequest& request) const {
  Write(EncodeFrame(store_admin::kRequestFrame, request.Encode()).Expose());
}

std::optional<AdminClient::Frame> AdminClient::Receive() const {
  std::array<std::byte, FrameConnection::kHeaderBytes> header{};
  if (!ReadExactly(socket_.get(), header.data(), header.size())) return std::nullopt;
  uint32_t size = 0;
  Frame frame{};
  std::memcpy(&size, header.data(), sizeof size);
  std::memcpy(&frame.type, header.data() + 4, sizeof frame.type);
  frame.payload.resize(size);
  if (!ReadExactly(socket_.get(), frame.payload.data(), size)) return std::nullopt;
  return frame;
}

AdminRequest RequestOf(Verb verb, std::string path) {
  AdminRequest request;
  request.verb = verb;
  request.path = std::move(path);
  return request;
}

AdminRequest PutRequest(const std::string& secret, const store_test::Values& values, bool replace) {
  AdminRequest request = RequestOf(Verb::kPut, secret);
  request.puts.push_back(store_test::PutOf(secret, values, replace));
  return request;
}

AdminFixture::AdminFixture() : loop_(std::move(FdLoop::Create()).value()) {}

AdminFixture::~AdminFixture() {
  StopServing();
}

void AdminFixture::Serve(StoreKey key, bool open) {
  ASSERT_TRUE(Store::Create(store_path_, key, random_, settings_).ok());
  ServeWithoutStore();
  if (open) {
    OnLoop([&] { ASSERT_TRUE(backend_->TryOpen(key).ok()); });
  }
}

void AdminFixture::ServeWithoutStore() {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = AddressOf(socket_path_);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  // So that it is no file's mode which keeps anybody out.
  ASSERT_EQ(chmod(socket_path_.c_str(), 0666), 0);
  ASSERT_EQ(chmod((directory_ / "").c_str(), 0755), 0);
  ASSERT_EQ(listen(listener.get(), 256), 0);
  backend_ = std::make_unique<StoreBackend>(*loop_, StoreBackend::Options{"local", store_path_, settings_});
  server_ = std::make_unique<BackendServer>(*loop_, *backend_, ServerOptions{});
  auto admin = AdminServer::Create(*loop_, std::move(listener), *backend_, *server_, options_);
  ASSERT_TRUE(admin.ok());
  admin_ = std::move(*admin);
  thread_ = std::thread([this] { loop_->Run(); });
}

void AdminFixture::StopServing() {
  if (!thread_.joinable()) return;
  loop_->Stop();
  thread_.join();
  admin_.reset();
  fs_.reset();
  server_.reset();
  backend_.reset();
}

void AdminFixture::OnLoop(const std::function<void()>& run) {
  std::promise<void> done;
  loop_->Post([&] {
    run();
    done.set_value();
  });
  done.get_future().wait();
}

void AdminFixture::ConnectFs(uint64_t generation) {
  OnLoop([&] {
    fs_ = std::make_unique<FsPeer>(*loop_, *server_);
    fs_->Hello(generation);
  });
  for (bool connected = false; !connected;) OnLoop([&] { connected = server_->connected(); });
}

AdminReply AdminFixture::Ask(const AdminRequest& request, std::string* data) {
  AdminClient client(socket_path_);
  client.Send(request);
  for (;;) {
    auto frame = client.Receive();
    if (!frame) {
      ADD_FAILURE() << "no reply";
      AdminReply none;
      none.error = Error(ErrorKind::kInternal, "no reply");
      return none;
    }
    if (frame->type == store_admin::kDataFrame && data != nullptr) {
      data->append(reinterpret_cast<const char*>(frame->payload.data()), frame->payload.size());
      continue;
    }
    EXPECT_EQ(frame->type, store_admin::kReplyFrame);
    return std::move(AdminReply::Decode(frame->payload)).value();
  }
}

ErrorKind AdminFixture::FailureOf(const AdminRequest& request) {
  AdminReply reply = Ask(request);
  EXPECT_TRUE(reply.error.has_value());
  return reply.error ? reply.error->kind() : ErrorKind::kInterrupted;
}

store_test::Values AdminFixture::Get(const std::string& secret, uint64_t version) {
  AdminRequest request = RequestOf(Verb::kGet, secret);
  request.version = version;
  AdminReply reply = Ask(request);
  EXPECT_FALSE(reply.error.has_value()) << reply.error->message();
  return store_test::ValuesOf(reply.fields);
}

std::vector<protocol::Record> AdminFixture::Records() {
  std::vector<protocol::Record> records;
  OnLoop([&] { records = fs_->All<protocol::Record>(); });
  return records;
}

size_t AdminFixture::Connections() {
  size_t connections = 0;
  OnLoop([&] { connections = admin_->figures().connections; });
  return connections;
}

}  // namespace leasefs
