#include "backend/vault/rotations.h"

#include <algorithm>

namespace leasefs::vault {
namespace {

constexpr int kMaxLooks = 30;  // then it is believed: somebody may have set the role up anew

std::string RotatedAt(const lease::Grant& grant) {
  const auto field = std::ranges::find(grant.fields, "last_vault_rotation", &protocol::Field::key);
  return field == grant.fields.end() ? "" : std::string(field->value.ExposeText());
}

}  // namespace

void Rotations::Correct(const std::string& place, lease::Grant& grant) {
  const std::string rotated = RotatedAt(grant);
  if (!grant.changes_in || rotated.empty()) return;
  if (seen_.size() >= kMaxKnown) seen_.clear();
  Seen& seen = seen_[place];
  const bool overdue = rotated == seen.rotated && grant.asked_at >= seen.due && seen.looks < kMaxLooks;
  if (overdue) {
    ++seen.looks;
    grant.changes_in = std::min<Duration>(*grant.changes_in, kLookAgain);
    return;
  }
  seen = {.rotated = rotated, .due = grant.asked_at + *grant.changes_in, .looks = 0};
}

}  // namespace leasefs::vault
