// A store process in this process: a real store, a real loop on a thread of its own, a real socket, and an fs that a
// test speaks for.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backend/store/admin_server.h"
#include "backend/store/admin_wire.h"
#include "tests/backend/scripted_backend.h"
#include "tests/store/store_fixture.h"

namespace leasefs {

// A client that blocks.
class AdminClient {
 public:
  explicit AdminClient(const std::string& path);  // not connected when that fails
  bool connected() const { return socket_.valid(); }
  void Write(std::span<const std::byte> bytes) const;  // as much as is taken
  void Send(const store_admin::AdminRequest& request) const;
  // The next frame; nothing when the connection ended.
  struct Frame {
    uint16_t type;
    std::vector<std::byte> payload;
  };
  std::optional<Frame> Receive() const;
  bool Ended() const { return !Receive().has_value(); }

 private:
  UniqueFd socket_;
};

store_admin::AdminRequest RequestOf(store_admin::Verb verb, std::string path = "");
store_admin::AdminRequest PutRequest(const std::string& secret, const store_test::Values& values, bool replace = true);

class AdminFixture : public testing::Test {
 protected:
  static constexpr gid_t kGroup = 4242;

  AdminFixture();
  ~AdminFixture() override;

  // Makes a store with the key, and serves it; `open` gives it the key too.
  void Serve(StoreKey key = store_test::RawKey(), bool open = true);
  void ServeWithoutStore();
  void StopServing();
  void ConnectFs(uint64_t generation = 0);
  // Runs on the loop's thread, while that is all that runs.
  void OnLoop(const std::function<void()>& run);

  // One request on a connection of its own. The data frames before the reply, if any, end in *data.
  store_admin::AdminReply Ask(const store_admin::AdminRequest& request, std::string* data = nullptr);
  ErrorKind FailureOf(const store_admin::AdminRequest& request);  // ends the test when there is none
  store_test::Values Get(const std::string& secret, uint64_t version = 0);
  std::vector<protocol::Record> Records();
  size_t Connections();

  store_test::TemporaryDirectory directory_;
  std::string store_path_ = directory_ / "store.db";
  std::string socket_path_ = directory_ / "admin.sock";
  AdminOptions options_{.group = kGroup, .audit_required = true};
  StoreSettings settings_{.keep_versions = 10, .value_bytes = 1 << 20, .vfs = nullptr};
  SimRandom random_{7};

  std::unique_ptr<FdLoop> loop_;
  std::unique_ptr<StoreBackend> backend_;
  std::unique_ptr<BackendServer> server_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<FsPeer> fs_;
  std::thread thread_;
};

}  // namespace leasefs
