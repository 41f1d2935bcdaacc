// A batch with a model whose steps the test lets happen.

#include "daemon/api/batches/batch_run.h"

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

TEST_CASE("batch_run: answers are those that a client gets, and refusals are apart") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.run([&] {
        const BatchClient client{served};
        const std::string batch =
            client.start(client.upload(client.line("a", 4, R"(,"seed":5)") + client.line("b", -1) +
                                       client.line("c", 3, R"(,"stream":true)")));
        const std::string found = client.wait(batch, "completed");
        CHECK(has(found, R"("request_counts":{"total":3,"completed":1,"failed":2})"));
        CHECK(has(client.content(found, "output_file_id"), served.first().says({1, 2, 3}, 5, 4)));
        const std::string errors = client.content(found, "error_file_id");
        CHECK(has(errors, "max_tokens"));
        CHECK(has(errors, R"("status_code":400)"));
    });
}

TEST_CASE("batch_run: what was answered before is not asked again") {
    const TempDir dir;
    std::string batch;
    {
        ServedApi served;
        served.options.state_directory = dir.path();
        served.info.max_sequences = 1;
        served.run([&] {
            const BatchClient client{served};
            served.first().gate.allow(6);
            std::string lines;
            for (int i = 0; i < 20; i++) lines += client.line(std::to_string(i), 2);
            batch = client.start(client.upload(lines));
            wait_for([&] { return !has(client.get(batch), R"("completed":0)"); });
            served.on_loop([&] { served.api->start_draining(); });
            wait_for([&] { return served.n_in_flight() == 0; });  // nothing waits for it
        });
    }
    ServedApi served;
    served.options.state_directory = dir.path();
    served.run([&] {
        const BatchClient client{served};
        const std::string outputs =
            client.content(client.wait(batch, "completed"), "output_file_id");
        for (int i = 0; i < 20; i++) {
            const std::string id = fmt::format(R"("custom_id":"{}")", i);
            CHECK(has(outputs, id));
            CHECK(outputs.find(id) == outputs.rfind(id));
        }
    });
}
