// The pieces that frames are made of, for protocol.cc and the other wires that carry them (store/admin_wire.cc).
// Readers fail the Reader on the first violation and return something empty; nothing is allocated before its length is
// checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/protocol.h"
#include "fs/base/codec.h"
#include "fs/base/strings.h"

namespace leasefs::protocol {

inline constexpr ErrorKind kLastErrorKind = ErrorKind::kInvalid;

std::string ReadPath(Reader& reader);
std::string ReadKey(Reader& reader);
BootTime ReadTime(Reader& reader);  // since boot, so not negative
// A number of items of at least `item_bytes` each: no more than `max`, nor than the rest of the input can hold.
size_t ReadCount(Reader& reader, size_t item_bytes, size_t max);

// Words: cut at kMaxMessageBytes, between two characters.
void WriteMessage(Writer& writer, std::string_view message);
std::string ReadMessage(Reader& reader);

void WriteEntry(Writer& writer, const Entry& entry);
Entry ReadEntry(Reader& reader);
void WriteEntries(Writer& writer, const std::vector<Entry>& entries);
std::vector<Entry> ReadEntries(Reader& reader);
size_t EncodedBytes(const Entry& entry);

// At most kMaxKeysPerSecret, no key twice, kMaxSecretBytes of values.
void WriteFields(Writer& writer, const std::vector<Field>& fields);
std::vector<Field> ReadFields(Reader& reader);

// The whole of `payload` as one message, by `read(reader, message)`.
template <class Message, class Read>
Result<Message> DecodeWhole(std::string_view name, std::span<const std::byte> payload, Read read) {
  Reader reader(payload);
  Message message;
  read(reader, message);
  if (!reader.AtEnd()) {
    return Error(ErrorKind::kInvalid, StrCat("malformed ", name, " message of ", payload.size(), " bytes"));
  }
  return message;
}

}  // namespace leasefs::protocol
