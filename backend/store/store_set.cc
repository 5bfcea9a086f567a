#include "backend/store/store_set.h"

#include <endian.h>

#include <cstring>
#include <vector>

namespace leasefs::store {

Digest RowMac(const SecretBuffer& key, Table table, const RowView& row) {
  const uint64_t prefix[] = {htole64(static_cast<uint64_t>(table)), htole64(static_cast<uint64_t>(row.id)),
                             htole64(row.head.size()), htole64(row.body.size())};
  static_assert(sizeof prefix == 32);
  std::vector<std::byte> text(sizeof prefix + row.head.size() + row.body.size());
  std::memcpy(text.data(), prefix, sizeof prefix);
  std::byte* at = text.data() + sizeof prefix;
  if (!row.head.empty()) std::memcpy(at, row.head.data(), row.head.size());
  if (!row.body.empty()) std::memcpy(at + row.head.size(), row.body.data(), row.body.size());
  return HmacSha256(key, text);
}

void RowSet::Add(const Digest& mac) {
  unsigned carry = 0;
  for (size_t i = 0; i < sum.size(); ++i) {
    carry += std::to_integer<unsigned>(sum[i]) + std::to_integer<unsigned>(mac[i]);
    sum[i] = static_cast<std::byte>(carry & 0xff);
    carry >>= 8;
  }
  ++rows;
}

void RowSet::Remove(const Digest& mac) {
  unsigned borrow = 0;
  for (size_t i = 0; i < sum.size(); ++i) {
    const unsigned difference = 0x100 + std::to_integer<unsigned>(sum[i]) - std::to_integer<unsigned>(mac[i]) - borrow;
    sum[i] = static_cast<std::byte>(difference & 0xff);
    borrow = difference < 0x100 ? 1 : 0;
  }
  --rows;
}

}  // namespace leasefs::store
