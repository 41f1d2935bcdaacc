// Models of SentencePiece's, those of tests/golden/sentencepiece.json with bytes that the input
// changes, or the input as it is: each is refused or gives a pipeline, and what that makes of a
// text decodes, in time that is bounded by its length.

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/error.h"
#include "model/json.h"
#include "model/text/sentencepiece_file.h"
#include "model/text/sentencepiece_pipeline.h"
#include "tests/fuzz/cost.h"
#include "tests/unit/sentencepiece_models.h"

using namespace qwend;

namespace {

std::vector<std::string> golden_models() {
    const JsonFile golden(std::filesystem::path("tests/golden/sentencepiece.json"));
    const simdjson::dom::object known = golden.root()["models"].get_object().value();
    std::vector<std::string> models = {""};
    for (auto [name, model] : known)
        models.push_back(sentencepiece_model(model.get_object().value()));
    return models;
}

/// The input is a model by number, then changes: a place in two bytes, how many bytes go there, and
/// the one that comes instead. Model 0 is empty, and the rest of the input what it is.
std::string spoilt(std::string_view input) {
    static const std::vector<std::string> models = golden_models();
    std::string model = input.empty() ? "" : models[uint8_t(input[0]) % models.size()];
    if (model.empty()) return std::string(input.substr(input.empty() ? 0 : 1));
    for (size_t at = 1; at + 4 <= input.size() && at < 64; at += 4) {
        const size_t place = (size_t(uint8_t(input[at])) << 8 | uint8_t(input[at + 1]));
        model.replace(place % model.size(), uint8_t(input[at + 2]) % 4, 1, input[at + 3]);
    }
    return model;
}

void check(const SentencePieceFile& file, const SentencePieceUse& use, const std::string& text) {
    Vocab vocab;
    const TokenizerParts parts = make_sentencepiece_parts(file, use, "fuzz", vocab);
    within_cost("encode", text.size(), [&] {
        std::string storage, rewritten;
        std::string_view normal = parts.normalizer.normalize(text, storage);
        std::vector<int32_t> ids;
        for (const TextPiece piece : parts.splits->split(normal, rewritten, true))
            std::visit(
                [&](const auto& model) {
                    model.encode(normal.substr(piece.begin, piece.end - piece.begin), ids);
                },
                parts.model);
        std::string decoded;
        for (const int32_t id : ids) {
            if (id < 0 || size_t(id) >= file.pieces.size()) std::abort();
            decoded += parts.texts.of(id);
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::string model = spoilt(input);
    const std::string text =
        " \u2581the cat== <|im_start|>\u4f60\u597d caf\u00e9\u0301\x1F  1234 " + std::string(input);
    SentencePieceUse llama;
    llama.is_llama = true;
    llama.prefixes_all = size % 2 == 0;
    SentencePieceUse named;
    named.names = {{3, "<x>"}, {4, "the"}};
    named.marks = {"<|im_start|>"};
    for (const SentencePieceUse& use : std::array{SentencePieceUse(), llama, named}) try {
            check(parse_sentencepiece(model, "fuzz"), use, text);
        } catch (const LoadError&) {
        }
    return 0;
}
