#!/usr/bin/env python3
"""Checks that #include "rushes/..." goes downwards only, never sideways between model families, and that server,
delivery and media see no libtorch header. Exit code 1 and one line per offence."""
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src" / "rushes"

# Folder -> folders that it may include besides itself. The text of docs/architecture.md in one table.
ALLOWED = {
    "base": [],
    "audio": ["base"],
    "tensor": ["base"],
    "nn": ["base", "tensor"],
    "text": ["base", "tensor", "nn"],
    "models": ["base", "tensor", "nn", "text"],
    "generation": ["base", "audio", "tensor", "nn", "text", "models"],
    "training": ["base", "audio", "tensor", "nn", "text", "models", "generation"],
    "profiling": ["base", "generation"],
    "verify": ["base", "audio", "tensor", "nn", "text", "models", "generation"],
    "media": ["base", "audio"],
    "ingest": ["base", "audio", "media", "generation"],
    "delivery": ["base", "audio", "media", "generation"],
    "server": ["base", "audio", "text", "media", "ingest", "delivery", "generation"],
}
# Families that are made of others.
COMPOSED = {"omniavatar": {"wan", "wav2vec"}, "wan": {"t5"}}
NO_TORCH = {"base", "audio", "profiling", "media", "ingest", "delivery", "server"}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def offences():
    headers_with_torch = set()
    files = sorted(p for p in SOURCE.rglob("*") if p.suffix in (".h", ".cpp"))
    includes = {p: [m.group(1) for line in p.read_text().splitlines() if (m := INCLUDE.match(line))] for p in files}
    # Headers that reach libtorch, directly or through our own headers.
    changed = True
    while changed:
        changed = False
        for path, names in includes.items():
            if path in headers_with_torch:
                continue
            reaches = any(
                n.startswith(("ATen/", "torch/", "c10/"))
                or (n.startswith("rushes/") and SOURCE.parent / n in headers_with_torch)
                for n in names
            )
            if reaches:
                headers_with_torch.add(path)
                changed = True
    for path, names in includes.items():
        parts = path.relative_to(SOURCE).parts
        layer = parts[0]
        if len(parts) == 1:
            continue
        if layer not in ALLOWED:
            yield f"{path}: folder '{layer}' is not in the table of tools/check_includes.py"
            continue
        if layer in NO_TORCH and path in headers_with_torch:
            yield f"{path}: '{layer}' must not see a libtorch header"
        for name in names:
            if not name.startswith("rushes/"):
                continue
            target = pathlib.PurePosixPath(name).parts
            if target[1] == layer:
                if layer == "models" and target[2] not in {parts[1], *COMPOSED.get(parts[1], ())}:
                    yield f"{path}: includes {name} of another model family; move what both share to nn/"
                continue
            if target[1] not in ALLOWED[layer]:
                yield f"{path}: '{layer}' may not include '{target[1]}' ({name})"


if __name__ == "__main__":
    found = list(offences())
    print("\n".join(found) or "includes go downwards only")
    sys.exit(1 if found else 0)
