// Every error with its exact place: the document, trees and rules. setting_errors_test.cc has the tables of settings.
#include <gtest/gtest.h>

#include "fs/base/strings.h"
#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

TEST(ConfigErrorTest, TextThatIsNotToml) {
  ExpectErrors({
      {"mount = /run/x\n", "c:1:9: not TOML, parsing value: could not determine value type: put text between double "
                           "quotes"},
      {"\n\n[limits\n", "c:3:8: not TOML, parsing table header: expected ']', saw '\\n': correct the line"},
      {"mount = \"/a\"\nmount = \"/b\"\n",
       "c:2:9: not TOML, parsing key-value pair: cannot redefine existing string 'mount': it stands twice in this "
       "file; "
       "keep one"},
      {"[[tree]]\nmode = 0440\n",
       "c:2:12: not TOML, parsing decimal integer: leading zeroes are prohibited: put a mode between double quotes, as "
       "\"0440\""},
      {"mount = \"/\xC3\xA4\"\nuser = \"\xE4\"\n", "c:2:9: invalid UTF-8: save the file as UTF-8"},
      {"a = \"\xC3\xA4\xC0\xAF\"\n", "c:1:7: invalid UTF-8: save the file as UTF-8"},
      {"a = \"\xF4\x90\x80\x80\"", "c:1:6: invalid UTF-8: save the file as UTF-8"},
      {"\xE2\x82", "c:1:1: invalid UTF-8: save the file as UTF-8"},
      {std::string("mount = \"/run\"\n# \0\n", 19), "c:2:3: NUL byte: this is no text file; remove the byte"},
      {"mount = \"\\u0000\"\n", "c:1:9: mount has a NUL character: remove it"},
  });
}

