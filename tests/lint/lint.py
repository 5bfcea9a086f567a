#!/usr/bin/env python3
"""Reads the sources and fails where the house rules are broken: who may include whom, how large things are, who may use
which library, and what no source may contain. Prints every violation as FILE:LINE: what, and a count at the end.

  tests/lint/lint.py [--self-test]
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Folder -> the folders (or single headers) whose headers it may include, beside its own.
MAY_USE = {
    "fs/base": [],
    "fs/caller": ["fs/base"],
    "fs/template": ["fs/base"],
    "fs/config": ["fs/base", "fs/template"],
    "fs/policy": ["fs/base", "fs/caller", "fs/config"],
    "fs/audit": ["fs/base", "fs/caller", "fs/policy"],
    "fs/secrets": ["fs/base", "fs/template", "fs/caller", "fs/config/options.h", "fs/policy", "fs/audit",
                   "backend/protocol.h", "backend/protocol_report.h", "backend/protocol_types.h"],
    "fs/fuse": ["fs/base", "fs/caller", "fs/secrets/gate.h", "fs/secrets/node_id.h"],
    "fs/control": ["fs/base", "fs/caller", "fs/secrets"],
    "fs/keeper": ["fs/base", "fs/config"],
    "fs/cli": ["fs/base", "fs/template/forms.h", "fs/config", "fs/control", "backend/store/store.h", "backend/store/admin_wire.h",
               "backend/protocol.h", "backend/protocol_types.h", "backend/vault/engines.h"],
    "fs/main": ["fs", "backend"],
    "backend": ["fs/base"],
    "backend/http": ["fs/base"],
    "backend/store": ["fs/base", "backend"],
    "backend/lease": ["fs/base", "backend/backend.h", "backend/protocol.h", "backend/protocol_report.h",
                      "backend/protocol_types.h"],
    "backend/vault": ["fs/base", "backend/http", "backend/lease", "backend/protocol_types.h"],
}

# A library's headers -> the only folders that may include them.
ONLY_IN = {
    r"fuse_lowlevel\.h|fuse3/": ["fs/fuse", "tests"],
    r"curl/": ["backend/http", "tests/bench"],
    r"sqlite3\.h": ["backend/store", "tests"],
    r"toml\+\+/|toml\.hpp|toml\+\+\.h": ["fs/config", "tests"],
    r"spdlog/": ["fs/base", "tests"],
    r"CLI/": ["fs/cli", "tests"],
}

FORBIDDEN = [
    (r"\busing namespace std\b", "using namespace std"),
    (r"\bthrow\b(?!\s*\(\s*\))", "we throw nothing"),
    (r"\bstd::(steady_clock|system_clock|high_resolution_clock)::now\b", "ask the Loop for the time"),
    (r"std::chrono::(steady|system|high_resolution)_clock::now\b", "ask the Loop for the time"),
    (r"(?<![.>\w])(rand|srand|random)\s*\(\s*\)(?!\s*override)", "randomness comes from the Loop"),
]
FORBIDDEN_EXEMPT = {"fs/base", "fs/cli", "tests"}  # the command line has no loop

LIMITS = {".cc": 400, ".h": 200, "_test.cc": 600}
FUNCTION_LIMIT = 70


def sources():
    files = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], check=True,
                           capture_output=True, text=True).stdout.split("\n")
    return [f for f in files if f.endswith((".cc", ".h")) and (ROOT / f).is_file()]


def folder_of(path):
    parts = path.split("/")
    for depth in (2, 1):
        folder = "/".join(parts[:depth])
        if folder in MAY_USE and len(parts) > depth:
            return folder
    return parts[0]


def may_include(folder, header):
    allowed = MAY_USE[folder] + [folder]
    if folder == "backend" and header.startswith(("backend/store/", "backend/http/", "backend/lease/", "backend/vault/")):
        return False
    return any(header == a or header.startswith(a + "/") for a in allowed)


def check_includes(path, lines):
    folder = folder_of(path)
    for number, line in enumerate(lines, 1):
        ours = re.match(r'#include "([^"]+)"', line)
        theirs = re.match(r"#include <([^>]+)>", line)
        if ours and folder in MAY_USE and not may_include(folder, ours.group(1)):
            yield number, f"{folder} may not use {ours.group(1)}"
        if theirs:
            for pattern, folders in ONLY_IN.items():
                if re.match(pattern, theirs.group(1)) and not any(path.startswith(f + "/") for f in folders):
                    yield number, f"only {', '.join(folders)} may include <{theirs.group(1)}>"
        if theirs and path.endswith(".h") and path.startswith(("fs/", "backend/")):
            if re.match(r"nlohmann/|spdlog/|CLI/|toml", theirs.group(1)):
                yield number, f"<{theirs.group(1)}> costs every includer seconds: keep it in a .cc"


def check_size(path, lines):
    limit = next(v for k, v in (("_test.cc", 600), (".cc", 400), (".h", 200)) if path.endswith(k))
    if len(lines) > limit:
        yield len(lines), f"{len(lines)} lines, at most {limit}: split by idea"
    for number, line in enumerate(lines, 1):
        if len(line) > 120 and "http" not in line:
            yield number, f"{len(line)} columns, at most 120"


def check_functions(path, lines):
    """A function's body opens with '{' at the end of an unindented line and closes with an unindented '}'."""
    start, name = None, ""
    for number, line in enumerate(lines, 1):
        if start is None and line.endswith("{") and not line.startswith((" ", "}", "#", "namespace", "struct", "class", "enum",
                                                                          "union", "extern")) and "= {" not in line:
            start, name = number, line.strip("{ ")[-60:]
        elif start is not None and line.startswith("}"):
            table = any(word in name for word in ("constexpr", "const ", "k"))and "(" not in name
            if number - start > FUNCTION_LIMIT and not table:
                yield start, f"a function of {number - start} lines, at most {FUNCTION_LIMIT}: {name}"
            start = None


