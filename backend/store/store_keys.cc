#include "backend/store/store_keys.h"

#include <bit>

#include "fs/base/codec.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr std::string_view kKeyFilePrefix = "leasefs-store-key-1:";
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr size_t kEncodedKeyBytes = (kKeyBytes + 2) / 3 * 4;
static_assert(kKeyBytes % 3 == 2);  // the last group of four is three digits and one '='

Error BadKeyFile(std::string_view why) {
  return {ErrorKind::kInvalid, StrCat("the key file ", why, ": expected one line, \"leasefs-store-key-1:\" and ",
                                      kEncodedKeyBytes, " characters of base64, as `leasefs store init` writes it")};
}

}  // namespace

Result<SecretBuffer> ParseKeyFile(const SecretBuffer& text) {
  std::string_view rest = text.ExposeText();
  if (rest.empty()) return BadKeyFile("is empty");
  if (!rest.starts_with(kKeyFilePrefix)) return BadKeyFile("begins with something else");
  rest.remove_prefix(kKeyFilePrefix.size());
  if (rest.ends_with('\n')) rest.remove_suffix(1);
  if (rest.size() != kEncodedKeyBytes) return BadKeyFile(StrCat("has ", rest.size(), " characters after the colon"));
  if (rest.back() != '=') return BadKeyFile("does not end with =");

  SecretBuffer key(kKeyBytes);
  size_t used = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i + 1 < rest.size(); ++i) {
    const size_t digit = kAlphabet.find(rest[i]);
    if (digit == std::string_view::npos)
      return BadKeyFile(StrCat("has no base64 at character ", kKeyFilePrefix.size() + i + 1));
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 0) {
      const size_t surplus = 6 - 2 * (i % 4);
      if (used < kKeyBytes) key.ExposeMutable()[used++] = static_cast<std::byte>(bits >> surplus & 0xff);
    }
  }
  if ((bits & 3) != 0) return BadKeyFile("ends with bits that mean nothing");
  return key;
}

SecretBuffer MakeKeyFile(Random& random) {
  SecretBuffer key(kKeyBytes + 1);  // one zero byte, so that the last group is whole
  random.Fill(key.ExposeMutable().first(kKeyBytes));
  SecretBuffer text;
  text.Reserve(kKeyFilePrefix.size() + kEncodedKeyBytes + 1);
  text.Append(kKeyFilePrefix);
  for (size_t i = 0; i < key.size(); i += 3) {
    const auto byte = [&](size_t offset) { return std::to_integer<uint32_t>(key.Expose()[i + offset]); };
    const uint32_t bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (const unsigned shift : {18U, 12U, 6U, 0U}) text.Append(kAlphabet.substr(bits >> shift & 63, 1));
  }
  text.ExposeMutable().back() = std::byte{'='};
  text.Append("\n");
  return text;
}

