// A verb: what the command line, the help, the completions and the man page know of it, and what it does.
//
// Each verb is one VerbSpec in a file of its own; verbs.cc is the table. All of a spec is constant.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/cli/console.h"
#include "fs/cli/failure.h"

namespace leasefs::cli {

// What a shell may offer for an argument.
enum class Offer { kNothing, kSecret, kFile, kDirectory, kUser, kGroup, kBackend, kShell, kVerb, kFormat, kValue };

struct OptionSpec {
  std::string_view name = {};      // "--replace"
  char letter = 0;                 // 'r' for -r; 0: none
  std::string_view argument = {};  // "FILE"; "" for a flag
  std::string_view help = {};
  Offer offer = Offer::kNothing;
  bool repeats = false;
};

struct PositionalSpec {
  std::string_view name = {};  // "PATH"
  bool required = true;
  bool repeats = false;  // the last one only
  Offer offer = Offer::kNothing;
};

// What the command line said, options by name. Values of options are never secrets.
struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> options;  // a flag has one empty value
  std::vector<std::string> positionals;

  bool Has(std::string_view option) const { return options.contains(option); }
  std::optional<std::string> Value(std::string_view option) const;
  std::vector<std::string> Values(std::string_view option) const;
  // "" when it was not given.
  std::string Positional(size_t index) const { return index < positionals.size() ? positionals[index] : std::string(); }
};

// What holds for every verb.
struct Settings {
  std::string config_path = "/etc/leasefs/leasefs.toml";
  bool config_named = false;              // by --config or LEASEFS_CONFIG
  std::optional<std::string> socket_dir;  // by --socket-dir or LEASEFS_RUN
  bool json = false;
};

struct Context {
  Console& console;
  const Settings& settings;
};

struct VerbSpec {
  std::string_view group;  // "store" for `leasefs store init`, else ""
  std::string_view name;
  std::string_view summary;  // one line
  std::string_view details;  // paragraphs for `leasefs help VERB`
  std::span<const PositionalSpec> positionals;
  std::span<const OptionSpec> options;
  bool touches_values = false;  // core dumps are off
  Finished (*run)(Context& context, const Arguments& arguments) = nullptr;

  std::string FullName() const;  // "store init"
};

std::span<const VerbSpec* const> Verbs();
std::span<const OptionSpec> GlobalOptions();
const VerbSpec* FindVerb(std::string_view full_name);

}  // namespace leasefs::cli
