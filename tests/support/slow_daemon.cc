// The real keeper and the real fs, with a scripted backend in the place of the store process: it speaks the frame
// protocol and takes a second for every answer. The product has no hook for it: the keeper of this program starts this
// program as its children, which becomes leasefsd where fs is asked for.
//
//   slow_daemon LEASEFSD --config FILE
//
// It shows web/s0 … web/s199, each with the key k, and writes "reads N", the values it was asked for, to
// STORE_PATH.reads ten times a second.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "backend/server.h"
#include "fs/audit/audit_ring.h"
#include "fs/base/log.h"
#include "fs/base/stream.h"
#include "fs/base/strings.h"
#include "fs/config/config_codec.h"
#include "fs/fuse/session.h"
#include "fs/keeper/child_wire.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/memory_files.h"
#include "fs/secrets/state_memory.h"
#include "tests/support/map_backend.h"

namespace leasefs {
namespace {

constexpr Duration kDelay = std::chrono::seconds(1);
constexpr const char* kProgramFile = "/tmp/leasefs-slow-daemon-%d";  // which leasefsd to become; by the keeper's pid

std::string ProgramFile(pid_t keeper) {
  char name[64];
  std::snprintf(name, sizeof name, kProgramFile, keeper);
  return name;
}

int RunKeeper(const std::string& leasefsd, const std::string& config_path) {
  InitLog("keeper", LogLevel::kInfo);
  auto config = LoadConfig(config_path, SystemAccounts());
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", config.error().message().c_str());
    return kExitConfiguration;
  }
  std::string file = ProgramFile(getpid());
  FILE* out = std::fopen(file.c_str(), "w");
  if (out == nullptr) return kExitFailure;
  std::fputs(leasefsd.c_str(), out);
  std::fclose(out);
  KeeperOptions options;
  options.config_path = config_path;
  options.memory = {SlotsMemoryBytes(), StateMemoryBytes(config->limits.names), AuditRing::MemoryBytes()};
  int status = Keeper(std::move(options), std::move(*config), SystemAccounts()).Run();
  unlink(file.c_str());
  return status;
}

class ScriptedStore {
 public:
  explicit ScriptedStore(std::unique_ptr<FdLoop> loop)
      : loop_(std::move(loop)), backend_(*loop_), server_(*loop_, backend_, {}) {
    for (int i = 0; i < 200; ++i) backend_.Put(StrCat("web/s", i), {{"k", StrCat("value ", i)}});
    backend_.SetDelay(kDelay);
  }

  int Run() {
    auto bytes = ReadSealedMemory(kConfigFile, size_t{1} << 20);
    auto part = bytes.ok() ? DecodeForStore(bytes->Expose()) : Result<StorePart>(bytes.error());
    if (!part.ok()) return kExitFailure;
    reads_file_ = part->path + ".reads";
    (void)loop_->Watch(kKeeperSocket, 1 /*EPOLLIN*/, [this](uint32_t) { OnKeeper(); });
    (void)SendChildMessage(kKeeperSocket, {ChildMessageType::kReady, 0, "", {}});
    Tell();
    loop_->Run();
    return kExitOk;
  }

 private:
  void OnKeeper() {
    for (;;) {
      auto message = ReceiveChildMessage(kKeeperSocket);
      if (!message.ok()) _exit(0);
      if (!message->has_value()) return;
      ChildMessage& got = **message;
      if (got.type == ChildMessageType::kPing)
        (void)SendChildMessage(kKeeperSocket, {ChildMessageType::kPong, got.number, "", {}});
      if (got.type == ChildMessageType::kPeer)
        server_.Connect(MakeFdStream(*loop_, std::move(got.descriptors.front())));
      if (got.type == ChildMessageType::kConfig) {
        (void)SendChildMessage(kKeeperSocket, {ChildMessageType::kConfigResult, got.number, "", {}});
      }
      if (got.type == ChildMessageType::kStop) loop_->Stop();
    }
  }

  // Renamed into place: whoever reads it finds a whole number at any time.
  void Tell() {
    std::string unfinished = reads_file_ + ".new";
    FILE* out = std::fopen(unfinished.c_str(), "w");
    if (out != nullptr) {
      std::fprintf(out, "reads %lu\n", static_cast<unsigned long>(backend_.reads()));
      std::fclose(out);
      std::rename(unfinished.c_str(), reads_file_.c_str());
    }
    loop_->After(std::chrono::milliseconds(100), [this] { Tell(); });
  }

  std::unique_ptr<FdLoop> loop_;
  MapBackend backend_;
  BackendServer server_;
  std::string reads_file_;
};

int Become(char** argv) {
  std::string program(4096, '\0');
  int fd = open(ProgramFile(getppid()).c_str(), O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, program.data(), program.size() - 1);
  if (size <= 0) return kExitFailure;
  program.resize(static_cast<size_t>(size));
  close(fd);
  execv(program.c_str(), argv);
  return kExitFailure;
}

int Main(int argc, char** argv) {
  std::string role;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--role") == 0) role = argv[i + 1];
  }
  if (role == "fs") return Become(argv);
  if (role == "store") {
    InitLog("scripted store", LogLevel::kInfo);
    auto loop = FdLoop::Create();
    return loop.ok() ? ScriptedStore(std::move(*loop)).Run() : kExitFailure;
  }
  if (argc == 4 && std::strcmp(argv[2], "--config") == 0) return RunKeeper(argv[1], argv[3]);
  std::fprintf(stderr, "usage: slow_daemon LEASEFSD --config FILE\n");
  return 2;
}

}  // namespace
}  // namespace leasefs

int main(int argc, char** argv) {
  return leasefs::Main(argc, argv);
}
