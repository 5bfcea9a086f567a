#include "fs/cli/completion.h"

#include "fs/base/strings.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

// Inside '…' of all three shells.
std::string SingleQuoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string VerbWords(std::string_view group) {
  std::string words;
  if (group.empty()) words = "store";
  for (const VerbSpec* verb : Verbs()) {
    if (verb->group == group) words += StrCat(words.empty() ? "" : " ", verb->name);
  }
  return words;
}

std::string OptionWords(std::span<const OptionSpec> options) {
  std::string words;
  for (const OptionSpec& option : options) words += StrCat(words.empty() ? "" : " ", option.name);
  return words;
}

// A case pattern of the options that take an argument, "--config|-o".
std::string WithArgument(std::span<const OptionSpec> options, Offer offer) {
  std::string pattern;
  for (const OptionSpec& option : options) {
    if (option.argument.empty() || option.offer != offer) continue;
    pattern += StrCat(pattern.empty() ? "" : "|", option.name);
    if (option.letter != 0) pattern += StrCat("|-", option.letter);
  }
  return pattern;
}

constexpr Offer kOffers[] = {Offer::kSecret, Offer::kFile,    Offer::kDirectory, Offer::kUser,
                             Offer::kGroup,  Offer::kBackend, Offer::kShell,     Offer::kVerb,
                             Offer::kFormat, Offer::kValue,   Offer::kNothing};

std::string BashOffer(Offer offer) {
  switch (offer) {
    case Offer::kSecret:
      return "_leasefs_secrets \"$cur\"";
    case Offer::kFile:
      return "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Offer::kDirectory:
      return "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))";
    case Offer::kUser:
      return "COMPREPLY=($(compgen -u -- \"$cur\"))";
    case Offer::kGroup:
      return "COMPREPLY=($(compgen -g -- \"$cur\"))";
    case Offer::kBackend:
      return "COMPREPLY=($(compgen -W \"$(cd \"${LEASEFS_RUN:-/run/leasefsd}\" 2>/dev/null && printf '%s\\n' "
             "store-*.sock | "
             "sed -n 's/^store-\\([a-z0-9_-]*\\)\\.sock$/\\1/p')\" -- \"$cur\"))";
    case Offer::kShell:
      return "COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\"))";
    case Offer::kVerb:
      return StrCat("COMPREPLY=($(compgen -W '", VerbWords(""), ' ', VerbWords("store"), "' -- \"$cur\"))");
    case Offer::kFormat:
      return "COMPREPLY=($(compgen -W 'table json' -- \"$cur\"))";
    case Offer::kValue:
      return "if [[ $cur == @* ]]; then compopt -o filenames; COMPREPLY=($(compgen -f -P @ -- \"${cur#@}\")); fi";
    case Offer::kNothing:
      return "COMPREPLY=()";
  }
  return "COMPREPLY=()";
}

// case branches that answer for the argument of an option before the cursor.
std::string BashArgumentCases(std::span<const OptionSpec> options) {
  std::string out;
  for (const Offer offer : kOffers) {
    const std::string pattern = WithArgument(options, offer);
    if (!pattern.empty()) out += StrCat("    ", pattern, ") ", BashOffer(offer), "; return ;;\n");
  }
  return out;
}

std::string FishOffer(Offer offer) {
  switch (offer) {
    case Offer::kSecret:
      return "-f -a '(command leasefs ls -r 2>/dev/null)'";
    case Offer::kFile:
      return "-F";
    case Offer::kDirectory:
      return "-f -a '(__fish_complete_directories)'";
    case Offer::kUser:
      return "-f -a '(__fish_complete_users)'";
    case Offer::kGroup:
      return "-f -a '(__fish_complete_groups)'";
    case Offer::kShell:
      return "-f -a 'bash zsh fish'";
    case Offer::kVerb:
      return StrCat("-f -a '", VerbWords(""), "'");
    case Offer::kFormat:
      return "-f -a 'table json'";
    case Offer::kBackend:
    case Offer::kValue:
    case Offer::kNothing:
      return "-f";
  }
  return "-f";
}

std::string ZshAction(Offer offer) {
  switch (offer) {
    case Offer::kSecret:
      return "_leasefs_secrets";
    case Offer::kFile:
      return "_files";
    case Offer::kDirectory:
      return "_files -/";
    case Offer::kUser:
      return "_users";
    case Offer::kGroup:
      return "_groups";
    case Offer::kShell:
      return "(bash zsh fish)";
    case Offer::kVerb:
      return StrCat('(', VerbWords(""), ')');
    case Offer::kFormat:
      return "(table json)";
    case Offer::kBackend:
    case Offer::kValue:
    case Offer::kNothing:
      return " ";
  }
  return " ";
}

