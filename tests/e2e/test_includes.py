"""What a source names of the standard library it includes, itself or by a header of this project: which of its own
headers a standard library includes along changes with its version, and the next one refuses to compile."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("daemon", "gpu", "model", "net", "tests")
ALGORITHMS = """adjacent_find all_of any_of clamp copy copy_if copy_n count count_if equal fill fill_n find find_if
    find_if_not for_each generate is_sorted lower_bound make_heap max max_element min min_element mismatch none_of
    nth_element partial_sort pop_heap push_heap remove remove_if replace reverse rotate search shuffle sort stable_sort
    swap_ranges transform unique upper_bound""".split()
NEEDED = {
    "algorithm": r"\bstd::(ranges::)?(%s)\(" % "|".join(ALGORITHMS),
    "array": r"\bstd::array<",
    "atomic": r"\bstd::atomic",
    "bit": r"\bstd::(bit_cast|bit_ceil|bit_floor|bit_width|countl_zero|countr_zero|popcount)\b",
    "charconv": r"\bstd::(from_chars|to_chars)\b",
    "chrono": r"\bstd::chrono\b",
    "climits": r"\b(INT|UINT|LONG|ULONG|LLONG|ULLONG|CHAR|SHRT)_(MAX|MIN)\b",
    "cmath": r"\bstd::(abs|ceil|cos|exp|exp2|floor|isfinite|isinf|isnan|lround|log|log2|pow|round|sin|sqrt)\(",
    "condition_variable": r"\bstd::condition_variable\b",
    "cstdint": r"\b(u?int(8|16|32|64)_t|u?intptr_t|U?INT(8|16|32|64)_(MAX|MIN))\b",
    "cstdio": r"\bstd::(fclose|fflush|fopen|fputc|fputs|fread|fwrite|perror|printf|snprintf)\b|\bFILE\b",
    "cstdlib": r"\bstd::(abort|aligned_alloc|atoi|atoll|exit|free|getenv|malloc|strtod|strtol|strtoul)\b",
    "cstring": r"\bstd::(memchr|memcmp|memcpy|memmove|memset|strcmp|strerror|strlen)\b",
    "deque": r"\bstd::deque<",
    "exception": r"\bstd::(exception|current_exception|exception_ptr|rethrow_exception|terminate)\b",
    "filesystem": r"\bstd::filesystem\b",
    "fstream": r"\bstd::[io]?fstream\b",
    "functional": r"\bstd::(function|greater|less|hash)\b",
    "initializer_list": r"\bstd::initializer_list<",
    "limits": r"\bstd::numeric_limits<",
    "map": r"\bstd::(multi)?map<",
    "memory": r"\bstd::(enable_shared_from_this|make_shared|make_unique|shared_ptr|unique_ptr|weak_ptr)\b",
    "mutex": r"\bstd::(lock_guard|mutex|once_flag|scoped_lock|unique_lock)\b",
    "new": r"\bstd::(bad_alloc|nothrow|set_new_handler)\b",
    "numeric": r"\bstd::(accumulate|iota|reduce)\(",
    "optional": r"\bstd::(nullopt|optional)\b",
    "random": r"\bstd::(exponential_distribution|mt19937|normal_distribution|random_device|uniform_\w+)\b",
    "regex": r"\bstd::(regex|smatch|cmatch)\b",
    "set": r"\bstd::(multi)?set<",
    "span": r"\bstd::span\b",
    "sstream": r"\bstd::[io]?stringstream\b",
    "stdexcept": r"\bstd::(invalid_argument|logic_error|out_of_range|runtime_error)\b",
    "string": r"\bstd::(stod|stoi|string|to_string)\b",
    "string_view": r"\bstd::string_view\b",
    "thread": r"\bstd::(thread|this_thread)\b",
    "tuple": r"\bstd::(make_tuple|tie|tuple)\b",
    "type_traits": r"\bstd::(conditional|decay|enable_if|is_\w+_v|is_same|remove_reference|underlying_type)",
    "unordered_map": r"\bstd::unordered_map<",
    "unordered_set": r"\bstd::unordered_set<",
    "utility": r"\bstd::(exchange|forward|move|pair|swap)\b",
    "variant": r"\bstd::(get_if|holds_alternative|monostate|variant|visit)\b",
    "vector": r"\bstd::vector<",
}
# What the standard says comes along with another header.
IMPLIED = {"string": {"initializer_list", "string_view"}, "vector": {"initializer_list"}, "map": {"initializer_list"},
           "array": {"initializer_list"}, "stdexcept": {"string"}}


def sources():
    files = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".cpp", ".h", ".cu", ".cuh")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def included(name, texts, seen):
    """Names of all headers that come with a file, by way of the project's own."""
    for header in re.findall(r'#\s*include\s*[<"]([^>"]+)', texts[name]):
        if header in seen:
            continue
        seen.add(header)
        seen |= IMPLIED.get(header, set())
        if header in texts:
            included(header, texts, seen)
    return seen


def missing(texts):
    found = []
    for name, text in texts.items():
        code = re.sub(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', '""', re.sub(r"//.*", "", text), flags=re.DOTALL)
        headers = included(name, texts, set())
        found += [f"{name}: <{header}> for {use[0]}" for header, pattern in NEEDED.items()
                  if header not in headers and (use := re.search(pattern, code))]
    return found


def test_sources_include_what_they_name():
    assert missing(sources()) == []


def test_a_missing_header_is_found():
    texts = {"a.h": "#include <string>\n", "b.cpp": '#include "a.h"\nstd::string s; std::string_view v; uint8_t c;\n'}
    assert missing(texts) == ["b.cpp: <cstdint> for uint8_t"]
    texts["a.h"] += "#include <cstdint>\n"
    assert missing(texts) == []
