// The verbs, each defined in the file of its name.
#pragma once

#include "fs/cli/verb.h"

namespace leasefs::cli {

extern const VerbSpec kStoreInit, kStoreRekey, kStoreBackup, kStoreUnlock, kStoreStatus;
extern const VerbSpec kPut, kGet, kLs, kRm, kHistory, kRollback, kImport;
extern const VerbSpec kStatus, kStat, kExplain, kRefresh, kReload, kRun, kStop, kCheckConfig;
extern const VerbSpec kLoginCheck, kVaultConfig, kVaultPolicy;
extern const VerbSpec kVersion, kHelp, kCompletion;

}  // namespace leasefs::cli