namespace store {
namespace {

constexpr uint64_t kScryptN = uint64_t{1} << 17;
constexpr uint32_t kScryptR = 8, kScryptP = 1;
constexpr uint64_t kMaxScryptBytes = uint64_t{256} << 20;
constexpr uint32_t kMaxScryptP = 4;
constexpr size_t kMaxWrappedBytes = 256;

bool Acceptable(const KeyRecipe& recipe) {
  if (recipe.kind == StoreKey::Kind::kRaw) return recipe.n == 0 && recipe.r == 0 && recipe.p == 0;
  return std::has_single_bit(recipe.n) && recipe.n >= 1024 && recipe.r >= 1 && recipe.r <= 32 && recipe.p >= 1 &&
         recipe.p <= kMaxScryptP && recipe.n <= kMaxScryptBytes / (uint64_t{128} * recipe.r);
}

void EncodeRecipe(Writer& writer, const KeyRecipe& recipe) {
  writer.U8(static_cast<uint8_t>(recipe.kind));
  writer.U64(recipe.n);
  writer.U32(recipe.r);
  writer.U32(recipe.p);
  writer.Bytes(recipe.salt);
}

SecretBuffer WrapContext(const KeyRecipe& recipe, const StoreId& store) {
  Writer writer;
  writer.String(StrCat("leasefs store ", kFormat, " key slot"));
  writer.Bytes(store);
  EncodeRecipe(writer, recipe);
  return std::move(writer).Take();
}

Result<SecretBuffer> DeriveWrappingKey(const StoreKey& key, const KeyRecipe& recipe) {
  if (recipe.kind == StoreKey::Kind::kPassphrase)
    return ScryptKey(key.bytes, recipe.salt, recipe.n, recipe.r, recipe.p);
  return DeriveKey(key.bytes, recipe.salt, "leasefs store 1 wrap");
}

Status CheckKey(const StoreKey& key) {
  if (key.kind == StoreKey::Kind::kRaw && key.bytes.size() != kKeyBytes) {
    return Error(ErrorKind::kInvalid, StrCat("a key of ", key.bytes.size(), " bytes: it must have ", kKeyBytes));
  }
  if (key.bytes.empty()) return Error(ErrorKind::kInvalid, "an empty passphrase: type one");
  return Ok();
}

}  // namespace

Result<WrappingKey> MakeWrappingKey(const StoreKey& key, Random& random) {
  LEASEFS_RETURN_IF_ERROR(CheckKey(key));
  WrappingKey wrapping_key;
  KeyRecipe& recipe = wrapping_key.recipe;
  recipe.kind = key.kind;
  if (key.kind == StoreKey::Kind::kPassphrase) {
    recipe.n = kScryptN;
    recipe.r = kScryptR;
    recipe.p = kScryptP;
  }
  random.Fill(recipe.salt);
  LEASEFS_ASSIGN_OR_RETURN(bytes, DeriveWrappingKey(key, recipe));
  wrapping_key.bytes = std::move(bytes);
  return wrapping_key;
}

KeySlot Wrap(const WrappingKey& key, const SecretBuffer& data_key, const StoreId& store, Random& random) {
  const AeadKey aead(SecretBuffer::CopyOf(key.bytes.Expose()));
  return {key.recipe, aead.Seal(random, WrapContext(key.recipe, store).Expose(), data_key.Expose())};
}

Result<Unlocked> Unlock(const std::vector<KeySlot>& slots, const StoreKey& key, const StoreId& store) {
  LEASEFS_RETURN_IF_ERROR(CheckKey(key));
  const bool raw = key.kind == StoreKey::Kind::kRaw;
  bool tried = false;
  for (size_t i = 0; i < slots.size(); ++i) {
    const KeySlot& slot = slots[i];
    if (slot.recipe.kind != key.kind) continue;
    tried = true;
    LEASEFS_ASSIGN_OR_RETURN(bytes, DeriveWrappingKey(key, slot.recipe));
    const AeadKey aead(SecretBuffer::CopyOf(bytes.Expose()));
    Result<SecretBuffer> data_key = aead.Open(WrapContext(slot.recipe, store).Expose(), slot.wrapped);
    if (!data_key.ok() || data_key->size() != kKeyBytes) continue;
    return Unlocked{i, {slot.recipe, std::move(bytes)}, std::move(*data_key)};
  }
  std::string why = "this key does not open the store: ";
  if (tried) {
    why +=
        raw ? "it is the key of another store, or the store's key slot was changed" : "the passphrase is another one";
  } else {
    why += raw ? "it is opened by a passphrase" : "it is opened by a key file or a credential, not by a passphrase";
  }
  return Error(ErrorKind::kLocked, std::move(why));
}

std::vector<std::byte> EncodeSlots(const std::vector<KeySlot>& slots) {
  Writer writer;
  writer.U8(static_cast<uint8_t>(slots.size()));
  for (const KeySlot& slot : slots) {
    EncodeRecipe(writer, slot.recipe);
    writer.Bytes(slot.wrapped);
  }
  const SecretBuffer encoded = std::move(writer).Take();
  return {encoded.Expose().begin(), encoded.Expose().end()};
}

Result<std::vector<KeySlot>> DecodeSlots(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  std::vector<KeySlot> slots;
  const uint8_t count = reader.U8();
  if (count == 0 || count > kMaxSlots) reader.Fail();
  for (unsigned i = 0; reader.ok() && i < count; ++i) {
    KeySlot slot;
    slot.recipe.kind = reader.Enum(StoreKey::Kind::kPassphrase);
    slot.recipe.n = reader.U64();
    slot.recipe.r = reader.U32();
    slot.recipe.p = reader.U32();
    const std::span<const std::byte> salt = reader.Bytes(slot.recipe.salt.size());
    const std::span<const std::byte> wrapped = reader.Bytes(kMaxWrappedBytes);
    if (salt.size() != slot.recipe.salt.size() || !Acceptable(slot.recipe)) {
      reader.Fail();
      break;
    }
    std::copy(salt.begin(), salt.end(), slot.recipe.salt.begin());
    slot.wrapped.assign(wrapped.begin(), wrapped.end());
    slots.push_back(std::move(slot));
  }
  if (!reader.AtEnd()) return Error(ErrorKind::kRemote, "damaged: the key slots are unreadable");
  return slots;
}

RowKeys::RowKeys(const SecretBuffer& data_key, const StoreId& store)
    : head(DeriveKey(data_key, store, "leasefs store 1 secret head")),
      version(DeriveKey(data_key, store, "leasefs store 1 version head")),
      fields(DeriveKey(data_key, store, "leasefs store 1 version fields")),
      state(DeriveKey(data_key, store, "leasefs store 1 state")),
      set(DeriveKey(data_key, store, "leasefs store 1 set of rows")) {}

}  // namespace store
}  // namespace leasefs
