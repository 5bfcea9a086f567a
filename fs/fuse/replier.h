// Replier: answers one request of libfuse's, once, and counts it. Private to fs/fuse. On the thread that answers.
// The reply may be the last reference to anything the kernel held for the caller: drop what must go before it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "fs/fuse/session_core.h"

struct fuse_req;

namespace leasefs {

class Replier {
 public:
  Replier() = default;
  Replier(SessionCore& core, fuse_req* request, Operation operation, NodeId id)
      : core_(&core), request_(request), operation_(operation), id_(id) {}

  void Fail(const Error& error);  // by the table of S25
  void Errno(int error);
  void Ok();
  void Entry(const Attributes& attributes);
  void AttributesOf(const Attributes& attributes);
  // False: the caller is gone, so the handle will never be released.
  bool Handle(const Opened& opened);
  void Directory();
  void Bytes(std::span<const std::byte> bytes);
  // An extended attribute's value or the list of names: its size when asked with 0, ERANGE when it does not fit.
  void Sized(std::string_view bytes, size_t room);
  void StatFs(const Gate::Counts& counts);
  // No reply: the request goes on waiting for a successor. Frees what libfuse keeps for it.
  void Leave();

  bool replied() const { return request_ == nullptr; }
  SessionCore& core() const { return *core_; }
  NodeId id() const { return id_; }

 private:
  fuse_req* Take(bool error);

  SessionCore* core_ = nullptr;
  fuse_req* request_ = nullptr;  // null: answered
  Operation operation_ = Operation::kOther;
  NodeId id_;
};

// As the kernel sees it.
struct stat StatOf(const Attributes& attributes);

}  // namespace leasefs
