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

}  // namespace leasefs
