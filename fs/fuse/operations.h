// The callbacks that libfuse calls, by family. Private to fs/fuse.
//
// Each goes through one of two templates, which build the gate's Request and see to it that there is exactly one reply:
// Ask for what the gate answers at once, AskOrWait for what may have to wait. The set of operations is decided once:
// the kernel remembers an ENOSYS for as long as the connection lives, so an operation that a later version adds would
// never be called. Left out on purpose: flush (close would wait for it), fsync (nothing is ever dirty; the kernel then
// answers 0 by itself), lseek, poll, locks and bmap (the kernel's own are right), forget (nothing is kept per inode).
#pragma once

#include "fs/fuse/lowlevel.h"
#include "fs/fuse/pending_request.h"

namespace leasefs {

void SetNameOperations(fuse_lowlevel_ops* operations);       // lookup, opendir, readdir, releasedir
void SetFileOperations(fuse_lowlevel_ops* operations);       // open, read, release, getattr, access, statfs
void SetAttributeOperations(fuse_lowlevel_ops* operations);  // getxattr, listxattr
void SetChangeOperations(
    fuse_lowlevel_ops* operations);  // all that would change something, and what has no meaning here

inline Request MakeRequest(fuse_req_t req) {
  const fuse_ctx* context = fuse_req_ctx(req);
  const Delivery& delivery = *CurrentDelivery();
  Request request;
  request.unique = delivery.unique;
  request.caller = Caller{context->uid, context->gid, context->pid};
  request.arrival = delivery.arrival;
  request.replay = delivery.replays > 0;
  return request;
}

// `body` is called with (SessionCore&, Replier&) and replies.
template <class Body>
void Ask(fuse_req_t req, fuse_ino_t node, Operation operation, Body body) noexcept {
  auto& core = *static_cast<SessionCore*>(fuse_req_userdata(req));
  Replier replier(core, req, operation, NodeId::FromInode(node));
  body(core, replier);
  if (!replier.replied()) std::abort();
}

// `body` is called with (Gate&, const Request&, PendingRequest*) and makes one call of the gate, whose `done` uses the
// last.
template <class Body>
void AskOrWait(fuse_req_t req, fuse_ino_t node, Operation operation, Body body) noexcept {
  auto& core = *static_cast<SessionCore*>(fuse_req_userdata(req));
  Request request = MakeRequest(req);
  PendingRequest* pending = PendingRequest::Begin(core, req, operation, NodeId::FromInode(node));
  request.parking = pending;
  body(core.gate, request, pending);
  PendingRequest::End();
}

}  // namespace leasefs
