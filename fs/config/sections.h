// One function for each part of the configuration language; each reads what one file says into the draft. What spans
// several keys or files is checked when all are read (checks.h).
#pragma once

#include <string>

#include "fs/config/draft.h"
#include "fs/config/table_reader.h"
#include "fs/config/toml_document.h"

namespace leasefs {

void ReadDocument(const TomlValue& root, const std::string& file, Draft& draft);

void ReadBackends(TableReader& document);  // [backend.NAME]
void ReadTrees(TableReader& document);     // [[tree]]
void ReadRules(TableReader& document);     // [[allow]]
void ReadFiles(TableReader& document);     // [[file]]

// Reads every table of an array but those past the limit, where it says so once.
void ReadBounded(TableReader& document, const std::string& key, size_t count, size_t max,
                 const std::function<void(TableReader)>& read);
void ReadShown(TableReader& table, ShownOptions& shown);  // what [[tree]] and [[file]] have in common

// key = { file = … } or { credential = … } or, where that is allowed, { passphrase = true }. False: nothing was stored.
bool ReadKeySource(TableReader& table, const std::string& key, bool passphrase_allowed, KeySource& out);
void ReadVault(TableReader& backend, VaultOptions& vault);        // of [backend.NAME], all but its type
void ReadVaultTree(TableReader& tree, VaultTreeOptions& options);  // of [[tree]]

}  // namespace leasefs
