#include "fs/secrets/wait_queue.h"

namespace leasefs {

bool WaitQueue::WouldExceed(uint32_t uid, uint32_t directory, uint32_t max_secrets) const {
  auto it = per_uid_.find(uid);
  return it != per_uid_.end() && it->second.size() >= max_secrets && !it->second.contains(directory);
}

void WaitQueue::Add(Waiter waiter) {
  flights_[{waiter.directory, waiter.question}].waiters.insert(waiter.unique);
  deadlines_.insert({waiter.deadline, waiter.unique});
  ++per_uid_[waiter.uid][waiter.directory];
  uint64_t unique = waiter.unique;
  waiters_.insert_or_assign(unique, std::move(waiter));
}

Waiter WaitQueue::Remove(std::unordered_map<uint64_t, Waiter>::iterator it) {
  Waiter waiter = std::move(it->second);
  waiters_.erase(it);
  deadlines_.erase({waiter.deadline, waiter.unique});
  auto& counts = per_uid_[waiter.uid];
  if (--counts[waiter.directory] == 0) counts.erase(waiter.directory);
  if (counts.empty()) per_uid_.erase(waiter.uid);
  return waiter;
}

void WaitQueue::SetForOpen(uint32_t directory) {
  Flight& flight = flights_[{directory, Question::kNames}];
  if (!flight.asked) flight.for_open = true;
}

bool WaitQueue::IsAskedForOpen(uint32_t directory) const {
  auto flight = flights_.find({directory, Question::kNames});
  return flight != flights_.end() && flight->second.asked && flight->second.for_open;
}

std::vector<Waiter> WaitQueue::TakeAll(uint32_t directory, Question question) {
  std::vector<Waiter> taken;
  auto flight = flights_.find({directory, question});
  if (flight == flights_.end()) return taken;
  for (uint64_t unique : flight->second.waiters) taken.push_back(Remove(waiters_.find(unique)));
  flights_.erase(flight);
  return taken;
}

std::optional<Waiter> WaitQueue::Take(uint64_t unique) {
  auto it = waiters_.find(unique);
  if (it == waiters_.end()) return std::nullopt;
  Waiter waiter = Remove(it);
  // A flight that was asked stays: its answer is still on the way and will be used by whoever comes next.
  auto flight = flights_.find({waiter.directory, waiter.question});
  flight->second.waiters.erase(unique);
  if (flight->second.waiters.empty() && !flight->second.asked) flights_.erase(flight);
  return waiter;
}

void WaitQueue::Unask(uint32_t directory, Question question) {
  auto flight = flights_.find({directory, question});
  if (flight != flights_.end() && flight->second.waiters.empty() && !flight->second.asked) flights_.erase(flight);
}

std::vector<Waiter> WaitQueue::TakeExpired(BootTime now) {
  std::vector<Waiter> taken;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto waiter = Take(deadlines_.begin()->second);
    if (waiter) taken.push_back(std::move(*waiter));
  }
  return taken;
}

std::vector<WaitQueue::Asked> WaitQueue::Unasked() const {
  std::vector<Asked> questions;
  for (const auto& [key, flight] : flights_) {
    if (!flight.asked) questions.push_back({key.first, key.second, flight.refresh, flight.for_open});
  }
  return questions;
}

void WaitQueue::ForgetAsked(const std::function<bool(uint32_t directory)>& matches) {
  for (auto it = flights_.begin(); it != flights_.end();) {
    if (matches(it->first.first)) it->second.asked = false;
    it = it->second.waiters.empty() && !it->second.asked ? flights_.erase(it) : std::next(it);
  }
}

void WaitQueue::MarkAsked(uint32_t directory, Question question) {
  auto flight = flights_.find({directory, question});
  if (flight != flights_.end()) flight->second.asked = true;
}

}  // namespace leasefs
