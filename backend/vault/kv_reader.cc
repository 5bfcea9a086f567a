#include "backend/vault/kv_reader.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "backend/http/path_escape.h"
#include "backend/vault/names.h"
#include "backend/vault/server_time.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Answer;
using lease::Failure;
using protocol::Entry;
using protocol::EntryKind;

Answer<lease::Grant> GrantOf(const KvPlace& place, const Subject& subject, VaultReply reply) {
  lease::Grant grant;
  grant.asked_at = reply.asked_at;
  VaultAnswer& answer = reply.answer;
  if (!place.location.versioned) {
    if (!answer.data.present()) return Refused(subject, ErrorKind::kNotFound, "there is nothing");
    grant.fields = std::move(answer.data).TakeFields();
    return grant;
  }
  if (!answer.metadata.present()) {
    return WrongAnswer(subject, "the answer is not one of KV version 2: is the tree's engine set right?");
  }
  if (!answer.values.present()) return Refused(subject, ErrorKind::kNotFound, "this version was deleted");
  grant.number = static_cast<uint64_t>(std::max<int64_t>(answer.metadata.Integer("version").value_or(0), 0));
  // delete_version_after: it may lie ahead.
  if (const auto deleted = ParseRfc3339(answer.metadata.Text("deletion_time"))) {
    grant.ends = BootTimeOf(*deleted, reply.asked_at, reply.server_time);
    if (grant.ends <= reply.asked_at) return Refused(subject, ErrorKind::kNotFound, "this version was deleted");
  }
  grant.fields = std::move(answer.values).TakeFields();
  return grant;
}

// What is remembered is so by place and tree. A path has no line break in it.
std::string RememberedAs(const KvPlace& place, std::string_view rest) {
  return StrCat(place.tree, "\n", place.location.mount, "\n", rest, "\n", place.version);
}

// Of what LIST answers: the names that are secrets only, not "web" beside "web/".
std::vector<std::string> SecretsIn(const Members& data) {
  std::set<std::string> names;
  for (const SecretBuffer& name : data.Strings("keys").value_or(std::vector<SecretBuffer>())) {
    names.emplace(name.ExposeText());
  }
  std::vector<std::string> secrets;
  for (const std::string& name : names) {
    if (!name.ends_with('/') && !names.contains(name + "/")) secrets.push_back(name);
  }
  return secrets;
}

bool IsNotFound(const Failure& failure) {
  return failure.cause == lease::Cause::kRefused && failure.error.kind() == ErrorKind::kNotFound;
}

Failure NoSecret(const KvPlace& place) {
  const Subject subject{.asked = Asked::kRead, .place = place.location.mount, .path = ""};
  return Refused(subject, ErrorKind::kNotFound, "the whole mount is a folder and no secret");
}

}  // namespace

// What is known so far of a place that is being listed: both answers are needed.
struct KvReader::Listing {
  lease::Reply<lease::Names> done;
  std::optional<Answer<std::vector<Entry>>> folders, keys;
  bool value_at_hand = false;
  std::function<void()> ask_for_folders;  // set: they were taken for none by what is remembered

  void Conclude() {
    if (!folders || !keys) return;
    auto* no_folders = FailureIn(*folders);
    auto* no_keys = FailureIn(*keys);
    if (no_keys != nullptr && ask_for_folders) {  // what is remembered holds no more
      folders.reset();
      return std::exchange(ask_for_folders, nullptr)();
    }
    // An outage of either says nothing of what is there.
    for (Failure* failure : {no_folders, no_keys}) {
      if (failure != nullptr && failure->cause == lease::Cause::kOutage) return done(std::move(*failure));
    }
    if (no_folders != nullptr && no_keys != nullptr) {
      return done(std::move(IsNotFound(*no_keys) ? *no_folders : *no_keys));  // to read is what a policy needs most
    }
    lease::Names names;
    names.value_at_hand = value_at_hand;
    for (auto* part : {&*folders, &*keys}) {
      if (FailureIn(*part) != nullptr) continue;
      std::ranges::move(std::get<std::vector<Entry>>(*part), std::back_inserter(names.entries));
    }
    done(std::move(names));
  }
};

// `api`: "data", "metadata", "subkeys" of v2. The path has been checked: names.h.
Question KvReader::Ask(const KvPlace& place, const SecretBuffer& token, Asked asked, std::string_view api) const {
  const Location& at = place.location;
  std::string path = at.mount;
  if (at.versioned) path += StrCat("/", api);
  if (!at.rest.empty()) path += StrCat("/", at.rest);
  Question question;
  question.path = http::EscapePath(path).value();
  if (asked == Asked::kList) {
    path += '/';
    question.path += "/?list=true";
  } else if (at.versioned && place.version != 0) {
    question.path += StrCat("?version=", place.version);
  }
  question.subject = {.asked = asked,
                      .place = at.rest.empty() ? at.mount : StrCat(at.mount, "/", at.rest),
                      .path = StrCat(asked == Asked::kList ? "list on " : "read on ", path)};
  question.token = SecretBuffer::CopyOf(token.Expose());
  question.group = at.mount;
  question.shape = at.versioned && asked != Asked::kList ? Shape::kVersioned : Shape::kPlain;
  return question;
}

