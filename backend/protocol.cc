#include "backend/protocol.h"

#include <algorithm>

#include "backend/protocol_codec.h"
#include "fs/base/codec.h"

namespace leasefs::protocol {
namespace {

using Payload = std::span<const std::byte>;

uint64_t ReadNonZero(Reader& reader) {  // versions, sequence numbers, ids
  uint64_t value = reader.U64();
  if (value == 0) reader.Fail();
  return value;
}

uint32_t ReadProtocol(Reader& reader) {
  uint32_t version = reader.U32();
  if (version != kProtocolVersion) reader.Fail();
  return version;
}

void WriteFreshness(Writer& writer, const Freshness& freshness) {
  writer.Time(freshness.fresh_until);
  writer.Time(freshness.stale_until);
  writer.Time(freshness.lease_end);
}

Freshness ReadFreshness(Reader& reader) {
  Freshness freshness;
  freshness.fresh_until = ReadTime(reader);
  freshness.stale_until = ReadTime(reader);
  freshness.lease_end = ReadTime(reader);
  return freshness;
}

// What a List, Want or Refresh can fail with.
bool IsAnswer(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kDenied:
    case ErrorKind::kNotFound:
    case ErrorKind::kUnreachable:
    case ErrorKind::kRemote:
    case ErrorKind::kExpired:
    case ErrorKind::kRevoked:
    case ErrorKind::kLoginRefused:
    case ErrorKind::kLocked:
    case ErrorKind::kTooLarge:
    case ErrorKind::kNoMemory:
    case ErrorKind::kInternal:
      return true;
    case ErrorKind::kReadOnly:
    case ErrorKind::kBusy:
    case ErrorKind::kInterrupted:
    case ErrorKind::kIsDirectory:
    case ErrorKind::kNotDirectory:
    case ErrorKind::kNoAttribute:
    case ErrorKind::kStale:
    case ErrorKind::kInvalid:
      return false;
  }
  return false;
}

bool IsVerb(std::string_view verb) {
  return !verb.empty() && verb.size() <= kMaxVerbBytes &&
         std::all_of(verb.begin(), verb.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

// Frames that are one secret and a version.
template <class Message>
SecretBuffer EncodeWant(const Message& frame) {
  Writer writer;
  writer.String(frame.secret);
  writer.U64(frame.known_version);
  return std::move(writer).Take();
}

template <class Message>
Result<Message> DecodeWant(std::string_view name, Payload payload) {
  return DecodeWhole<Message>(name, payload, [](Reader& reader, Message& frame) {
    frame.secret = ReadPath(reader);
    frame.known_version = reader.U64();
  });
}

}  // namespace

SecretBuffer Hello::Encode() const {
  Writer writer;
  writer.U32(protocol);
  writer.U64(generation);
  return std::move(writer).Take();
}

Result<Hello> Hello::Decode(Payload payload) {
  return DecodeWhole<Hello>("Hello", payload, [](Reader& reader, Hello& frame) {
    frame.protocol = ReadProtocol(reader);
    frame.generation = reader.U64();
  });
}

SecretBuffer List::Encode() const {
  Writer writer;
  writer.String(directory);
  writer.U8(static_cast<uint8_t>(purpose));
  return std::move(writer).Take();
}

Result<List> List::Decode(Payload payload) {
  return DecodeWhole<List>("List", payload, [](Reader& reader, List& frame) {
    frame.directory = ReadPath(reader);
    frame.purpose = reader.Enum(Purpose::kOpen);
  });
}

SecretBuffer Want::Encode() const {
  return EncodeWant(*this);
}
Result<Want> Want::Decode(Payload payload) {
  return DecodeWant<Want>("Want", payload);
}

SecretBuffer Idle::Encode() const {
  Writer writer;
  writer.String(secret);
  return std::move(writer).Take();
}

Result<Idle> Idle::Decode(Payload payload) {
  return DecodeWhole<Idle>("Idle", payload, [](Reader& reader, Idle& frame) { frame.secret = ReadPath(reader); });
}

SecretBuffer Refresh::Encode() const {
  return EncodeWant(*this);
}
Result<Refresh> Refresh::Decode(Payload payload) {
  return DecodeWant<Refresh>("Refresh", payload);
}

SecretBuffer Applied::Encode() const {
  Writer writer;
  writer.U64(sequence);
  return std::move(writer).Take();
}

Result<Applied> Applied::Decode(Payload payload) {
  return DecodeWhole<Applied>("Applied", payload,
                              [](Reader& reader, Applied& frame) { frame.sequence = ReadNonZero(reader); });
}

SecretBuffer Stop::Encode() const {
  Writer writer;
  writer.Bool(revoke);
  return std::move(writer).Take();
}

Result<Stop> Stop::Decode(Payload payload) {
  return DecodeWhole<Stop>("Stop", payload, [](Reader& reader, Stop& frame) { frame.revoke = reader.Bool(); });
}

SecretBuffer Recorded::Encode() const {
  Writer writer;
  writer.U64(id);
  writer.Bool(ok);
  return std::move(writer).Take();
}

Result<Recorded> Recorded::Decode(Payload payload) {
  return DecodeWhole<Recorded>("Recorded", payload, [](Reader& reader, Recorded& frame) {
    frame.id = ReadNonZero(reader);
    frame.ok = reader.Bool();
  });
}

SecretBuffer Welcome::Encode() const {
  Writer writer;
  writer.U32(protocol);
  writer.U64(generation);
  writer.Bool(everything_changed);
  return std::move(writer).Take();
}

Result<Welcome> Welcome::Decode(Payload payload) {
  return DecodeWhole<Welcome>("Welcome", payload, [](Reader& reader, Welcome& frame) {
    frame.protocol = ReadProtocol(reader);
    frame.generation = reader.U64();
    frame.everything_changed = reader.Bool();
  });
}

SecretBuffer Entries::Encode() const {
  Writer writer;
  writer.String(directory);
  writer.Bool(last);
  WriteEntries(writer, entries);
  writer.Bool(minted);
  writer.Time(fresh_until);
  return std::move(writer).Take();
}

Result<Entries> Entries::Decode(Payload payload) {
  return DecodeWhole<Entries>("Entries", payload, [](Reader& reader, Entries& frame) {
    frame.directory = ReadPath(reader);
    frame.last = reader.Bool();
    frame.entries = ReadEntries(reader);
    frame.minted = reader.Bool();
    frame.fresh_until = ReadTime(reader);
  });
}

SecretBuffer EntryChanged::Encode() const {
  Writer writer;
  writer.U64(sequence);
  writer.String(directory);
  WriteEntry(writer, entry);
  writer.Bool(present);
  return std::move(writer).Take();
}

Result<EntryChanged> EntryChanged::Decode(Payload payload) {
  return DecodeWhole<EntryChanged>("EntryChanged", payload, [](Reader& reader, EntryChanged& frame) {
    frame.sequence = ReadNonZero(reader);
    frame.directory = ReadPath(reader);
    frame.entry = ReadEntry(reader);
    frame.present = reader.Bool();
  });
}

SecretBuffer Published::Encode() const {
  Writer writer;
  writer.String(secret);
  writer.U64(version);
  WriteFreshness(writer, freshness);
  WriteFields(writer, fields);
  return std::move(writer).Take();
}

Result<Published> Published::Decode(Payload payload) {
  return DecodeWhole<Published>("Published", payload, [](Reader& reader, Published& frame) {
    frame.secret = ReadPath(reader);
    frame.version = ReadNonZero(reader);
    frame.freshness = ReadFreshness(reader);
    frame.fields = ReadFields(reader);
  });
}

SecretBuffer Unchanged::Encode() const {
  Writer writer;
  writer.String(secret);
  writer.U64(version);
  WriteFreshness(writer, freshness);
  return std::move(writer).Take();
}

Result<Unchanged> Unchanged::Decode(Payload payload) {
  return DecodeWhole<Unchanged>("Unchanged", payload, [](Reader& reader, Unchanged& frame) {
    frame.secret = ReadPath(reader);
    frame.version = ReadNonZero(reader);
    frame.freshness = ReadFreshness(reader);
  });
}

SecretBuffer Changed::Encode() const {
  Writer writer;
  writer.U64(sequence);
  writer.U64(generation);
  writer.String(secret);
  return std::move(writer).Take();
}

Result<Changed> Changed::Decode(Payload payload) {
  return DecodeWhole<Changed>("Changed", payload, [](Reader& reader, Changed& frame) {
    frame.sequence = ReadNonZero(reader);
    frame.generation = reader.U64();
    frame.secret = ReadPath(reader);
  });
}

SecretBuffer Failed::Encode() const {
  Writer writer;
  writer.U8(static_cast<uint8_t>(what));
  writer.String(path);
  writer.U8(static_cast<uint8_t>(IsAnswer(kind) ? kind : ErrorKind::kRemote));
  WriteMessage(writer, message);
  writer.Time(retry_at);
  return std::move(writer).Take();
}

Result<Failed> Failed::Decode(Payload payload) {
  return DecodeWhole<Failed>("Failed", payload, [](Reader& reader, Failed& frame) {
    frame.what = reader.Enum(What::kSecret);
    frame.path = ReadPath(reader);
    frame.kind = reader.Enum(kLastErrorKind);
    if (!IsAnswer(frame.kind)) reader.Fail();
    frame.message = ReadMessage(reader);
    frame.retry_at = ReadTime(reader);
  });
}

SecretBuffer Health::Encode() const {
  Writer writer;
  writer.U8(static_cast<uint8_t>(state));
  WriteMessage(writer, message);
  writer.U64(generation);
  return std::move(writer).Take();
}

Result<Health> Health::Decode(Payload payload) {
  return DecodeWhole<Health>("Health", payload, [](Reader& reader, Health& frame) {
    frame.state = reader.Enum(HealthState::kDown);
    frame.message = ReadMessage(reader);
    frame.generation = reader.U64();
  });
}

SecretBuffer Record::Encode() const {
  Writer writer;
  writer.U64(id);
  writer.String(verb);
  writer.String(path);
  writer.U64(version);
  writer.U32(uid);
  writer.U32(gid);
  writer.U32(pid);
  writer.U8(static_cast<uint8_t>(outcome));
  writer.Bool(allowed);
  return std::move(writer).Take();
}

Result<Record> Record::Decode(Payload payload) {
  return DecodeWhole<Record>("Record", payload, [](Reader& reader, Record& frame) {
    frame.id = ReadNonZero(reader);
    frame.verb = reader.String(kMaxVerbBytes);
    if (!IsVerb(frame.verb)) reader.Fail();
    frame.path = ReadPath(reader);
    frame.version = reader.U64();
    frame.uid = reader.U32();
    frame.gid = reader.U32();
    frame.pid = reader.U32();
    frame.outcome = reader.Enum(kLastErrorKind);
    frame.allowed = reader.Bool();
  });
}

}  // namespace leasefs::protocol
