#!/usr/bin/env python3
"""Checks that examples/<family>/ shows how a family is added: of the files that lie over those of src/ each has some lines
more and none changed, as many in all as docs/adding_a_model.md promises; and the excerpts in that page are what the files
say. Exit code 1 and one line for each offence.

An excerpt is a code block whose first line is a comment with the file's path below the example; a line "..." in it stands
for lines that are left out."""
import difflib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/adding_a_model.md"
SHARED_LINES = 4

BLOCK = re.compile(r"^```\w+\n(?://|#) (?P<path>\S+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def added_lines(product: pathlib.Path, example: pathlib.Path) -> tuple[list[str], bool]:
    """What the example has more, and whether it lacks nothing."""
    lines = list(difflib.ndiff(product.read_text().splitlines(), example.read_text().splitlines()))
    return [line[2:] for line in lines if line.startswith("+ ")], not any(line.startswith("- ") for line in lines)


def offences_of_lists(family: pathlib.Path):
    added = []
    for example in sorted(p for p in (family / "rushes").rglob("*") if p.is_file()):
        product = ROOT / "src" / example.relative_to(family)
        if not product.exists():
            continue
        lines, is_whole = added_lines(product, example)
        added += lines
        if not is_whole:
            yield f"{example.relative_to(ROOT)}: lacks lines of {product.relative_to(ROOT)}"
        if any(family.name not in line for line in lines):
            yield f"{example.relative_to(ROOT)}: has lines more that do not name {family.name}"
    if len(added) != SHARED_LINES:
        yield f"{family.relative_to(ROOT)}: adds {len(added)} lines to shared files, not {SHARED_LINES}"


def offences_of_page(family: pathlib.Path):
    blocks = list(BLOCK.finditer(PAGE.read_text()))
    if not blocks:
        yield f"{PAGE.relative_to(ROOT)}: has no excerpt"
    for block in blocks:
        path = family / block["path"]
        if not path.is_file():
            yield f"{PAGE.relative_to(ROOT)}: there is no {path.relative_to(ROOT)}"
            continue
        rest = path.read_text()
        for piece in re.split(r"^\s*\.\.\.\n", block["text"], flags=re.MULTILINE):
            at = rest.find(piece)
            if at < 0:
                yield f"{PAGE.relative_to(ROOT)}: {path.relative_to(ROOT)} does not have:\n{piece}"
                break
            rest = rest[at + len(piece) :]


def main() -> int:
    found = []
    for family in sorted(p for p in (ROOT / "examples").iterdir() if (p / "rushes").is_dir()):
        found += [*offences_of_lists(family), *offences_of_page(family)]
    print("\n".join(found) or f"examples add {SHARED_LINES} shared lines and are what docs/adding_a_model.md shows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
