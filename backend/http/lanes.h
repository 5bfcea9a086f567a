// Lanes: those requests that may hang together, since the server waits for something behind it, have a share of the
// places only, so that the others find one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace leasefs::http {

class Lanes {
 public:
  // Of `places` in all, one lane has an eighth and all lanes together have three quarters, but never less than one.
  explicit Lanes(size_t places);

  // True: it may go. False: it waits until Leave gives it.
  bool Enter(const std::string& lane, uint64_t id);
  // One that may go ends, and its place is free: for the one that is given, which waited longest in its lane.
  std::optional<uint64_t> Leave(const std::string& lane);
  // It waits no longer, if it does.
  void GiveUp(const std::string& lane, uint64_t id);
  size_t waiting() const { return waiting_; }

 private:
  struct Lane {
    size_t inside = 0;
    std::deque<uint64_t> waiting;
  };
  std::optional<uint64_t> Admit();
  void Tidy(const std::string& lane);

  const size_t most_in_one_;
  const size_t most_;
  std::map<std::string, Lane> lanes_;  // of those with anything in them
  size_t inside_ = 0;
  size_t waiting_ = 0;
};

}  // namespace leasefs::http
