// Forms, compiled and kept; and what a sequence may say in one.

#include "daemon/api/grammar_cache.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/log.h"
#include "model/sampling.h"
#include "tests/unit/daemon/api/demo_text.h"

using namespace qwend;

namespace {

using Kind = OutputForm::Kind;
using Masks = std::vector<uint32_t>;

constexpr int32_t kStop = 5, kOtherStop = 70;

const Tokenizer& tokenizer() {
    return demo_text()->tokenizer;
}

OutputForm form(Kind kind, std::string text, std::string field = "f") {
    OutputForm made;
    made.kind = kind, made.text = std::move(text), made.field = std::move(field);
    return made;
}

const std::vector<int32_t> kStops = {kStop};

std::shared_ptr<CompiledForm> compiled(GrammarCache& cache, const OutputForm& form,
                                       const std::vector<int32_t>& stop_ids = kStops) {
    GrammarCache::Result result = cache.compile(form, stop_ids);
    REQUIRE_MESSAGE(result.index() == 0, std::get<FormError>(result).message);
    return std::get<0>(std::move(result));
}

std::string error_of(GrammarCache& cache, const OutputForm& form) {
    const GrammarCache::Result result = cache.compile(form, kStops);
    return result.index() == 1 ? std::get<1>(result).message : "none";
}

std::vector<int32_t> ids_of(std::string_view text) {
    return tokenizer().encode(text);
}

Constraint constrained(std::shared_ptr<CompiledForm> form) {
    return constrain(std::make_shared<FormedOutput>(FormedOutput{std::move(form)}));
}

Masks masks_of(const Constraint& constraint, const std::vector<int32_t>& drafts = {}) {
    std::vector<VocabularyMask> found(1 + drafts.size());
    constraint.find_masks(drafts, found);
    Masks masks;
    for (const VocabularyMask& mask : found)
        masks.insert(masks.end(), mask.words, mask.words + mask_words(tokenizer().size()));
    return masks;
}

bool allows(const Masks& masks, size_t row, int32_t id) {
    return masks[row * mask_words(tokenizer().size()) + size_t(id) / 32] >> (id % 32) & 1;
}

size_t n_allowed(const Masks& masks, size_t row = 0) {
    size_t n = 0;
    for (int32_t id = 0; id < tokenizer().size(); id++) n += allows(masks, row, id);
    return n;
}

}  // namespace

TEST_CASE("grammar_cache: a form is compiled once, whatever field asks for it") {
    GrammarCache cache(tokenizer());
    const OutputForm first = form(Kind::regex, "a+", "regex");
    CHECK_FALSE(cache.find(first, kStops));
    const auto made = compiled(cache, first);
    CHECK(std::get<0>(*cache.find(first, kStops)) == made);
    CHECK(std::get<0>(*cache.find(form(Kind::regex, "a+", "guided_regex"), kStops)) == made);
    CHECK(compiled(cache, first) == made);
    CHECK_FALSE(cache.find(form(Kind::choice, "a+"), kStops));
    OutputForm spaced = form(Kind::json_object, "");
    compiled(cache, spaced);
    spaced.space = OutputForm::Space::none;
    CHECK_FALSE(cache.find(spaced, kStops));
    spaced.space_pattern = " ";
    CHECK_FALSE(cache.find(spaced, kStops));
}

TEST_CASE("grammar_cache: what cannot be had is known the next time") {
    GrammarCache cache(tokenizer());
    for (const auto& [kind, text, why] : std::vector<std::tuple<Kind, std::string, std::string>>{
             {Kind::json_schema, R"({"properties":{"a":{"uniqueItems":true}}})",
              "#/properties/a/uniqueItems: uniqueItems is possible where"},
             {Kind::json_schema, "{", ""},
             {Kind::json_schema, "false", ""},
             {Kind::regex, "(", ""},
             {Kind::grammar, "root ::= other", ""},
         }) {
        CAPTURE(text);
        const std::string said = error_of(cache, form(kind, text));
        CHECK(said != "none");
        CHECK_MESSAGE(said.starts_with(why), said);
        REQUIRE(cache.find(form(kind, text), kStops));
        CHECK(std::get<1>(*cache.find(form(kind, text), kStops)).message == said);
    }
}

