// Files that are made of secrets (S7): where they are, and how they become what their secrets say. What callers see of
// them is in gate_files.cc.
#include <algorithm>

#include "fs/base/strings.h"
#include "fs/secrets/gate_answers.h"

namespace leasefs {
namespace {

bool HasForm(const FormOptions& forms, Form form) {
  return form == Form::kJson ? forms.json : forms.env;
}

}  // namespace

bool GateAnswers::IsTakenLocked(uint32_t directory, const std::string& name) const {
  uint32_t file = nodes_.Find(directory, name, false);
  if (file != kNoNode && derived_.IsFile(file)) return true;
  const Tree* tree = trees_.Of(directory);
  return tree != nullptr && std::any_of(kForms.begin(), kForms.end(), [&](Form form) {
           return HasForm(tree->options.forms, form) && name == FormFileName(form);
         });
}

void GateAnswers::ShowFormsLocked(uint32_t directory) {
  const Tree* tree = trees_.Of(directory);
  if (tree == nullptr || !(tree->options.forms.json || tree->options.forms.env)) return;
  bool keys = false;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode && !keys; child = nodes_.NextSibling(child)) {
    keys = !nodes_.IsDirectory(child) && nodes_[child].present != 0 && !derived_.Is(child);
  }
  for (Form form : kForms) {
    const std::string name(FormFileName(form));
    uint32_t node = nodes_.Find(directory, name, false);
    uint32_t folder = nodes_.Find(directory, name, true);
    bool has_folder = folder != kNoNode && nodes_[folder].present != 0;
    if (keys && HasForm(tree->options.forms, form) && !has_folder) {
      auto added = AddNodeLocked(directory, name, NodeKind::kFile);
      if (!added.ok() || derived_.IsFile(*added)) continue;
      nodes_[*added].derived = kDerivedForm;
      nodes_[*added].present = 1;
    } else if (node != kNoNode && derived_.IsForm(node) && nodes_[node].present != 0) {
      held_.Remove(node);
    }
  }
}

Status GateAnswers::PublishFileLocked(uint32_t node, const SecretBuffer& bytes, bool evict) {
  const NodeRecord& record = nodes_[node];
  VersionTable::Staged version;
  version.node = node;
  // One file: there is nothing that it must appear together with, so that to stage it is to commit it.
  version.publication = nodes_[record.parent].publication;
  version.changed = loop_.WallNow();
  version.mac = versions_.MacOf(bytes);
  bool equal = record.version != 0 && std::equal(version.mac.begin(), version.mac.end(), record.mac);
  if (equal && versions_.CurrentSlot(node) != kNoSlot) return Ok();
  const uint64_t sealed = bytes.size() + AeadKey::kOverhead;
  bool room = versions_.sealed_bytes() + sealed <= limits_.memory_bytes ||
              (evict && held_.MakeRoom(sealed, limits_.memory_bytes));
  if (held_.has_idle()) RequestPumpLocked();
  if (!room) return Error(ErrorKind::kNoMemory, "the values that are held have reached limits.memory");
  version.number = equal ? record.version.load() : record.version + 1;
  if (equal) version.changed = WallTime(Duration(record.changed_ns));
  LEASEFS_ASSIGN_OR_RETURN(slot, versions_.Stage(version, bytes));
  NodeId superseded{node, record.version};
  versions_.Apply(slot);
  if (superseded.version != 0 && superseded.version != record.version) notifier_.InvalidateInode(superseded);
  return Ok();
}

Status GateAnswers::MakeLocked(uint32_t node, bool evict) {
  if (const Status* made = derived_.Made(node)) return *made;
  auto bytes = derived_.Make(node, limits_.value_bytes);
  Status outcome = bytes.ok() ? PublishFileLocked(node, *bytes, evict) : Status(std::move(bytes).error());
  if (!outcome.ok()) held_.Drop(node);
  held_.ForgetFreed();
  // Room may be there the next time.
  if (outcome.ok() || outcome.error().kind() != ErrorKind::kNoMemory) derived_.NoteMade(node, outcome);
  return outcome;
}

// What is held follows at once, so that stat and watchers see it; what is not is made by the next open.
void GateAnswers::MakeDependentsLocked(uint32_t directory) {
  std::vector<uint32_t> files = derived_.FilesMadeOf(directory);
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (!nodes_.IsDirectory(child) && derived_.IsForm(child)) files.push_back(child);
  }
  for (uint32_t file : files) {
    if (versions_.CurrentSlot(file) == kNoSlot) continue;
    std::vector<uint32_t> secrets = derived_.SecretsOf(file);
    bool held = std::all_of(secrets.begin(), secrets.end(),
                            [&](uint32_t secret) REQUIRES(mutex_) { return HeldLocked(secret); });
    if (held) {
      (void)MakeLocked(file, false);
    } else {
      held_.Drop(file);
    }
  }
}

void GateAnswers::PlaceDerivedLocked(const TreeMap::Change& places, const std::vector<FileOptions>& files) {
  derived_.Configure(files, places);
  // A key that has the name of what is derived now gets another one, and the other way round.
  auto ask_again = [&](uint32_t directory) REQUIRES(mutex_) {
    held_.Withdraw(directory);
    nodes_[directory].listed = 0;
  };
  for (uint32_t node = 1; node < nodes_.count(); ++node) {
    if (nodes_.IsDirectory(node) || !derived_.Is(node)) continue;
    const Tree* tree = trees_.Of(node);
    bool form =
        derived_.IsForm(node) && tree != nullptr && IsTakenLocked(nodes_[node].parent, std::string(nodes_.Name(node)));
    if (form || (derived_.IsFile(node) && derived_.IsConfigured(node))) continue;
    held_.Remove(node);
    nodes_[node].derived = 0;
    if (tree != nullptr) nodes_[nodes_[node].parent].listed = 0;
  }
  for (uint32_t directory : places.pinned) nodes_[directory].present = 1;
  for (const TreeMap::Change::File& file : places.files) {
    NodeRecord& record = nodes_[file.node];
    uint32_t folder = nodes_.Find(record.parent, nodes_.Name(file.node), true);
    if (folder != kNoNode && nodes_[folder].present != 0) held_.Remove(folder);
    if (record.derived == 0 && record.present != 0) ask_again(record.parent);
    record.derived = kDerivedFile;
    record.present = 1;
    notifier_.InvalidateInode({file.node, record.version});  // its owner, mode or hidden may be another
  }
  for (uint32_t node = 1; node < nodes_.count(); ++node) {
    const Tree* tree = trees_.Of(node);
    if (tree == nullptr) continue;
    if (!nodes_.IsDirectory(node)) {
      bool hidden = !tree->options.forms.keys && !derived_.Is(node) && nodes_[node].version != 0;
      if (hidden) notifier_.InvalidateInode({node, nodes_[node].version});
      continue;
    }
    for (Form form : kForms) {
      uint32_t key = HasForm(tree->options.forms, form) ? nodes_.Find(node, FormFileName(form), false) : kNoNode;
      if (key != kNoNode && !derived_.Is(key) && nodes_[key].present != 0) ask_again(node);
    }
    ShowFormsLocked(node);
    MakeDependentsLocked(node);
  }
}

}  // namespace leasefs
