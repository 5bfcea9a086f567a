#include "fs/config/options.h"

#include "fs/base/strings.h"

namespace leasefs {

std::string ToString(const SourceLocation& where) {
  return StrCat(Printable(where.file, 1024), ':', where.line, ':', where.column);
}

}  // namespace leasefs