def check_words(path, lines):
    if folder_of(path) in FORBIDDEN_EXEMPT:
        return
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0]
        code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
        for pattern, why in FORBIDDEN:
            if re.search(pattern, code):
                yield number, why


def violations(path, text):
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    for check in (check_includes, check_size, check_functions, check_words):
        for number, what in check(path, lines):
            yield f"{path}:{number}: {what}"
    if path.endswith(".h") and "#pragma once" not in text:
        yield f"{path}:1: no #pragma once"


def uncited_clauses(promises, tests):
    """Every clause of fs/SEMANTICS.md is named by a test: S8_ in a C++ one, test_s8_ in a Python one."""
    for line, text in enumerate(promises.split("\n"), 1):
        clause = re.match(r"\* \*\*S(\d+)\*\*", text)
        if clause and not re.search(rf"\bS{clause[1]}_|test_(s\d+_)*s{clause[1]}_", tests):
            yield f"fs/SEMANTICS.md:{line}: no test is named after S{clause[1]}"


def missing_tests(document, tests):
    """Every test that a document names in backquotes, Suite.Test or test_words, is there."""
    for line, text in enumerate(document.split("\n"), 1):
        for suite, name, python in re.findall(r"`(\w+Test)\.(\w+)`|`(test_\w+)`", text):
            pattern = rf"def {python}\(" if python else rf"TEST(_F|_P)?\({suite}, {name}\)"
            if not re.search(pattern, tests):
                yield line, python or f"{suite}.{name}"


def self_test():
    """A lint that finds nothing in what is wrong is worth nothing."""
    wrong = {
        "fs/policy/a.cc": '#include "fs/secrets/gate.h"\n',
        "fs/fuse/a.cc": '#include "fs/policy/policy.h"\n',
        "backend/a.cc": '#include "backend/store/store.h"\n',
        "fs/secrets/a.cc": "#include <fuse_lowlevel.h>\n",
        "fs/config/a.h": "#pragma once\n#include <nlohmann/json.hpp>\n",
        "fs/secrets/b.cc": "\n" * 401,
        "fs/secrets/c.cc": "void Long() {\n" + "  x();\n" * 80 + "}\n",
        "fs/secrets/d.cc": "auto t = std::chrono::steady_clock::now();\n",
        "fs/secrets/e.h": "int x;\n",
        "fs/secrets/f.cc": "// " + "x" * 130 + "\n",
    }
    blind = [path for path, text in wrong.items() if not list(violations(path, text))]
    fine = list(violations("fs/secrets/ok.cc", '#include "fs/base/result.h"\nvoid F() {\n}\n'))
    if list(uncited_clauses("* **S1** a\n* **S2** b", "test_s1_s2_x")) or not list(uncited_clauses("* **S1** a", "S11_x")):
        blind.append("uncited clauses")
    named = "`ATest.B` `test_c`"
    if list(missing_tests(named, "TEST_F(ATest, B)\ndef test_c(")) or len(list(missing_tests(named, "TEST(ATest, Bc) test_c("))) != 2:
        blind.append("missing tests")
    if blind or fine:
        print("lint self-test failed: not found in", blind, "wrongly found", fine)
        return 1
    return 0


def main():
    if self_test() != 0:
        return 1
    found = []
    checked = sources()
    for path in checked:
        found += violations(path, (ROOT / path).read_text(encoding="utf-8"))
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*_test.*"))
    found += uncited_clauses((ROOT / "fs/SEMANTICS.md").read_text(encoding="utf-8"), tests)
    for document in ("backend/vault/PITFALLS.md",):
        found += [f"{document}:{line}: there is no test {name}"
                  for line, name in missing_tests((ROOT / document).read_text(encoding="utf-8"), tests)]
    tops = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and p.name != "build"}
    allowed = {"CMakeLists.txt", "CMakePresets.json", "README.md", "fs", "backend", "packaging", "systemd", "tests"}
    found += [f"{name}:1: does not belong at the top level" for name in sorted(tops - allowed)]
    print("\n".join(found))
    print(f"lint: {len(checked)} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
