#include "fs/secrets/derived_files.h"

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/secrets/name_escape.h"
#include "fs/template/render.h"

namespace leasefs {

void DerivedFiles::Configure(const std::vector<FileOptions>& files, const TreeMap::Change& places) {
  options_.clear();
  files_.clear();
  made_of_.clear();
  outcomes_.clear();
  pinned_ = places.pinned;
  for (size_t i = 0; i < files.size(); ++i) {
    const TreeMap::Change::File& place = places.files[i];
    options_[place.node] = files[i];
    File& file = files_[place.node];
    // What does not parse was refused when the configuration was loaded; it would be an empty file.
    if (Template::Parse(files[i].text, file.text)) file.text = Template();
    file.secrets = place.secrets;
    for (const FileSecret& secret : files[i].secrets) file.aliases.push_back(secret.alias);
    for (uint32_t directory : place.secrets) made_of_[directory].push_back(place.node);
  }
}

const FileOptions* DerivedFiles::OptionsOf(uint32_t node) const {
  auto found = options_.find(node);
  return found == options_.end() ? nullptr : &found->second;
}

std::vector<uint32_t> DerivedFiles::SecretsOf(uint32_t node) const {
  if (IsForm(node)) return {nodes_[node].parent};
  auto found = files_.find(node);
  return found == files_.end() ? std::vector<uint32_t>() : found->second.secrets;
}

std::vector<uint32_t> DerivedFiles::FilesMadeOf(uint32_t directory) const {
  auto found = made_of_.find(directory);
  return found == made_of_.end() ? std::vector<uint32_t>() : found->second;
}

// As GateAnswers::KeyNodeLocked names them: plainly, or, where something else has that name, by the other escape.
uint32_t DerivedFiles::KeyNode(uint32_t directory, const std::string& key) const {
  for (const std::string& name : {EscapeName(key), EscapeNameForCollision(key)}) {
    uint32_t node = nodes_.Find(directory, name, false);
    if (node != kNoNode && nodes_[node].present != 0 && !Is(node)) return node;
  }
  return kNoNode;
}

Result<SecretBuffer> DerivedFiles::Make(uint32_t node, uint64_t max_bytes) const {
  if (IsForm(node)) return MakeForm(node, max_bytes);
  auto found = files_.find(node);
  if (found == files_.end()) return Error(ErrorKind::kNotFound, "there is no such file");
  const File& file = found->second;
  auto lookup = [&](const std::string& alias, const std::string& key) -> Result<TemplateValue> {
    auto place = static_cast<size_t>(std::find(file.aliases.begin(), file.aliases.end(), alias) - file.aliases.begin());
    if (place == file.aliases.size()) return Error(ErrorKind::kNotFound, StrCat("there is no secret ", alias));
    uint32_t directory = file.secrets[place];
    uint32_t from = KeyNode(directory, key);
    uint32_t slot = from == kNoNode ? kNoSlot : versions_.CurrentSlot(from);
    if (slot == kNoSlot) {
      return Error(ErrorKind::kNotFound,
                   StrCat("the secret ", Printable(nodes_.Path(directory)), " has no key ", Printable(key, 64)));
    }
    if (versions_.TooLarge(slot)) {
      return Error(ErrorKind::kTooLarge, StrCat(Printable(nodes_.Path(from)), " is larger than limits.value"));
    }
    LEASEFS_ASSIGN_OR_RETURN(bytes, versions_.Unseal(slot));
    return TemplateValue{std::move(bytes), versions_.IsJson(slot)};
  };
  return RenderTemplate(file.text, lookup, max_bytes);
}

Result<SecretBuffer> DerivedFiles::MakeForm(uint32_t node, uint64_t max_bytes) const {
  uint32_t directory = nodes_[node].parent;
  std::vector<FormField> fields;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (nodes_.IsDirectory(child) || nodes_[child].present == 0 || Is(child)) continue;
    std::string key = UnescapeName(nodes_.Name(child)).value_or("");
    uint32_t slot = versions_.CurrentSlot(child);
    if (slot == kNoSlot) return Error(ErrorKind::kInternal, StrCat("the key ", Printable(key, 64), " is not held"));
    if (versions_.TooLarge(slot)) {
      return Error(ErrorKind::kTooLarge, StrCat("the key ", Printable(key, 64), " is larger than limits.value"));
    }
    LEASEFS_ASSIGN_OR_RETURN(bytes, versions_.Unseal(slot));
    fields.push_back({std::move(key), std::move(bytes), versions_.IsJson(slot)});
  }
  Form form = nodes_.Name(node) == FormFileName(Form::kJson) ? Form::kJson : Form::kEnv;
  return RenderForm(form, std::move(fields), max_bytes);
}

std::vector<uint64_t> DerivedFiles::PublicationsOf(uint32_t node) const {
  std::vector<uint64_t> publications;
  for (uint32_t directory : SecretsOf(node)) publications.push_back(nodes_[directory].publication);
  return publications;
}

const Status* DerivedFiles::Made(uint32_t node) const {
  auto found = outcomes_.find(node);
  if (found == outcomes_.end() || found->second.publications != PublicationsOf(node)) return nullptr;
  if (found->second.status.ok() && versions_.CurrentSlot(node) == kNoSlot) return nullptr;  // let go of since
  return &found->second.status;
}

void DerivedFiles::NoteMade(uint32_t node, Status outcome) {
  outcomes_.insert_or_assign(node, Outcome{PublicationsOf(node), std::move(outcome)});
}

}  // namespace leasefs