// What zsh's _arguments gives a meaning inside a spec.
std::string ZshEscaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshOption(const OptionSpec& option) {
  std::string help = ZshEscaped(option.help);
  const std::string argument =
      option.argument.empty() ? "" : StrCat(':', ZshEscaped(option.argument), ':', ZshAction(option.offer));
  const std::string star = option.repeats ? "*" : "";
  const std::string equals = option.argument.empty() ? "" : "=";
  std::string out = StrCat(' ', SingleQuoted(StrCat(star, option.name, equals, '[', help, ']', argument)));
  if (option.letter != 0)
    out += StrCat(' ', SingleQuoted(StrCat(star, '-', option.letter, option.argument.empty() ? "" : "+", '[', help, ']',
                                           argument)));
  return out;
}

std::string ZshArguments(const VerbSpec& verb) {
  std::string out = "_arguments -s $globals";
  for (const OptionSpec& option : verb.options) out += StrCat(" \\\n       ", ZshOption(option));
  for (const PositionalSpec& positional : verb.positionals) {
    const std::string colon = positional.repeats ? "*:" : positional.required ? ":" : "::";
    out += StrCat(" \\\n        ",
                  SingleQuoted(StrCat(colon, ZshEscaped(positional.name), ':', ZshAction(positional.offer))));
  }
  return out;
}

Finished RunCompletion(Context& context, const Arguments& arguments) {
  const std::string shell = arguments.Positional(0);
  if (shell == "bash") {
    context.console.Data(BashCompletion());
  } else if (shell == "zsh") {
    context.console.Data(ZshCompletion());
  } else if (shell == "fish") {
    context.console.Data(FishCompletion());
  } else {
    return UsageFailure(StrCat("there are no completions for '", Printable(shell, 40), '\''), "say bash, zsh or fish");
  }
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "SHELL", .offer = Offer::kShell}};

}  // namespace

const VerbSpec kCompletion = {
    .group = "",
    .name = "completion",
    .summary = "print the completions for a shell",
    .details = "SHELL is bash, zsh or fish. To try it in bash: source <(leasefs completion bash)",
    .positionals = kPositionals,
    .options = {},
    .run = RunCompletion,
};

std::string BashCompletion() {
  std::string out = "# bash completion for leasefs, made by `leasefs completion bash`\n\n";
  // SECURITY: compgen -W would expand what a secret's name holds, $(…) too: names are compared, never expanded. A ':'
  // ends a word for bash, so the backend stands two words before.
  out +=
      "_leasefs_secrets() {\n"
      "  local word backend=''\n"
      "  [[ ${COMP_WORDS[COMP_CWORD-1]} == : ]] && backend=${COMP_WORDS[COMP_CWORD-2]}:\n"
      "  while IFS= read -r word; do\n"
      "    [[ $word == \"$1\"* ]] && COMPREPLY+=(\"$(printf %q \"$word\")\")\n"
      "  done < <(command leasefs ls -r \"$backend\" 2>/dev/null)\n"
      "}\n\n"
      "_leasefs() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' i positional=0\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n";
  std::string takes_argument;
  for (const OptionSpec& option : GlobalOptions()) {
    if (option.argument.empty()) continue;
    takes_argument += StrCat(takes_argument.empty() ? "" : "|", option.name);
    if (option.letter != 0) takes_argument += StrCat("|-", option.letter);
  }
  out += StrCat("      ", takes_argument, ") ((i++)) ;;\n");
  out +=
      "      -*) ;;\n"
      "      :|=) ((positional--)) ;;\n"
      "      *) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}\n"
      "         elif [[ $verb == store ]]; then verb=\"store ${COMP_WORDS[i]}\"\n"
      "         else ((positional++)); fi ;;\n"
      "    esac\n"
      "  done\n"
      "  case $prev in\n";
  out += BashArgumentCases(GlobalOptions());
  out +=
      "  esac\n"
      "  local globals='" +
      OptionWords(GlobalOptions()) +
      "'\n"
      "  case $verb in\n";
  out += StrCat("  '') COMPREPLY=($(compgen -W \"", VerbWords(""), " $globals\" -- \"$cur\")) ;;\n");
  out += StrCat("  store) COMPREPLY=($(compgen -W '", VerbWords("store"), "' -- \"$cur\")) ;;\n");
  for (const VerbSpec* verb : Verbs()) {
    out += StrCat("  '", verb->FullName(), "')\n");
    const std::string cases = BashArgumentCases(verb->options);
    if (!cases.empty()) out += StrCat("    case $prev in\n", cases, "    esac\n");
    out += StrCat("    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"", OptionWords(verb->options),
                  " $globals\" -- \"$cur\")); return; fi\n");
    out += "    case $positional in\n";
    for (size_t i = 0; i < verb->positionals.size(); ++i) {
      const PositionalSpec& positional = verb->positionals[i];
      out += StrCat("    ", positional.repeats ? "*" : std::to_string(i), ") ", BashOffer(positional.offer), " ;;\n");
    }
    out += "    esac ;;\n";
  }
  return out + "  esac\n}\ncomplete -F _leasefs leasefs\n";
}

