// PendingRequest: a request that may have to wait. Private to fs/fuse.
//
// Made by the thread that delivers it, and used again by it for the next one, so that a request that is answered at
// once costs no allocation. When the gate parks it, ParkedRequests owns it, and whoever answers it frees it: the
// delivering thread must not touch it any more (Delivery::parked tells).
#pragma once

#include <memory>
#include <utility>

#include "fs/fuse/replier.h"

namespace leasefs {

class PendingRequest final : public Parking {
 public:
  // Takes the thread's current delivery over.
  static PendingRequest* Begin(SessionCore& core, fuse_req* request, Operation operation, NodeId id);
  // After the gate's call: it must have answered or parked.
  static void End();

  bool Park() noexcept override;
  bool Interrupted() const noexcept override;

  // What the gate's `done` calls, once.
  template <class T>
  void Answer(Result<T> result, void (Replier::*reply)(const T&)) {
    if (result.ok()) {
      (replier_.*reply)(result.value());
    } else {
      replier_.Fail(result.error());
    }
    Finish();
  }
  void AnswerOpen(Result<Opened> result);
  void AnswerDirectory(const Status& result);
  void AnswerDone(const Status& result);
  // The session ends: no reply, the record stays.
  void Leave() { replier_.Leave(); }

 private:
  void Finish();

  Replier replier_;
  uint64_t unique_ = 0;
  bool replay_ = false;
  bool has_record_ = false;
};

}  // namespace leasefs
