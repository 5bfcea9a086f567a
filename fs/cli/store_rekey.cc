// `leasefs store rekey`: a new key, without a moment in which no key on the disk opens the store.
//
// With a key file: FILE.new is made and opens the store too, FILE.new becomes FILE, and only then everything is sealed
// anew and the old key forgotten. After a crash at any point FILE opens the store (or FILE.new, if an earlier rekey was
// left unfinished and the store's process ended too), and --resume goes on.
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "fs/base/loop.h"
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/key_file.h"
#include "fs/cli/places.h"
#include "fs/cli/prompt.h"
#include "fs/cli/read_file.h"
#include "fs/cli/store_plan.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

using store_admin::Verb;

Finished Ask(const Place& place, Verb verb, StoreKey key = {}) {
  store_admin::AdminRequest request;
  request.verb = verb;
  request.key = std::move(key);
  LEASEFS_RETURN_IF_ERROR(AskStore(place.socket, request, kPatient));
  return Finish();
}

void Report(Context& context, const Place& place, bool finished, std::string_view words) {
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", place.backend).Bool("finished", finished);
    context.console.Data(std::move(writer.EndObject()).Take());
  }
  context.console.Words(words);
}

Outcome<SecretBuffer> NewKeyFile(const std::string& path) {
  LEASEFS_ASSIGN_OR_RETURN(loop, Local(FdLoop::Create(), "is the limit of open files reached?"));
  return MakeKeyFileAt(path, loop->random());
}

StoreKey RawKey(const SecretBuffer& key) {
  return {StoreKey::Kind::kRaw, SecretBuffer::CopyOf(key.Expose())};
}

// Makes the key that lies in `path`, which this run may have `made`, open the store too.
Finished RekeyWith(const Place& place, const SecretBuffer& key, const std::string& path, bool made) {
  Finished asked = Ask(place, Verb::kRekey, RawKey(key));
  // Only the unfinished key may be left that opens it.
  const bool locked = !asked.ok() && asked.error().code == ErrorKindName(ErrorKind::kLocked);
  if (locked && !made && Ask(place, Verb::kUnlock, RawKey(key)).ok()) asked = Ask(place, Verb::kRekey, RawKey(key));
  if (asked.ok()) return asked;
  Failure failure = std::move(asked).error();
  // Said no: nothing was changed. Said nothing: perhaps it was, and then the key is needed.
  const bool refused = failure.code != "daemon_unreachable" && failure.code != ErrorKindName(ErrorKind::kRemote);
  if (made && refused) {
    unlink(path.c_str());
  } else {
    failure.hint = StrCat("the old key still opens the store; `leasefs store rekey --resume` goes on with ", path);
  }
  return failure;
}

Finished RekeyFile(Context& context, const Place& place, const std::string& file, bool resume) {
  const std::string next = file + ".new";
  const bool unfinished = Exists(next);
  if (unfinished && !resume) {
    return Failure{Exit::kLocal, "invalid", StrCat("an earlier rekey was not finished: ", next, " is there"),
                   StrCat("`leasefs store rekey --resume` goes on with it; to begin anew instead, remove it: ", file,
                          " still opens the store")};
  }
  if (!resume) LEASEFS_RETURN_IF_ERROR(ReadKeyFile(file));  // what is not there cannot be the key in use
  // With nothing left to rename, the key in FILE is made the only one: whatever happened before, a key that is on the
  // disk remains.
  const bool fresh = !resume;
  auto key = fresh ? NewKeyFile(next) : ReadKeyFile(unfinished ? next : file);
  if (!key.ok()) {
    Failure failure = std::move(key).error();
    if (unfinished) failure.hint = StrCat("if ", next, " is cut, the rekey had not begun: remove it and begin anew");
    return failure;
  }
  LEASEFS_RETURN_IF_ERROR(RekeyWith(place, *key, fresh || unfinished ? next : file, fresh));
  if (fresh || unfinished) {
    Status renamed = rename(next.c_str(), file.c_str()) == 0
                         ? SyncDirectory(ParentDirectory(file))
                         : Status(ErrnoError(StrCat("renaming ", next, " to ", file), errno));
    LEASEFS_RETURN_IF_ERROR(
        Local(std::move(renamed), "both keys open the store; `leasefs store rekey --resume` goes on"));
  }
  Finished finished = Ask(place, Verb::kFinishRekey);
  if (!finished.ok()) {
    Failure failure = std::move(finished).error();
    failure.hint = StrCat(
        file, " is the new key, but not everything is sealed under it yet; `leasefs store rekey --resume` goes on");
    return failure;
  }
  Report(context, place, true,
         StrCat("the store ", place.backend, " is sealed anew; only ", file,
                " opens it now (backups from before need their old key)"));
  return Finish();
}

Finished RekeyPassphrase(Context& context, const Place& place, const StorePlan& plan) {
  LEASEFS_ASSIGN_OR_RETURN(passphrase, ReadPassphrase(context.console, Passphrase::kNew));
  LEASEFS_RETURN_IF_ERROR(Ask(place, Verb::kRekey, {StoreKey::Kind::kPassphrase, std::move(passphrase)}));
  if (plan.store.key.kind == KeySource::Kind::kPassphrase) {
    LEASEFS_RETURN_IF_ERROR(Ask(place, Verb::kFinishRekey));
    Report(context, place, true,
           StrCat("the store ", place.backend, " is sealed anew; only the new passphrase opens it"));
    return Finish();
  }
  Report(context, place, false,
         StrCat("the passphrase and the old key both open the store ", place.backend,
                ". Next:\n  set key = { passphrase = true } for it in ", context.settings.config_path,
                ", restart the daemon, `leasefs store unlock`,\n  then `leasefs store rekey --finish`, and remove the "
                "old key"));
  return Finish();
}

