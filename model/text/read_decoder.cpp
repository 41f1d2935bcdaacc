#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
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

    void read(dom::object step);
    std::string_view behind(std::string_view type, dom::object step) const;
};

struct Kind {
    std::string_view type;
    void (*add)(Reader& reader, dom::object step);
};

constexpr Kind kKinds[] = {
    {"ByteLevel", [](Reader& r, dom::object) { r.decoder.add_byte_level(); }},
    {"ByteFallback", [](Reader& r, dom::object) { r.decoder.add_byte_fallback(); }},
    {"Fuse", [](Reader& r, dom::object) { r.decoder.add_fuse(); }},
    {"Replace",
     [](Reader& r, dom::object step) {
         r.decoder.add_replace(read_pattern(r.json, step, kName),
                               text_needed(r.json, step, kName, "content"), r.json.name());
     }},
    {"Strip",
     [](Reader& r, dom::object step) {
         r.decoder.add_strip(character_needed(r.json, step, kName, "content"),
                             count_at(r.json, step, kName, "start", 0, 0),
                             count_at(r.json, step, kName, "stop", 0, 0));
     }},
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
    {"CTC",
     [](Reader& r, dom::object step) {
         const std::string pad = text_needed(r.json, step, kName, "pad_token"),
                           delimiter = text_needed(r.json, step, kName, "word_delimiter_token");
         r.decoder.add_ctc(pad, delimiter, flag_at(step, "cleanup", true));
     }},
    {"BPEDecoder",
     [](Reader& r, dom::object step) {
         r.decoder.add_word_end(text_needed(r.json, step, kName, "suffix"));
     }},
};

/// Whether a step finds nothing in ASCII, nor in an empty token.
bool spares_ascii(std::string_view type, dom::object step) {
    dom::object pattern;
    const std::string_view part = type == "Metaspace" ? text_at(step, "replacement")
                                  : type != "Replace" || step.at_key("pattern").get(pattern)
                                      ? std::string_view()
                                      : text_at(pattern, "String");
    return !part.empty() && std::ranges::none_of(part, [](char c) { return uint8_t(c) < 0x80; });
}

/// What a step is behind for which it needs all of a text; empty: it can be done to tokens as they
/// come. Nobody asks whether it would find anything in this vocabulary.
std::string_view Reader::behind(std::string_view type, dom::object step) const {
    if (decoder.has_joined()) {
        // A beginning can be lost at once, an end cannot.
        const bool is_beginning = type == "Strip" && decoder.n_stripped == 0 &&
                                  count_at(json, step, kName, "stop", 0, 0) == 0;
        return type == "Fuse" || is_beginning ? "" : "Fuse or ByteLevel";
    }
    // A character's bytes are shown as they come, so that no step sees the character. Those that
    // look for other than ASCII miss nothing but their mark, if bytes spell it.
    if (decoder.replaces_bytes && type != "Fuse" && !spares_ascii(type, step))
        return "ByteFallback";
    // Whether a token is the one before has to be known of every two of them, wherever they are.
    if (type == "CTC" && decoder.knows_places()) return "a step that knows places";
    if (type == "CTC" && decoder.drops_repeats()) return "CTC";
    return "";
}

void Reader::read(dom::object step) {
    const Kind& kind = find_kind(json, kName, kKinds, step);
    const std::string_view before = behind(kind.type, step);
    const bool was_joined = decoder.has_joined();
    kind.add(*this, step);
    if (!before.empty()) decoder.need_all(fmt::format("{} behind {}", kind.type, before));
    if (!was_joined || kind.type != "Strip") return;
    decoder.stripped_character = text_at(step, "content");
    decoder.n_stripped = count_at(json, step, kName, "start", 0, 0);
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
