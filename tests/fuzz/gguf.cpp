// GGUF files: any bytes are a model or a refusal, whatever they count; every tensor that is
// accepted lies within the file and unpacks to what its type has; and the cost is bounded by the
// length.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/error.h"
#include "model/gguf/blocks.h"
#include "model/gguf/header.h"
#include "model/gguf/names.h"
#include "model/gguf_config.h"
#include "model/quantized/find_blocks.h"
#include "model/quantized/unpack.h"
#include "model/text/read_gguf.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void unpack(const StoredTensor& tensor, std::string_view file) {
    // Of exactly that size, so that a sanitizer sees the first byte beyond.
    const std::vector<char> bytes(file.begin() + ptrdiff_t(tensor.offset),
                                  file.begin() + ptrdiff_t(tensor.offset + tensor.n_bytes));
    const StoredLinear linear = linear_of_blocks(tensor, "fuzz");
    QuantizedView view;
    view.linear = &linear;
    view.codes = {DType::other, {}, reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
    std::vector<uint8_t> codes(size_t(linear.n) * size_t(linear.k));
    std::vector<float> scales(codes.size() / size_t(linear.quantized->group));
    std::vector<float> zeros(scales.size()), floats(codes.size());
    const bool good = unpack_rows(view, 0, linear.n, codes.data(), scales.data(), zeros.data());
    for (uint8_t code : codes) require(code < 16 || linear.kind == LinearKind::int8);
    blocks_to_float(*tensor.blocks, view.codes.data,
                    codes.size() / size_t(tensor.blocks->n_weights), floats.data());
    if (good) return;
    try {
        refuse_numbers(view);
    } catch (const LoadError&) {
    }
}

/// What a daemon asks of the metadata; each may refuse them.
template <typename Read>
void attempt(const Read& read) {
    try {
        read();
    } catch (const LoadError&) {
    }
}

void read_file(const std::string& file) {
    const auto header = GgufHeader::parse(file, file.size(), "fuzz");
    require(header.has_value());  // nothing goes on behind a file's end
    uint64_t total = 0;
    StoredTensors tensors;
    for (const auto& [name, tensor] : header->tensors()) {
        require(tensor.offset <= file.size() && tensor.n_bytes <= file.size() - tensor.offset);
        total += tensor.n_bytes;
        if (tensor.blocks && tensor.shape.size() == 2) unpack(tensor, file);
        const std::string known = checkpoint_name(name);
        require(known.empty() || gguf_name(known) == name);
        tensors.emplace(known, tensor);
    }
    require(total <= file.size());
    attempt([&] { (void)gguf_config(*header, tensors); });
    attempt([&] { (void)gguf_generation_json(*header); });
    attempt([&] { (void)gguf_special_tokens(*header); });
    attempt([&] { (void)gguf_templates(*header); });
    attempt([&] { (void)read_gguf_tokenizer(*header); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    // What is behind a header may be as long as it likes, and what counts may be long itself.
    for (const std::string& file : {std::string(input), amplified(input)})
        within_cost("gguf", file.size(), [&] { attempt([&] { read_file(file); }); });
    return 0;
}
