// `leasefs store init`: makes a store and its key, without the daemon.
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "backend/store/store.h"
#include "fs/base/loop.h"
#include "fs/base/strings.h"
#include "fs/cli/effective_user.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/key_file.h"
#include "fs/cli/places.h"
#include "fs/cli/prompt.h"
#include "fs/cli/read_file.h"
#include "fs/cli/store_plan.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

struct InitKey {
  StoreKey key;
  KeySource source;
  std::string made_file;  // a key file that this run made; "" if none
};

// Where the key comes from: the options, else the configuration.
Outcome<KeySource> ChooseKeySource(const Arguments& arguments, const StorePlan& plan) {
  const auto file = arguments.Value("--key-file");
  const auto credential = arguments.Value("--credential-file");
  const bool passphrase = arguments.Has("--passphrase");
  if (int{file.has_value()} + int{credential.has_value()} + int{passphrase} > 1) {
    return UsageFailure("a store has one key", "give one of --key-file, --credential-file and --passphrase");
  }
  if (file) return KeySource{KeySource::Kind::kFile, *file};
  if (credential) return KeySource{KeySource::Kind::kCredential, *credential};
  if (passphrase) return KeySource{KeySource::Kind::kPassphrase, ""};
  if (plan.store.key.kind == KeySource::Kind::kCredential) {
    return UsageFailure(StrCat("the configuration takes the key from the credential '", plan.store.key.name, "'"),
                        "--credential-file FILE says where the key is put in clear, to be encrypted by systemd-creds");
  }
  return plan.store.key;
}

Outcome<InitKey> MakeKey(Context& context, const KeySource& source, Random& random) {
  InitKey made;
  made.source = source;
  if (source.kind == KeySource::Kind::kPassphrase) {
    LEASEFS_ASSIGN_OR_RETURN(passphrase, ReadPassphrase(context.console, Passphrase::kNew));
    made.key = {StoreKey::Kind::kPassphrase, std::move(passphrase)};
    return made;
  }
  const bool there = Exists(source.name);
  Outcome<SecretBuffer> key = there ? ReadKeyFile(source.name) : MakeKeyFileAt(source.name, random);
  if (!key.ok()) return std::move(key).error();
  if (!there) made.made_file = source.name;
  made.key = {StoreKey::Kind::kRaw, std::move(*key)};
  return made;
}

// The directory of the store: the backend's user must be able to make files in it, since SQLite does.
Finished PrepareDirectory(const std::string& directory, const std::optional<Account>& owner) {
  struct stat info {};
  if (stat(directory.c_str(), &info) == 0) {
    if (!owner || info.st_uid == owner->uid) return Finish();
    return Failure{Exit::kLocal, "denied", StrCat("the directory ", directory, " does not belong to ", owner->name),
                   StrCat("chown ", owner->name, ": ", directory, " && chmod 0700 ", directory,
                          ", or name another place with --path")};
  }
  const std::string hint = "become root, or name another place with --path";
  LEASEFS_RETURN_IF_ERROR(Local(MakeDirectories(ParentDirectory(directory)), hint));
  if (mkdir(directory.c_str(), 0700) != 0)
    return LocalFailure(ErrnoError(StrCat("making the directory ", directory), errno), hint);
  if (owner && lchown(directory.c_str(), owner->uid, owner->gid) != 0) {
    return LocalFailure(ErrnoError(StrCat("giving ", directory, " to ", owner->name), errno), hint);
  }
  return Finish();
}

Finished CreateStore(const StorePlan& plan, const InitKey& key, Random& random) {
  std::optional<Account> owner;
  if (geteuid() == 0) {
    LEASEFS_ASSIGN_OR_RETURN(account, FindAccount(plan.backend_user));
    owner = std::move(account);
  }
  LEASEFS_RETURN_IF_ERROR(PrepareDirectory(ParentDirectory(plan.store.path), owner));
  // SECURITY: root makes no file in a directory of somebody else: the backend's user makes its own.
  std::optional<EffectiveUser> user;
  if (owner) {
    LEASEFS_ASSIGN_OR_RETURN(became, Local(EffectiveUser::Become(*owner), "become root"));
    user.emplace(std::move(became));
  }
  StoreSettings settings;
  settings.keep_versions = plan.store.keep_versions;
  return Local(Store::Create(plan.store.path, key.key, random, settings),
               "nothing was changed; `leasefs help store init` says what it needs");
}

