// Any bytes as a child's part of the configuration: what is accepted is what the encoder would have made.
#include <cstdint>
#include <cstdlib>

#include "fs/config/config_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs;  // NOLINT(google-build-using-namespace)
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  Result<Config> config = DecodeForFs(bytes);
  if (config.ok() && !ConstantTimeEqual(EncodeForFs(*config).Expose(), bytes)) std::abort();
  Result<StorePart> part = DecodeForStore(bytes);
  if (!part.ok()) return 0;
  BackendOptions backend{part->name, {part->path, {part->key, ""}, part->keep_versions}, {}};
  LimitOptions limits;
  limits.value_bytes = part->value_bytes;
  AuditOptions audit;
  audit.required = part->audit_required;
  if (!ConstantTimeEqual(EncodeForStore(backend, limits, audit).Expose(), bytes)) std::abort();
  return 0;
}
