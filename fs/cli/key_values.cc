#include "fs/cli/key_values.h"

#include <algorithm>
#include <set>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/prompt.h"
#include "fs/cli/read_file.h"

namespace leasefs::cli {
namespace {

Failure ValueInArguments(const std::string& key) {
  return {Exit::kLocal, "value_in_arguments",
          StrCat("refused: a value on the command line is seen by every user of this host (ps) and stays in the "
                 "shell's history; ",
                 key, " was not stored"),
          StrCat("use ", key, "=@FILE, ", key, "=- (standard input), or ", key,
                 " alone, which asks without showing it; and replace the value that was just typed (empty: ", key,
                 "=@/dev/null)")};
}

Outcome<KeyValue> ParseKeyValue(const std::string& word) {
  const size_t equals = word.find('=');
  const std::string key = word.substr(0, equals);
  const std::string shown = Printable(key, 60);
  if (!protocol::IsValidKey(key)) {
    return UsageFailure(StrCat("'", shown, "' cannot be a key"),
                        StrCat("a key has 1 to ", kMaxKeyBytes, " bytes, none of them NUL"));
  }
  if (equals == std::string::npos) return KeyValue{key, KeyValue::From::kPrompt, ""};
  const std::string source = word.substr(equals + 1);
  if (source == "-") return KeyValue{key, KeyValue::From::kStandardInput, ""};
  if (source.size() > 1 && source[0] == '@') return KeyValue{key, KeyValue::From::kFile, source.substr(1)};
  return ValueInArguments(shown);
}

Outcome<SecretBuffer> ReadOne(Console& console, const KeyValue& value) {
  const std::string shown = Printable(value.key, 60);
  switch (value.from) {
    case KeyValue::From::kFile:
      // SECURITY: what stands behind '@' is not repeated: it may be a value that begins with '@'.
      return Local(ReadWholeFile(value.file, kHardMaxValueBytes, StrCat("the file of ", shown)),
                   "behind '@' goes the name of a file that exists and that you can read, at most 4 MiB long");
    case KeyValue::From::kStandardInput:
      if (console.in_is_terminal())
        console.Words(StrCat(shown, ": type the value, then Ctrl-D (it is shown; ", shown, " alone asks without)"));
      return Local(ReadToEnd(console.in(), StrCat(shown, ": standard input"), kHardMaxValueBytes),
                   "a value has at most 4 MiB");
    case KeyValue::From::kPrompt:
      if (!console.in_is_terminal()) {
        return UsageFailure(StrCat(shown, " has no value, and there is no terminal to ask on"),
                            StrCat("use ", shown, "=- (standard input) or ", shown, "=@FILE"));
      }
      return AskHiddenTwice(console, shown);
  }
  return UsageFailure("no value", "");
}

}  // namespace

Outcome<std::vector<KeyValue>> ParseKeyValues(const std::vector<std::string>& words) {
  std::vector<KeyValue> values;
  std::set<std::string> keys;
  bool standard_input = false;
  for (const std::string& word : words) {
    LEASEFS_ASSIGN_OR_RETURN(value, ParseKeyValue(word));
    if (!keys.insert(value.key).second)
      return UsageFailure(StrCat("the key ", Printable(value.key, 60), " is given twice"), "give it once");
    if (value.from == KeyValue::From::kStandardInput && standard_input) {
      return UsageFailure("standard input can be the value of one key only", "give the other with KEY=@FILE");
    }
    standard_input |= value.from == KeyValue::From::kStandardInput;
    values.push_back(std::move(value));
  }
  return values;
}

Outcome<std::vector<protocol::Field>> ReadKeyValues(Console& console, const std::vector<KeyValue>& values) {
  std::vector<protocol::Field> fields;
  size_t total = 0;
  for (const KeyValue& value : values) {
    LEASEFS_ASSIGN_OR_RETURN(bytes, ReadOne(console, value));
    total += bytes.size();
    if (total > kMaxSecretBytes) {
      return Failure{Exit::kLocal, "too_large",
                     StrCat("the values of one secret have more than ", kMaxSecretBytes, " bytes together"),
                     "put them into two secrets"};
    }
    fields.push_back({.key = value.key, .too_large = false, .value = std::move(bytes)});
  }
  return fields;
}

}  // namespace leasefs::cli
