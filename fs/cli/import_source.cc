#include "fs/cli/import_source.h"

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/dotenv.h"
#include "fs/cli/json_import.h"

namespace leasefs::cli {
namespace {

// Secrets that came all at once from one file.
class ParsedSource : public ImportSource {
 public:
  void Add(std::string path, std::vector<protocol::Field> fields) {
    Secret secret{.path = std::move(path), .keys = {}};
    for (const protocol::Field& field : fields) secret.keys.emplace_back(field.key, field.value.size());
    secrets_.push_back(std::move(secret));
    fields_.push_back(std::move(fields));
  }
  const std::vector<Secret>& secrets() const override { return secrets_; }
  Result<std::vector<protocol::Field>> Take(size_t index) override { return std::move(fields_[index]); }

 private:
  std::vector<Secret> secrets_;
  std::vector<std::vector<protocol::Field>> fields_;
};

}  // namespace

Result<std::unique_ptr<ImportSource>> OpenDotenv(const std::string& file, const SecretBuffer& text) {
  LEASEFS_ASSIGN_OR_RETURN(fields, ParseDotenv(file, text));
  auto source = std::make_unique<ParsedSource>();
  if (!fields.empty()) source->Add("", std::move(fields));
  return std::unique_ptr<ImportSource>(std::move(source));
}

Result<std::unique_ptr<ImportSource>> OpenJson(const std::string& file, const SecretBuffer& text) {
  LEASEFS_ASSIGN_OR_RETURN(secrets, ParseJsonSecrets(file, text));
  auto source = std::make_unique<ParsedSource>();
  for (JsonSecret& secret : secrets) source->Add(std::move(secret.path), std::move(secret.fields));
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace leasefs::cli
