#include "fs/audit/audit_json.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

namespace leasefs {
namespace {

using Kind = AuditEvent::Kind;
using Source = AuditEvent::Source;

// The fixed part of a line: all keys, and every number at its longest, stay below half of it.
constexpr size_t kFixedBytes = 768;
constexpr size_t kCacheOverhead = 64;  // of an entry, beside its text

template <size_t n>
char* Put(char* at, const char (&text)[n]) {
  std::memcpy(at, text, n - 1);
  return at + n - 1;
}

char* Put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

template <class Integer>
char* PutNumber(char* at, Integer value) {
  return std::to_chars(at, at + 24, value).ptr;
}

char* PutDigits(char* at, uint32_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
  return at + digits;
}

std::string_view TypeName(Kind kind) {
  switch (kind) {
    case Kind::kOpen:
      return "open";
    case Kind::kOpenDirectory:
      return "opendir";
    case Kind::kAdmin:
      return "admin";
    case Kind::kVoid:
      return "void";
  }
  return "unknown";
}

std::string_view SourceName(Source source) {
  switch (source) {
    case Source::kNone:
      return "none";
    case Source::kFetched:
      return "fetched";
    case Source::kCached:
      return "cached";
    case Source::kStale:
      return "stale";
  }
  return "unknown";
}

char* PutOutcome(char* at, int32_t error) {
  if (error == 0) return Put(at, ",\"outcome\":\"allowed\"");
  at = error == EACCES ? Put(at, ",\"outcome\":\"denied\",\"error\":\"")
                       : Put(at, ",\"outcome\":\"failed\",\"error\":\"");
  const char* name = strerrorname_np(error);
  at = name != nullptr ? Put(at, std::string_view(name)) : PutNumber(at, error);
  return Put(at, "\"");
}

char* PutVerb(char* at, const AuditEvent& event) {
  at = Put(at, ",\"verb\":\"");
  for (char c : event.verb) {
    if (c == 0) break;
    bool plain = (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    *at++ = plain ? c : '?';
  }
  return Put(at, "\"");
}

char* PutOpen(char* at, const AuditEvent& event) {
  at = PutNumber(Put(at, ",\"version\":"), event.file_version);
  at = PutNumber(Put(at, ",\"secret_version\":"), event.secret_version);
  at = Put(Put(Put(at, ",\"source\":\""), SourceName(event.source)), "\",\"age_s\":");
  return event.age_s < 0 ? Put(at, "null") : PutNumber(at, event.age_s);
}

char* PutRule(char* at, const AuditEvent& event) {
  at = Put(at, ",\"rule\":");
  at = event.rule < 0 ? Put(at, "null") : PutNumber(at, event.rule);
  return PutNumber(Put(at, ",\"rules\":"), event.generation);
}

char* PutCaller(char* at, const AuditEvent& event) {
  at = PutNumber(Put(at, ",\"uid\":"), event.uid);
  at = PutNumber(Put(at, ",\"gid\":"), event.gid);
  at = PutNumber(Put(at, ",\"tid\":"), event.tid);
  return PutNumber(Put(at, ",\"latency_us\":"), event.latency_us);
}

// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with none (Unicode 15, table 3-7).
size_t Utf8Length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto within = [&](size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    unsigned high = first == 0xED ? 0x9F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    unsigned low = first == 0xF0 ? 0x90 : 0x80;
    unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

void AppendHex(std::string_view prefix, unsigned char byte, std::string& out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  out += prefix;
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

}  // namespace

void AppendJsonEscaped(std::string_view text, std::string& out) {
  auto plain = [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
  for (size_t i = 0; i < text.size();) {
    size_t run = i;
    while (run < text.size() && plain(text[run])) ++run;
    out.append(text, i, run - i);
    i = run;
    if (i == text.size()) break;
    auto byte = static_cast<unsigned char>(text[i]);
    size_t length = Utf8Length(text.substr(i));
    if (length == 0) {
      AppendHex("%", byte, out);
    } else if (byte < 0x20 || byte == 0x7F) {
      AppendHex("\\u00", byte, out);
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[i];
    } else {
      out.append(text, i, length);
    }
    i += std::max<size_t>(length, 1);
  }
}

const std::string& AuditFormatter::EscapedPath(uint32_t node) {
  auto found = cache_.find(node);
  if (found != cache_.end()) return found->second;
  scratch_.clear();
  if (paths_) paths_(node, scratch_);
  std::string escaped;
  AppendJsonEscaped(scratch_, escaped);
  if (cached_bytes_ > kCachedBytes) {
    cache_.clear();
    cached_bytes_ = 0;
  }
  cached_bytes_ += escaped.size() + kCacheOverhead;
  return cache_.emplace(node, std::move(escaped)).first->second;
}

char* AuditFormatter::PutTime(int64_t wall_ns, char* at) {
  using std::chrono::floor, std::chrono::nanoseconds, std::chrono::seconds, std::chrono::days;
  int64_t second = floor<seconds>(nanoseconds(wall_ns)).count();
  if (second != second_) {
    std::chrono::sys_seconds time{seconds(second)};
    auto day = floor<days>(time);
    std::chrono::year_month_day date(day);
    std::chrono::hh_mm_ss clock(time - day);
    char* text = PutDigits(second_text_, static_cast<uint32_t>(static_cast<int>(date.year())), 4);
    *text++ = '-';
    text = PutDigits(text, static_cast<unsigned>(date.month()), 2);
    *text++ = '-';
    text = PutDigits(text, static_cast<unsigned>(date.day()), 2);
    *text++ = 'T';
    text = PutDigits(text, static_cast<uint32_t>(clock.hours().count()), 2);
    *text++ = ':';
    text = PutDigits(text, static_cast<uint32_t>(clock.minutes().count()), 2);
    *text++ = ':';
    text = PutDigits(text, static_cast<uint32_t>(clock.seconds().count()), 2);
    *text = '.';
    second_ = second;
  }
  std::memcpy(at, second_text_, sizeof(second_text_));
  int64_t rest = wall_ns - second * 1'000'000'000;
  at = PutDigits(at + sizeof(second_text_), static_cast<uint32_t>(rest / 1000), 6);
  *at++ = 'Z';
  return at;
}

void AuditFormatter::AppendLine(uint64_t sequence, const AuditEvent& event, std::string_view admin_path,
                                std::string& out) {
  char fixed[kFixedBytes];
  char* at = PutNumber(Put(fixed, "{\"seq\":"), sequence);
  at = PutTime(event.wall_ns, Put(at, ",\"time\":\""));
  at = PutNumber(Put(at, "\",\"boot_ns\":"), event.boot_ns);
  at = Put(Put(Put(at, ",\"type\":\""), TypeName(event.kind)), "\"");
  if (event.kind == Kind::kVoid) {
    out.append(fixed, Put(at, "}\n"));
    return;
  }
  if (event.kind == Kind::kAdmin) at = PutVerb(at, event);
  at = Put(PutOutcome(at, event.error), ",\"path\":\"");
  out.append(fixed, at);
  if (event.kind == Kind::kAdmin) {
    AppendJsonEscaped(admin_path, out);
  } else {
    out += EscapedPath(event.node);
  }
  at = Put(fixed, "\"");
  if (event.kind == Kind::kOpen) at = PutOpen(at, event);
  if (event.kind == Kind::kAdmin) at = PutNumber(Put(at, ",\"secret_version\":"), event.secret_version);
  if (event.kind != Kind::kAdmin) at = PutRule(at, event);
  at = PutCaller(at, event);
  out.append(fixed, Put(at, "}\n"));
}

}  // namespace leasefs
