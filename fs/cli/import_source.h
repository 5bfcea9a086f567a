// ImportSource: what an import takes in, known by name and size before anything is sent. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/protocol.h"
#include "fs/base/result.h"
#include "fs/base/unique_fd.h"

namespace leasefs::cli {

class ImportSource {
 public:
  struct Secret {
    std::string path;                                    // below the prefix; "" = the prefix itself
    std::vector<std::pair<std::string, uint64_t>> keys;  // name, size
  };
  virtual ~ImportSource() = default;
  virtual const std::vector<Secret>& secrets() const = 0;
  // The values of secrets()[index]. Once each.
  virtual Result<std::vector<protocol::Field>> Take(size_t index) = 0;
};

inline constexpr size_t kMaxImportFile = size_t{64} << 20;  // bytes of a .env or JSON file
inline constexpr size_t kMaxImportDepth = 32;               // of directories

// kInvalid: "FILE:LINE:COLUMN: …".
Result<std::unique_ptr<ImportSource>> OpenDotenv(const std::string& file, const SecretBuffer& text);
Result<std::unique_ptr<ImportSource>> OpenJson(const std::string& file, const SecretBuffer& text);
// Each file is one key, each directory one secret. Only names and sizes are read now; Take reads the files. SECURITY:
// no symbolic link is followed below `directory`, and a device, socket or pipe is refused, so that nobody who can write
// there can make root read something else.
Result<std::unique_ptr<ImportSource>> OpenDirectory(const std::string& directory);

}  // namespace leasefs::cli
