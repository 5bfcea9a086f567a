// InFlight: how many requests are under way, and whether another one may be, so that those which hang take no place
// from others.
//
// A request that is held up (the server has had it for kHeldUpAfter) does not count, up to three times as many as there
// are places. A group of which an eighth of the places is held up is a suspect until one of its requests is answered:
// it has no more than that eighth besides.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "fs/base/time.h"

namespace leasefs::http {

class InFlight {
 public:
  static constexpr Duration kHeldUpAfter = std::chrono::seconds(1);

  explicit InFlight(size_t places);

  size_t count() const { return all_.inside; }
  bool IsFull() const;
  // How many more of this group may begin, as far as the group goes. "": no group, no bound.
  size_t RoomOf(const std::string& group) const;

  void Begin(const std::string& group);
  void HeldUp(const std::string& group);
  void End(const std::string& group, bool was_held_up, bool answered);

 private:
  struct Group {
    size_t inside = 0;
    size_t held_up = 0;
    bool suspect = false;
  };

  const size_t places_;
  const size_t eighth_;  // never less than one
  Group all_;
  std::map<std::string, Group> groups_;  // of those with anything to tell
};

}  // namespace leasefs::http
