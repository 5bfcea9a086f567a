// Files that are made of secrets: [[file]].
#include <algorithm>
#include <map>
#include <set>

#include "fs/base/strings.h"
#include "fs/config/bounds.h"
#include "fs/config/checks.h"
#include "fs/config/sections.h"
#include "fs/template/template.h"

namespace leasefs {
namespace {

using Type = TomlValue::Type;

void ReadFileSecrets(TableReader& table, FileOptions& file, Draft::FilePlaces& places) {
  constexpr std::string_view kRemedy = "name the secrets' directories, such as secrets = { db = \"payments/db\" }";
  const TomlEntry* entry = table.Take("secrets");
  if (entry == nullptr) return table.Missing("secrets", kRemedy);
  if (!table.IsType(entry->value, Type::kTable, "secrets", kRemedy)) return;
  const auto& entries = entry->value.entries;
  if (entries.size() > bounds::kSecretsPerFile) {
    table.Complain(table.Place(entry->value.where), "secrets", StrCat("has ", entries.size(), " entries"),
                   StrCat("name at most ", bounds::kSecretsPerFile));
    return;
  }
  for (const TomlEntry& each : entries) {
    const std::string key = "secrets." + each.key;
    if (!IsTemplateName(each.key)) {
      table.Complain(table.Place(each.where), "secrets", StrCat("has the alias \"", Printable(each.key, 64), "\""),
                     StrCat("use 1 to ", kMaxTemplateNameBytes, " of A-Z a-z 0-9 _ -"));
      continue;
    }
    if (!table.IsText(each.value, key, kRemedy)) continue;
    if (auto fault = TreePathFault(each.value.text)) {
      table.Complain(table.Place(each.value.where), key, fault->what, fault->remedy);
      continue;
    }
    file.secrets.push_back({each.key, each.value.text});
    places.secrets.push_back(table.Place(each.value.where));
  }
}

void ReadText(TableReader& table, FileOptions& file, Draft::FilePlaces& places) {
  auto is_text = [](std::string_view text) -> std::optional<Fault> {
    if (text.size() <= kMaxTemplateBytes) return std::nullopt;
    return Fault{StrCat("is ", text.size(), " bytes long"), StrCat("give at most ", kMaxTemplateBytes)};
  };
  if (auto where = table.ReadString("template", file.text, is_text)) places.text = *where;
  if (auto where = table.ReadString("template_file", file.text_file, AbsolutePathFault)) places.text = *where;
  if (table.Has("template") == table.Has("template_file")) {
    table.draft().problems.Add(
        file.where, table.Has("template") ? "file has a template and a template_file" : "file has no template",
        "give template = \"TEXT\" or template_file = \"/PATH\"");
  }
}

void ReadFile(TableReader table) {
  FileOptions file;
  Draft::FilePlaces places;
  file.where = table.place();
  places.path = places.text = file.where;
  if (auto where = table.ReadString("path", file.path, TreePathFault)) places.path = *where;
  if (!table.Has("path")) table.Missing("path", "say where on the mount the file is, such as path = \"app/pgpass\"");
  ReadText(table, file, places);
  ReadFileSecrets(table, file, places);
  ReadShown(table, file);
  table.Finish();
  table.draft().config.files.push_back(std::move(file));
  table.draft().file_places.push_back(std::move(places));
}

bool IsTreesPlace(const FileOptions& file, const TreeOptions& tree) {
  return !tree.path.empty() && IsAtOrBelow(tree.path, file.path);
}

bool IsFormOf(const FileOptions& file, const TreeOptions& tree) {
  const bool json = tree.forms.json && file.path.ends_with("/.json");
  const bool env = tree.forms.env && file.path.ends_with("/.env");
  return (json || env) && IsAtOrBelow(file.path, tree.path);
}

// A file's path is its own: nothing has it, nothing lies below it.
void CheckPath(Draft& draft, size_t index, std::map<std::string_view, size_t>& file_at) {
  const FileOptions& file = draft.config.files[index];
  const SourceLocation& where = draft.file_places[index].path;
  for (size_t i = 0; i < draft.config.trees.size(); ++i) {
    const TreeOptions& tree = draft.config.trees[i];
    if (IsTreesPlace(file, tree)) {
      draft.problems.Add(where,
                         StrCat("file.path has tree \"", Printable(tree.path, 64), "\" (",
                                ToString(draft.tree_places[i].path), ") at or below it"),
                         "give the file a name of its own");
    } else if (IsFormOf(file, tree)) {
      draft.problems.Add(where,
                         StrCat("file.path is that of a form of tree \"", Printable(tree.path, 64), "\" (",
                                ToString(draft.tree_places[i].path), ")"),
                         "give the file a name of its own, or remove the form");
    }
  }
  for (size_t slash = 0; slash != std::string::npos;) {
    slash = file.path.find('/', slash + 1);
    auto other = file_at.find(std::string_view(file.path).substr(0, slash));
    if (other == file_at.end() || other->second == index) continue;
    draft.problems.Add(
        where,
        StrCat("file.path is at or below that of file \"", Printable(draft.config.files[other->second].path, 64),
               "\" (", ToString(draft.file_places[other->second].path), ")"),
        "give each file a place of its own");
  }
}

void CheckSecrets(Draft& draft, size_t index) {
  const FileOptions& file = draft.config.files[index];
  std::map<std::string_view, std::string_view> alias_of;
  for (size_t i = 0; i < file.secrets.size(); ++i) {
    const FileSecret& secret = file.secrets[i];
    const SourceLocation& where = draft.file_places[index].secrets[i];
    auto [first, added] = alias_of.try_emplace(secret.path, secret.alias);
    if (!added) {
      draft.problems.Add(where, StrCat("file.secrets.", secret.alias, " is that of ", first->second),
                         "use one of them");
    }
    const auto& trees = draft.config.trees;
    bool shown = std::any_of(trees.begin(), trees.end(), [&](const TreeOptions& tree) {
      return !tree.path.empty() && IsAtOrBelow(secret.path, tree.path);
    });
    bool scoped = std::any_of(trees.begin(), trees.end(), [&](const TreeOptions& tree) {
      return tree.lease_scope != LeaseScope::kShared && !tree.path.empty() && IsAtOrBelow(secret.path, tree.path);
    });
    if (scoped) {
      draft.problems.Add(where, StrCat("file.secrets.", secret.alias, " is of a tree with lease_scope"),
                         "a file is one for all its readers: name a secret of a tree without it");
    }
    if (shown || !draft.complete) continue;
    draft.problems.Add(
        where,
        StrCat("file.secrets.", secret.alias, " names \"", Printable(secret.path, 64), "\", which no tree shows"),
        "give the path of a secret's directory on the mount");
  }
}

// In a template that is a file, at its own line; in one that stands in the configuration, at that of the setting, since
// escapes there may stand for line breaks.
void ComplainOfText(Draft& draft, size_t index, const TemplatePlace& at, std::string_view what,
                    std::string_view remedy) {
  const FileOptions& file = draft.config.files[index];
  if (!file.text_file.empty()) {
    draft.problems.Add({file.text_file, at.line, at.column}, StrCat("the template ", what), remedy);
  } else {
    draft.problems.Add(draft.file_places[index].text,
                       StrCat("file.template, line ", at.line, ", column ", at.column, " of it, ", what), remedy);
  }
}

void CheckText(Draft& draft, size_t index) {
  const FileOptions& file = draft.config.files[index];
  Template parsed;
  if (auto fault = Template::Parse(file.text, parsed)) {
    return ComplainOfText(draft, index, fault->where, fault->what, fault->remedy);
  }
  if (file.text.empty() && !file.text_file.empty()) return;  // it could not be read, or was not to be
  std::vector<std::string> aliases;
  for (const FileSecret& secret : file.secrets) aliases.push_back(secret.alias);
  std::set<std::string> used;
  for (const Template::Piece& piece : parsed.pieces()) {
    if (piece.secret.empty() || !used.insert(piece.secret).second) continue;
    if (std::find(aliases.begin(), aliases.end(), piece.secret) != aliases.end()) continue;
    std::string nearest = NearestWord(piece.secret, aliases);
    ComplainOfText(draft, index, piece.where, StrCat("names the unknown secret \"", piece.secret, "\""),
                   nearest.empty() ? "name it in secrets" : StrCat("did you mean \"", nearest, "\"?"));
  }
  for (size_t i = 0; i < file.secrets.size() && draft.problems.empty(); ++i) {
    if (used.contains(aliases[i])) continue;
    draft.problems.Warn(draft.file_places[index].secrets[i],
                        StrCat("the template does not use file.secrets.", aliases[i]), "remove it");
  }
}

}  // namespace

void ReadFiles(TableReader& document) {
  ReadBounded(document, "file", document.draft().config.files.size(), bounds::kFileSections, ReadFile);
}

void CheckFiles(Draft& draft) {
  for (size_t i = 0; i < draft.config.trees.size(); ++i) {
    const TreeOptions& tree = draft.config.trees[i];
    if (tree.lease_scope == LeaseScope::kShared || !(tree.forms.json || tree.forms.env || !tree.forms.keys)) continue;
    draft.problems.Add(draft.tree_places[i].path,
                       StrCat("tree \"", Printable(tree.path, 64), "\" has both lease_scope and forms"),
                       "a form is one for all its readers: remove one of the two");
  }
  std::map<std::string_view, size_t> file_at;
  const auto& files = draft.config.files;
  size_t bytes = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].path.empty()) file_at.try_emplace(files[i].path, i);
    bytes += files[i].text.size();
    if (bytes > bounds::kTemplatesBytes && bytes - files[i].text.size() <= bounds::kTemplatesBytes) {
      draft.problems.Add(draft.file_places[i].text, "the templates together are too long",
                         StrCat("all of them have at most ", bounds::kTemplatesBytes, " bytes"));
    }
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].path.empty()) CheckPath(draft, i, file_at);
    CheckSecrets(draft, i);
    CheckText(draft, i);
  }
}

}  // namespace leasefs
