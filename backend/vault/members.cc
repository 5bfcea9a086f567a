#include "backend/vault/members.h"

#include <algorithm>
#include <charconv>

#include "backend/http/json_reader.h"

namespace leasefs::vault {
namespace {

constexpr int64_t kCenturySeconds = int64_t{100} * 366 * 24 * 3600;

// What stands at the first level of one array or object; deeper things are passed over.
class FirstLevel : public http::JsonHandler {
 public:
  Status Null() override { return Ok(); }
  Status Bool(bool /*value*/) override { return Ok(); }
  Status Number(SecretBuffer /*text*/) override { return Ok(); }
  Status String(SecretBuffer value) override {
    if (depth_ == 1) strings_.push_back(std::move(value));
    return Ok();
  }
  Status StartObject() override { return Open(); }
  Status Name(std::string_view name) override {
    if (depth_ == 1) names_.emplace_back(name);
    return Ok();
  }
  Status EndObject() override { return Close(); }
  Status StartArray() override { return Open(); }
  Status EndArray() override { return Close(); }

  std::vector<SecretBuffer> TakeStrings() { return std::move(strings_); }
  std::vector<std::string> TakeNames() { return std::move(names_); }

 private:
  Status Open() {
    ++depth_;
    return Ok();
  }
  Status Close() {
    --depth_;
    return Ok();
  }
  size_t depth_ = 0;
  std::vector<SecretBuffer> strings_;
  std::vector<std::string> names_;
};

// The text has been read once as a part of the answer.
FirstLevel ReadFirstLevel(const Member& member) {
  FirstLevel level;
  static_cast<void>(http::ReadJson(SecretBuffer::CopyOf(member.value.Expose()), level));
  return level;
}

}  // namespace

void Members::Add(std::string name, std::string_view text) {
  Add({.name = std::move(name), .kind = Member::Kind::kString, .value = SecretBuffer::CopyOf(text)});
}

const Member* Members::Find(std::string_view name) const {
  const auto found = std::ranges::find(members_, name, &Member::name);
  return found == members_.end() || found->kind == Member::Kind::kNull ? nullptr : &*found;
}

std::string_view Members::Text(std::string_view name) const {
  const Member* member = Find(name);
  return member == nullptr || member->kind != Member::Kind::kString ? "" : member->value.ExposeText();
}

bool Members::Bool(std::string_view name) const {
  const Member* member = Find(name);
  return member != nullptr && member->kind == Member::Kind::kBool && member->value.ExposeText() == "true";
}

std::optional<int64_t> Members::Integer(std::string_view name) const {
  const Member* member = Find(name);
  if (member == nullptr || (member->kind != Member::Kind::kNumber && member->kind != Member::Kind::kString)) {
    return std::nullopt;
  }
  const std::string_view text = member->value.ExposeText();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  if (rest.empty() || rest.starts_with('.')) return number;
  double wide = 0;  // 1.7e9, as other encoders write it
  const auto [wide_end, wide_error] = std::from_chars(text.data(), text.data() + text.size(), wide);
  if (wide_error != std::errc() || wide_end != text.data() + text.size() || wide < -9e18 || wide > 9e18) {
    return std::nullopt;
  }
  return static_cast<int64_t>(wide);
}

std::optional<int64_t> Members::Seconds(std::string_view name) const {
  auto number = Integer(name);
  if (std::string_view text = Text(name); !number && text.ends_with('s')) {
    Members whole;
    text.remove_suffix(1);
    whole.Add(std::string(name), text);
    number = whole.Integer(name);
  }
  if (!number || *number < 0) return std::nullopt;
  return std::min(*number, kCenturySeconds);
}

std::optional<std::vector<SecretBuffer>> Members::Strings(std::string_view name) const {
  const Member* member = Find(name);
  if (member == nullptr || member->kind != Member::Kind::kJson || !member->value.ExposeText().starts_with('[')) {
    return std::nullopt;
  }
  return ReadFirstLevel(*member).TakeStrings();
}

std::vector<std::string> Members::NamesOf(std::string_view name) const {
  const Member* member = Find(name);
  if (member == nullptr || member->kind != Member::Kind::kJson || !member->value.ExposeText().starts_with('{'))
    return {};
  return ReadFirstLevel(*member).TakeNames();
}

void Members::Remove(std::string_view name) {
  std::erase_if(members_, [name](const Member& member) { return member.name == name; });
}

std::vector<protocol::Field> Members::TakeFields() && {
  std::vector<protocol::Field> fields;
  for (Member& member : members_) {
    if (!protocol::IsValidKey(member.name)) continue;
    fields.push_back({.key = std::move(member.name),
                      .too_large = member.too_large,
                      .value = std::move(member.value),
                      .json = member.kind != Member::Kind::kString && !member.too_large});
  }
  members_.clear();
  return fields;
}

}  // namespace leasefs::vault