std::string ZshCompletion() {
  std::string out =
      "#compdef leasefs\n# zsh completion for leasefs, made by `leasefs completion zsh`\n\n"
      "_leasefs_secrets() {\n"
      "  local -a secrets\n"
      "  secrets=(${(f)\"$(command leasefs ls -r 2>/dev/null)\"})\n"
      "  compadd -a secrets\n"
      "}\n\n"
      "_leasefs() {\n"
      "  local curcontext=$curcontext state line verb\n"
      "  local -a globals verbs store_verbs\n"
      "  globals=(";
  for (const OptionSpec& option : GlobalOptions()) out += StrCat("\n   ", ZshOption(option));
  out += ")\n  verbs=('store:work on the embedded store'";
  for (const VerbSpec* verb : Verbs()) {
    if (verb->group.empty()) out += StrCat("\n    ", SingleQuoted(StrCat(verb->name, ':', verb->summary)));
  }
  out += ")\n  store_verbs=(";
  for (const VerbSpec* verb : Verbs()) {
    if (!verb->group.empty()) out += StrCat("\n    ", SingleQuoted(StrCat(verb->name, ':', verb->summary)));
  }
  out +=
      ")\n"
      "  _arguments -C -s $globals '1: :->verb' '*:: :->rest'\n"
      "  case $state in\n"
      "  verb) _describe verb verbs ;;\n"
      "  rest)\n"
      "    verb=$words[1]\n"
      "    if [[ $verb == store ]]; then\n"
      "      if (( CURRENT == 2 )); then _describe verb store_verbs; return; fi\n"
      "      shift words; (( CURRENT-- )); verb=\"store $words[1]\"\n"
      "    fi\n"
      "    case $verb in\n";
  for (const VerbSpec* verb : Verbs())
    out += StrCat("    '", verb->FullName(), "')\n      ", ZshArguments(*verb), " ;;\n");
  return out + "    esac ;;\n  esac\n}\n\n_leasefs \"$@\"\n";
}

std::string FishCompletion() {
  std::string out =
      "# fish completion for leasefs, made by `leasefs completion fish`\n\n"
      "complete -c leasefs -f\n";
  const auto option_line = [](const OptionSpec& option, const std::string& condition) {
    std::string line = StrCat("complete -c leasefs", condition, " -l ", option.name.substr(2));
    if (option.letter != 0) line += StrCat(" -s ", option.letter);
    if (!option.argument.empty()) line += StrCat(" -r ", FishOffer(option.offer));
    return StrCat(line, " -d ", SingleQuoted(option.help), '\n');
  };
  for (const OptionSpec& option : GlobalOptions()) out += option_line(option, "");
  out += "complete -c leasefs -n __fish_use_subcommand -a store -d 'work on the embedded store'\n";
  for (const VerbSpec* verb : Verbs()) {
    const std::string before = verb->group.empty()
                                   ? "__fish_use_subcommand"
                                   : StrCat("'__fish_seen_subcommand_from store; and not __fish_seen_subcommand_from ",
                                            VerbWords("store"), "'");
    out += StrCat("complete -c leasefs -n ", before, " -a ", verb->name, " -d ", SingleQuoted(verb->summary), '\n');
    const std::string seen = StrCat(" -n '__fish_seen_subcommand_from ", verb->name,
                                    verb->group.empty() ? "; and not __fish_seen_subcommand_from store'"
                                                        : "; and __fish_seen_subcommand_from store'");
    for (const OptionSpec& option : verb->options) out += option_line(option, seen);
    for (const PositionalSpec& positional : verb->positionals) {
      if (positional.offer != Offer::kNothing)
        out += StrCat("complete -c leasefs", seen, ' ', FishOffer(positional.offer), '\n');
    }
  }
  return out;
}

}  // namespace leasefs::cli
