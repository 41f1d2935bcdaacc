#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/unit/daemon/api/api_harness.h"

namespace qwend {

/// Talks to the routes of files and batches of a served API.
struct BatchClient {
    const ServedApi& served;

    std::string upload(const std::string& content) const {
        const std::string form = fmt::format(
            "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in\"\r\n\r\n{}\r\n"
            "--b--",
            content);
        return id_in(served.ask("POST", "/v1/files", form,
                                "Content-Type: multipart/form-data; boundary=b\r\n"),
                     "\"id\":\"");
    }
    std::string start(const std::string& input, std::string_view window = "24h") const {
        return id_in(served.post("/v1/batches",
                                 fmt::format(R"({{"input_file_id":"{}","endpoint":)"
                                             R"("/v1/completions","completion_window":"{}"}})",
                                             input, window)),
                     "\"id\":\"");
    }
    std::string get(const std::string& batch) const {
        return served.ask("GET", "/v1/batches/" + batch);
    }
    /// The batch as it is once it has this status.
    std::string wait(const std::string& batch, std::string_view status) const {
        std::string found;
        wait_for([&] {
            found = get(batch);
            return found.find(fmt::format(R"("status":"{}")", status)) != std::string::npos;
        });
        return found;
    }
    std::string content(const std::string& batch_object, std::string_view which) const {
        const std::string id = id_in(batch_object, fmt::format("\"{}\":\"", which));
        return served.ask("GET", "/v1/files/" + id + "/content");
    }

    static std::string line(std::string_view id, int max_tokens = 3, std::string_view more = "") {
        return fmt::format(R"({{"custom_id":"{}","method":"POST","url":"/v1/completions","body":)"
                           R"({{"prompt":[1,2,3],"max_tokens":{}{}}}}})",
                           id, max_tokens, more) +
               "\n";
    }
    static std::string id_in(const std::string& answer, std::string_view before) {
        const size_t at = answer.find(before);
        if (at == std::string::npos) return "";
        const size_t begin = at + before.size();
        return answer.substr(begin, answer.find('"', begin) - begin);
    }
};

}  // namespace qwend
