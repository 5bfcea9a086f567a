// Every error of the plain settings and of backends, with its exact place.
#include <gtest/gtest.h>

#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

TEST(SettingErrorTest, Places) {
  ExpectErrors({
      {"mount = \"run\"\n", "c:1:9: mount is not absolute: start it with \"/\""},
      {"mount = \"\"\n", "c:1:9: mount is empty: give an absolute path"},
      {"mount = \"/\"\n", "c:1:9: mount is the root directory: name a directory of its own"},
      {"mount = \"/a/../b\"\n", "c:1:9: mount has the component \"..\": write the path without it"},
      {"mount = \"/a//b\"\n", "c:1:9: mount has an empty component: write one \"/\" between two names"},
      {"mount = \"/a/\"\n", "c:1:9: mount ends with \"/\": remove the last \"/\""},
      {"mount = [\"/a\"]\n", "c:1:9: mount is an array, not a string: put it between double quotes"},
      {"mount = \"/a\\u0007\"\n", "c:1:9: mount has a control character: remove it"},
      {"mount = \"/" + std::string(4095, 'a') + "\"\n", "c:1:9: mount is 4096 bytes long: give at most 4095"},
      {"mount = \"/run/leasefsd\"\n",
       "c:1:9: mount and run_directory are both /run/leasefsd: give each a directory of its own"},
      {"run_directory = \"/run/leasefs\"\n",
       "c:1:17: mount and run_directory are both /run/leasefs: give each a directory of its own"},
      {"run_directory = \"/run/leasefs/d\"\n",
       "c:1:17: run_directory /run/leasefs/d lies on the mount /run/leasefs: choose a place outside of it"},
      {"\nmount = \"/run\"\n",
       "c:2:9: run_directory /run/leasefsd lies on the mount /run: choose a place outside of it"},
      {"run_directory = \"/" + std::string(60, 'a') + "\"\n",
       "c:1:17: run_directory is 61 bytes long: give at most 60, since socket paths are short"},
      {"run_directory = \"/run/leasefs2\"\n", "accepted"},
      {"run_directory = \"/a\"\nmount = \"/a/mnt\"\n", "accepted"},
  });
}

TEST(SettingErrorTest, Identity) {
  ExpectErrors({
      {"user = \"nosuch\"\n", "c:1:8: user names the unknown user \"nosuch\": create it or correct the name"},
      {"backend_user = \"nosuch\"\n",
       "c:1:16: backend_user names the unknown user \"nosuch\": create it or correct the name"},
      {"group = \"nosuch\"\n", "c:1:9: group names the unknown group \"nosuch\": create it or correct the name"},
      {"user = 5\n", "c:1:8: user is an integer, not a string: put it between double quotes"},
      {"user = \"" + std::string(300, 'u') + "\"\n",
       "c:1:8: user names the unknown user \"" + std::string(61, 'u') + "...\": create it or correct the name"},
  });
}

