// Forms: a first line that is a Content-Type, and a body. Parts lie within the body, in order, and
// nothing may take more than so much time a byte.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/api/batches/batch_line.h"
#include "daemon/api/batches/multipart.h"
#include "daemon/api/batches/query.h"
#include "daemon/api/batches/upload.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

void parse_everything(std::string_view type, std::string_view body) {
    const FormParts form = parse_multipart(type, body);
    if (const auto* parts = std::get_if<std::vector<FormPart>>(&form)) {
        const char* at = body.data();
        if (parts->size() > kMaxFormParts) std::abort();
        for (const FormPart& part : *parts) {
            if (part.name.empty()) std::abort();
            if (part.content.empty()) continue;
            if (part.content.data() < at) std::abort();
            at = part.content.data() + part.content.size();
            if (at > body.data() + body.size()) std::abort();
        }
    } else if (std::get<std::string>(form).empty()) {
        std::abort();
    }
    Upload upload;
    const auto error = read_upload(type, body, 1 << 20, upload);
    if (error && (error->message.size() > 1000 || error->param.size() > 200)) std::abort();
    if (!error && (upload.purpose != "batch" || upload.filename.empty())) std::abort();
    (void)query_value(body, "limit");
    (void)read_batch_line(body, "/v1/completions");
    if (const auto line = read_answered_line(body); line && body.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const size_t line = std::min(input.find('\n'), input.size());
    const std::string type(input.substr(0, line));
    const std::string body = amplified(input.substr(std::min(line + 1, input.size())));
    within_cost("multipart", body.size(), [&] { parse_everything(type, body); });
    return 0;
}
