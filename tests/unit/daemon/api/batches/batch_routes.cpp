#include "daemon/api/batches/batch_routes.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/unit/daemon/api/batches/batch_harness.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("batch_routes: a batch is made, listed, found and cancelled by its id alone") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.run([&] {
        const BatchClient client{served};
        CHECK(client.start("file-00000000000000000000000000000000") == "");
        const std::string input = client.upload(client.line("a"));
        const std::string batch = client.start(input);
        const std::string found = client.wait(batch, "completed");
        CHECK(has(served.ask("GET", "/v1/batches?limit=1"), batch));
        CHECK(has(served.ask("GET", "/v1/batches?limit=0"), "limit: expected"));
        CHECK(has(served.ask("POST", "/v1/batches/" + batch + "/cancel"), "it is completed"));
        CHECK(has(served.ask("POST", "/v1/batches/" + batch), " 404 "));
        CHECK(has(served.ask("GET", "/v1/batches/../../x"), " 404 "));
        CHECK(has(served.ask("GET", "/v1/batches/" + input), " 404 "));
        const std::string output = client.id_in(found, "\"output_file_id\":\"");
        CHECK(has(served.post("/v1/batches",
                              R"({"input_file_id":")" + output +
                                  R"(","endpoint":"/v1/completions","completion_window":"24h"})"),
                  "purpose"));
    });
}
