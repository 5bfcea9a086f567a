#include "backend/vault/mounts.h"

#include <utility>

#include "backend/http/json_reader.h"
#include "backend/http/path_escape.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

bool IsAtOrBelow(std::string_view path, std::string_view mount) {
  return path.starts_with(mount) && (path.size() == mount.size() || path[mount.size()] == '/');
}

// The member "version" of a mount's options.
class VersionReader : public http::JsonHandler {
 public:
  Status Null() override { return Ok(); }
  Status Bool(bool /*value*/) override { return Ok(); }
  Status Number(SecretBuffer text) override { return String(std::move(text)); }
  Status String(SecretBuffer value) override {
    if (is_version_) versioned_ = value.ExposeText() == "2";
    return Ok();
  }
  Status StartObject() override { return Ok(); }
  Status Name(std::string_view name) override {
    is_version_ = name == "version";
    return Ok();
  }
  Status EndObject() override { return Ok(); }
  Status StartArray() override { return Ok(); }
  Status EndArray() override { return Ok(); }
  bool versioned() const { return versioned_; }

 private:
  bool is_version_ = false;
  bool versioned_ = false;
};

bool IsVersioned(const Members& mount) {
  const Member* options = mount.Find("options");
  if (mount.Text("type") != "kv" || options == nullptr) return false;
  VersionReader reader;
  return http::ReadJson(SecretBuffer::CopyOf(options->value.Expose()), reader).ok() && reader.versioned();
}

}  // namespace

std::string PathBelow(const std::string& path, const std::string& mount) {
  return path.size() > mount.size() ? path.substr(mount.size() + 1) : "";
}

const Mounts::Known* Mounts::Look(const std::string& path, std::string* mount) const {
  for (size_t end = path.size(); end != std::string::npos && end > 0; end = path.rfind('/', end - 1)) {
    const auto known = known_.find(path.substr(0, end));
    if (known == known_.end()) continue;
    *mount = known->first;
    return known->second.until > client_.loop().Now() ? &known->second : nullptr;
  }
  return nullptr;
}

void Mounts::Find(const std::string& path, const SecretBuffer& token, Done done) {
  std::string mount;
  if (const Known* known = Look(path, &mount); known != nullptr) {
    Location location{
        .mount = mount, .rest = PathBelow(path, mount), .type = known->type, .versioned = known->versioned};
    return done(std::move(location));
  }
  Question question;
  question.subject = {.asked = Asked::kMount, .place = path, .path = ""};
  const auto escaped = http::EscapePath(path);
  if (!escaped.ok()) {
    auto refused = Refused(question.subject, ErrorKind::kNotFound, escaped.error().message());
    return client_.Later([done = std::move(done), refused = std::move(refused)] { done(refused); });
  }
  question.path = "sys/internal/ui/mounts/" + *escaped;
  question.token = SecretBuffer::CopyOf(token.Expose());
  client_.Ask(std::move(question), [this, path, done = std::move(done)](lease::Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    done(Take(path, {.asked = Asked::kMount, .place = path, .path = ""}, std::get<VaultReply>(answer).answer));
  });
}

lease::Answer<Location> Mounts::Take(const std::string& path, const Subject& subject, const VaultAnswer& answer) {
  std::string mount(answer.data.Text("path"));
  while (mount.ends_with('/')) mount.pop_back();
  // The namespace of the request may stand before it.
  const std::string& name_space = client_.name_space();
  if (!name_space.empty() && !IsAtOrBelow(path, mount) && IsAtOrBelow(mount, name_space)) {
    mount = PathBelow(mount, name_space);
  }
  if (mount.empty() || !IsAtOrBelow(path, mount)) {
    return WrongAnswer(subject, "the server does not say what is mounted there: set engine in the tree");
  }
  Known known{.type = std::string(answer.data.Text("type")),
              .versioned = IsVersioned(answer.data),
              .until = client_.loop().Now() + kFresh};
  Location location{.mount = mount, .rest = PathBelow(path, mount), .type = known.type, .versioned = known.versioned};
  if (known_.size() >= kMaxKnown) known_.clear();
  known_[mount] = std::move(known);
  return location;
}

void Mounts::Forget(const std::string& path) {
  for (size_t end = path.size(); end != std::string::npos && end > 0; end = path.rfind('/', end - 1)) {
    known_.erase(path.substr(0, end));
  }
}

}  // namespace leasefs::vault
