// Models by their names, and how long they live.

#include "daemon/api/model_registry.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/demo_text.h"

using namespace qwend;

namespace {

ModelPtr make_model(std::vector<std::string> names) {
    const auto text = load_demo_text();
    text->names = std::move(names);
    return std::make_shared<Model>(text, EngineOptions(), [] {});
}

}  // namespace

TEST_CASE("model_registry: by any name, and the first where none is named") {
    const ModelPtr a = make_model({"a", "a-alias"}), b = make_model({"b"});
    const ModelRegistry registry({a, b});
    CHECK(registry.find("") == a);
    CHECK(registry.find("a") == a);
    CHECK(registry.find("a-alias") == a);
    CHECK(registry.find("b") == b);
    CHECK(registry.find("A") == nullptr);
    CHECK(registry.find("a ") == nullptr);
    CHECK(&registry.first() == a.get());
    CHECK(registry.names() ==
          std::vector<std::string>{"a", "a:latest", "a-alias", "a-alias:latest", "b", "b:latest"});
}

TEST_CASE("model_registry: the tag latest may be there or not, another is part of the name") {
    const ModelPtr a = make_model({"owner/a"}), b = make_model({"b:7b"});
    const ModelRegistry registry({a, b});
    CHECK(registry.find("owner/a:latest") == a);
    CHECK(registry.find("owner/a:7b") == nullptr);
    CHECK(registry.find("b:7b") == b);
    CHECK(registry.find("b") == nullptr);
    CHECK(registry.find("b:latest") == nullptr);
    CHECK(registry.find(":latest") == nullptr);
    CHECK(registry.names() == std::vector<std::string>{"owner/a", "owner/a:latest", "b:7b"});
    CHECK(tagged_name("host:5000/a") == "host:5000/a:latest");
    CHECK(tagged_name("") == ":latest");
}

TEST_CASE("model_registry: a model lives as long as somebody holds it") {
    std::weak_ptr<Model> watched;
    ModelPtr held;
    {
        ModelRegistry registry({make_model({"a"})});
        watched = held = registry.find("a");
        registry = ModelRegistry({make_model({"b"})});
        CHECK(registry.find("a") == nullptr);
    }
    CHECK_FALSE(watched.expired());
    CHECK(held->text->names[0] == "a");
    CHECK(held->context_limit() == demo_text()->max_model_len);  // there is no pool yet
    held.reset();
    CHECK(watched.expired());
}
