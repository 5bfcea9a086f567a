#include "backend/lease/static_places.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backend/lease/schedule.h"
#include "fs/base/codec.h"

namespace leasefs::lease {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kDigestKey = "digest-key";
// A rotation may come later than was said: the server's queue is looked at every five seconds, and a schedule's window
// may roll over before the password does (hashicorp/vault#31918).
constexpr Duration kOverdueInterval = std::chrono::milliseconds(500);
constexpr Duration kMostOverdue = minutes(1);

Digest DigestOf(const SecretBuffer& key, std::vector<protocol::Field>& fields) {
  std::vector<const protocol::Field*> sorted;
  for (const protocol::Field& field : fields) sorted.push_back(&field);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key < b->key; });
  Writer out;
  for (const protocol::Field* field : sorted)
    out.String(field->key), out.Bool(field->too_large), out.Bool(field->json), out.Secret(field->value);
  SecretBuffer bytes = std::move(out).Take();
  return HmacSha256(key, bytes.Expose());
}

}  // namespace

StaticPlaces::StaticPlaces(Context& context) : context_(context) {
  Result<SecretBuffer> key = context_.records.Get(kDigestKey);
  if (key.ok() && key->size() == kKeyBytes) {
    digest_key_ = std::move(*key);
    return;
  }
  digest_key_.Resize(kKeyBytes);
  context_.loop.random().Fill(digest_key_.ExposeMutable());
  context_.Record(kDigestKey, digest_key_);
}

StaticPlaces::Known& StaticPlaces::Recall(const std::string& place) {
  auto [found, fresh] = known_.try_emplace(place);
  if (!fresh) return found->second;
  Result<SecretBuffer> record = context_.records.Get("static/" + place);
  if (!record.ok()) return found->second;
  Reader in(record->Expose());
  uint64_t number = in.U64();
  std::span<const std::byte> digest = in.Bytes(sizeof(Digest));
  if (!in.AtEnd() || digest.size() != sizeof(Digest)) return found->second;
  found->second.number = number;
  std::memcpy(found->second.digest.data(), digest.data(), digest.size());
  return found->second;
}

void StaticPlaces::Save(const std::string& place, const Known& known) {
  Writer out;
  out.U64(known.number);
  out.Bytes(known.digest);
  context_.Record("static/" + place, std::move(out).Take());
}

std::vector<std::string> StaticPlaces::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, known] : known_) names.push_back(name);
  return names;
}

SecretVersion StaticPlaces::Take(const std::string& place, const Tree& tree, Grant grant) {
  Known& known = Recall(place);
  Digest digest = DigestOf(digest_key_, grant.fields);
  bool changed = known.number == 0 || digest != known.digest;
  if (changed) {
    known.number = std::max(grant.number, known.number + 1);
    known.digest = digest;
    Save(place, known);
  }
  SecretVersion version;
  version.version = known.number;
  BootTime end = grant.life > Duration::zero() ? std::min(grant.ends, Later(grant.asked_at, grant.life)) : grant.ends;
  BootTime fresh = FreshUntil(known, changed, tree, grant);
  version.freshness = protocol::Freshness{std::min(fresh, end), std::min(Later(fresh, tree.max_stale), end), end};
  version.lease_end = end;
  version.fields = std::move(grant.fields);
  return version;
}

// S17, or what the source knows better. From when it was asked: the answer may have come after a suspend.
BootTime StaticPlaces::FreshUntil(Known& known, bool changed, const Tree& tree, const Grant& grant) {
  Random& random = context_.loop.random();
  if (grant.changes_in) {  // the old value is of no use after that: until the new one is there it is asked for often
    BootTime asked = grant.asked_at;
    bool overdue = !changed && asked >= known.changes_at && asked - known.changes_at < kMostOverdue;
    if (overdue) return Later(asked, kOverdueInterval);
    known.changes_at = Later(asked, *grant.changes_in);
    return std::max(known.changes_at, Later(asked, kOverdueInterval));
  }
  known.changes_at = kNever;
  Duration tenth = tree.ttl / 10;
  return Later(grant.asked_at, tree.ttl - tenth + RandomUpTo(random, 2 * tenth));
}

}  // namespace leasefs::lease
