#include "fs/main/child_runtime.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "fs/base/log.h"
#include "fs/base/secret_arena.h"
#include "fs/base/strings.h"
#include "fs/base/wiping_allocators.h"
#include "fs/keeper/keeper.h"

namespace leasefs {
namespace {

LogLevel LevelFromEnvironment() {
  const char* text = std::getenv("LEASEFS_LOG");
  std::string_view word = text == nullptr ? "" : text;
  if (word == "debug") return LogLevel::kDebug;
  if (word == "warning") return LogLevel::kWarning;
  if (word == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

// SECURITY: the arena is set up before anything can want a secret, and while this process may lock memory.
Status LockSecretMemory(bool required) {
  if (!InstallOpenSslWipingAllocator()) return Error(ErrorKind::kInternal, "OpenSSL was in use too early");
  if (SecretArena::Process().Figures().locked) return Ok();
  if (!required) {
    LogWarning("secret memory cannot be locked: it may be swapped out; raise LimitMEMLOCK, or give CAP_IPC_LOCK");
    return Ok();
  }
  return Error(
      ErrorKind::kInternal,
      "memory.require_lock is set and secret memory cannot be locked: raise LimitMEMLOCK, or give CAP_IPC_LOCK");
}

}  // namespace

void InitLogFromEnvironment(const std::string& process) {
  InitLog(process, LevelFromEnvironment());
}

Status BeginChild(const Arguments& arguments, const std::string& process, const char* short_name, Network network) {
  InitLogFromEnvironment(process);
  signal(SIGPIPE, SIG_IGN);
  (void)prctl(PR_SET_NAME, short_name);
  (void)prctl(PR_SET_DUMPABLE, 0);
  umask(077);
  LEASEFS_RETURN_IF_ERROR(LockSecretMemory(arguments.require_lock));
  return Confine(arguments.uid, arguments.gid, network);
}

int FailChild(const Error& error) {
  LogError(error.message());
  (void)SendChildMessage(kKeeperSocket, ChildMessage::Make(ChildMessageType::kStatus, 0, error.message()));
  return kExitFailure;
}

Result<std::span<std::byte>> MapSurvivingMemory(int fd, size_t bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoError("surviving memory", errno);
  if (static_cast<size_t>(info.st_size) != bytes) {
    return Error(ErrorKind::kInvalid,
                 StrCat("surviving memory of ", info.st_size, " bytes was handed over, not of ", bytes));
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return ErrnoError("mapping surviving memory", errno);
  (void)madvise(memory, bytes, MADV_DONTDUMP);
  return std::span(static_cast<std::byte*>(memory), bytes);
}

Result<std::unique_ptr<KeeperLink>> KeeperLink::Create(FdLoop& loop, Handler handler) {
  std::unique_ptr<KeeperLink> link(new KeeperLink(loop, std::move(handler)));
  KeeperLink* raw = link.get();
  LEASEFS_RETURN_IF_ERROR(loop.Watch(kKeeperSocket, EPOLLIN, [raw](uint32_t) { raw->ReadAll(); }));
  return link;
}

void KeeperLink::Send(ChildMessageType type, uint64_t number, std::string text) {
  Status sent = SendChildMessage(kKeeperSocket, ChildMessage::Make(type, number, std::move(text)));
  if (!sent.ok()) LogWarning(std::move(sent).error().Context("telling the keeper").message());
}

void KeeperLink::ReadAll() {
  for (;;) {
    auto received = ReceiveChildMessage(kKeeperSocket);
    if (!received.ok()) {
      LogError(std::move(received).error().Context("the keeper").message());
      _exit(kExitFailure);
    }
    if (!received->has_value()) return;
    handler_(std::move(**received));
  }
}

}  // namespace leasefs