TEST(ConfigErrorTest, DepthThatWouldOverflowTheStack) {
  std::string dots = "a";
  for (int i = 0; i < 200'000; ++i) dots += ".a";
  const std::string too_many = ": key of too many parts: a key has at most 8 dots";
  EXPECT_EQ(ErrorOf(dots + " = 1\n"), "c:1:18" + too_many);
  EXPECT_EQ(ErrorOf("# it's\nx = \"\"\"\n\"a\\\"\"\"\"\"\ny = { z = '''q'''', " + dots + " = 1 "
                                                                                         "}\n"), "c:4:38" + too_many);
  EXPECT_EQ(ErrorOf("[" + dots + "]\n"), "c:1:19" + too_many);
  EXPECT_EQ(ErrorOf("a = " + std::string(100'000, '[')),
            "c:1:261: not TOML, parsing value: exceeded maximum nested value depth of 256 (TOML_MAX_NESTED_VALUES): "
            "correct the line");
  EXPECT_EQ(ErrorOf("a = " + std::string(100, '[') + std::string(100, ']')),
            "c:1:21: nested too deeply: no setting is that deep; correct it");
  EXPECT_EQ(ErrorOf("mount = \"/a.a.a.a.a.a.a.a.a.a.a.a\" # a.a.a.a.a.a.a.a.a.a.a.a\n"), "accepted");
}

TEST(ConfigErrorTest, UnknownKeysWithTheNearestKnown) {
  ExpectErrors({
      {"mont = \"/x\"\n", "c:1:1: unknown key \"mont\": did you mean \"mount\"?"},
      {"\n  [limit]\n", "c:2:4: unknown key \"limit\": did you mean \"limits\"?"},
      {"[limits]\n  dedline = \"5s\"\n", "c:2:3: unknown key \"dedline\" in limits: did you mean \"deadline\"?"},
      {"[audit]\nxyz = 1\n",
       "c:2:1: unknown key \"xyz\" in audit: known are required, file, syslog, syslog_socket"},
      {"[memory]\nlock = true\n", "c:2:1: unknown key \"lock\" in memory: known are require_lock"},
      {"\"a\\nb\" = 1\n",
       "c:1:1: unknown key \"a\\x0ab\": known are mount, run_directory, user, backend_user, group, limits, audit, "
       "memory, "
       "backend, tree, allow, file"},
      {"limits.nmes = 5\n", "c:1:8: unknown key \"nmes\" in limits: did you mean \"names\"?"},
  });
  ExpectErrors({{"[[tree]]\npath = \"a\"\nsource = \"local:a\"\npage_cach = true\n",
                 "c:13:1: unknown key \"page_cach\" in tree: did you mean \"page_cache\"?"},
                {"[[allow]]\npath = \"a\"\nusers = \"alice\"\nuser = \"alice\"\n",
                 "c:12:1: unknown key \"users\" in allow: did you mean \"user\"?"},
                {"[backend.b]\ntype = \"store\"\npath = \"/b\"\nkey = { passphrase = true }\nkeep_version = 3\n",
                 "c:14:1: unknown key \"keep_version\" in backend.b: did you mean \"keep_versions\"?"},
                {"[backend.b]\ntype = \"store\"\npath = \"/b\"\nkey = { fil = \"/x\" }\n",
                 "c:13:7: backend.b.key names no key: write { file = \"/path\" }, { credential = \"name\" } or { "
                 "passphrase = true }\nc:13:9: unknown key \"fil\" in backend.b.key: did you mean \"file\"?"}},
               kStoreAndTree);
}

TEST(ConfigErrorTest, AFileOfNothingButUnknownKeysIsRefusedQuickly) {
  std::string text;
  for (int i = 0; text.size() < (1 << 20) - 20; ++i) text += StrCat("k", i, "=1\n");
  std::string error = ErrorOf(text);
  EXPECT_LT(error.size(), 64u << 10);
  EXPECT_NE(error.find(" more: correct these first"), std::string::npos);
}

TEST(ConfigErrorTest, Trees) {
  ExpectErrors(
      {
          {"[[tree]]\n", "c:6:1: tree.path is missing: say where on the mount the tree is, such as path = \"web\"\n"
                         "c:6:1: tree.source is missing: say what it shows, such as source = \"local:web\""},
          {"[[tree]]\npath = \"/a\"\nsource = \"local:\"\n",
           "c:7:8: tree.path starts with \"/\": write it relative to the mount, without the first \"/\""},
          {"[[tree]]\npath = \"a/\"\nsource = \"local:\"\n", "c:7:8: tree.path ends with \"/\": remove the last \"/\""},
          {"[[tree]]\npath = \"\"\nsource = \"local:\"\n",
           "c:7:8: tree.path is empty: give a path below the mount, such as \"web\""},
          {"[[tree]]\npath = \"a/../b\"\nsource = \"local:\"\n",
           "c:7:8: tree.path has the component \"..\": write the path without it"},
          {"[[tree]]\npath = \"a//b\"\nsource = \"local:\"\n",
           "c:7:8: tree.path has an empty component: write one \"/\" between two names"},
          {"[[tree]]\npath = \"a*\"\nsource = \"local:\"\n",
           "c:7:8: tree.path has a \"*\": a tree is one directory; patterns belong into [[allow]]"},
          {"[[tree]]\npath = \"a\\n\"\nsource = \"local:\"\n",
           "c:7:8: tree.path has a control character: remove it"},
          {"[[tree]]\npath = \"" + std::string(256, 'x') + "\"\nsource = \"local:\"\n",
           "c:7:8: tree.path has a component of 256 bytes: a name has at most 255"},
          {"[[tree]]\npath = 5\nsource = \"local:\"\n",
           "c:7:8: tree.path is an integer, not a string: put it between double quotes"},
          {"[[tree]]\npath = \"a\"\nsource = \"web\"\n",
           "c:8:10: tree.source names no backend: write \"BACKEND:PATH\", such as \"local:web\""},
          {"[[tree]]\npath = \"a\"\nsource = \"loca:web\"\n",
           "c:8:10: tree.source names the unknown backend \"loca\": did you mean \"local\"?"},
          {"[[tree]]\npath = \"a\"\nsource = \"vault:web\"\n",
           "c:8:10: tree.source names the unknown backend \"vault\": add [backend.NAME] with that name, or correct it"},
          {"[[tree]]\npath = \"a\"\nsource = \"local:/web\"\n",
           "c:8:10: tree.source starts with \"/\": a backend path has no first \"/\""},
          {"[[tree]]\npath = \"a\"\nsource = \"local:x/./y\"\n",
           "c:8:10: tree.source has the component \".\": write the path without it"},
          {"[[tree]]\npath = \"a\"\nsource = \"local:a\"\nerrors = \"posx\"\n",
           "c:9:10: tree.errors is the unknown style \"posx\": write \"precise\" or \"posix\""},
          {"[[tree]]\npath = \"a\"\nsource = \"local:a\"\nhidden = \"yes\"\n",
           "c:9:10: tree.hidden is a string, not a boolean: write true or false, without quotes"},
          {"[[tree]]\npath = \"a\"\nsource = \"local:a\"\nttl = 60\n",
           "c:9:7: tree.ttl is an integer, not a string: write a number with its unit in quotes, such as \"5s\""},
          {"[[tree]]\npath = \"a\"\nsource = \"local:a\"\nttl = \"99ms\"\n",
           "c:9:7: tree.ttl is out of range: give \"100ms\" to \"720h\""},
      },
      kStore);
}

TEST(ConfigErrorTest, ArraysOfTablesThatAreNone) {
  ExpectErrors({{"tree = 5\n", "c:1:8: tree is an integer, not an array: write [[tree]] for each of them"},
                {"allow = [ 5, [] ]\n",
                 "c:1:11: allow is an integer, not a table: write [[allow]] for each of them\n"
                 "c:1:14: allow is an array, not a table: write [[allow]] for each of them"},
                {"[tree]\npath = \"a\"\n", "c:1:1: tree is a table, not an array: write [[tree]] for each of them"}});
}

TEST(ConfigErrorTest, OwnershipOfTrees) {
  const std::string tree = std::string(kStore) + "[[tree]]\npath = \"a\"\nsource = \"local:a\"\n";
  const std::string modes = ": write it as \"0400\", \"0440\" or \"0444\"";
  ExpectErrors(
      {
          {"mode = \"0640\"\n", "c:9:8: tree.mode has bits other than read; the mount is read-only" + modes},
          {"mode = \"0550\"\n", "c:9:8: tree.mode has bits other than read; the mount is read-only" + modes},
          {"mode = \"4444\"\n", "c:9:8: tree.mode has bits other than read; the mount is read-only" + modes},
          {"mode = \"0044\"\n", "c:9:8: tree.mode does not let the owner read" + modes},
          {"mode = \"0\"\n", "c:9:8: tree.mode is no octal mode" + modes},
          {"mode = \"r--\"\n", "c:9:8: tree.mode is no octal mode" + modes},
          {"mode = 444\n", "c:9:8: tree.mode is an integer, not a string: put it between double quotes"},
          {"owner = \"bob\"\n", "c:9:9: tree.owner names the unknown user \"bob\": create it or correct the name"},
          {"owner = \"33\"\n", "c:9:9: tree.owner names the unknown user \"33\": write a number without quotes"},
          {"owner = -1\n", "c:9:9: tree.owner is out of range: give a number from 0 to 4294967294"},
          {"owner = 4294967295\n", "c:9:9: tree.owner is out of range: give a number from 0 to 4294967294"},
          {"group = [\"www-data\"]\n",
           "c:9:9: tree.group is an array, not a string: write a group's name in quotes, or a number"},
          {"group = \"wheel\"\n",
           "c:9:9: tree.group names the unknown group \"wheel\": create it or correct the name"},
      },
      tree);
}

TEST(ConfigErrorTest, OverlappingTrees) {
  auto tree = [](const std::string& path) { return "[[tree]]\npath = \"" + path + "\"\nsource = \"local:\"\n"; };
  ExpectErrors({{tree("a") + tree("b") + tree("a"),
                 "c:13:8: tree.path is that of tree \"a\" (c:7:8): keep one of them"},
                {tree("a/b/c") + tree("a"),
                 "c:7:8: tree.path lies inside tree \"a\" (c:10:8): give it a path beside that tree"},
                {tree("a") + tree("a/b"),
                 "c:10:8: tree.path lies inside tree \"a\" (c:7:8): give it a path beside that tree"},
                {tree("a") + tree("ab") + tree("b/a") + tree("b/ab"), "accepted"}},
               kStore);
}

TEST(ConfigErrorTest, Rules) {
  ExpectErrors(
      {
          {"[[allow]]\n",
           "c:10:1: allow.path is missing: say what may be opened, such as path = \"web/**\"\n"
           "c:10:1: allow names nobody: add user = \"NAME\" or group = \"NAME\""},
          {"[[allow]]\npath = \"web/**\"\nuser = []\n",
           "c:12:8: allow.user is empty and would match nobody: name a user or remove the key"},
          {"[[allow]]\npath = \"web/**\"\ngroup = []\n",
           "c:12:9: allow.group is empty and would match nobody: name a group or remove the key"},
          {"[[allow]]\npath = \"web/**\"\nuser = [\"alice\", \"bob\", 7, -7, 1.5]\n",
           "c:12:18: allow.user names the unknown user \"bob\": create it or correct the name\n"
           "c:12:28: allow.user is out of range: give a number from 0 to 4294967294\n"
           "c:12:32: allow.user is a floating-point number, not a string: write a user's name in quotes, or a number"},
          {"[[allow]]\npath = \"web/**\"\ngroup = \"sslcert\"\n",
           "c:12:9: allow.group names the unknown group \"sslcert\": create it or correct the name"},
          {"[[allow]]\npath = \"/web/**\"\nuser = 0\n",
           "c:11:8: allow.path starts with \"/\": write it relative to the mount, without the first \"/\""},
          {"[[allow]]\npath = \"web/x**\"\nuser = 0\n",
           "c:11:8: allow.path has \"**\" beside other characters: \"**\" stands alone between two \"/\"; within a "
           "name "
           "write \"*\""},
          {"[[allow]]\npath = \"web/***\"\nuser = 0\n",
           "c:11:8: allow.path has \"**\" beside other characters: \"**\" stands alone between two \"/\"; within a "
           "name "
           "write \"*\""},
          {"[[allow]]\npath = \"web/../**\"\nuser = 0\n",
           "c:11:8: allow.path has the component \"..\": write the path without it"},
          {"[[allow]]\npath = \"\"\nuser = 0\n",
           "c:11:8: allow.path is empty: give a path below the mount, such as \"web/**\""},
          {"[[allow]]\npath = \"" + std::string(5 * 205, 'x') + "\"\nuser = 0\n",
           "c:11:8: allow.path is 1025 bytes long: give at most 1024"},
          {"[allow]\npath = \"web/**\"\nuser = 0\n",
           "c:10:1: allow is a table, not an array: write [[allow]] for each of them"},
      },
      kStoreAndTree);
}

TEST(ConfigErrorTest, HostileNumbersOfThings) {
  std::string users = "[[allow]]\npath = \"web/**\"\nuser = [0";
  for (int i = 0; i < 256; ++i) users += ",0";
  EXPECT_EQ(ErrorOf(kStoreAndTree + users + "]\n"),
            "c:12:8: allow.user has 257 entries: name at most 256; a group holds more");
  std::string rules;
  for (int i = 0; i < 4098; ++i) rules += "[[allow]]\npath=\"web/**\"\nuser=0\n";
  EXPECT_EQ(ErrorOf(kStoreAndTree + rules), "c:12298:1: too many [[allow]]: there may be 4096");
  std::string trees = kStore;
  for (int i = 0; i < 4097; ++i) trees += StrCat("[[tree]]\npath=\"t", i, "\"\nsource=\"local:\"\n");
  EXPECT_EQ(ErrorOf(trees), "c:12294:1: too many [[tree]]: there may be 4096");
  std::string backends;
  for (int i = 0; i < 65; ++i) {
    backends += StrCat("[backend.b", i, "]\ntype=\"store\"\npath=\"/b", i, "\"\nkey={passphrase=true}\n");
  }
  EXPECT_EQ(ErrorOf(backends), "c:257:1: too many backends: there may be 64");
}

TEST(ConfigErrorTest, ReportsAllThatIsWrongInTheOrderOfTheFile) {
  EXPECT_EQ(ErrorOf("mount = 1\nmont = 2\n[limits]\nnames = \"x\"\n[[tree]]\npath = \"a\"\nsource = \"local:\"\n"),
            "c:1:9: mount is an integer, not a string: put it between double quotes\n"
            "c:2:1: unknown key \"mont\": did you mean \"mount\"?\n"
            "c:4:9: limits.names is a string, not an integer: give a whole number from 16 to 16777216\n"
            "c:7:10: tree.source names the unknown backend \"local\": add [backend.NAME] with that name, or correct "
            "it");
}

}  // namespace
}  // namespace leasefs
