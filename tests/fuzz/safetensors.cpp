// Headers: every tensor that is accepted lies within the file.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/error.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view file(reinterpret_cast<const char*>(data), size);
    try {
        for (auto& [name, view] : qwend::parse_safetensors(file, "fuzz")) {
            const char* begin = reinterpret_cast<const char*>(view.data);
            if (begin < file.data() || begin + view.n_bytes > file.data() + size) std::abort();
        }
    } catch (const qwend::LoadError&) {
    }
    return 0;
}
