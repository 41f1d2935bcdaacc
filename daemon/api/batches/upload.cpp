#include "daemon/api/batches/upload.h"

#include <fmt/format.h>

#include <charconv>
#include <variant>
#include <vector>

#include "daemon/api/batches/multipart.h"
#include "model/utf8.h"

namespace qwend {

namespace {

/// Without folders, and with something at all.
std::string plain_name(std::string_view name) {
    const size_t slash = name.find_last_of("/\\");
    if (slash != name.npos) name.remove_prefix(slash + 1);
    return name.empty() ? "upload" : std::string(name);
}

std::optional<ApiError> read_field(const FormPart& part, Upload& upload) {
    const std::string_view text = part.content;
    if (part.name == "purpose") {
        if (text != "batch")
            return bad_request(
                fmt::format("purpose: expected \"batch\", found \"{}\"", excerpt(text)), "purpose");
        upload.purpose = text;
    } else if (part.name == "expires_after[anchor]") {
        if (text != "created_at")
            return bad_request("expires_after[anchor]: expected \"created_at\"", part.name);
    } else if (part.name == "expires_after[seconds]") {
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), upload.lifetime);
        if (error != std::errc() || end != text.data() + text.size() ||
            upload.lifetime < kMinLifetime || upload.lifetime > kMaxLifetime)
            return bad_request(fmt::format("expires_after[seconds]: expected an integer from {} "
                                           "to {}",
                                           kMinLifetime, kMaxLifetime),
                               part.name);
    }
    return std::nullopt;
}

}  // namespace

std::optional<ApiError> read_upload(std::string_view content_type, std::string_view body,
                                    uint64_t max_bytes, Upload& upload) {
    const FormParts form = parse_multipart(content_type, body);
    if (const auto* error = std::get_if<std::string>(&form)) return bad_request(*error);
    bool has_file = false;
    for (const FormPart& part : std::get<std::vector<FormPart>>(form)) {
        if (part.name == "file" && has_file)
            return bad_request("file: expected one, found several", "file");
        if (part.name == "file") {
            has_file = true;
            upload.filename = plain_name(part.filename);
            upload.content = part.content;
        } else if (auto error = read_field(part, upload)) {
            return error;
        }
    }
    if (!has_file) return bad_request("file: expected a file in the form", "file");
    if (upload.purpose.empty()) return bad_request("purpose: expected \"batch\"", "purpose");
    if (upload.content.size() > max_bytes)
        return ApiError{413, "invalid_request_error", "file_too_large", "file",
                        fmt::format("file: {} bytes are more than max-file, which is {}",
                                    upload.content.size(), max_bytes)};
    return std::nullopt;
}

}  // namespace qwend
