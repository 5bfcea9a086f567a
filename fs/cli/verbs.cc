#include "fs/cli/verbs.h"

#include <algorithm>
#include <array>

#include "fs/base/strings.h"

namespace leasefs::cli {
namespace {

constexpr const VerbSpec* kVerbs[] = {
    &kStoreInit, &kStoreStatus, &kStoreUnlock, &kStoreBackup, &kStoreRekey,                  //
    &kPut,       &kGet,         &kLs,          &kRm,          &kHistory,     &kRollback,     //
    &kImport,    &kStatus,      &kStat,        &kExplain,     &kRefresh,     &kReload,       //
    &kRun,       &kStop,        &kCheckConfig, &kLoginCheck,  &kVaultConfig, &kVaultPolicy,  //
    &kVersion,   &kHelp,        &kCompletion,
};

constexpr std::array<OptionSpec, 6> kGlobalOptions = {{
    {.name = "--config",
     .argument = "FILE",
     .help = "configuration file (LEASEFS_CONFIG; /etc/leasefs/leasefs.toml)",
     .offer = Offer::kFile},
    {.name = "--socket-dir",
     .argument = "DIR",
     .help = "where the sockets are (LEASEFS_RUN; run_directory of the configuration)",
     .offer = Offer::kDirectory},
    {.name = "--output",
     .letter = 'o',
     .argument = "FORMAT",
     .help = "table or json (LEASEFS_FORMAT; table)",
     .offer = Offer::kFormat},
    {.name = "--quiet", .letter = 'q', .help = "no words on standard error but warnings and errors"},
    {.name = "--no-color", .help = "no colours (NO_COLOR)"},
    {.name = "--help", .letter = 'h', .help = "what the verb does and takes"},
}};

}  // namespace

std::optional<std::string> Arguments::Value(std::string_view option) const {
  const auto found = options.find(option);
  if (found == options.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Arguments::Values(std::string_view option) const {
  const auto found = options.find(option);
  return found == options.end() ? std::vector<std::string>() : found->second;
}

std::string VerbSpec::FullName() const {
  return group.empty() ? std::string(name) : StrCat(group, ' ', name);
}

std::span<const VerbSpec* const> Verbs() {
  return kVerbs;
}
std::span<const OptionSpec> GlobalOptions() {
  return kGlobalOptions;
}

const VerbSpec* FindVerb(std::string_view full_name) {
  const auto found = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                  [&](const VerbSpec* verb) { return verb->FullName() == full_name; });
  return found == std::end(kVerbs) ? nullptr : *found;
}

}  // namespace leasefs::cli