TEST(SettingErrorTest, Limits) {
  const std::string durations = ": write a whole number with its unit: \"500ms\", \"5s\", \"10m\" or \"24h\"";
  const std::string sizes = ": write a whole number and a unit: \"64KiB\", \"1MiB\" or \"1GiB\"";
  ExpectErrors({
      {"limits = 5\n", "c:1:10: limits is an integer, not a table: write a table, [limits]"},
      {"[[limits]]\n", "c:1:1: limits is an array, not a table: write a table, [limits]"},
      {"limits.deadline = \"99ms\"\n", "c:1:19: limits.deadline is out of range: give \"100ms\" to \"15s\""},
      {"limits.deadline = \"16s\"\n", "c:1:19: limits.deadline is out of range: give \"100ms\" to \"15s\""},
      {"limits.deadline = \"5\"\n", "c:1:19: limits.deadline is no duration" + durations},
      {"limits.deadline = \"5 s\"\n", "c:1:19: limits.deadline is no duration" + durations},
      {"limits.deadline = \"-5s\"\n", "c:1:19: limits.deadline is no duration" + durations},
      {"limits.deadline = \"1.5s\"\n", "c:1:19: limits.deadline is no duration" + durations},
      {"limits.deadline = \"\"\n", "c:1:19: limits.deadline is no duration" + durations},
      {"limits.deadline = \"99999999999999999999h\"\n", "c:1:19: limits.deadline is no duration" + durations},
      {"limits.deadline = 5\n",
       "c:1:19: limits.deadline is an integer, not a string: write a number with its unit in quotes, such as \"5s\""},
      {"limits.waiting_secrets_per_uid = 0\n",
       "c:1:34: limits.waiting_secrets_per_uid is out of range: give a whole number from 1 to 65536"},
      {"limits.waiting_secrets_per_uid = 1.0\n",
       "c:1:34: limits.waiting_secrets_per_uid is a floating-point number, not an integer: give a whole number from 1 "
       "to "
       "65536"},
      {"limits.value = 0\n", "c:1:16: limits.value is out of range: give \"1\" to \"4MiB\""},
      {"limits.value = -1\n", "c:1:16: limits.value is out of range: give \"1\" to \"4MiB\""},
      {"limits.value = \"5MiB\"\n", "c:1:16: limits.value is out of range: give \"1\" to \"4MiB\""},
      {"limits.value = \"1MB\"\n", "c:1:16: limits.value is no size" + sizes},
      {"limits.value = \"MiB\"\n", "c:1:16: limits.value is no size" + sizes},
      {"limits.value = true\n",
       "c:1:16: limits.value is a boolean, not a string: write a size such as \"64KiB\", or a number of bytes"},
      {"limits.memory = \"1KiB\"\n", "c:1:17: limits.memory is out of range: give \"1MiB\" to \"64GiB\""},
      {"limits.memory = \"17179869184GiB\"\n", "c:1:17: limits.memory is no size" + sizes},
      {"[limits]\nmemory = \"1MiB\"\nvalue = \"2MiB\"\n",
       "c:2:10: limits.memory is smaller than limits.value: give at least 2MiB"},
      {"limits.names = 15\n", "c:1:16: limits.names is out of range: give a whole number from 16 to 16777216"},
      {"limits.names = 16777217\n", "c:1:16: limits.names is out of range: give a whole number from 16 to 16777216"},
      {"limits.names = -9223372036854775808\n",
       "c:1:16: limits.names is out of range: give a whole number from 16 to 16777216"},
      {"limits.names = 1979-05-27\n",
       "c:1:16: limits.names is a date or time, not an integer: give a whole number from 16 to 16777216"},
  });
}

TEST(SettingErrorTest, AuditAndMemory) {
  ExpectErrors({
      {"audit.required = 1\n",
       "c:1:18: audit.required is an integer, not a boolean: write true or false, without quotes"},
      {"audit.file = \"audit.jsonl\"\n", "c:1:14: audit.file is not absolute: start it with \"/\""},
      {"audit.file = \"/run/leasefs/audit\"\n",
       "c:1:14: audit.file /run/leasefs/audit lies on the mount /run/leasefs: choose a place outside of it"},
      {"audit.syslog_socket = \"dev/log\"\n", "c:1:23: audit.syslog_socket is not absolute: start it with \"/\""},
      {"audit.syslog_socket = \"/" + std::string(107, 'x') + "\"\n",
       "c:1:23: audit.syslog_socket is 108 bytes long: a socket has at most 107"},
      {"audit = { file = \"\", syslog = false, syslog_socket = \"\" }\n", "accepted"},
      {"memory.require_lock = \"true\"\n",
       "c:1:23: memory.require_lock is a string, not a boolean: write true or false, without quotes"},
  });
}

