#include "backend/protocol_codec.h"

#include <algorithm>
#include <unordered_set>

#include "fs/base/limits.h"

namespace leasefs::protocol {
namespace {

constexpr size_t kMinEntryBytes = 1 + 4 + 1;      // kind, a name of one byte
constexpr size_t kMinFieldBytes = 4 + 1 + 1 + 4 + 1;  // a key of one byte, too_large, no value, json

bool IsValidComponent(std::string_view component) {
  return !component.empty() && component != "." && component != ".." && component.find('\0') == std::string_view::npos;
}

// A folder is one component of a path, a key may hold anything but NUL.
bool IsValidEntry(const Entry& entry) {
  if (entry.kind == EntryKind::kKey) return IsValidKey(entry.name);
  return entry.name.size() <= kMaxPathBytes && entry.name.find('/') == std::string::npos &&
         IsValidComponent(entry.name);
}

Field ReadField(Reader& reader) {
  Field field;
  field.key = ReadKey(reader);
  field.too_large = reader.Bool();
  field.value = reader.Secret(kHardMaxValueBytes);
  field.json = reader.Bool();
  if (field.too_large && !field.value.empty()) reader.Fail();
  if (field.json && field.value.empty()) reader.Fail();
  return field;
}

}  // namespace

bool IsValidPath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return false;
  if (path.empty()) return true;  // the root
  for (size_t begin = 0;;) {
    size_t end = std::min(path.find('/', begin), path.size());
    if (!IsValidComponent(path.substr(begin, end - begin))) return false;
    if (end == path.size()) return true;
    begin = end + 1;
  }
}

bool IsValidKey(std::string_view key) {
  return !key.empty() && key.size() <= kMaxKeyBytes && key.find('\0') == std::string_view::npos;
}

std::string ReadPath(Reader& reader) {
  std::string path = reader.String(kMaxPathBytes);
  if (!IsValidPath(path)) reader.Fail();
  return path;
}

std::string ReadKey(Reader& reader) {
  std::string key = reader.String(kMaxKeyBytes);
  if (!IsValidKey(key)) reader.Fail();
  return key;
}

BootTime ReadTime(Reader& reader) {
  BootTime time = reader.Time();
  if (time < BootTime{}) reader.Fail();
  return time;
}

size_t ReadCount(Reader& reader, size_t item_bytes, size_t max) {
  size_t count = reader.U32();
  if (count <= max && count <= reader.rest() / item_bytes) return count;
  reader.Fail();
  return 0;
}

void WriteMessage(Writer& writer, std::string_view message) {
  size_t size = std::min(message.size(), kMaxMessageBytes);
  auto continues = [&](size_t at) {
    return at < message.size() && (static_cast<uint8_t>(message[at]) & 0xC0u) == 0x80u;
  };
  if (size < message.size()) {
    for (int back = 0; back < 3 && size > 0 && continues(size); ++back) --size;
  }
  writer.String(message.substr(0, size));
}

std::string ReadMessage(Reader& reader) {
  return reader.String(kMaxMessageBytes);
}

void WriteEntry(Writer& writer, const Entry& entry) {
  writer.U8(static_cast<uint8_t>(entry.kind));
  writer.String(entry.name);
}

Entry ReadEntry(Reader& reader) {
  Entry entry;
  entry.kind = reader.Enum(EntryKind::kFolder);
  entry.name = reader.String(kMaxPathBytes);
  if (!IsValidEntry(entry)) reader.Fail();
  return entry;
}

size_t EncodedBytes(const Entry& entry) {
  return kMinEntryBytes - 1 + entry.name.size();
}

void WriteEntries(Writer& writer, const std::vector<Entry>& entries) {
  writer.U32(static_cast<uint32_t>(entries.size()));
  for (const Entry& entry : entries) WriteEntry(writer, entry);
}

std::vector<Entry> ReadEntries(Reader& reader) {
  size_t count = ReadCount(reader, kMinEntryBytes, reader.rest());
  std::vector<Entry> entries;
  entries.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) entries.push_back(ReadEntry(reader));
  return entries;
}

void WriteFields(Writer& writer, const std::vector<Field>& fields) {
  writer.U32(static_cast<uint32_t>(fields.size()));
  for (const Field& field : fields) {
    writer.String(field.key);
    writer.Bool(field.too_large);
    writer.Secret(field.value);
    writer.Bool(field.json);
  }
}

std::vector<Field> ReadFields(Reader& reader) {
  size_t count = ReadCount(reader, kMinFieldBytes, kMaxKeysPerSecret);
  std::vector<Field> fields;
  fields.reserve(count);
  std::unordered_set<std::string_view> keys;  // into `fields`, which does not grow beyond what is reserved
  size_t bytes = 0;
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    const Field& field = fields.emplace_back(ReadField(reader));
    bytes += field.value.size();
    if (!keys.insert(field.key).second || bytes > kMaxSecretBytes) reader.Fail();
  }
  return fields;
}

}  // namespace leasefs::protocol
