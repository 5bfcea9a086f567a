// Makes the bytes of a file from a template and the values that it names. Straight into a SecretBuffer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/template/template.h"

namespace leasefs {

struct TemplateValue {
  SecretBuffer bytes;
  bool json = false;  // they are JSON text (protocol::Field)
};
// The value of a key of the secret with this alias, or why there is none. Called once for each tag, in their order.
using TemplateLookup = std::function<Result<TemplateValue>(const std::string& secret, const std::string& key)>;

// kRemote: a value does not fit its place. kTooLarge: it would have more than `max_bytes`. Or what the lookup failed
// with. Messages name the tag by its line and the key, and hold no value.
Result<SecretBuffer> RenderTemplate(const Template& source, const TemplateLookup& lookup, uint64_t max_bytes);

}  // namespace leasefs
