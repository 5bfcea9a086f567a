// Lifetime: a member of whoever hands out callbacks that may come after it is gone. They then do nothing.
#pragma once

#include <memory>
#include <utility>

#include "fs/base/result.h"

namespace leasefs::lease {

class Lifetime {
 public:
  template <class F>
  auto Guard(F callback) const {
    return [weak = std::weak_ptr<Done>(alive_), callback = std::move(callback)](auto&&... arguments) mutable {
      if (auto alive = weak.lock()) callback(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  std::shared_ptr<Done> alive_ = std::make_shared<Done>();
};

}  // namespace leasefs::lease
