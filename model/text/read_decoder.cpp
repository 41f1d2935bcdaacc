#include <utility>

#include "model/text/tokenizer_pipeline.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kName = "decoder";

struct Reader {
    const JsonFile& json;
    TokenDecoder decoder = {};
    bool is_joined = false;  // the steps before have made one text of the tokens

    void read(dom::object step);
    void strip(dom::object step);
    void ctc(dom::object step);
};

struct Kind {
    std::string_view type;
    void (*add)(Reader& reader, dom::object step);
    bool takes_text = false;  // it may follow what has joined the tokens
};

constexpr Kind kKinds[] = {
    {"ByteLevel",
     [](Reader& r, dom::object) {
         r.decoder.add_byte_level();
         r.is_joined = true;
     }},
    {"ByteFallback",
     [](Reader& r, dom::object) {
         if (!r.is_joined) r.decoder.add_byte_fallback();
     },
     true},
    {"Fuse", [](Reader& r, dom::object) { r.is_joined = true; }, true},
    {"Replace",
     [](Reader& r, dom::object step) {
         r.decoder.add_replace(read_pattern(r.json, step, kName),
                               text_needed(r.json, step, kName, "content"), r.json.name());
     }},
    {"Strip", [](Reader& r, dom::object step) { r.strip(step); }, true},
    {"Metaspace",
     [](Reader& r, dom::object step) {
         const bool prepends =
             text_at(step, "prepend_scheme") != "never" && flag_at(step, "add_prefix_space", true);
         r.decoder.add_metaspace(character_needed(r.json, step, kName, "replacement"), prepends);
     }},
    {"WordPiece",
     [](Reader& r, dom::object step) {
         r.decoder.add_word_piece(text_needed(r.json, step, kName, "prefix"),
                                  flag_at(step, "cleanup", true));
     }},
    {"CTC", [](Reader& r, dom::object step) { r.ctc(step); }},
    {"BPEDecoder",
     [](Reader& r, dom::object step) {
         r.decoder.add_word_end(text_needed(r.json, step, kName, "suffix"));
     }},
};

/// A text that comes token by token can lose its beginning, but not its end, and is not asked for.
void Reader::strip(dom::object step) {
    const std::string content = character_needed(json, step, kName, "content");
    const size_t n_start = count_at(json, step, kName, "start", 0, 0),
                 n_stop = count_at(json, step, kName, "stop", 0, 0);
    if (!is_joined) return decoder.add_strip(content, n_start, n_stop);
    if (n_stop > 0 || decoder.n_stripped > 0)
        json.fail("decoder: expected one Strip behind Fuse or ByteLevel, with no stop");
    decoder.stripped_character = content, decoder.n_stripped = n_start;
}

/// Whether a token is the one before has to be known of every two of them, wherever they are.
void Reader::ctc(dom::object step) {
    if (decoder.knows_places() || decoder.replaces_bytes || decoder.drops_repeats())
        json.fail("decoder: expected nothing but Replace and Strip before CTC");
    const std::string pad = text_needed(json, step, kName, "pad_token"),
                      delimiter = text_needed(json, step, kName, "word_delimiter_token");
    decoder.add_ctc(pad, delimiter, flag_at(step, "cleanup", true));
}

void Reader::read(dom::object step) {
    const Kind& kind = find_kind(json, kName, kKinds, step);
    if (is_joined && !kind.takes_text)
        json.fail(
            fmt::format("decoder: expected nothing but Strip behind Fuse or ByteLevel, found "
                        "\"{}\"",
                        kind.type));
    kind.add(*this, step);
}

}  // namespace

TokenDecoder read_decoder(const JsonFile& json, bool is_byte_level) {
    Reader reader{json};
    if (const auto element = json.find(kName))
        for_each_step(json, *element, kName, "decoders",
                      [&](dom::object step) { reader.read(step); });
    else if (is_byte_level)
        reader.decoder.add_byte_level();
    else
        reader.decoder.add_spaces();
    return std::move(reader.decoder);
}

}  // namespace qwend