TEST(SettingErrorTest, Backends) {
  const std::string names = ": use 1 to 32 of the characters a-z 0-9 _ -";
  const std::string keys = "write key = { file = \"/path\" }, { credential = \"name\" } or { passphrase = true }";
  ExpectErrors({
      {"backend = 1\n", "c:1:11: backend is an integer, not a table: write a table, [backend]"},
      {"backend.x = 1\n", "c:1:13: backend.x is an integer, not a table: write a table, [backend.x]"},
      {"[backend.\"\"]\n", "c:1:10: backend name \"\" is not allowed" + names},
      {"[backend.Local]\n", "c:1:10: backend name \"Local\" is not allowed" + names},
      {"[backend.\"a b\"]\n", "c:1:10: backend name \"a b\" is not allowed" + names},
      {"[backend." + std::string(33, 'a') + "]\n",
       "c:1:10: backend name \"" + std::string(33, 'a') + "\" is not allowed" + names},
      {"[backend.x]\n",
       "c:1:1: backend.x.type is missing: write type = \"store\" or type = \"vault\"\n"
       "c:1:1: backend.x.path is missing: say where the store's file is, such as path = \"/var/lib/leasefs/store.db\"\n"
       "c:1:1: backend.x.key is missing: " + keys},
      {"[backend.x]\ntype = \"vaults\"\naddress = \"https://x\"\n",
       "c:2:8: backend.x.type is the unknown type \"vaults\": known are \"store\" and \"vault\""},
      {"[backend.x]\ntype = \"store\"\npath = \"store.db\"\nkey = { passphrase = true }\n",
       "c:3:8: backend.x.path is not absolute: start it with \"/\""},
      {"[backend.x]\ntype = \"store\"\npath = \"/run/leasefs/db\"\nkey = { passphrase = true }\n",
       "c:3:8: backend.x.path /run/leasefs/db lies on the mount /run/leasefs: choose a place outside of it"},
      {"[backend.b]\ntype = \"store\"\npath = \"/db\"\nkey = { passphrase = true }\nkeep_versions = 0\n",
       "c:5:17: backend.b.keep_versions is out of range: give a whole number from 1 to 1000"},
  });
  ExpectErrors({{"[backend.b]\ntype = \"store\"\npath = \"/var/lib/leasefs/store.db\"\nkey = { passphrase = true }\n",
                 "c:8:8: backend.b.path is that of backend.local.path (c:3:8): give each store a file of its own"}},
               kStore);
}

TEST(SettingErrorTest, KeysOfStores) {
  const std::string forms = ": write { file = \"/path\" }, { credential = \"name\" } or { passphrase = true }";
  const std::string credential =
      "c:4:22: backend.x.key.credential is no credential name: give the name that LoadCredential= has, such as "
      "\"store-key\"";
  ExpectErrors(
      {
          {"{}\n", "c:4:7: backend.x.key names no key" + forms},
          {"\"/k\"\n", "c:4:7: backend.x.key is a string, not a table" + forms},
          {"{ file = \"/k\", passphrase = true }\n", "c:4:7: backend.x.key names more than one key" + forms},
          {"{ file = \"k\" }\n", "c:4:16: backend.x.key.file is not absolute: start it with \"/\""},
          {"{ file = \"/run/leasefs/key\" }\n",
           "c:4:7: backend.x.key /run/leasefs/key lies on the mount /run/leasefs: choose a place outside of it"},
          {"{ passphrase = false }\n", "c:4:22: backend.x.key.passphrase can only be true" + forms},
          {"{ passphrase = \"secret\" }\n",
           "c:4:22: backend.x.key.passphrase is a string, not a boolean: write true or false, without quotes"},
          {"{ credential = \"\" }\n", credential},
          {"{ credential = \"..\" }\n", credential},
          {"{ credential = \"a/b\" }\n", credential},
          {"{ credential = \"a b\" }\n", credential},
          {"{ credential = \"store-key\" }\n", "accepted"},
          {"{ passphrase = true }\n", "accepted"},
      },
      "[backend.x]\ntype = \"store\"\npath = \"/db\"\nkey = ");
}

}  // namespace
}  // namespace leasefs
