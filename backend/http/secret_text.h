// A string for nlohmann's parser that keeps its characters in a SecretBuffer, so that a value can be taken out whole.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "fs/base/secret_buffer.h"

namespace leasefs::http {

// What the parser uses: clear, push_back, data (with a NUL at the end, for strtod), size. The rest is what it names in
// code that never runs for JSON.
class SecretText {
 public:
  using value_type = char;

  SecretText() = default;
  SecretText(SecretText&&) = default;
  SecretText& operator=(SecretText&&) = default;
  ~SecretText() = default;
  SecretText(const SecretText& other) : SecretText(other.View()) {}
  SecretText& operator=(const SecretText& other) {
    if (this != &other) *this = SecretText(other.View());
    return *this;
  }
  explicit SecretText(std::string_view text) { append(text); }
  SecretText(const char* text) : SecretText(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)
  SecretText(const std::string& text) : SecretText(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  SecretText(size_t count, char c) : SecretText(std::string(count, c)) {}

  void clear() { size_ = 0; }  // keeps the place, which the next token overwrites; its end wipes
  void push_back(char c) {
    MakeRoom(1);
    text()[size_++] = c;
    text()[size_] = '\0';
  }
  SecretText& append(std::string_view more) {
    MakeRoom(more.size());
    if (!more.empty()) std::memcpy(text() + size_, more.data(), more.size());
    size_ += more.size();
    text()[size_] = '\0';
    return *this;
  }
  SecretText& append(const SecretText& more) { return append(more.View()); }

  size_t size() const { return size_; }
  char* data() {
    MakeRoom(0);
    text()[size_] = '\0';
    return text();
  }
  const char* data() const { return buffer_.empty() ? "" : buffer_.ExposeText().data(); }
  const char* c_str() const { return data(); }
  char& operator[](size_t index) { return text()[index]; }
  bool operator==(const SecretText& other) const { return View() == other.View(); }
  bool operator<(const SecretText& other) const { return View() < other.View(); }

  std::string_view View() const { return {data(), size_}; }
  // Without a copy; nothing is left here.
  SecretBuffer Take() {
    buffer_.Resize(size_);
    size_ = 0;
    return std::exchange(buffer_, SecretBuffer());
  }

 private:
  char* text() { return reinterpret_cast<char*>(buffer_.ExposeMutable().data()); }
  void MakeRoom(size_t more) {
    if (size_ + more >= buffer_.size()) buffer_.Resize(std::max<size_t>(32, 2 * (size_ + more) + 1));
  }

  SecretBuffer buffer_;  // the text, a NUL, and room
  size_t size_ = 0;
};

}  // namespace leasefs::http