TEST_CASE("grammar_cache: those used last are kept, within a bound of bytes") {
    GrammarCache all(tokenizer());
    const size_t one = (compiled(all, form(Kind::regex, "a0")), all.n_bytes());
    const GrammarCache::Limits limits{.all = 5 * one + one / 2, .one_form = size_t(1) << 30};
    GrammarCache cache(tokenizer(), limits);
    for (int i = 0; i < 20; i++) {
        compiled(cache, form(Kind::regex, fmt::format("a{}", i)));
        CHECK(cache.find(form(Kind::regex, "a0"), kStops));  // is used all the time
        CHECK(cache.n_bytes() <= limits.all);
    }
    CHECK(cache.find(form(Kind::regex, "a19"), kStops));
    CHECK_FALSE(cache.find(form(Kind::regex, "a1"), kStops));
    CHECK_FALSE(cache.find(form(Kind::regex, "a14"), kStops));
    for (int i = 0; i < 200; i++)  // errors take room as well
        error_of(cache, form(Kind::regex, "(" + std::string(one / 10, 'a') + std::to_string(i)));
    CHECK(cache.n_bytes() <= limits.all);
    CHECK_FALSE(cache.find(form(Kind::regex, "a0"), kStops));
}

TEST_CASE("grammar_cache: a form that found out too much begins anew, without harm to others") {
    GrammarCache measured(tokenizer());
    const OutputForm wide = form(Kind::regex, "[a-z ]*[0-9]{1,3}[a-z ]{2,40}");
    const size_t bare = compiled(measured, wide)->n_bytes();
    GrammarCache cache(tokenizer(), {.all = size_t(1) << 30, .one_form = bare + 1});
    const auto first = compiled(cache, wide);
    CHECK(std::get<0>(*cache.find(wide, kStops)) == first);
    Constraint running = constrained(first);
    masks_of(running);
    for (const int32_t id : ids_of("ab 12")) running.accept(id);
    masks_of(running);
    CHECK_FALSE(cache.find(wide, kStops));
    const auto second = compiled(cache, wide);
    CHECK(second != first);
    CHECK(std::get<0>(*cache.find(wide, kStops)) == second);
    CHECK(second->n_bytes() == bare);
    const Masks old = masks_of(running);
    Constraint fresh = constrained(second);
    for (const int32_t id : ids_of("ab 12")) fresh.accept(id);
    CHECK(masks_of(fresh) == old);
}

TEST_CASE("grammar_cache: what a form remembers of the tokens that it read is counted") {
    GrammarCache cache(tokenizer());
    const auto counted =
        compiled(cache, form(Kind::json_schema, R"({"type":"string","maxLength":100000})"));
    const size_t bare = counted->n_bytes();
    Constraint constraint = constrained(counted);
    constraint.accept(ids_of("\"")[0]);
    for (int i = 0; i < 5000; i++) constraint.accept(ids_of("a")[0]);
    CHECK(counted->n_bytes() > bare + 5000 * 32);
    CHECK(n_allowed(masks_of(constraint)) > 100);
}

TEST_CASE("grammar_cache: stop ids come where a text is complete, and nothing else at its end") {
    GrammarCache cache(tokenizer());
    Constraint constraint =
        constrained(compiled(cache, form(Kind::choice, R"(["yes","yes!"])"), {kStop, kOtherStop}));
    Masks masks = masks_of(constraint);
    CHECK_FALSE(allows(masks, 0, kStop));
    CHECK_FALSE(allows(masks, 0, kOtherStop));
    CHECK(n_allowed(masks) >= 1);
    for (const int32_t id : ids_of("yes")) {
        CHECK(allows(masks_of(constraint), 0, id));
        constraint.accept(id);
    }
    masks = masks_of(constraint);
    CHECK(allows(masks, 0, kStop));
    CHECK(allows(masks, 0, kOtherStop));
    CHECK(n_allowed(masks) == 3);  // and the exclamation mark
    constraint.accept(ids_of("!")[0]);
    masks = masks_of(constraint);
    CHECK(allows(masks, 0, kStop));
    CHECK(n_allowed(masks) == 2);
    constraint.accept(kStop);
    CHECK(n_allowed(masks_of(constraint)) == 0);
}

