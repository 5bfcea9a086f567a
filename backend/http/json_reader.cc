#include "backend/http/json_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "backend/http/secret_text.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

using Json = nlohmann::basic_json<std::map, std::vector, SecretText>;

// Reads the text and tells how far the parser has come.
class Reading {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Reading(const char* at, size_t* offset) : at_(at), offset_(offset) {}
  reference operator*() const { return *at_; }
  Reading& operator++() {
    ++at_;
    ++*offset_;
    return *this;
  }
  bool operator==(const Reading& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  size_t* offset_;
};

// Between nlohmann's events and ours: limits, names that are there twice, and the first error.
class Events {
 public:
  Events(JsonHandler& handler, const JsonLimits& limits, const size_t& offset)
      : handler_(handler), limits_(limits), offset_(offset) {}

  bool null() { return Count() && Take(handler_.Null()); }
  bool boolean(bool value) { return Count() && Take(handler_.Bool(value)); }
  // What has no sign comes as unsigned: a zero here was "-0".
  bool number_integer(int64_t value) { return value == 0 ? NumberText("-0") : NumberDigits(value); }
  bool number_unsigned(uint64_t value) { return NumberDigits(value); }
  bool number_float(double /*rounded*/, const SecretText& text) { return NumberText(text.View()); }
  bool string(SecretText& text) { return Count() && Take(handler_.String(text.Take())); }
  bool start_object(size_t /*unknown*/) {
    if (!Count() || !Open()) return false;
    names_.emplace_back();
    return Take(handler_.StartObject());
  }
  bool key(SecretText& text) {
    if (!Count()) return false;
    if (text.size() > limits_.max_name_bytes) {
      return Refuse(ErrorKind::kTooLarge, StrCat("a member's name is longer than ", limits_.max_name_bytes, " bytes"));
    }
    if (names_.back().size() == limits_.max_members) {
      return Refuse(ErrorKind::kTooLarge, StrCat("an object has more than ", limits_.max_members, " members"));
    }
    if (!names_.back().insert(text).second) return Refuse(ErrorKind::kRemote, "two members of an object have one name");
    return Take(handler_.Name(text.View()));
  }
  bool end_object() {
    names_.pop_back();
    --depth_;
    return Take(handler_.EndObject());
  }
  bool start_array(size_t /*unknown*/) { return Count() && Open() && Take(handler_.StartArray()); }
  bool end_array() {
    --depth_;
    return Take(handler_.EndArray());
  }
  bool binary(std::vector<uint8_t>& /*never in JSON*/) { return false; }
  // SECURITY: the token and the exception quote the text; neither is looked at.
  bool parse_error(size_t /*position*/, const std::string& /*token*/, const nlohmann::detail::exception& /*what*/) {
    return Refuse(ErrorKind::kRemote, "it is no JSON");
  }

  std::optional<Error> error() && { return std::move(error_); }

 private:
  bool Refuse(ErrorKind kind, std::string_view what) {
    if (!error_) error_ = Error(kind, StrCat("the answer cannot be read: at byte ", offset_, " ", what));
    return false;
  }
  bool Take(Status status) {
    if (!status.ok()) error_ = std::move(status).error();
    return !error_;
  }
  bool Count() {
    return ++values_ <= limits_.max_values ||
           Refuse(ErrorKind::kTooLarge, StrCat("there are more than ", limits_.max_values, " values"));
  }
  bool Open() {
    return ++depth_ <= limits_.max_depth ||
           Refuse(ErrorKind::kTooLarge, StrCat("it is nested deeper than ", limits_.max_depth));
  }
  bool NumberText(std::string_view text) { return Count() && Take(handler_.Number(SecretBuffer::CopyOf(text))); }
  template <class Integer>
  bool NumberDigits(Integer value) {
    std::array<char, 24> digits{};
    const char* end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    const bool taken = NumberText({digits.data(), end});
    Wipe(digits.data(), digits.size());
    return taken;
  }

  JsonHandler& handler_;
  const JsonLimits& limits_;
  const size_t& offset_;  // how many bytes the parser has read
  size_t depth_ = 0;
  size_t values_ = 0;
  std::vector<std::set<SecretText>> names_;  // of the objects that are open
  std::optional<Error> error_;
};

}  // namespace

// NOLINTNEXTLINE(performance-unnecessary-value-param): it is wiped here
Status ReadJson(SecretBuffer body, JsonHandler& handler, const JsonLimits& limits) {
  const std::string_view text = body.ExposeText();
  if (text.size() > limits.max_bytes) {
    return Error(ErrorKind::kTooLarge,
                 StrCat("the answer cannot be read: it is larger than ", limits.max_bytes, " bytes"));
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return Error(ErrorKind::kRemote, "the answer cannot be read: it begins with a byte order mark");
  }
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {  // nlohmann takes it for the end
    return Error(ErrorKind::kRemote, StrCat("the answer cannot be read: at byte ", nul + 1, " it is no JSON"));
  }
  size_t offset = 0;
  Events events(handler, limits, offset);
  const bool whole = Json::sax_parse(Reading(text.data(), &offset), Reading(text.data() + text.size(), &offset),
                                     &events, nlohmann::detail::input_format_t::json, /*strict=*/true,
                                     /*ignore_comments=*/false);
  std::optional<Error> error = std::move(events).error();
  if (error) return *std::move(error);
  if (!whole) return Error(ErrorKind::kRemote, "the answer cannot be read: it is no JSON");
  return Ok();
}

}  // namespace leasefs::http
