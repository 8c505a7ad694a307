#!/usr/bin/env python3
"""Lists functions declared in headers of src/rushes that only tests reach, or nothing: *_test.cpp, *_bench.cpp,
*_test_server.h, *_test_video.h, bench/, fuzz/, tests/ and src/rushes/verify/. Code that no user runs goes, or becomes what the product
runs. Exit code 1 and one line for each that is not allowed.

It is careful rather than complete: any use of the name, of whatever function, in the product counts; constructors,
operators, overriding functions and names that the language calls by itself are left out."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Header, or header: function -> reason.
ALLOWED = {
    # Tools of tests, in headers that several of them include.
    "src/rushes/generation/drawing_talker.h": "a model for tests",
    "src/rushes/generation/heap_in_use.h": "for tests",
    "src/rushes/media/test_audio.h": "for tests",
    "src/rushes/media/test_offer.h": "for tests",
    "src/rushes/media/test_video.h": "for tests",
    "src/rushes/tensor/peak_memory.h": "for tests",
    "src/rushes/server/process_usage.h": "for tests",
    "src/rushes/server/test_client.h": "for tests",
    "src/rushes/tensor/checkpoint_forge.h": "checkpoints for tests",
    "src/rushes/tensor/onnx_forge.h": "graphs for tests",
    "src/rushes/nn/measure.h: repeatable_randn": "inputs of tests and benchmarks",
    "src/rushes/models/qwen/random_weights.h: random_model": "a small model for tests",
    "src/rushes/models/wan/umt5_random_weights.h: random_umt5_weights": "a small network for tests",
    "src/rushes/generation/wan/tiny.h: write_random_model": "a model directory for tests",
    "src/rushes/generation/imtalker/family.h: write_random_talk_model": "a model directory for tests",
    "src/rushes/generation/ditto/family.h: write_random_ditto_model": "a model directory for tests",
    "src/rushes/generation/omniavatar/tiny.h: write_random_omniavatar_model": "a model directory for tests",
    "src/rushes/generation/foresight/tiny.h: write_random_foresight_model": "a model directory for tests",
    # Inner state that a test or a golden case compares.
    "src/rushes/ingest/live_speech.h: step_samples": "state that a test looks at",
    "src/rushes/generation/wan/generator.h: at_segment_border": "state that golden cases look at",
    "src/rushes/generation/wan/generator.h: segment_latents": "state that golden cases look at",
    "src/rushes/generation/wan/pipeline.h: model_calls": "state that golden cases look at",
    "src/rushes/nn/kv_cache.h: in_time_order": "state that golden cases look at",
    "src/rushes/nn/kv_cache.h: local_end": "state that golden cases look at",
    "src/rushes/nn/kv_cache.h: position_tokens": "state that a test looks at",
    # Parts of a reference that its golden cases have and the product does not need.
    "src/rushes/models/wan/embeddings.h: i2v_condition": "image-to-video transformers load and verify, and generate nothing yet",
    "src/rushes/models/wan/segments.h: inferix_video_frames": "the count in the reference's reports",
    "src/rushes/models/foresight/streaming_predictor.h: infer_predictor": "of research: the published pipeline does not call it",
    "src/rushes/nn/flow_match.h: to_flow": "the inverse of to_x0(), of the reference's scheduler",
    "src/rushes/nn/flow_match.h: training_weights": "of the reference's scheduler",
    "src/rushes/nn/ode.h: ode_method": "golden cases name their method",
    "src/rushes/generation/interactive_session.h: from_prompts": "golden cases build their session so",
}

# Called by range-for, structured bindings, coroutines and libraries.
BY_LANGUAGE = {"begin", "end", "get", "swap", "what", "await_ready", "await_suspend", "await_resume", "to_json", "from_json"}
NO_TYPES = {"return", "co_return", "co_await", "co_yield", "throw", "new", "delete", "else", "case", "goto", "sizeof",
            "decltype", "requires", "and", "or", "not", "if", "while", "for", "switch", "alignas", "noexcept", "catch",
            "static_assert", "defined", "using"}

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
    r'|^[ \t]*\#[ \t]*include[^\n]*|(?P<word>[A-Za-z_]\w*)|\d[\w.\']*|(?P<mark>::|->|\S)',
    re.DOTALL | re.MULTILINE,
)


def tokens(text: str) -> list[str]:
    return [found.group() for found in TOKEN.finditer(text) if found.lastgroup in ("word", "mark")]


def is_function_name(word: str) -> bool:
    return word[0].islower() and not word.endswith("_") and word not in NO_TYPES


def kind_of(statement: list[str]) -> str:
    """What the brace after these tokens opens."""
    if "namespace" in statement or statement[:1] == ["extern"]:
        return "scope"
    if {"class", "struct", "union"} & set(statement) and "(" not in statement and "=" not in statement:
        return "scope"
    return "body"


def read(text: str) -> tuple[list[str], set[str]]:
    """Functions that are declared or defined here outside of any body; all other words."""
    all_tokens = tokens(text)
    declared, used = [], set()
    scopes: list[str] = []
    statement: list[str] = []  # of the innermost scope that is not a body
    depth = 0  # of parentheses in it
    parens: list[int] = []
    statements: list[list[str]] = []
    for i, token in enumerate(all_tokens):
        in_body = bool(scopes) and scopes[-1] == "body"
        if token == "{":
            kind = "body" if in_body or depth else kind_of(statement)
            scopes.append(kind)
            parens.append(depth)
            statements.append(statement)
            statement, depth = [], 0
        elif token == "}":
            if not scopes:
                continue
            kind = scopes.pop()
            depth = parens.pop()
            statement = statements.pop()
            if "namespace" in statement or (kind == "body" and depth == 0 and "=" not in statement):
                statement = []  # what ends without a semicolon
        elif in_body:
            used.add(token)
        elif token == ";" and depth == 0:
            statement = []
        else:
            if token == "(":
                statement.append(token)
                depth += 1
            elif token == ")":
                depth -= 1
            following = all_tokens[i + 1] if i + 1 < len(all_tokens) else ""
            before = all_tokens[i - 1] if i else ""
            if token[0].isalpha() or token[0] == "_":
                is_type_before = before in (">", "*", "&", "::") or (before[:1].isalpha() and before not in NO_TYPES)
                if (following == "(" and depth == 0 and "=" not in statement and "operator" not in statement
                        and is_type_before and is_function_name(token)):
                    declared.append((token, i))
                else:
                    used.add(token)
            if depth == 0 and not (token == "=" and "operator" in statement):  # not the defaults of parameters
                statement.append(token)
    # What overrides is called through its base.
    kept = []
    for name, at in declared:
        rest = all_tokens[at : at + 200]
        end = next((n for n, each in enumerate(rest) if each in (";", "{")), len(rest))
        if "override" not in rest[:end]:
            kept.append(name)
    return kept, used


def is_test(path: str) -> bool:
    return path.endswith(("_test.cpp", "_bench.cpp", "_test_server.h", "_test_video.h")) or path.startswith(("src/rushes/verify/", "bench/", "fuzz/", "tests/"))


def sources() -> list[str]:
    found = []
    for folder in ("src/rushes", "apps", "python/native"):
        found += [str(p.relative_to(ROOT)) for end in ("*.h", "*.cpp") for p in (ROOT / folder).rglob(end)]
    return sorted(path for path in found if not is_test(path))


def main() -> int:
    declared: dict[str, list[str]] = {}
    used: set[str] = set()
    for path in sources():
        functions, words = read((ROOT / path).read_text(encoding="utf-8"))
        used |= words
        if path.endswith(".h") and path.startswith("src/rushes/"):
            declared[path] = functions
    needed, refused = set(), []
    for header, functions in declared.items():
        for function in sorted(set(functions) - used - BY_LANGUAGE):
            allowing = {entry for entry in (header, f"{header}: {function}") if entry in ALLOWED}
            needed |= allowing
            if not allowing:
                refused.append(f"{header}: {function}() is not reached by the product, at most by tests (tools/check_unused.py)")
    for entry in ALLOWED:
        if entry not in needed:
            print(f"tools/check_unused.py: '{entry}' is allowed but no longer needed; remove it")
    print("\n".join(refused) or f"functions that only tests reach: {len(ALLOWED)} allowed, no others")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
