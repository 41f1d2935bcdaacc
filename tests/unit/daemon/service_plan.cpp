// What serve and check make of addresses and keys.

#include "daemon/service_plan.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "daemon/api/batches/state_folder.h"
#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("service_plan: what others can reach wants keys, or to be told") {
    TempDir dir;
    const auto keys = dir.write("keys", "one\n");
    chmod(keys.c_str(), 0600);
    Options options;
    options.listen = {"127.0.0.1:0", "unix:" + (dir.path() / "q").string()};
    const ServicePlan local = plan_service(options);
    CHECK(local.keys.keys.empty());
    CHECK((local.addresses.size() == 2 && local.addresses[1].is_unix() && local.busy.empty()));
    options.listen.push_back("192.0.2.1:0");  // nobody's (RFC 5737): it is never listened on
    CHECK_THROWS_WITH_AS(plan_service(options), doctest::Contains("can be reached"), LoadError);
    options.insecure_no_auth = true;
    CHECK_THROWS_WITH_AS(plan_service(options), doctest::Contains("cannot listen"), LoadError);
    options.insecure_no_auth = false;
    options.api_key_file = keys;
    CHECK_THROWS_WITH_AS(plan_service(options), doctest::Contains("cannot listen"), LoadError);
    options.listen = {"127.0.0.1:0"};
    CHECK(plan_service(options).keys.keys == std::vector<std::string>{"one"});
    options.max_sequences = 2, options.max_step_tokens = 1;
    CHECK_THROWS_AS(plan_service(options), LoadError);
}

TEST_CASE("service_plan: the folder of the state is one that can be had") {
    TempDir dir;
    Options options;
    options.listen = {"127.0.0.1:0"};
    CHECK(plan_service(options).state.empty());
    options.state_directory = dir.path() / "state";
    CHECK(plan_service(options).state == dir.path() / "state");
    {
        const StateFolder used(options.state_directory);
        CHECK(plan_service(options).busy.size() == 1);
    }
    CHECK(plan_service(options).busy.empty());
    options.state_directory = dir.write("file", "");
    CHECK_THROWS_WITH_AS(plan_service(options), doctest::Contains("state-directory"), LoadError);
    options.state_directory = "batches";  // systemd's to make
    CHECK(plan_service(options).state == "batches");
}
