#include "daemon/api/batches/record_id.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace qwend;

TEST_CASE("record_id: names are new each time, and known again") {
    std::set<std::string> made;
    for (int i = 0; i < 1000; i++) made.insert(make_record_id(kFilePrefix));
    CHECK(made.size() == 1000);
    for (const std::string& id : made) CHECK(is_record_id(kFilePrefix, id));
    CHECK(!is_record_id(kBatchPrefix, *made.begin()));
}

TEST_CASE("record_id: names come in order of their making") {
    std::string last;
    for (int i = 0; i < 1000; i++) {
        const std::string id = make_record_id(kFilePrefix);
        CHECK(last < id);
        last = id;
    }
}

TEST_CASE("record_id: nothing else is a name, above all no path") {
    const std::string good = make_record_id(kFilePrefix);
    for (const std::string& bad :
         {std::string(), std::string("file-"), good + "0", good.substr(0, good.size() - 1),
          std::string("file-../../../../etc/passwd00000000000"), "file-" + std::string(32, '.'),
          "file-" + std::string(32, 'G'), "file-" + std::string(31, '0') + "/",
          "file-" + std::string(31, '0') + '\0', "file-" + std::string(32, 'A')})
        CHECK(!is_record_id(kFilePrefix, bad));
}
