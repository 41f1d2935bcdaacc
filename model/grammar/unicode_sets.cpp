#include "model/grammar/unicode_sets.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

namespace qwend::grammar {

namespace {

constexpr size_t kCategories = size_t(UTF8PROC_CATEGORY_CO) + 1;

struct CategoryName {
    std::string_view brief, full;
    std::vector<utf8proc_category_t> categories;
};

/// Source: Unicode 15, PropertyValueAliases.txt, gc.
const std::vector<CategoryName>& category_names() {
    static const std::vector<CategoryName> names = {
        {"Lu", "Uppercase_Letter", {UTF8PROC_CATEGORY_LU}},
        {"Ll", "Lowercase_Letter", {UTF8PROC_CATEGORY_LL}},
        {"Lt", "Titlecase_Letter", {UTF8PROC_CATEGORY_LT}},
        {"Lm", "Modifier_Letter", {UTF8PROC_CATEGORY_LM}},
        {"Lo", "Other_Letter", {UTF8PROC_CATEGORY_LO}},
        {"Mn", "Nonspacing_Mark", {UTF8PROC_CATEGORY_MN}},
        {"Mc", "Spacing_Mark", {UTF8PROC_CATEGORY_MC}},
        {"Me", "Enclosing_Mark", {UTF8PROC_CATEGORY_ME}},
        {"Nd", "Decimal_Number", {UTF8PROC_CATEGORY_ND}},
        {"Nl", "Letter_Number", {UTF8PROC_CATEGORY_NL}},
        {"No", "Other_Number", {UTF8PROC_CATEGORY_NO}},
        {"Pc", "Connector_Punctuation", {UTF8PROC_CATEGORY_PC}},
        {"Pd", "Dash_Punctuation", {UTF8PROC_CATEGORY_PD}},
        {"Ps", "Open_Punctuation", {UTF8PROC_CATEGORY_PS}},
        {"Pe", "Close_Punctuation", {UTF8PROC_CATEGORY_PE}},
        {"Pi", "Initial_Punctuation", {UTF8PROC_CATEGORY_PI}},
        {"Pf", "Final_Punctuation", {UTF8PROC_CATEGORY_PF}},
        {"Po", "Other_Punctuation", {UTF8PROC_CATEGORY_PO}},
        {"Sm", "Math_Symbol", {UTF8PROC_CATEGORY_SM}},
        {"Sc", "Currency_Symbol", {UTF8PROC_CATEGORY_SC}},
        {"Sk", "Modifier_Symbol", {UTF8PROC_CATEGORY_SK}},
        {"So", "Other_Symbol", {UTF8PROC_CATEGORY_SO}},
        {"Zs", "Space_Separator", {UTF8PROC_CATEGORY_ZS}},
        {"Zl", "Line_Separator", {UTF8PROC_CATEGORY_ZL}},
        {"Zp", "Paragraph_Separator", {UTF8PROC_CATEGORY_ZP}},
        {"Cc", "Control", {UTF8PROC_CATEGORY_CC}},
        {"Cf", "Format", {UTF8PROC_CATEGORY_CF}},
        {"Cs", "Surrogate", {UTF8PROC_CATEGORY_CS}},
        {"Co", "Private_Use", {UTF8PROC_CATEGORY_CO}},
        {"Cn", "Unassigned", {UTF8PROC_CATEGORY_CN}},
        {"LC", "Cased_Letter", {UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT}},
        {"L",
         "Letter",
         {UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LM,
          UTF8PROC_CATEGORY_LO}},
        {"M", "Mark", {UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_ME}},
        {"N", "Number", {UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_NO}},
        {"P",
         "Punctuation",
         {UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PD, UTF8PROC_CATEGORY_PS, UTF8PROC_CATEGORY_PE,
          UTF8PROC_CATEGORY_PI, UTF8PROC_CATEGORY_PF, UTF8PROC_CATEGORY_PO}},
        {"S",
         "Symbol",
         {UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SC, UTF8PROC_CATEGORY_SK, UTF8PROC_CATEGORY_SO}},
        {"Z", "Separator", {UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZL, UTF8PROC_CATEGORY_ZP}},
        {"C",
         "Other",
         {UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CF, UTF8PROC_CATEGORY_CS, UTF8PROC_CATEGORY_CO,
          UTF8PROC_CATEGORY_CN}},
    };
    return names;
}

/// One set a category, all from one scan.
std::array<std::vector<CodePointRange>, kCategories> scan_categories() {
    std::array<std::vector<CodePointRange>, kCategories> found;
    for (uint32_t c = 0; c <= kMaxCodePoint; c++) {
        auto& ranges = found[size_t(utf8proc_category(utf8proc_int32_t(c)))];
        if (!ranges.empty() && ranges.back().last + 1 == c)
            ranges.back().last = c;
        else
            ranges.push_back({c, c});
    }
    return found;
}

NamedSet with_complement(CodePointSet set) {
    CodePointSet complement = set.complement();
    return {std::move(set), std::move(complement)};
}

/// In the order of their names.
std::vector<NamedSet> make_category_sets() {
    const auto found = scan_categories();
    std::vector<NamedSet> sets;
    for (const CategoryName& name : category_names()) {
        std::vector<CodePointRange> ranges;
        for (const utf8proc_category_t category : name.categories) {
            const auto& more = found[size_t(category)];
            ranges.insert(ranges.end(), more.begin(), more.end());
        }
        sets.push_back(with_complement(set_of(std::move(ranges))));
    }
    return sets;
}

/// CaseFolding.txt's C and S. utf8proc has its C and F: where F writes several characters, S is
/// what lowers the letter, if anything; but the dotted capital I has no S, though it has a lower
/// case.
uint32_t fold(uint32_t c) {
    constexpr uint32_t kDottedI = 0x130;
    if (c == kDottedI) return c;
    utf8proc_int32_t folded[8];
    int boundclass = 0;
    const auto n = utf8proc_decompose_char(utf8proc_int32_t(c), folded, std::size(folded),
                                           UTF8PROC_CASEFOLD, &boundclass);
    return uint32_t(n == 1 ? folded[0] : utf8proc_tolower(utf8proc_int32_t(c)));
}

struct CaseVariant {
    uint32_t code_point, other;
};

/// Ascending by code point: each that has others of its kind, with each of them. All scripts that
/// know two cases are in the first two planes.
std::vector<CaseVariant> make_case_variants() {
    std::vector<std::pair<uint32_t, uint32_t>> folds;  // what it folds to, itself
    for (uint32_t c = 0; c < 0x20000; c++) {
        const uint32_t to = fold(c);
        if (to == c) continue;
        folds.emplace_back(to, c);
        folds.emplace_back(to, to);
    }
    std::sort(folds.begin(), folds.end());
    folds.erase(std::unique(folds.begin(), folds.end()), folds.end());
    std::vector<CaseVariant> variants;
    for (size_t begin = 0, end = 0; begin < folds.size(); begin = end) {
        while (end < folds.size() && folds[end].first == folds[begin].first) end++;
        for (size_t a = begin; a < end; a++) {
            for (size_t b = begin; b < end; b++)
                if (a != b) variants.push_back({folds[a].second, folds[b].second});
        }
    }
    std::stable_sort(
        variants.begin(), variants.end(),
        [](const CaseVariant& a, const CaseVariant& b) { return a.code_point < b.code_point; });
    return variants;
}

}  // namespace

const NamedSet& decimal_digits() {
    static const NamedSet set = with_complement(CodePointSet('0', '9'));
    return set;
}

const NamedSet& word_characters(bool ignore_case) {
    static const NamedSet set =
        with_complement(set_of({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}));
    static const NamedSet folded = [] {
        size_t steps = 0;
        return with_complement(with_case_variants(set.set, steps));
    }();
    return ignore_case ? folded : set;
}

const NamedSet& white_space() {
    static const NamedSet set = with_complement(set_of({{'\t', '\r'},
                                                        {' ', ' '},
                                                        {0xA0, 0xA0},
                                                        {0x1680, 0x1680},
                                                        {0x2000, 0x200A},
                                                        {0x2028, 0x2029},
                                                        {0x202F, 0x202F},
                                                        {0x205F, 0x205F},
                                                        {0x3000, 0x3000},
                                                        {0xFEFF, 0xFEFF}}));
    return set;
}

const NamedSet& line_terminators() {
    static const NamedSet set =
        with_complement(set_of({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
    return set;
}

const NamedSet* general_category(std::string_view name) {
    const auto& names = category_names();
    size_t i = 0;
    while (i < names.size() && name != names[i].brief && name != names[i].full) i++;
    if (i == names.size()) return nullptr;
    static const std::vector<NamedSet> sets = make_category_sets();
    return &sets[i];
}

CodePointSet set_of(std::vector<CodePointRange> ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const CodePointRange& a, const CodePointRange& b) { return a.first < b.first; });
    CodePointSet set;
    for (const CodePointRange& range : ranges) set.add(range.first, range.last);
    return set;
}

CodePointSet with_case_variants(const CodePointSet& set, size_t& steps) {
    static const std::vector<CaseVariant> variants = make_case_variants();
    std::vector<CodePointRange> ranges = set.ranges();
    for (const CodePointRange& range : set.ranges()) {
        auto at = std::lower_bound(
            variants.begin(), variants.end(), range.first,
            [](const CaseVariant& variant, uint32_t value) { return variant.code_point < value; });
        for (; at != variants.end() && at->code_point <= range.last; at++, steps++)
            if (!set.contains(at->other)) ranges.push_back({at->other, at->other});
    }
    return set_of(std::move(ranges));
}

}  // namespace qwend::grammar
