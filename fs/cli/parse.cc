#include "fs/cli/parse.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs::cli {
namespace {

// SECURITY: what follows a '=' may be a secret that somebody put on the command line.
std::string WithoutValue(std::string_view word) {
  const size_t equals = word.find('=');
  return Printable(word.substr(0, equals), 60) + (equals == std::string_view::npos ? "" : "=...");
}

std::vector<std::string> NamesInGroup(std::string_view group) {
  std::vector<std::string> names;
  if (group.empty()) names.emplace_back("store");
  for (const VerbSpec* verb : Verbs()) {
    if (verb->group == group) names.emplace_back(verb->name);
  }
  return names;
}

std::string Listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += StrCat(list.empty() ? "" : ", ", name);
  return list;
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& words) : words_(words) {}

  Outcome<CommandLine> Parse() {
    while (next_ < words_.size()) {
      const std::string& word = words_[next_++];
      if (only_positionals_ || word.size() < 2 || word[0] != '-') {
        LEASEFS_RETURN_IF_ERROR(TakeWord(word));
      } else if (word == "--") {
        only_positionals_ = true;
      } else if (word == "--version" && line_.verb == nullptr) {
        line_.verb = FindVerb("version");
      } else if (word[1] == '-') {
        LEASEFS_RETURN_IF_ERROR(TakeLong(word));
      } else {
        LEASEFS_RETURN_IF_ERROR(TakeLetters(word));
      }
    }
    line_.help = line_.arguments.Has("--help");
    if (!line_.help) LEASEFS_RETURN_IF_ERROR(CheckCount());
    return std::move(line_);
  }

 private:
  std::string See() const {
    if (line_.verb == nullptr) return "`leasefs help` lists the verbs and the options";
    return StrCat("see `leasefs help ", line_.verb->FullName(), '`');
  }

  Finished TakeWord(const std::string& word) {
    if (line_.verb != nullptr) {
      line_.arguments.positionals.push_back(word);
      return Finish();
    }
    if (group_.empty() && word == "store") {
      group_ = word;
      return Finish();
    }
    line_.verb = FindVerb(group_.empty() ? word : StrCat(group_, ' ', word));
    if (line_.verb != nullptr && line_.verb->group == group_) return Finish();
    const std::vector<std::string> names = NamesInGroup(group_);
    const std::string prefix = group_.empty() ? "" : StrCat(group_, ' ');
    const std::string near = NearestWord(word, names);
    return UsageFailure(StrCat("there is no verb '", prefix, WithoutValue(word), '\''),
                        near.empty()
                            ? StrCat("the verbs are: ", Listed(names))
                            : StrCat("did you mean `leasefs ", prefix, near, "`? `leasefs help` lists the verbs"));
  }

  template <class Matches>
  const OptionSpec* Find(const Matches& matches) const {
    if (line_.verb != nullptr) {
      for (const OptionSpec& option : line_.verb->options) {
        if (matches(option)) return &option;
      }
    }
    for (const OptionSpec& option : GlobalOptions()) {
      if (matches(option)) return &option;
    }
    return nullptr;
  }

  Finished TakeLong(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const OptionSpec* option = Find([&](const OptionSpec& one) { return one.name == name; });
    if (option == nullptr) return UnknownOption(word);
    if (equals == std::string::npos) return option->argument.empty() ? Set(*option, "") : SetFromNextWord(*option);
    if (option->argument.empty()) return UsageFailure(StrCat(name, " takes no argument"), See());
    return Set(*option, word.substr(equals + 1));
  }

  Finished TakeLetters(const std::string& word) {
    for (size_t i = 1; i < word.size(); ++i) {
      const OptionSpec* option = Find([&](const OptionSpec& one) { return one.letter != 0 && one.letter == word[i]; });
      if (option == nullptr) return UnknownOption(word);
      if (option->argument.empty()) {
        LEASEFS_RETURN_IF_ERROR(Set(*option, ""));
        continue;
      }
      return i + 1 < word.size() ? Set(*option, word.substr(i + 1)) : SetFromNextWord(*option);
    }
    return Finish();
  }

  Finished SetFromNextWord(const OptionSpec& option) {
    if (next_ == words_.size()) return UsageFailure(StrCat(option.name, " needs ", option.argument), See());
    return Set(option, words_[next_++]);
  }

  Finished Set(const OptionSpec& option, std::string value) {
    std::vector<std::string>& values = line_.arguments.options[std::string(option.name)];
    if (!values.empty() && !option.repeats && !option.argument.empty()) {
      return UsageFailure(StrCat(option.name, " is given twice"), See());
    }
    values.push_back(std::move(value));
    return Finish();
  }

  Failure UnknownOption(const std::string& word) const {
    std::vector<std::string> names;
    Find([&](const OptionSpec& one) { return names.emplace_back(one.name), false; });
    const std::string near = NearestWord(word.substr(0, word.find('=')), names);
    return UsageFailure(StrCat("there is no option '", WithoutValue(word), "' here"),
                        near.empty() ? See() : StrCat("did you mean ", near, "? ", See()));
  }

  Finished CheckCount() const {
    if (line_.verb == nullptr) {
      if (group_.empty()) return Finish();
      return UsageFailure("`leasefs store` needs a verb", StrCat("the verbs are: ", Listed(NamesInGroup(group_))));
    }
    const std::span<const PositionalSpec> specs = line_.verb->positionals;
    const size_t given = line_.arguments.positionals.size();
    const std::string name = line_.verb->FullName();
    if (given < specs.size() && specs[given].required) {
      return UsageFailure(StrCat("`leasefs ", name, "` needs ", specs[given].name), See());
    }
    if (given <= specs.size() || (!specs.empty() && specs.back().repeats)) return Finish();
    return UsageFailure(specs.empty() ? StrCat("`leasefs ", name, "` takes no argument")
                                      : StrCat("`leasefs ", name, "` takes nothing after ", specs.back().name),
                        See());
  }

  const std::vector<std::string>& words_;
  size_t next_ = 0;
  bool only_positionals_ = false;
  std::string group_;
  CommandLine line_;
};

}  // namespace

Outcome<CommandLine> ParseCommandLine(const std::vector<std::string>& words) {
  return Parser(words).Parse();
}

}  // namespace leasefs::cli
