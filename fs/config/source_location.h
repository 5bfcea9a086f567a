// Where a line of configuration stands; printed as "file:line:column".
#pragma once

#include <cstdint>
#include <string>

namespace leasefs {

struct SourceLocation {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;

  bool operator==(const SourceLocation&) const = default;
};
std::string ToString(const SourceLocation& where);

}  // namespace leasefs
