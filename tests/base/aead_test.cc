#include "fs/base/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <thread>

#include "fs/base/sim_loop.h"

namespace leasefs {
namespace {

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

SecretBuffer SecretFromHex(std::string_view hex) {
  return SecretBuffer::CopyOf(FromHex(hex));
}
std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}
std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class FixedRandom : public Random {
 public:
  explicit FixedRandom(std::string bytes) : bytes_(std::move(bytes)) {}
  void Fill(std::span<std::byte> out) override {
    if (out.size() != bytes_.size()) throw std::logic_error("not the size that the test has bytes for");
    std::copy_n(BytesOf(bytes_).begin(), out.size(), out.begin());
  }

 private:
  std::string bytes_;
};

class AeadTest : public testing::Test {
 protected:
  std::vector<std::byte> Seal(std::string_view aad, std::string_view plain) {
    return key_.Seal(random_, BytesOf(aad), BytesOf(plain));
  }

  SimRandom random_{1};
  AeadKey key_{SecretBuffer::CopyOf("0123456789abcdef0123456789abcdef")};
};

TEST_F(AeadTest, OpensWhatItSealed) {
  for (std::string_view plain : {"", "x", "a longer text that does not end at a block"}) {
    for (std::string_view aad : {"", "name"}) {
      Result<SecretBuffer> opened = key_.Open(BytesOf(aad), Seal(aad, plain));
      ASSERT_TRUE(opened.ok());
      EXPECT_EQ(opened->ExposeText(), plain);
    }
  }
}

TEST_F(AeadTest, SealsLargeValues) {
  std::string plain(size_t{1} << 20, 'v');
  std::vector<std::byte> sealed = Seal("a", plain);
  EXPECT_EQ(sealed.size(), plain.size() + AeadKey::kOverhead);
  EXPECT_EQ(key_.Open(BytesOf("a"), sealed)->ExposeText(), plain);
}

// Test case 16 of the submission of GCM to NIST (McGrew and Viega).
TEST_F(AeadTest, AgreesWithThePublishedVector) {
  AeadKey key(SecretFromHex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  std::string plain = FromHex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  std::string nonce = FromHex("cafebabefacedbaddecaf888");
  std::string cipher = FromHex(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
  std::string tag = FromHex("76fc6ece0f4e1768cddf8853bb2d551b");
  std::string aad = FromHex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  FixedRandom random(nonce);
  EXPECT_EQ(TextOf(key.Seal(random, BytesOf(aad), BytesOf(plain))), nonce + cipher + tag);
  EXPECT_EQ(key.Open(BytesOf(aad), BytesOf(nonce + cipher + tag))->ExposeText(), plain);
}

TEST_F(AeadTest, AChangeOfAnyByteIsNoticed) {
  std::vector<std::byte> sealed = Seal("name", "value");
  for (size_t i = 0; i < sealed.size(); ++i) {
    for (int bit : {0, 7}) {
      std::vector<std::byte> changed = sealed;
      changed[i] ^= std::byte{1} << bit;
      Result<SecretBuffer> opened = key_.Open(BytesOf("name"), changed);
      ASSERT_FALSE(opened.ok()) << i;
      EXPECT_EQ(opened.error().kind(), ErrorKind::kRemote);
      EXPECT_EQ(opened.error().message(), "does not authenticate");
    }
  }
  EXPECT_TRUE(key_.Open(BytesOf("name"), sealed).ok());
}

TEST_F(AeadTest, AnotherLengthAnotherNameAndAnotherKeyAreNoticed) {
  std::vector<std::byte> sealed = Seal("name", "value");
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(key_.Open(BytesOf("name"), std::span(sealed).first(size)).ok()) << size;
  }
  EXPECT_FALSE(key_.Open(BytesOf("other"), sealed).ok());
  EXPECT_FALSE(key_.Open({}, sealed).ok());
  AeadKey other(SecretBuffer::CopyOf("0123456789abcdef0123456789abcdeF"));
  EXPECT_FALSE(other.Open(BytesOf("name"), sealed).ok());
  sealed.push_back(std::byte{0});
  EXPECT_FALSE(key_.Open(BytesOf("name"), sealed).ok());
}

TEST_F(AeadTest, EqualTextsLookDifferent) {
  EXPECT_NE(Seal("", "value"), Seal("", "value"));
}

TEST_F(AeadTest, SealsIntoTheCallersMemory) {
  std::vector<std::byte> out(5 + AeadKey::kOverhead);
  key_.SealTo(random_, BytesOf("a"), BytesOf("value"), out);
  EXPECT_EQ(key_.Open(BytesOf("a"), out)->ExposeText(), "value");
}

TEST_F(AeadTest, OneKeyServesManyThreads) {
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([this, seed] {
      SimRandom random(seed);
      for (int i = 0; i < 500; ++i) {
        std::string plain = std::to_string(random.Next());
        std::vector<std::byte> sealed = key_.Seal(random, BytesOf("aad"), BytesOf(plain));
        ASSERT_EQ(key_.Open(BytesOf("aad"), sealed)->ExposeText(), plain);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(AeadDeathTest, AKeyOfAnotherLengthAborts) {
  EXPECT_DEATH(AeadKey(SecretBuffer(16)), "");
}

// RFC 5869, A.1 and A.3. The RFC derives 42 bytes, of which ours are the first 32.
TEST(HkdfTest, AgreesWithTheRfc) {
  SecretBuffer key = SecretBuffer::CopyOf(std::string(22, '\x0b'));
  EXPECT_EQ(
      DeriveKey(key, BytesOf(FromHex("000102030405060708090a0b0c")), FromHex("f0f1f2f3f4f5f6f7f8f9")).ExposeText(),
      FromHex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"));
  EXPECT_EQ(DeriveKey(key, {}, "").ExposeText(),
            FromHex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"));
}

// RFC 7914, section 12. The RFC derives 64 bytes, of which ours are the first 32.
TEST(ScryptTest, AgreesWithTheRfc) {
  EXPECT_EQ(ScryptKey(SecretBuffer(), {}, 16, 1, 1)->ExposeText(),
            FromHex("77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"));
  EXPECT_EQ(ScryptKey(SecretBuffer::CopyOf("password"), BytesOf("NaCl"), 1024, 8, 16)->ExposeText(),
            FromHex("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"));
}

TEST(ScryptTest, TakesTheMemoryThatItsParametersAskFor) {
  // 64 MiB: over the 32 MiB that OpenSSL allows by itself.
  EXPECT_TRUE(ScryptKey(SecretBuffer::CopyOf("p"), BytesOf("salt"), 1 << 16, 8, 1).ok());
}

TEST(ScryptTest, RefusesParametersThatAreNoGood) {
  struct Parameters {
    uint64_t n;
    uint32_t r;
    uint32_t p;
  };
  for (Parameters bad : {Parameters{0, 8, 1}, Parameters{1, 8, 1}, Parameters{1000, 8, 1}, Parameters{1024, 0, 1},
                         Parameters{1024, 8, 0}, Parameters{UINT64_MAX, 8, 1}, Parameters{uint64_t{1} << 63, 8, 1},
                         Parameters{1024, UINT32_MAX, UINT32_MAX}}) {
    Result<SecretBuffer> key = ScryptKey(SecretBuffer::CopyOf("p"), BytesOf("salt"), bad.n, bad.r, bad.p);
    ASSERT_FALSE(key.ok()) << bad.n;
    EXPECT_EQ(key.error().kind(), ErrorKind::kInvalid);
  }
}

// RFC 4231, cases 1, 2 and 6.
TEST(HmacTest, AgreesWithTheRfc) {
  EXPECT_EQ(TextOf(HmacSha256(SecretBuffer::CopyOf(std::string(20, '\x0b')), BytesOf("Hi There"))),
            FromHex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
  EXPECT_EQ(TextOf(HmacSha256(SecretBuffer::CopyOf("Jefe"), BytesOf("what do ya want for nothing?"))),
            FromHex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  EXPECT_EQ(TextOf(HmacSha256(SecretBuffer::CopyOf(std::string(131, '\xaa')),
                              BytesOf("Test Using Larger Than Block-Size Key - Hash Key First"))),
            FromHex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

TEST(HmacTest, TakesAnEmptyKeyAndEmptyData) {
  EXPECT_EQ(TextOf(HmacSha256(SecretBuffer(), {})),
            FromHex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

}  // namespace
}  // namespace leasefs
