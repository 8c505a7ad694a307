#!/usr/bin/env python3
"""Counts the files outside a model family's own rooms that name it: a new family should touch a few shared lines and no
more. Exit code 1 and one line for each file that is not allowed.

A family is a folder of src/rushes/generation, or the example of docs/adding_a_model.md, a folder of examples/ with sources. Its name counts as a word, also as part of an identifier or a file name
(wan::, WanModel, add_imtalker_routes), not as part of another word (wanted)."""
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where a family may be named: {family} stands for its name.
ROOMS = [
    "src/rushes/models/{family}/*",
    "src/rushes/generation/{family}/*",
    "src/rushes/verify/{family}/*",
    "src/rushes/server/api/{family}/*",
    "src/rushes/training/{family}/*",  # recipes of the shipped models
    "examples/{family}/*",
    "models/*",
    "docs/*",
    "tests/*",
    "fuzz/*",  # a target for each parser of outside bytes, and its corpus
    "*_test.cpp",  # tests and benchmarks beside their sources
    "*.test.ts",
    "*_bench.cpp",
]

# Every other file that names one: pattern -> families, reason. A file that is not here needs another solution first: a
# capability, an option, something the model says about itself.
ALLOWED = {
    # Shared lines that a new family edits.
    "src/rushes/generation/families.cpp": ("*", "the list of families: two lines"),
    "src/rushes/server/api/apis.cpp": ("*", "the list of APIs: two lines"),
    # Where it has golden cases of a reference.
    "src/rushes/verify/runners.*": ("*", "the list of their runners"),
    # The example lies over the product, with its lists.
    "examples/*/rushes/generation/families.cpp": ("*", "the list of families and the example"),
    "examples/*/rushes/server/api/apis.cpp": ("*", "the list of APIs and the example's"),
    "README.md": ("*", "says which models there are"),
    "CHANGELOG.md": ("*", "says when they came"),
    "tools/check_families.py": ("*", "this list"),
    "tools/check_unused.py": ("*", "names functions by their headers"),
    "tools/check_includes.py": ("*", "which families are made of others"),
    # Tests of all families.
    "src/rushes/server/family_test_server.h": ("*", "tests that hold for every family have a model of each"),
    # Benchmarks at the published sizes of a network.
    "apps/rushes/bench/*": ("*", "`rushes bench` measures networks at their published sizes"),
    "bench/talk_long.py": ("ditto", "a client of its published protocol"),
    "apps/rushes/CMakeLists.txt": ("*", "`rushes bench` and `rushes train` link the networks"),
    # The command of a shipped model's recipe.
    "src/rushes/training/CMakeLists.txt": ("*", "its sources"),
    "apps/rushes/model_options.cpp": ("*", "the names of the shipped models"),
    "apps/rushes/client.cpp": ("ditto", "the client of its published protocol"),
    "python/rushes/ditto/*": ("ditto", "its published scripts"),
    "python/rushes/foresight.py": ("foresight", "the client of its design document's protocol"),
    "apps/rushes/published_settings.*": ("foresight", "its environment variables as settings of ours"),
    "python/rushes/omniavatar/*": ("omniavatar", "its published clients"),
    "apps/rushes/commands.h": ("*", "declares the commands of recipes"),
    "apps/rushes/train_ditto.cpp": ("ditto", "calls its recipe"),
    "tools/train_shipped_ditto": ("ditto", "runs its recipe"),
    "tools/train_shipped_foresight": ("foresight", "the same"),
    "cmake/Install.cmake": ("*", "the folders of the shipped models"),
    "python/CMakeLists.txt": ("*", "the same, in the wheel"),
    "src/rushes/training/ditto/*": ("imtalker", "the sizes of the networks and the rules for mouths that both have lie there"),
    "apps/rushes/train.cpp": ("*", "calls the recipes"),
    "apps/rushes/train_talk.cpp": ("imtalker", "calls its recipe"),
    "apps/rushes/train_avatar.cpp": ("omniavatar", "the same"),
    "apps/rushes/train_foresight.cpp": ("foresight", "the same"),
    "src/rushes/training/omniavatar/*": ("imtalker", "the speech encoder and the rule for mouths that both have lie there"),
    "src/rushes/training/foresight/*": ("wan", "the drawn shapes and their colours that both worlds have lie there"),
    # A family that is made of another.
    "src/rushes/*/omniavatar/*": ("wan", "its transformer, autoencoder and text encoder are Wan's"),
    # Clients that have the interface of a published system.
    "python/rushes/inferix/*": ("wan", "scripts written for Inferix name Wan's files and modules"),
    "python/rushes/talk.py": ("imtalker", "the client of IMTalker's chunked and realtime API"),
    "web/src/talk/client.ts": ("imtalker", "the same in TypeScript"),
    "apps/rushes/stream.cpp": ("wan", "the default paths of Inferix's scripts"),
    # Examples in help and comments.
    "apps/rushes/serve.cpp": ("imtalker", "the help of --listen has an example of a route set"),
    "src/rushes/server/server.h": ("imtalker", "the same example"),
    "src/rushes/base/manifest.h": ("wan", "an example of a manifest"),
    "src/rushes/verify/case.h": ("wan", "an example of a name"),
    # Sources of formulas.
    "src/rushes/nn/norm.h": ("wan", "source of the formula"),
    "src/rushes/nn/rope.h": ("wan", "source of the formula"),
    "src/rushes/text/clean.h": ("wan", "source of the cleaning of prompts"),
    "examples/sessions/*": ("foresight", "asks the shipped model that answers, and its example picture"),
    # To go.
    "tools/sanitize": ("wan", "names the test programs that run under the address sanitizer"),
}


def families() -> list[str]:
    folders = [p for p in (ROOT / "src/rushes/generation").iterdir() if p.is_dir()]
    folders += [p.parent for p in (ROOT / "examples").glob("*/rushes")]
    return sorted({p.name for p in folders})


def names(family: str, text: str) -> bool:
    """A word of its own: no letter before it unless it begins a part of a CamelCase name, no small letter after it."""
    for found in re.finditer(family, text, re.IGNORECASE):
        before, after = text[: found.start()][-1:], text[found.end() : found.end() + 1]
        if before.isalpha() and not (before.islower() and found.group()[0].isupper()):
            continue
        if after.isalpha() and (after.islower() or found.group().isupper()):
            continue
        return True
    return False


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    return sorted({name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()})


def matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern)


def main() -> int:
    known = families()
    elsewhere: dict[str, list[str]] = {family: [] for family in known}
    used, refused = set(), []
    for path in files():
        in_rooms = {f for f in known if any(matches(path, room.format(family=f)) for room in ROOMS)}
        if len(in_rooms) == len(known):
            continue
        try:
            text = path + "\n" + (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or weights
        for family in known:
            if family in in_rooms or not names(family, text):
                continue
            elsewhere[family].append(path)
            allowing = [p for p, (of, _) in ALLOWED.items() if of in ("*", family) and matches(path, p)]
            used.update(allowing)
            if not allowing:
                refused.append(f"{path}: names the family '{family}' outside its rooms (tools/check_families.py)")
    for pattern in ALLOWED:
        if pattern not in used:
            print(f"tools/check_families.py: '{pattern}' is allowed but no longer needed; remove it")
    print("\n".join(refused) or "families outside their rooms: " + ", ".join(f"{f} in {len(p)} files" for f, p in elsewhere.items()))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