// The new key gets a place that the configuration does not name yet: both keys open the store until that is done by
// hand.
Finished RekeyToNewPlace(Context& context, const Place& place, const StorePlan& plan, const KeySource& to,
                         bool resume) {
  const bool made = !(resume && Exists(to.name));
  auto key = made ? NewKeyFile(to.name) : ReadKeyFile(to.name);
  if (!key.ok()) return std::move(key).error();
  LEASEFS_RETURN_IF_ERROR(RekeyWith(place, *key, to.name, made));
  const std::string& config = context.settings.config_path;
  std::string next = StrCat("the old and the new key both open the store ", place.backend, ". Next:\n");
  if (to.kind == KeySource::Kind::kCredential) {
    next += CredentialSteps(plan, to.name);
    if (plan.store.key.kind != to.kind)
      next += StrCat("  set key = { credential = \"store-key\" } for it in ", config, '\n');
  } else {
    next += StrCat("  set key = { file = \"", to.name, "\" } for it in ", config, '\n');
  }
  next +=
      "  restart the daemon, see that the store opens (`leasefs store status`),\n  then `leasefs store rekey "
      "--finish`, and shred the old key";
  Report(context, place, false, next);
  return Finish();
}

Finished FinishOnly(Context& context, const Place& place, bool yes) {
  if (!yes && !Confirm(context.console, StrCat("forget the old key of ", place.backend,
                                               "? From then on only the key of the last rekey opens it: "
                                               "is that in its place, and has the daemon opened the store with it?"))) {
    return UsageFailure("nothing was changed", "--finish asks on a terminal; --yes answers it");
  }
  LEASEFS_RETURN_IF_ERROR(Ask(place, Verb::kFinishRekey));
  Report(context, place, true, StrCat("only the new key opens the store ", place.backend, " now"));
  return Finish();
}

Finished RunRekey(Context& context, const Arguments& arguments) {
  const bool passphrase = arguments.Has("--passphrase");
  const bool finish = arguments.Has("--finish");
  const bool resume = arguments.Has("--resume");
  const auto credential = arguments.Value("--credential-file");
  const auto named = arguments.Value("--key-file");
  if (int{passphrase} + int{finish} + int{credential.has_value()} + int{named.has_value()} > 1 ||
      (resume && (passphrase || finish))) {
    return UsageFailure("these options do not go together",
                        "one of --key-file, --credential-file, --passphrase and --finish; --resume with a file only");
  }
  LEASEFS_ASSIGN_OR_RETURN(backend, NamedBackend(arguments, 0));
  LEASEFS_ASSIGN_OR_RETURN(place, FindStore(context, backend));
  if (finish) return FinishOnly(context, place, arguments.Has("--yes"));
  LEASEFS_ASSIGN_OR_RETURN(plan, PlanStore(context, place.backend));
  if (passphrase) return RekeyPassphrase(context, place, plan);
  if (credential) return RekeyToNewPlace(context, place, plan, {KeySource::Kind::kCredential, *credential}, resume);
  const bool in_place = plan.store.key.kind == KeySource::Kind::kFile && (!named || *named == plan.store.key.name);
  if (named && plan.configured && !in_place)
    return RekeyToNewPlace(context, place, plan, {KeySource::Kind::kFile, *named}, resume);
  if (!named && plan.store.key.kind != KeySource::Kind::kFile) {
    return UsageFailure("the configuration names no key file for this store",
                        "give --passphrase, --credential-file FILE or --key-file FILE");
  }
  return RekeyFile(context, place, named.value_or(plan.store.key.name), resume);
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kBackend}};
constexpr OptionSpec kOptions[] = {
    {.name = "--backend", .letter = 'b', .argument = "NAME", .help = "this store", .offer = Offer::kBackend},
    {.name = "--key-file",
     .argument = "FILE",
     .help = "the key file to replace (the backend's), or a new one",
     .offer = Offer::kFile},
    {.name = "--passphrase", .help = "a passphrase from now on; asked for, or from standard input"},
    {.name = "--credential-file",
     .argument = "FILE",
     .help = "put the new key into FILE, to be made a systemd credential",
     .offer = Offer::kFile},
    {.name = "--resume", .help = "go on with a rekey that was interrupted"},
    {.name = "--finish", .help = "only forget the old key, after the new one was put in its place by hand"},
    {.name = "--yes", .letter = 'y', .help = "with --finish: do not ask"},
};

}  // namespace

const VerbSpec kStoreRekey = {
    .group = "store",
    .name = "rekey",
    .summary = "seal a store anew under a new key (root only)",
    .details =
        "With a key file this is one step: FILE.new is made and opens the store too, FILE.new becomes FILE, everything "
        "is sealed anew and the old "
        "key is forgotten. If it is interrupted, --resume goes on. Where the new key needs a place of its own first (a "
        "credential, or a "
        "passphrase instead of a file), both keys open the store until --finish.\n"
        "\n"
        "Backups from before open with the key they were made under.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunRekey,
};

}  // namespace leasefs::cli