void SayNextSteps(Console& console, const Settings& settings, const StorePlan& plan, const InitKey& key) {
  console.Words(StrCat("made the store ", plan.store.path));
  if (!key.made_file.empty())
    console.Words(
        StrCat("made its key   ", key.made_file, "   (keep a copy elsewhere: without it the store cannot be opened)"));
  console.Words("next:");
  if (!plan.configured) {
    std::string line = "passphrase = true";
    if (key.source.kind == KeySource::Kind::kFile) line = StrCat("file = \"", key.source.name, '"');
    if (key.source.kind == KeySource::Kind::kCredential) line = "credential = \"store-key\"";
    console.Words(StrCat("  add to ", settings.config_path, ":\n    [backend.", plan.backend,
                         "]\n    type = \"store\"\n    path = \"", plan.store.path, "\"\n    key = { ", line, " }"));
  } else if (key.source.kind != plan.store.key.kind ||
             (key.source.kind == KeySource::Kind::kFile && key.source.name != plan.store.key.name)) {
    console.Warning(StrCat("the configuration names another key for backend ", plan.backend, ": correct its `key`"));
  }
  if (key.source.kind == KeySource::Kind::kCredential) {
    console.Words(StrCat(CredentialSteps(plan, key.source.name), "  shred -u ", key.source.name));
  }
  console.Words("  systemctl start leasefs          (or leasefsd in the foreground)");
  if (key.source.kind == KeySource::Kind::kPassphrase)
    console.Words("  leasefs store unlock             (after each start)");
  console.Words("  leasefs put web/tls key=@FILE    (a secret web/tls with one key)");
}

Finished RunInit(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(backend, NamedBackend(arguments, 0));
  LEASEFS_ASSIGN_OR_RETURN(plan, PlanStore(context, backend));
  if (const auto path = arguments.Value("--path")) plan.store.path = *path;
  if (Exists(plan.store.path)) {
    return Failure{Exit::kLocal, "invalid", StrCat(plan.store.path, " exists already and is left as it is"),
                   "`leasefs store status` shows a store; another one needs another --path"};
  }
  LEASEFS_ASSIGN_OR_RETURN(source, ChooseKeySource(arguments, plan));
  LEASEFS_ASSIGN_OR_RETURN(loop, Local(FdLoop::Create(), "is the limit of open files reached?"));
  LEASEFS_ASSIGN_OR_RETURN(key, MakeKey(context, source, loop->random()));
  const Finished created = CreateStore(plan, key, loop->random());
  if (!created.ok()) {
    if (!key.made_file.empty()) unlink(key.made_file.c_str());  // it opens nothing
    return created.error();
  }
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", plan.backend).Text("path", plan.store.path);
    if (!key.source.name.empty()) writer.Text("key_file", key.source.name).Bool("key_made", !key.made_file.empty());
    context.console.Data(std::move(writer.EndObject()).Take());
  }
  SayNextSteps(context.console, context.settings, plan, key);
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kBackend}};
constexpr OptionSpec kOptions[] = {
    {.name = "--backend",
     .letter = 'b',
     .argument = "NAME",
     .help = "this [backend.NAME] of the configuration",
     .offer = Offer::kBackend},
    {.name = "--path",
     .argument = "FILE",
     .help = "where to make the store (the backend's path; /var/lib/leasefs/store.db)",
     .offer = Offer::kFile},
    {.name = "--key-file",
     .argument = "FILE",
     .help = "the key file; made if it is missing (the backend's key; /etc/leasefs/store.key)",
     .offer = Offer::kFile},
    {.name = "--credential-file",
     .argument = "FILE",
     .help = "like --key-file, for a key that becomes a systemd credential",
     .offer = Offer::kFile},
    {.name = "--passphrase", .help = "a passphrase instead of a key file; asked for, or from standard input"},
};

}  // namespace

const VerbSpec kStoreInit = {
    .group = "store",
    .name = "init",
    .summary = "make a store and its key (the daemon need not run)",
    .details =
        "Takes path, key and owner from the configuration, if there is one. Makes the key file (root, 0400) if it is "
        "missing, the directory "
        "(0700) and the store (0600) of the backend's user. Nothing that exists is overwritten.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunInit,
};

}  // namespace leasefs::cli
