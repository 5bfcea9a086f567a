// What every child does first and what it says to the keeper.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "fs/base/loop.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/keeper/child_wire.h"
#include "fs/main/arguments.h"
#include "fs/main/confine.h"

namespace leasefs {

// `process`: "fs", "store local", as it stands in the log; `short_name`: at most 15 bytes, as ps shows it. Sets up the
// log and the locked memory, gives up root's rights. Single-threaded until then.
Status BeginChild(const Arguments& arguments, const std::string& process, const char* short_name,
                  Network network = Network::kNone);

// Tells the keeper why, and the log. Returns the exit status.
int FailChild(const Error& error);

// The level in LEASEFS_LOG; what it does not name is kInfo.
void InitLogFromEnvironment(const std::string& process);

// The whole of a descriptor that is mapped and shared, for the life of the process. Not in core dumps. kInvalid:
// another size.
Result<std::span<std::byte>> MapSurvivingMemory(int fd, size_t bytes);

// The child's end of its socket to the keeper. On the loop's thread. When the keeper is gone the process ends at once:
// nobody could start a successor or unmount.
class KeeperLink {
 public:
  using Handler = std::function<void(ChildMessage)>;

  static Result<std::unique_ptr<KeeperLink>> Create(FdLoop& loop, Handler handler);
  ~KeeperLink() { loop_.Unwatch(kKeeperSocket); }
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;

  // A message that the keeper does not take now is lost; it reads all the time.
  void Send(ChildMessageType type, uint64_t number = 0, std::string text = "");

 private:
  KeeperLink(FdLoop& loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
  void ReadAll();

  FdLoop& loop_;
  Handler handler_;
};

}  // namespace leasefs
