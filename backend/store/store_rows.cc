#include "backend/store/store_rows.h"

#include "fs/base/codec.h"
#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

constexpr size_t kMaxNames = kMaxSecretBytes;  // names and values of a version together stay below it

Error Malformed(std::string_view what) {
  return {ErrorKind::kRemote, StrCat("damaged: ", what, " is sealed rightly and says nonsense")};
}

void AppendNumber(std::string& out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

std::string Context(std::string_view what, const StoreId& store, int64_t row) {
  std::string out = StrCat("leasefs store ", kFormat, " ", what);
  out += '\0';
  out.append(reinterpret_cast<const char*>(store.data()), store.size());
  AppendNumber(out, static_cast<uint64_t>(row));
  return out;
}

}  // namespace

const KeptVersion* SecretHead::Find(uint64_t version) const {
  if (version == 0) return live() ? &kept.back() : nullptr;
  for (const KeptVersion& one : kept) {
    if (one.version == version) return &one;
  }
  return nullptr;
}

SecretBuffer EncodeHead(std::string_view path, const SecretHead& head) {
  Writer writer;
  writer.String(path);
  writer.U64(head.generation);
  writer.U64(head.next_version);
  writer.U32(static_cast<uint32_t>(head.kept.size()));
  for (const KeptVersion& one : head.kept) {
    writer.U64(one.version);
    writer.I64(one.row);
  }
  writer.String(head.keys);
  return std::move(writer).Take();
}

Result<std::pair<std::string, SecretHead>> DecodeHead(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  std::string path = reader.String(kMaxPathBytes);
  SecretHead head;
  head.generation = reader.U64();
  head.next_version = reader.U64();
  const uint32_t count = reader.U32();
  if (count > reader.rest() / 16) reader.Fail();
  if (reader.ok()) head.kept.reserve(count);
  for (uint32_t i = 0; reader.ok() && i < count; ++i) {
    KeptVersion one;
    one.version = reader.U64();
    one.row = reader.I64();
    const uint64_t least = head.kept.empty() ? 1 : head.kept.back().version + 1;
    if (one.version < least || one.version >= head.next_version) reader.Fail();
    head.kept.push_back(one);
  }
  head.keys = reader.String(kMaxNames);
  if (!reader.AtEnd() || head.keys.empty() == head.live()) return Malformed("the head of a secret");
  return std::pair(std::move(path), std::move(head));
}

SecretBuffer EncodeVersion(const VersionInfo& version) {
  Writer writer;
  writer.U64(version.version);
  writer.I64(version.created.time_since_epoch().count());
  writer.U32(version.author);
  writer.String(version.note);
  writer.U32(static_cast<uint32_t>(version.keys.size()));
  for (const auto& [key, size] : version.keys) {
    writer.String(key);
    writer.U64(size);
  }
  return std::move(writer).Take();
}

Result<VersionInfo> DecodeVersion(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  VersionInfo version;
  version.version = reader.U64();
  version.created = WallTime(Duration(reader.I64()));
  version.author = reader.U32();
  version.note = reader.String(kMaxNoteBytes);
  const uint32_t count = reader.U32();
  if (count > kMaxKeysPerSecret) reader.Fail();
  for (uint32_t i = 0; reader.ok() && i < count; ++i) {
    std::string key = reader.String(kMaxKeyBytes);
    const uint64_t size = reader.U64();
    version.keys.emplace_back(std::move(key), size);
  }
  if (!reader.AtEnd()) return Malformed("the head of a version");
  return version;
}

SecretBuffer EncodeFields(const std::vector<protocol::Field>& fields) {
  size_t size = 4;
  for (const protocol::Field& field : fields) size += 8 + field.key.size() + field.value.size();
  // One allocation, then bytes in place: a value is not left behind in buffers that grew.
  SecretBuffer out;
  out.Reserve(size);
  const auto number = [&out](size_t value) {
    const std::byte bytes[] = {std::byte(value & 0xff), std::byte(value >> 8 & 0xff), std::byte(value >> 16 & 0xff),
                               std::byte(value >> 24 & 0xff)};
    out.Append(std::span<const std::byte>(bytes));
  };
  number(fields.size());
  for (const protocol::Field& field : fields) {
    number(field.key.size());
    out.Append(field.key);
    number(field.value.size());
    out.Append(field.value.Expose());
  }
  return out;
}

Result<std::vector<protocol::Field>> DecodeFields(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  std::vector<protocol::Field> fields;
  const uint32_t count = reader.U32();
  if (count > kMaxKeysPerSecret) reader.Fail();
  for (uint32_t i = 0; reader.ok() && i < count; ++i) {
    protocol::Field field;
    field.key = reader.String(kMaxKeyBytes);
    field.value = reader.Secret(kHardMaxValueBytes);
    fields.push_back(std::move(field));
  }
  if (!reader.AtEnd()) return Malformed("a version");
  return fields;
}

SecretBuffer EncodeState(const State& state) {
  Writer writer;
  writer.U64(state.set.rows);
  writer.Bytes(state.set.sum);
  writer.I64(state.next_row);
  writer.U64(state.first_version);
  writer.U64(state.forgotten);
  writer.U32(static_cast<uint32_t>(state.generations.size()));
  for (const uint64_t generation : state.generations) writer.U64(generation);
  return std::move(writer).Take();
}

Result<State> DecodeState(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  State state;
  state.set.rows = reader.U64();
  const std::span<const std::byte> sum = reader.Bytes(state.set.sum.size());
  if (sum.size() == state.set.sum.size()) {
    std::copy(sum.begin(), sum.end(), state.set.sum.begin());
  } else {
    reader.Fail();
  }
  state.next_row = reader.I64();
  state.first_version = reader.U64();
  state.forgotten = reader.U64();
  const uint32_t count = reader.U32();
  if (count > kRememberedGenerations) reader.Fail();
  for (uint32_t i = 0; reader.ok() && i < count; ++i) state.generations.push_back(reader.U64());
  if (!reader.AtEnd()) return Malformed("the row of the store's state");
  return state;
}

std::string HeadContext(const StoreId& store, int64_t row) {
  return Context("secret", store, row);
}

std::string VersionContext(const StoreId& store, int64_t row, std::string_view path, uint64_t version) {
  std::string out = Context("version", store, row);
  AppendNumber(out, version);
  out += path;
  return out;
}

std::string StateContext(const StoreId& store) {
  return Context("state", store, kStateRow);
}

std::string ResealContext(const StoreId& store) {
  return Context("reseal", store, kResealRow);
}

}  // namespace leasefs::store