void KvReader::Get(const KvPlace& place, const SecretBuffer& token, lease::Reply<lease::Grant> done) {
  if (auto grant = memory_.Take(RememberedAs(place, place.location.rest))) {
    auto held = std::make_shared<lease::Grant>(std::move(*grant));
    return client_.Later([held, done = std::move(done)] { done(std::move(*held)); });
  }
  Fetch(place, token, std::move(done));
}

void KvReader::Fetch(const KvPlace& place, const SecretBuffer& token, lease::Reply<lease::Grant> done) {
  if (place.location.rest.empty()) {
    return client_.Later([done = std::move(done), place] { done(NoSecret(place)); });
  }
  Question question = Ask(place, token, Asked::kRead, "data");
  const Subject subject = question.subject;
  client_.Ask(std::move(question), [place, subject, done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    done(GrantOf(place, subject, std::move(std::get<VaultReply>(answer))));
  });
}

void KvReader::List(const KvPlace& place, protocol::Purpose purpose, const SecretBuffer& token,
                    lease::Reply<lease::Names> done) {
  auto listing = std::make_shared<Listing>();
  listing->done = std::move(done);
  if (IsKnownAsNoFolder(place)) {
    listing->folders = std::vector<Entry>();
    auto held = std::make_shared<SecretBuffer>(SecretBuffer::CopyOf(token.Expose()));
    listing->ask_for_folders = [this, place, held, listing = std::weak_ptr(listing)] {
      if (const auto alive = listing.lock()) AskForFolders(place, *held, alive);
    };
  } else {
    AskForFolders(place, token, listing);
  }
  if (place.location.rest.empty()) {
    listing->keys = NoSecret(place);  // what comes of `folders` decides
    return listing->Conclude();
  }
  if (place.location.versioned && purpose == protocol::Purpose::kNames) {
    AskForKeys(place, token, listing);
  } else {
    ReadForKeys(place, token, listing);
  }
}

bool KvReader::IsKnownAsNoFolder(const KvPlace& place) const {
  const std::string& rest = place.location.rest;
  const size_t slash = rest.rfind('/');
  const std::string_view parent =
      slash == std::string::npos ? std::string_view() : std::string_view(rest).substr(0, slash);
  return !rest.empty() && memory_.IsNoFolder(RememberedAs(place, parent), rest.substr(slash + 1));  // npos + 1 is 0
}

void KvReader::AskForFolders(const KvPlace& place, const SecretBuffer& token, const std::shared_ptr<Listing>& listing) {
  client_.Ask(Ask(place, token, Asked::kList, "metadata"), [this, place, listing](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) {
      // An empty mount: there is nothing to be told apart from what is not there.
      if (place.location.rest.empty() && IsNotFound(*failure)) {
        listing->folders = std::vector<Entry>();
      } else {
        listing->folders = std::move(*failure);
      }
    } else {
      const Members& data = std::get<VaultReply>(answer).answer.data;
      memory_.Listed(RememberedAs(place, place.location.rest), SecretsIn(data), place.ttl);
      listing->folders = FoldersOf(data);
    }
    listing->Conclude();
  });
}

void KvReader::AskForKeys(const KvPlace& place, const SecretBuffer& token, const std::shared_ptr<Listing>& listing) {
  Question question = Ask(place, token, Asked::kSubkeys, "subkeys");
  // The names alone: nothing of the values, and not what is nested in them.
  question.path += place.version == 0 ? "?depth=1" : "&depth=1";
  client_.Ask(std::move(question),
              [this, place, token = std::make_shared<SecretBuffer>(SecretBuffer::CopyOf(token.Expose())),
               listing](Answer<VaultReply> answer) {
                auto* failure = FailureIn(answer);
                if (failure != nullptr && failure->cause != lease::Cause::kOutage && !IsNotFound(*failure)) {
                  // Denied, or too old for it: whoever may read the values may learn the names by it.
                  return ReadForKeys(place, *token, listing);
                }
                if (failure != nullptr) {
                  listing->keys = std::move(*failure);
                } else {
                  listing->keys = KeysOf(std::get<VaultReply>(answer).answer.data.NamesOf("subkeys"));
                }
                listing->Conclude();
              });
}

void KvReader::ReadForKeys(const KvPlace& place, const SecretBuffer& token, const std::shared_ptr<Listing>& listing) {
  Fetch(place, token, [this, place, listing](Answer<lease::Grant> answer) {
    if (auto* failure = FailureIn(answer)) {
      listing->keys = std::move(*failure);
    } else {
      lease::Grant& grant = std::get<lease::Grant>(answer);
      std::vector<std::string> names;
      for (const protocol::Field& field : grant.fields) names.push_back(field.key);
      listing->keys = KeysOf(names);
      listing->value_at_hand = true;
      memory_.Keep(RememberedAs(place, place.location.rest), std::move(grant));
    }
    listing->Conclude();
  });
}

}  // namespace leasefs::vault
