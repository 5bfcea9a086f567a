#include "fs/fuse/pending_request.h"

#include <cstdlib>

namespace leasefs {

namespace {
thread_local std::unique_ptr<PendingRequest> spare;
}  // namespace

PendingRequest* PendingRequest::Begin(SessionCore& core, fuse_req* request, Operation operation, NodeId id) {
  const Delivery& delivery = *CurrentDelivery();
  if (spare == nullptr) spare = std::make_unique<PendingRequest>();
  spare->replier_ = Replier(core, request, operation, id);
  spare->unique_ = delivery.unique;
  spare->replay_ = delivery.replays > 0;
  spare->has_record_ = delivery.has_record;
  return spare.get();
}

void PendingRequest::End() {
  if (CurrentDelivery()->parked) return;
  if (!spare->replier_.replied()) std::abort();  // would wait for ever, with nobody to find it after a crash
}

bool PendingRequest::Park() noexcept {
  Delivery& delivery = *CurrentDelivery();
  ParkedRequests& parked = replier_.core().parked;
  bool had_record = std::exchange(has_record_, true);
  if (had_record) {
    spare = parked.Resume(unique_, std::move(spare), &delivery.interrupted);
  } else {
    spare =
        parked.Add(unique_, delivery.raw, delivery.arrival, delivery.replays, std::move(spare), &delivery.interrupted);
  }
  if (spare != nullptr) {
    has_record_ = had_record;
    return false;
  }
  delivery.parked = true;
  return true;
}

bool PendingRequest::Interrupted() const noexcept {
  return replier_.core().parked.Interrupted(unique_);
}

void PendingRequest::AnswerOpen(Result<Opened> result) {
  if (!result.ok()) {
    replier_.Fail(result.error());
  } else if (!replier_.Handle(result.value()) && !replay_) {
    // In a replay the kernel may have had the predecessor's answer, and use the handle.
    replier_.core().gate.Abandon(result->handle);
  }
  Finish();
}

void PendingRequest::AnswerDirectory(const Status& result) {
  result.ok() ? replier_.Directory() : replier_.Fail(result.error());
  Finish();
}

void PendingRequest::AnswerDone(const Status& result) {
  result.ok() ? replier_.Ok() : replier_.Fail(result.error());
  Finish();
}

void PendingRequest::Finish() {
  if (!has_record_) return;
  // Is it this that the record owned, then this ends with the block.
  std::unique_ptr<PendingRequest> self = replier_.core().parked.Remove(unique_);
}

}  // namespace leasefs
