#include "fs/cli/help.h"

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

// Breaks each line of `text` at spaces; lines that begin with a space are shown as they are.
std::string Wrapped(std::string_view text, size_t width, size_t indent) {
  std::string out;
  for (const std::string& line : Split(text, '\n')) {
    if (line.starts_with(' ') || line.empty()) {
      out += StrCat(line.empty() ? "" : std::string(indent, ' '), line, '\n');
      continue;
    }
    size_t column = 0;
    for (const std::string& word : Split(line, ' ')) {
      if (column > 0 && column + 1 + word.size() > width) {
        out += '\n';
        column = 0;
      }
      if (column == 0) {
        out.append(indent, ' ');
        column = indent;
      } else {
        out += ' ';
        ++column;
      }
      out += word;
      column += word.size();
    }
    out += '\n';
  }
  return out;
}

std::string OptionLines(std::span<const OptionSpec> options, size_t width) {
  static constexpr size_t kIndent = 26;
  std::string out;
  for (const OptionSpec& option : options) {
    std::string left = option.letter == 0 ? "      " : StrCat("  -", option.letter, ", ");
    left += option.name;
    if (!option.argument.empty()) left += StrCat(' ', option.argument);
    const std::string right =
        option.help.empty() ? std::string(kIndent, ' ') + '\n' : Wrapped(option.help, width, kIndent);
    if (left.size() + 2 > kIndent) {
      out += StrCat(left, '\n', right);
    } else {
      out += StrCat(left, std::string(kIndent - left.size(), ' '), right.substr(kIndent));
    }
  }
  return out;
}

Finished RunHelp(Context& context, const Arguments& arguments) {
  std::string name = arguments.Positional(0);
  if (name.empty()) {
    context.console.Data(OverviewHelp());
    return Finish();
  }
  if (!arguments.Positional(1).empty()) name += StrCat(' ', arguments.Positional(1));
  if (const VerbSpec* verb = FindVerb(name)) {
    context.console.Data(VerbHelp(*verb, context.console.width()));
    return Finish();
  }
  std::string of_group;
  for (const VerbSpec* verb : Verbs()) {
    if (verb->group == name)
      of_group += StrCat(of_group.empty() ? "" : "\n\n", VerbHelp(*verb, context.console.width()));
  }
  if (of_group.empty())
    return UsageFailure(StrCat("there is no verb '", Printable(name, 60), '\''), "`leasefs help` lists them");
  context.console.Data(of_group);
  return Finish();
}

constexpr PositionalSpec kHelpPositionals[] = {{.name = "VERB", .required = false, .offer = Offer::kVerb},
                                               {.name = "VERB", .required = false, .offer = Offer::kVerb}};

}  // namespace

const VerbSpec kHelp = {
    .group = "",
    .name = "help",
    .summary = "say what a verb does and takes",
    .details = "Without VERB: the list of verbs. `leasefs help store` tells of all verbs of the store.",
    .positionals = kHelpPositionals,
    .options = {},
    .run = RunHelp,
};

std::string Usage(const VerbSpec& verb) {
  std::string out = StrCat("leasefs ", verb.FullName());
  for (const PositionalSpec& positional : verb.positionals) {
    const std::string name = StrCat(positional.name, positional.repeats ? "..." : "");
    out += positional.required ? StrCat(' ', name) : StrCat(" [", name, ']');
  }
  for (const OptionSpec& option : verb.options) {
    out += StrCat(" [", option.name, option.argument.empty() ? "" : " ", option.argument, ']',
                  option.repeats ? "..." : "");
  }
  return out;
}

std::string OverviewHelp() {
  std::string out = "leasefs: secrets as ordinary read-only files\n\nusage: leasefs VERB [ARGUMENTS] [OPTIONS]\n\n";
  size_t widest = 0;
  for (const VerbSpec* verb : Verbs()) widest = std::max(widest, verb->FullName().size());
  for (const VerbSpec* verb : Verbs()) {
    const std::string name = verb->FullName();
    out += StrCat("  ", name, std::string(widest - name.size() + 2, ' '), verb->summary, '\n');
  }
  out += StrCat("\noptions everywhere:\n", OptionLines(GlobalOptions(), 100));
  out +=
      "\n[BACKEND:]PATH names a place in a store; BACKEND: may be left out where there is one store.\n"
      "A secret is never an argument: KEY=@FILE, KEY=- (standard input), or KEY alone, which asks.\n"
      "`leasefs help VERB` says more, leasefs(1) everything.\n";
  return out;
}

std::string VerbHelp(const VerbSpec& verb, size_t width) {
  width = std::min<size_t>(width, 100);
  std::string out = StrCat("usage: ", Usage(verb), "\n\n", verb.FullName(), ": ", verb.summary, '\n');
  if (!verb.details.empty()) out += StrCat('\n', Wrapped(verb.details, width, 0));
  if (!verb.options.empty()) out += StrCat("\noptions:\n", OptionLines(verb.options, width));
  return out;
}

}  // namespace leasefs::cli