TEST_CASE("grammar_cache: a text is partial, complete, or has come to its only end") {
    GrammarCache cache(tokenizer());
    Constraint constraint = constrained(compiled(cache, form(Kind::choice, R"(["yes","yes!"])")));
    for (const int32_t id : ids_of("yes")) {
        CHECK(constraint.completeness() == Completeness::partial);
        constraint.accept(id);
    }
    CHECK(constraint.completeness() == Completeness::complete);
    constraint.accept(ids_of("!")[0]);
    CHECK(constraint.completeness() == Completeness::final);
    Constraint object = constrained(compiled(cache, form(Kind::json_schema, R"({"const":[1]})")));
    for (const int32_t id : ids_of("[1]")) {
        CHECK(object.completeness() == Completeness::partial);
        object.accept(id);
    }
    CHECK(object.completeness() == Completeness::final);
}

TEST_CASE("grammar_cache: what follows guesses is what would follow them") {
    GrammarCache cache(tokenizer());
    const auto object = compiled(cache, form(Kind::json_schema, R"({"type":"object","properties":
        {"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"]})"));
    const std::vector<int32_t> ids = ids_of(R"({"name":"Ann","age":41})");
    for (size_t begin = 0; begin < ids.size(); begin++) {
        Constraint guessing = constrained(object), stepping = constrained(object);
        for (size_t i = 0; i < begin; i++) guessing.accept(ids[i]), stepping.accept(ids[i]);
        const std::vector<int32_t> drafts(ids.begin() + std::ptrdiff_t(begin), ids.end());
        const Masks guessed = masks_of(guessing, drafts);
        Masks stepped = masks_of(stepping);
        for (const int32_t id : drafts) {
            stepping.accept(id);
            const Masks row = masks_of(stepping);
            stepped.insert(stepped.end(), row.begin(), row.end());
        }
        CHECK(guessed == stepped);
        CHECK(masks_of(guessing, drafts) == guessed);  // a guess leaves nothing behind
        CHECK(n_allowed(guessed, drafts.size()) == 1);
    }
    Constraint wrong = constrained(object);
    const Masks masks = masks_of(wrong, {ids_of("x")[0], kStop});
    CHECK(n_allowed(masks, 0) > 0);
    CHECK(n_allowed(masks, 1) == 0);
    CHECK(n_allowed(masks, 2) == 0);
}

TEST_CASE("grammar_cache: guesses are what a form leaves no choice about") {
    GrammarCache cache(tokenizer());
    const auto form_of = [&](Kind kind, const char* text) {
        return std::make_shared<FormedOutput>(FormedOutput{compiled(cache, form(kind, text))});
    };
    const auto guessed = [&](const std::shared_ptr<FormedOutput>& output, int n_most = 20) {
        std::vector<int32_t> drafts;
        draft_forced(output, 0, n_most).draft({{}, n_most, 0}, drafts);
        return drafts;
    };
    const auto text_of = [&](const std::vector<int32_t>& ids) {
        return tokenizer().decode(ids, false);
    };
    CHECK(text_of(guessed(form_of(Kind::choice, R"(["yes","yes!"])"))) == "yes");
    CHECK(text_of(guessed(form_of(Kind::choice, R"(["no","not"])"))) == "no");
    CHECK(text_of(guessed(form_of(Kind::choice, R"(["a longer one","another"])"))) == "a");
    CHECK(guessed(form_of(Kind::regex, "[ab]")).empty());
    CHECK(guessed(form_of(Kind::regex, "(ab)?")).empty());
    CHECK(guessed(form_of(Kind::choice, R"(["a longer one"])"), 1).size() == 1);

    // How a model cut the text is what is guessed the next time.
    const auto first = form_of(Kind::choice, R"(["certainly"])");
    const auto second = std::make_shared<FormedOutput>(FormedOutput{first->form});
    std::vector<int32_t> letters;
    for (const char letter : std::string("certainly"))
        letters.push_back(ids_of(std::string(1, letter)).at(0));
    CHECK(guessed(second) != letters);
    for (const int32_t id : letters) {
        guessed(first);
        constrain(first).accept(id);
    }
    CHECK(guessed(second) == letters);

    // Whatever is sampled instead of them comes to the same text.
    std::mt19937 random(7);
    for (int round = 0; round < 40; round++) {
        const auto output = form_of(Kind::json_schema, R"({"type":"object","properties":
            {"name":{"enum":["Ann","Anna","Bob"]},"number":{"type":"integer","maximum":50,
            "minimum":0},"next":{"type":"boolean"}},"required":["name","number","next"]})");
        const Constraint constraint = constrain(output);
        std::string text, promised;
        for (int n = 0; constraint.completeness() == Completeness::partial && n < 100; n++) {
            const std::string ahead = text + text_of(guessed(output));
            CHECK(ahead.substr(0, promised.size()) == promised.substr(0, ahead.size()));
            if (ahead.size() > promised.size()) promised = ahead;
            const Masks masks = masks_of(constraint);
            std::vector<int32_t> ids;
            for (int32_t id = 0; id < tokenizer().size(); id++)
                if (allows(masks, 0, id)) ids.push_back(id);
            REQUIRE_FALSE(ids.empty());
            const int32_t id = ids[random() % ids.size()];
            constraint.accept(id);
            text += text_of({id});
            CHECK(text.substr(0, promised.size()) == promised.substr(0, text.size()));
        }
        CHECK(promised.size() >= text.size() / 2);
    }
}

