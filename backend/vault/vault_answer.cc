#include "backend/vault/vault_answer.h"

#include <utility>

#include "backend/http/json_reader.h"
#include "backend/http/json_text.h"
#include "fs/base/limits.h"

namespace leasefs::vault {
namespace {

class AnswerHandler : public http::JsonHandler {
 public:
  AnswerHandler(VaultAnswer& answer, Shape shape) : answer_(answer), shape_(shape) {}

  Status Null() override { return Scalar(Member::Kind::kNull, SecretBuffer::CopyOf("null"), &http::JsonText::Null); }
  Status Bool(bool value) override {
    if (nested_ > 0) return text_.Bool(value);
    return Put(Member::Kind::kBool, SecretBuffer::CopyOf(value ? "true" : "false"));
  }
  Status Number(SecretBuffer text) override {
    if (nested_ > 0) return text_.Number(std::move(text));
    return Put(Member::Kind::kNumber, std::move(text));
  }
  Status String(SecretBuffer value) override {
    if (nested_ > 0) return text_.String(std::move(value));
    return Put(Member::Kind::kString, std::move(value));
  }
  Status StartObject() override {
    if (nested_ > 0) return Enter(&http::JsonText::StartObject);
    Members* section = open_.empty() ? &answer_.root : SectionAt(name_);
    if (section == nullptr) return Enter(&http::JsonText::StartObject);
    section->SetPresent();
    open_.push_back(section);
    return Ok();
  }
  Status Name(std::string_view name) override {
    if (nested_ > 0) return text_.Name(name);
    name_ = name;
    return Ok();
  }
  Status EndObject() override {
    if (nested_ > 0) return Leave(&http::JsonText::EndObject);
    open_.pop_back();
    return Ok();
  }
  Status StartArray() override {
    if (open_.empty()) return NoObject();
    return Enter(&http::JsonText::StartArray);
  }
  Status EndArray() override { return Leave(&http::JsonText::EndArray); }

 private:
  using Event = Status (http::JsonText::*)();

  static Error NoObject() { return {ErrorKind::kRemote, "the answer cannot be read: it is no JSON object"}; }

  Members* SectionAt(std::string_view name) {
    if (open_.back() == &answer_.root) {
      if (name == "data") return &answer_.data;
      if (name == "auth") return &answer_.auth;
      if (name == "wrap_info") return &answer_.wrap_info;
    }
    if (shape_ == Shape::kVersioned && open_.back() == &answer_.data) {
      if (name == "data") return &answer_.values;
      if (name == "metadata") return &answer_.metadata;
    }
    return nullptr;
  }

  Status Scalar(Member::Kind kind, SecretBuffer text, Event event) {
    return nested_ > 0 ? (text_.*event)() : Put(kind, std::move(text));
  }
  Status Put(Member::Kind kind, SecretBuffer value) {
    if (open_.empty()) return NoObject();
    Member member{.name = name_, .kind = kind, .value = std::move(value)};
    if (member.value.size() > kHardMaxValueBytes) {
      member.too_large = true;
      member.value.Clear();
    }
    open_.back()->Add(std::move(member));
    return Ok();
  }
  Status Enter(Event event) {
    ++nested_;
    return (text_.*event)();
  }
  Status Leave(Event event) {
    LEASEFS_RETURN_IF_ERROR((text_.*event)());
    return --nested_ > 0 ? Ok() : Put(Member::Kind::kJson, text_.Take());
  }

  VaultAnswer& answer_;
  const Shape shape_;
  std::vector<Members*> open_;  // the sections that we are in
  std::string name_;            // of the member that comes next in the innermost of them
  size_t nested_ = 0;           // how deep we are in a value that is kept as text
  http::JsonText text_;
};

}  // namespace

std::vector<SecretBuffer> VaultAnswer::Errors() const {
  return root.Strings("errors").value_or(std::vector<SecretBuffer>());
}

Result<VaultAnswer> ReadAnswer(SecretBuffer body, Shape shape) {
  VaultAnswer answer;
  AnswerHandler handler(answer, shape);
  LEASEFS_RETURN_IF_ERROR(http::ReadJson(std::move(body), handler));
  return answer;
}

}  // namespace leasefs::vault
