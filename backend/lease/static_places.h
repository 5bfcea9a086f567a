// StaticPlaces: what is remembered of places that can be read again: which number the bytes have, so that equal bytes
// are no new version (S9) and no number is ever used for other bytes, also after a restart and when a secret is
// destroyed and made anew; and when the source said that they change. Holds no value, only keyed digests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/lease/context.h"
#include "fs/base/aead.h"

namespace leasefs::lease {

class StaticPlaces {
 public:
  explicit StaticPlaces(Context& context);

  // Makes a version of what was read at `place` just now: its number, and how long it may be used (S17).
  SecretVersion Take(const std::string& place, const Tree& tree, Grant grant);
  std::vector<std::string> Names() const;  // of what was taken

 private:
  struct Known {
    Digest digest{};
    uint64_t number = 0;           // 0: nothing is known
    BootTime changes_at = kNever;  // as the source said
  };

  Known& Recall(const std::string& place);
  void Save(const std::string& place, const Known& known);
  BootTime FreshUntil(Known& known, bool changed, const Tree& tree, const Grant& grant);

  Context& context_;
  SecretBuffer digest_key_;
  std::map<std::string, Known> known_;
};

}  // namespace leasefs::lease
