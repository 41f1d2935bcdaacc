// What a request waits for whose JSON schema is new: the parts of compiling forty fields, with the
// memory they ask for and the page faults they take; and what each token of random answers waits
// for. usage: bench-forms TOKENIZER [ROUNDS]

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "daemon/api/compiled_form.h"
#include "daemon/api/grammar_cache.h"
#include "daemon/api/output_form.h"
#include "model/grammar/schema/builder.h"
#include "model/grammar/schema/document.h"
#include "model/grammar/schema/schema.h"
#include "model/text/tokenizer.h"

namespace {
thread_local long n_allocations = 0;
}

[[gnu::noinline]] void* operator new(size_t n) {
    n_allocations++;
    if (void* p = std::malloc(n)) return p;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
    std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept {
    std::free(p);
}

namespace {

using namespace qwend;

constexpr int kSchemas = 10, kFields = 40;

double microseconds() {
    return std::chrono::duration<double, std::micro>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Of this thread, so far.
long page_faults() {
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

/// A field of that kind, as people write them; names and bounds are from `seed`.
std::string field(int kind, unsigned seed) {
    switch (kind % 12) {
        case 0:
        case 1:
            return R"({"type":"string","description":"what it is called"})";
        case 2:
            return R"({"type":"integer"})";
        case 3:
            return fmt::format(R"({{"type":"integer","minimum":0,"maximum":{}}})", seed % 900 + 9);
        case 4:
            return fmt::format(R"({{"type":"string","enum":["new{0}","open","held","done{0}"]}})",
                               seed % 97);
        case 5:
            return R"({"type":"boolean"})";
        case 6:
            return R"({"type":"number"})";
        case 7:
            return fmt::format(R"({{"type":"array","items":{{"type":"string"}},"maxItems":{}}})",
                               seed % 20 + 2);
        case 8:
            return fmt::format(R"({{"type":"string","maxLength":{}}})", seed % 100 + 10);
        case 9:
            return fmt::format(
                R"({{"type":"object","properties":{{"street_{0}":{{"type":"string"}},)"
                R"("number":{{"type":"integer"}},"country":{{"type":["string","null"]}}}},)"
                R"("required":["street_{0}","number"],"additionalProperties":false}})",
                seed % 1000);
        case 10:
            return seed % 2
                       ? fmt::format(R"({{"type":"string","pattern":"^[A-Z]{{2,{}}}-[0-9]+$"}})",
                                     seed % 5 + 3)
                       : R"({"type":"string","pattern":"^[^\\s@]+@[^\\s@]+\\.[a-z]{2,}$"})";
        default: {
            constexpr const char* kFormats[] = {"date-time", "date", "email", "uuid", "uri"};
            return fmt::format(R"({{"type":"string","format":"{}"}})", kFormats[seed % 5]);
        }
    }
}

/// Forty fields; no two seeds have the same names.
std::string schema_of(unsigned seed) {
    std::string properties, required;
    unsigned random = seed * 2654435761u + 12345;
    for (int i = 0; i < kFields; i++) {
        random = random * 1664525u + 1013904223u;
        const std::string name =
            fmt::format("\"{}_{}_{}\"", "abcdefghij"[random >> 16 & 7], i, seed);
        properties += fmt::format("{}{}:{}", i ? "," : "", name,
                                  field(int(seed % kSchemas) + i * 7, random >> 8));
        if (i % 5 != 4) required += fmt::format("{}{}", required.empty() ? "" : ",", name);
    }
    return fmt::format(
        R"({{"type":"object","properties":{{{}}},"required":[{}],"additionalProperties":false}})",
        properties, required);
}

/// What one part took, once.
struct Cost {
    double us = 0;
    long faults = 0, allocations = 0;
};

class Part {
  public:
    explicit Part(std::string name) : name_(std::move(name)) {}
    template <class Work>
    auto measure(Work&& work) {
        const long allocations = n_allocations, faults = page_faults();
        const double began = microseconds();
        struct Note {
            Part& part;
            long allocations, faults;
            double began;
            ~Note() {
                const double us = microseconds() - began;
                part.costs_.push_back({us, page_faults() - faults, n_allocations - allocations});
            }
        } note{*this, allocations, faults, began};
        return work();
    }
    void print() {
        auto middle = [&](auto of) {
            std::ranges::sort(costs_, {}, of);
            return costs_[costs_.size() / 2].*of;
        };
        const double median = middle(&Cost::us), least = costs_.front().us,
                     p90 = costs_[costs_.size() * 9 / 10].us;
        fmt::print("  {:34} {:8.1f} {:8.1f} {:8.1f} us {:6} faults {:6} allocations\n", name_,
                   least, median, p90, middle(&Cost::faults), middle(&Cost::allocations));
    }

  private:
    std::string name_;
    std::vector<Cost> costs_;
};

/// On a thread of its own, whose memory is new.
void on_fresh_thread(const std::function<void()>& work) {
    std::thread(work).join();
}

void measure_parts(const grammar::Vocabulary& vocabulary, int rounds) {
    Part parse("schema's JSON"), build("nodes and expressions"), finish("depths"), copy("copy"),
        automaton("automaton"), prepare("passages of strings"), mask("first mask");
    std::vector<uint32_t> words(vocabulary.n_words());
    for (int i = 0; i < rounds; i++) {
        const std::string text = schema_of(unsigned(i));
        std::optional<grammar::SchemaDocument> document;
        parse.measure([&] { document.emplace(text); });
        grammar::Grammar made;
        build.measure([&] {
            const grammar::SchemaOptions options;
            made.root =
                grammar::Builder(*document, made, options).build({{.schema = document->root()}});
        });
        finish.measure([&] { made.finish(); });
        std::optional<grammar::Grammar> copied;
        copy.measure([&] { copied = made; });
        std::optional<grammar::Automaton> walker;
        automaton.measure([&] {
            walker.emplace(
                *std::move(copied),
                grammar::Automaton::Reach{vocabulary.max_characters(), vocabulary.max_commas()});
        });
        grammar::Masks masks(*walker, vocabulary);
        prepare.measure([&] { masks.prepare(); });
        mask.measure([&] { masks.fill(walker->start(), words); });
    }
    fmt::print("parts, {} times, freed at once: least, median, p90\n", rounds);
    for (Part* part : {&parse, &build, &finish, &copy, &automaton, &prepare, &mask}) part->print();
}

/// As requests have it: compiled on a thread that lives on, used on another, kept by the cache.
void measure_requests(const Tokenizer& tokenizer, int rounds) {
    GrammarCache cache(tokenizer);
    cache.prepare();
    const std::vector<int32_t> stop_ids{tokenizer.size() - 1};
    Part fresh("compile, fresh thread"), again("compile, one thread"), known("found"),
        mask("first mask, another thread"), forced("forced text, another thread");
    auto form_of = [](int i) { return OutputForm{.text = schema_of(unsigned(i))}; };
    for (int i = 0; i < kSchemas; i++) cache.compile(form_of(i), stop_ids);
    for (int i = 0; i < rounds; i++) {
        OutputForm asked = form_of(2 * i + 100'000);
        on_fresh_thread([&] { fresh.measure([&] { return cache.compile(asked, stop_ids); }); });
    }
    struct Made {
        OutputForm asked;
        std::shared_ptr<CompiledForm> form;
    };
    std::vector<Made> made;
    for (int i = 0; i < rounds; i++) made.push_back({form_of(2 * i + 100'001), nullptr});
    on_fresh_thread([&] {
        for (Made& each : made)
            each.form =
                std::get<0>(again.measure([&] { return cache.compile(each.asked, stop_ids); }));
    });
    const size_t n_bytes = made.back().form->n_bytes();
    on_fresh_thread([&] {
        for (const Made& each : made) {
            CompiledForm& form = *each.form;
            mask.measure([&] { return form.mask(form.start()); });
            forced.measure([&] { return form.forced_token(form.start()); });
            known.measure([&] { return cache.find(each.asked, stop_ids); });
        }
    });
    fmt::print("requests, {} times, all kept ({} KiB of a form): least, median, p90\n", rounds,
               n_bytes / 1024);
    for (Part* part : {&fresh, &again, &known, &mask, &forced}) part->print();
}

/// Random ids among those that a mask allows, a quarter of them with what ends a value.
class Writer {
  public:
    explicit Writer(const Tokenizer& tokenizer) {
        for (int32_t id = 0; id < tokenizer.size(); id++) {
            const std::string_view bytes = tokenizer.token_bytes(id);
            if (tokenizer.is_added(id)) continue;
            ids_.push_back(id);
            if (bytes.find_first_of("\",]}") != bytes.npos) ends_.push_back(id);
        }
    }
    int32_t choose(VocabularyMask mask) {
        const int32_t end = random_() % 4 == 0 ? choose(mask, ends_) : kNoToken;
        return end == kNoToken ? choose(mask, ids_) : end;
    }

  private:
    int32_t choose(VocabularyMask mask, const std::vector<int32_t>& ids) {
        const size_t first = random_() % ids.size();
        for (size_t i = 0; i < ids.size(); i++)
            if (const int32_t id = ids[(first + i) % ids.size()]; mask.allows(id)) return id;
        return kNoToken;
    }

    std::vector<int32_t> ids_, ends_;
    std::minstd_rand random_;
};

/// Masks and tokens of answers to one schema, one answer after the other.
void measure_answers(const Tokenizer& tokenizer) {
    constexpr int kAnswers = 50, kTokens = 200;
    GrammarCache cache(tokenizer);
    cache.prepare();
    Writer writer(tokenizer);
    std::vector<double> first, all, reading;
    for (int i = 0; i < kSchemas; i++) {
        const auto form = std::get<0>(cache.compile({.text = schema_of(unsigned(i))}, {}));
        for (int answer = 0; answer < kAnswers; answer++) {
            grammar::StateId at = form->start();
            for (int n = 0; n < kTokens; n++) {
                double began = microseconds();
                const VocabularyMask mask = form->mask(at);
                all.push_back(microseconds() - began);
                if (answer == 0) first.push_back(all.back());
                const int32_t id = writer.choose(mask);
                if (id == kNoToken) break;
                began = microseconds();
                at = form->after(at, id);
                reading.push_back(microseconds() - began);
            }
        }
    }
    auto print = [](const char* name, std::vector<double>& us) {
        std::ranges::sort(us);
        fmt::print("  {:34} {:7.2f} {:7.2f} {:8.2f} us, {} times\n", name, us[us.size() / 2],
                   us[us.size() * 99 / 100], us.back(), us.size());
    };
    fmt::print("{} answers to each of {} schemas: median, p99, most\n", kAnswers, kSchemas);
    print("mask, of the first answers", first);
    print("mask, of all", all);
    print("a token read", reading);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 3) return 64;
    const int rounds = argc == 3 ? std::atoi(argv[2]) : 200;
    const auto tokenizer = Tokenizer::load(argv[1]);
    std::vector<std::string_view> bytes;
    for (int32_t id = 0; id < tokenizer.size(); id++)
        bytes.push_back(tokenizer.is_added(id) ? "" : tokenizer.token_bytes(id));
    const grammar::Vocabulary vocabulary(bytes);
    measure_parts(vocabulary, rounds);
    measure_requests(tokenizer, rounds);
    measure_answers(tokenizer);
}
