// What runs when: batches one after the other, and none while a client waits.

#include "daemon/api/batches/batches.h"

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

TEST_CASE("batches: a client's answer holds them, and they go on after it") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.run([&] {
        const BatchClient client{served};
        served.first().gate.allow(0);
        std::string lines;
        for (int i = 0; i < 8; i++) lines += client.line(std::to_string(i), 40);
        const std::string batch = client.start(client.upload(lines));
        wait_for([&] { return served.n_in_flight() == served.info.max_sequences; });
        TestClient live(served.port);
        ServedApi::send(live, "POST", "/v1/completions", R"({"prompt":[5,6],"max_tokens":20})");
        wait_for([&] { return served.n_in_flight() == served.info.max_sequences + 1; });
        // A few steps are under way for the batch; those of the client alone are enough for it.
        served.first().gate.allow(26);
        CHECK(has(live.receive_all(), R"("completion_tokens":20)"));
        CHECK(has(client.get(batch), R"("completed":0)"));
        served.first().gate.allow(Gate::all);
        CHECK(has(client.wait(batch, "completed"), R"("completed":8)"));
    });
}

TEST_CASE("batches: a client that finds no room has that of the batch") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.engine_options.max_queue = 0;
    served.run([&] {
        const BatchClient client{served};
        served.first().gate.allow(0);
        std::string lines;
        for (int i = 0; i < 8; i++) lines += client.line(std::to_string(i), 4);
        const std::string batch = client.start(client.upload(lines));
        wait_for([&] { return served.n_in_flight() == served.info.max_sequences; });
        TestClient live(served.port);
        ServedApi::send(live, "POST", "/v1/completions", R"({"prompt":[5,6],"max_tokens":2})");
        wait_for([&] { return served.n_in_flight() == 1; });
        served.first().gate.allow(Gate::all);
        CHECK(has(live.receive_all(), " 200 "));
        CHECK(has(client.wait(batch, "completed"), R"("completed":8)"));
    });
}

TEST_CASE("batches: one that waits for another can be cancelled, or be over") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.run([&] {
        const BatchClient client{served};
        served.first().gate.allow(0);
        const std::string input = client.upload(client.line("a", 40) + client.line("b", 40));
        const std::string first = client.start(input);
        const std::string second = client.start(input), third = client.start(input, "1s");
        client.wait(second, "in_progress");
        CHECK(has(served.ask("POST", "/v1/batches/" + second + "/cancel"), " 200 "));
        const std::string cancelled = client.wait(second, "cancelled");
        CHECK(has(client.content(cancelled, "error_file_id"), "batch_cancelled"));
        const std::string expired = client.wait(third, "expired");
        CHECK(has(client.content(expired, "error_file_id"), "batch_expired"));
        CHECK(has(client.get(first), "in_progress"));
        CHECK(has(served.ask("DELETE", "/v1/files/" + input), " 400 "));
        served.first().gate.allow(Gate::all);
        client.wait(first, "completed");
        CHECK(has(served.ask("DELETE", "/v1/files/" + input), " 200 "));
    });
}
