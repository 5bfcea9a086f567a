#include "backend/store/admin_wire.h"

#include "backend/protocol_codec.h"
#include "fs/base/codec.h"
#include "fs/base/limits.h"

namespace leasefs::store_admin {
namespace {

constexpr size_t kMinPathBytes = 4;  // the root
constexpr size_t kMinKeyBytes = 4 + 1;
constexpr size_t kMinPutBytes = 4 + 1 + 4;  // secret, replace, no fields
constexpr size_t kMinVersionInfoBytes = 8 + 8 + 4 + 4 + 4;
constexpr size_t kVersionBytes = 8;

void WriteStrings(Writer& writer, const std::vector<std::string>& strings) {
  writer.U32(static_cast<uint32_t>(strings.size()));
  for (const std::string& string : strings) writer.String(string);
}

template <class Read>
std::vector<std::string> ReadStrings(Reader& reader, size_t min_bytes, size_t max_count, Read read) {
  size_t count = protocol::ReadCount(reader, min_bytes, max_count);
  std::vector<std::string> strings;
  strings.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) strings.push_back(read(reader));
  return strings;
}

void WriteVersions(Writer& writer, const std::vector<uint64_t>& versions) {
  writer.U32(static_cast<uint32_t>(versions.size()));
  for (uint64_t version : versions) writer.U64(version);
}

std::vector<uint64_t> ReadVersions(Reader& reader) {
  size_t count = protocol::ReadCount(reader, kVersionBytes, kMaxPuts);
  std::vector<uint64_t> versions;
  versions.reserve(count);
  for (size_t i = 0; i < count; ++i) versions.push_back(reader.U64());
  return versions;
}

void WritePut(Writer& writer, const Store::Put& put) {
  writer.String(put.secret);
  writer.Bool(put.replace);
  protocol::WriteFields(writer, put.fields);
}

Store::Put ReadPut(Reader& reader) {
  Store::Put put;
  put.secret = protocol::ReadPath(reader);
  put.replace = reader.Bool();
  put.fields = protocol::ReadFields(reader);
  return put;
}

void WriteVersionInfo(Writer& writer, const VersionInfo& info) {
  writer.U64(info.version);
  writer.I64(info.created.time_since_epoch().count());
  writer.U32(info.author);
  protocol::WriteMessage(writer, info.note);
  writer.U32(static_cast<uint32_t>(info.keys.size()));
  for (const auto& [key, size] : info.keys) {
    writer.String(key);
    writer.U64(size);
  }
}

VersionInfo ReadVersionInfo(Reader& reader) {
  VersionInfo info;
  info.version = reader.U64();
  info.created = WallTime(Duration(reader.I64()));
  info.author = reader.U32();
  info.note = protocol::ReadMessage(reader);
  size_t count = protocol::ReadCount(reader, kMinKeyBytes + 8, kMaxKeysPerSecret);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    std::string key = protocol::ReadKey(reader);
    info.keys.emplace_back(std::move(key), reader.U64());
  }
  return info;
}

void WriteError(Writer& writer, const std::optional<Error>& error) {
  writer.Bool(error.has_value());
  if (!error) return;
  writer.U8(static_cast<uint8_t>(error->kind()));
  protocol::WriteMessage(writer, error->message());
}

std::optional<Error> ReadError(Reader& reader) {
  if (!reader.Bool()) return std::nullopt;
  ErrorKind kind = reader.Enum(protocol::kLastErrorKind);
  return Error(kind, protocol::ReadMessage(reader));
}

}  // namespace

SecretBuffer AdminRequest::Encode() const {
  Writer writer;
  writer.U8(static_cast<uint8_t>(verb));
  writer.String(path);
  WriteStrings(writer, keys);
  writer.U64(version);
  writer.Bool(recursive);
  writer.U32(static_cast<uint32_t>(puts.size()));
  for (const Store::Put& put : puts) WritePut(writer, put);
  writer.U8(static_cast<uint8_t>(key.kind));
  writer.Secret(key.bytes);
  return std::move(writer).Take();
}

Result<AdminRequest> AdminRequest::Decode(std::span<const std::byte> payload) {
  return protocol::DecodeWhole<AdminRequest>("request", payload, [](Reader& reader, AdminRequest& request) {
    request.verb = reader.Enum(kLastVerb);
    request.path = protocol::ReadPath(reader);
    request.keys = ReadStrings(reader, kMinKeyBytes, kMaxKeysPerSecret, protocol::ReadKey);
    request.version = reader.U64();
    request.recursive = reader.Bool();
    size_t count = protocol::ReadCount(reader, kMinPutBytes, kMaxPuts);
    request.puts.reserve(count);
    for (size_t i = 0; i < count && reader.ok(); ++i) request.puts.push_back(ReadPut(reader));
    request.key.kind = reader.Enum(StoreKey::Kind::kPassphrase);
    request.key.bytes = reader.Secret(kMaxKeyMaterialBytes);
  });
}

SecretBuffer AdminReply::Encode() const {
  Writer writer;
  WriteError(writer, error);
  WriteVersions(writer, versions);
  protocol::WriteFields(writer, fields);
  protocol::WriteEntries(writer, entries);
  WriteStrings(writer, paths);
  writer.U32(static_cast<uint32_t>(history.size()));
  for (const VersionInfo& info : history) WriteVersionInfo(writer, info);
  writer.U64(figures.secrets);
  writer.U64(figures.versions);
  writer.U64(figures.generation);
  writer.U64(figures.file_bytes);
  protocol::WriteMessage(writer, state);
  writer.Bool(applied);
  return std::move(writer).Take();
}

Result<AdminReply> AdminReply::Decode(std::span<const std::byte> payload) {
  return protocol::DecodeWhole<AdminReply>("reply", payload, [](Reader& reader, AdminReply& reply) {
    reply.error = ReadError(reader);
    reply.versions = ReadVersions(reader);
    reply.fields = protocol::ReadFields(reader);
    reply.entries = protocol::ReadEntries(reader);
    reply.paths = ReadStrings(reader, kMinPathBytes, kMaxAdminPayload / kMinPathBytes, protocol::ReadPath);
    size_t count = protocol::ReadCount(reader, kMinVersionInfoBytes, kMaxAdminPayload / kMinVersionInfoBytes);
    reply.history.reserve(count);
    for (size_t i = 0; i < count && reader.ok(); ++i) reply.history.push_back(ReadVersionInfo(reader));
    reply.figures.secrets = reader.U64();
    reply.figures.versions = reader.U64();
    reply.figures.generation = reader.U64();
    reply.figures.file_bytes = reader.U64();
    reply.state = protocol::ReadMessage(reader);
    reply.applied = reader.Bool();
  });
}

}  // namespace leasefs::store_admin