TEST_CASE("grammar_cache: stop ids beyond the mask, and none at all, do no harm") {
    GrammarCache cache(tokenizer());
    Constraint constraint = constrained(compiled(cache, form(Kind::regex, "a"), {-1, 1 << 30}));
    constraint.accept(ids_of("a")[0]);
    CHECK(n_allowed(masks_of(constraint)) == 0);
}

TEST_CASE("grammar_cache: two constraints allow what both do") {
    GrammarCache cache(tokenizer());
    auto both = [&] {
        return all_of(constrained(compiled(cache, form(Kind::regex, "[ab]c?"))),
                      constrained(compiled(cache, form(Kind::regex, "[bd]c*"))),
                      tokenizer().size());
    };
    const int32_t a = ids_of("a")[0], b = ids_of("b")[0], c = ids_of("c")[0], d = ids_of("d")[0];
    Constraint constraint = both();
    Masks masks = masks_of(constraint, {b, c});
    CHECK(allows(masks, 0, b));
    CHECK_FALSE(allows(masks, 0, a));
    CHECK_FALSE(allows(masks, 0, d));
    CHECK(allows(masks, 1, c));
    CHECK(allows(masks, 1, kStop));
    CHECK(n_allowed(masks, 2) == 1);
    CHECK(constraint.completeness() == Completeness::partial);
    constraint.accept(b);
    CHECK(constraint.completeness() == Completeness::complete);
    constraint.accept(c);
    CHECK(constraint.completeness() == Completeness::final);
    CHECK(masks_of(constraint) ==
          Masks(masks.end() - std::ptrdiff_t(mask_words(tokenizer().size())), masks.end()));
}

TEST_CASE("grammar_cache: tokens of word pieces are texts, with the space that is before them") {
    const auto with = [](const std::string& decoder) {
        return Tokenizer::parse(
            R"({"decoder":)" + decoder +
            R"(,"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##",)"
            R"("max_input_chars_per_word":100,"vocab":{"u":0,"a":1,"##a":2,"b":3,"##b":4,)"
            R"(",":5}}})");
    };
    const Tokenizer pieces = with(R"({"type":"WordPiece","prefix":"##","cleanup":true})");
    GrammarCache cache(pieces);
    const Constraint constraint = constrained(compiled(cache, form(Kind::regex, "a, b{2}"), {0}));
    const std::vector<int32_t> answer = {2, 5, 3, 4};
    std::vector<VocabularyMask> masks(answer.size() + 1);
    constraint.find_masks(answer, masks);
    for (size_t i = 0; i < masks.size(); i++)  // each token is the only one, and then the end
        CHECK(masks[i].words[0] == 1u << (i < answer.size() ? answer[i] : 0));
    CHECK(pieces.decode(answer, false, false) == "a, bb");
    const Tokenizer ctc =
        with(R"({"type":"CTC","pad_token":"u","word_delimiter_token":"|","cleanup":true})");
    GrammarCache none(ctc);
    CHECK(error_of(none, form(Kind::regex, "a")).find("decoder with CTC") != std::string::npos);
    const Tokenizer fused = with(
        R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"BPEDecoder","suffix":""}]})");
    GrammarCache whole(fused);
    CHECK(error_of(whole, form(Kind::regex, "a")).find("decoder with BPEDecoder behind Fuse") !=
          std::string::npos);
}
