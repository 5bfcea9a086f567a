#include "backend/lease/lease.h"

#include <algorithm>

#include "backend/lease/schedule.h"
#include "backend/lease/source.h"
#include "fs/base/codec.h"
#include "fs/base/limits.h"

namespace leasefs::lease {
namespace {

constexpr uint8_t kLayout = 2;
constexpr size_t kMaxId = 16384;  // a lease id, a problem, a question
constexpr size_t kMaxMany = 1 << 20;

void PutDuration(Writer& out, Duration value) {
  out.I64(value.count());
}

Duration GetDuration(Reader& in) {
  return Duration(in.I64());
}

void PutLease(Writer& out, const Lease& lease) {
  out.U64(lease.sequence);
  out.String(lease.id);
  out.String(lease.identity);
  out.U64(lease.generation);
  out.Time(lease.minted_at);
  out.Time(lease.granted_at);
  PutDuration(out, lease.life);
  PutDuration(out, lease.longest_life);
  out.Time(lease.ends);
  out.Bool(lease.renewable);
  out.Bool(lease.capped);
  out.Bool(lease.revoke);
  out.String(lease.problem);
}

Lease GetLease(Reader& in) {
  Lease lease;
  lease.sequence = in.U64();
  lease.id = in.String(kMaxId);
  lease.identity = in.String(kMaxId);
  lease.generation = in.U64();
  lease.minted_at = in.Time();
  lease.granted_at = in.Time();
  lease.life = GetDuration(in);
  lease.longest_life = GetDuration(in);
  lease.ends = in.Time();
  lease.renewable = in.Bool();
  lease.capped = in.Bool();
  lease.revoke = in.Bool();
  lease.problem = in.String(kMaxId);
  return lease;
}

void PutToken(Writer& out, const HeldToken& token) {
  out.U64(token.generation);
  out.Secret(*token.value);
  out.Time(token.granted_at);
  PutDuration(out, token.life);
  PutDuration(out, token.longest_life);
  out.Bool(token.renewable);
  out.Bool(token.capped);
  out.Bool(token.can_hold_leases);
  out.Bool(token.lent);
  out.Bool(token.used);
  out.Bool(token.retired);
  out.Time(token.replace_from);
  out.Time(token.shortened);
}

HeldToken GetToken(Reader& in) {
  HeldToken token;
  token.generation = in.U64();
  token.value = std::make_shared<const SecretBuffer>(in.Secret(kMaxTokenBytes));
  token.granted_at = in.Time();
  token.life = GetDuration(in);
  token.longest_life = GetDuration(in);
  token.renewable = in.Bool();
  token.capped = in.Bool();
  token.can_hold_leases = in.Bool();
  token.lent = in.Bool();
  token.used = in.Bool();
  token.retired = in.Bool();
  token.replace_from = in.Time();
  token.shortened = in.Time();
  return token;
}

// A count, or none when it cannot be true.
size_t GetCount(Reader& in) {
  uint32_t count = in.U32();
  if (count > kMaxMany || count > in.rest()) in.Fail();
  return in.ok() ? count : 0;
}

template <class T>
Result<T> Finish(const Reader& in, T value) {
  if (!in.AtEnd()) return Error(ErrorKind::kInvalid, "a record of another version of leasefs");
  return value;
}

Reader Open(const SecretBuffer& record) {
  Reader in(record.Expose());
  if (in.U8() != kLayout) in.Fail();
  return in;
}

}  // namespace

BootTime Lease::OwnEnd() const {
  return life > Duration::zero() ? std::min(ends, Later(granted_at, life)) : ends;
}

BootTime HeldToken::End() const {
  return life > Duration::zero() ? std::min(shortened, Later(granted_at, life)) : shortened;
}

std::string QuestionOf(const Tree& tree) {
  Writer out;
  out.String(tree.source);
  out.String(tree.identity);
  out.U8(static_cast<uint8_t>(tree.engine));
  out.U64(tree.version);
  out.String(tree.method);
  for (const auto& [name, value] : tree.params) out.String(name), out.String(value);
  out.U8(static_cast<uint8_t>(tree.scope));
  SecretBuffer bytes = std::move(out).Take();
  return std::string(bytes.ExposeText());  // of settings only
}

std::vector<protocol::Field> CopyOf(const std::vector<protocol::Field>& fields) {
  std::vector<protocol::Field> copy;
  copy.reserve(fields.size());
  for (const protocol::Field& field : fields)
    copy.push_back({field.key, field.too_large, SecretBuffer::CopyOf(field.value.Expose()), field.json});
  return copy;
}

SecretBuffer Encode(const SecretRecord& record) {
  Writer out;
  out.U8(kLayout);
  out.String(record.question);
  out.Bool(record.in_use);
  out.Time(record.last_mint);
  out.Time(record.last_asked_mint);
  out.Time(record.mint_not_before);
  out.U64(record.settled);
  out.Bool(record.current.has_value());
  if (record.current) {
    PutLease(out, record.current->lease);
    out.U32(static_cast<uint32_t>(record.current->fields.size()));
    for (const protocol::Field& field : record.current->fields)
      out.String(field.key), out.Bool(field.too_large), out.Bool(field.json), out.Secret(field.value);
  }
  out.U32(static_cast<uint32_t>(record.past.size()));
  for (const Lease& lease : record.past) PutLease(out, lease);
  out.U32(static_cast<uint32_t>(record.keys.size()));
  for (const std::string& key : record.keys) out.String(key);
  return std::move(out).Take();
}

Result<SecretRecord> DecodeSecret(const SecretBuffer& bytes) {
  Reader in = Open(bytes);
  SecretRecord record;
  record.question = in.String(kMaxMany);
  record.in_use = in.Bool();
  record.last_mint = in.Time();
  record.last_asked_mint = in.Time();
  record.mint_not_before = in.Time();
  record.settled = in.U64();
  if (in.Bool()) {
    MintedVersion version;
    version.lease = GetLease(in);
    for (size_t left = GetCount(in); left > 0 && in.ok(); --left) {
      protocol::Field field;
      field.key = in.String(kMaxKeyBytes);
      field.too_large = in.Bool();
      field.json = in.Bool();
      field.value = in.Secret(kHardMaxValueBytes);
      version.fields.push_back(std::move(field));
    }
    record.current = std::move(version);
  }
  for (size_t left = GetCount(in); left > 0 && in.ok(); --left) record.past.push_back(GetLease(in));
  for (size_t left = GetCount(in); left > 0 && in.ok(); --left) record.keys.push_back(in.String(kMaxKeyBytes));
  return Finish(in, std::move(record));
}

SecretBuffer Encode(const MintIntent& intent) {
  Writer out;
  out.U8(kLayout);
  out.U64(intent.sequence);
  out.Time(intent.sent_at);
  out.Bool(intent.asked);
  return std::move(out).Take();
}

Result<MintIntent> DecodeIntent(const SecretBuffer& bytes) {
  Reader in = Open(bytes);
  MintIntent intent;
  intent.sequence = in.U64();
  intent.sent_at = in.Time();
  intent.asked = in.Bool();
  return Finish(in, intent);
}

SecretBuffer Encode(const TokensRecord& record) {
  Writer out;
  out.U8(kLayout);
  out.U32(static_cast<uint32_t>(record.tokens.size()));
  for (const HeldToken& token : record.tokens) PutToken(out, token);
  out.String(record.login);
  out.Time(record.login_not_before);
  out.U64(record.last_generation);
  return std::move(out).Take();
}

Result<TokensRecord> DecodeTokens(const SecretBuffer& bytes) {
  Reader in = Open(bytes);
  TokensRecord record;
  for (size_t left = GetCount(in); left > 0 && in.ok(); --left) record.tokens.push_back(GetToken(in));
  record.login = in.String(kMaxId);
  record.login_not_before = in.Time();
  record.last_generation = in.U64();
  return Finish(in, std::move(record));
}

SecretBuffer Encode(const Counters& counters) {
  Writer out;
  out.U8(kLayout);
  for (uint64_t value : {counters.sequence, counters.mints, counters.renewals, counters.revocations, counters.orphans})
    out.U64(value);
  return std::move(out).Take();
}

Result<Counters> DecodeCounters(const SecretBuffer& bytes) {
  Reader in = Open(bytes);
  Counters counters;
  for (uint64_t* value :
       {&counters.sequence, &counters.mints, &counters.renewals, &counters.revocations, &counters.orphans})
    *value = in.U64();
  return Finish(in, counters);
}

}  // namespace leasefs::lease
