#include "daemon/api/vectors/request.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/config.h"

using namespace qwend;

namespace {

std::optional<ApiError> parse(unsigned scope, std::string_view body, VectorRequest& request) {
    static const GenerationDefaults defaults;
    static const std::vector<std::string> models = {"first"};
    return parse_vector_request(
        body, scope,
        [](std::string_view) {
            return RequestRules{defaults, {32, 100, models, false}};
        },
        request);
}

VectorRequest parsed(unsigned scope, std::string_view body) {
    VectorRequest request;
    const auto error = parse(scope, body, request);
    CHECK_MESSAGE(!error, body);
    return request;
}

std::string refusal(unsigned scope, std::string_view body) {
    VectorRequest request;
    const auto error = parse(scope, body, request);
    return error ? error->message : "accepted";
}

}  // namespace

TEST_CASE("vector request: texts and ids, one or many") {
    using Ids = std::vector<int32_t>;
    CHECK(parsed(kEmbeddings, R"({"input":"a"})").inputs == std::vector<Prompt>{"a"});
    const VectorRequest two = parsed(kEmbeddings, R"({"input":["a","b"]})");
    CHECK(two.inputs == std::vector<Prompt>{"a", "b"});
    CHECK(two.lists_inputs);
    CHECK(parsed(kEmbeddings, R"({"input":[1,2]})").inputs == std::vector<Prompt>{Ids{1, 2}});
    CHECK(parsed(kEmbeddings, R"({"input":[[1,2],"x",[3]]})").inputs ==
          std::vector<Prompt>{Ids{1, 2}, "x", Ids{3}});
    CHECK(refusal(kEmbeddings, "{}") == "input: expected text, found none");
    CHECK(refusal(kEmbeddings, R"({"input":[]})") == "input: expected text, found none");
    CHECK(refusal(kEmbeddings, R"({"input":""})") ==
          "input: expected text or token ids, found none");
    CHECK(refusal(kEmbeddings, R"({"input":["a",""]})") ==
          "input[1]: expected text or token ids, found none");
    CHECK(refusal(kEmbeddings, R"({"input":[[1],[100]]})").starts_with("input[1][0]"));
    CHECK(refusal(kEmbeddings, R"({"input":7})").starts_with("input: expected a string or a list"));
    CHECK(refusal(kEmbeddings, R"({"input":"a","messages":[{"role":"user","content":"b"}]})")
              .starts_with("input: not together"));
    CHECK(refusal(kEmbeddings, R"({"input":"a","model":"other"})").find("other") !=
          std::string::npos);
}

TEST_CASE("vector request: how the answer is to look") {
    const VectorRequest request = parsed(
        kEmbeddings, R"({"input":"a","encoding_format":"base64","dimensions":3,"user":"u",)"
                     R"("use_activation":false,"truncate_prompt_tokens":-1,"prompt_name":"query",)"
                     R"("truncation_side":"left","embed_dtype":"float32","endianness":"little",)"
                     R"("add_special_tokens":false,"nonsense":1})");
    CHECK(request.base64);
    CHECK(request.dimensions == 3);
    CHECK(request.activates == false);
    CHECK(request.prompt_name == "query");
    CHECK(request.keeps_end);
    CHECK(request.common.generation.truncate_prompt_tokens == kToContext);
    CHECK(request.common.generation.add_special_tokens == false);
    CHECK(request.common.unknown_fields == std::vector<std::string>{"nonsense"});
    for (const char* bad :
         {R"("encoding_format":"hex")", R"("dimensions":0)", R"("dimensions":1.5)",
          R"("embed_dtype":"float16")", R"("endianness":"big")", R"("truncation_side":"up")",
          R"("use_activation":1)", R"("prompt_name":1)", R"("priority":3)"}) {
        CAPTURE(bad);
        CHECK(refusal(kEmbeddings, std::string(R"({"input":"a",)") + bad + "}") != "accepted");
    }
    CHECK(parsed(kPooling, R"({"input":"a","task":"token_classify"})").task == "token_classify");
    CHECK(refusal(kPooling, R"({"input":"a","task":"dance"})") != "accepted");
}

TEST_CASE("vector request: pairs under the names of every dialect") {
    for (const char* names :
         {R"("text_1":"q","text_2":["a","b"])", R"("queries":["q"],"documents":["a","b"])",
          R"("queries":"q","items":["a","b"])", R"("data_1":"q","data_2":["a","b"])"}) {
        CAPTURE(names);
        const VectorRequest request = parsed(kScore, std::string("{") + names + "}");
        CHECK(request.queries == std::vector<std::string>{"q"});
        CHECK(request.documents == std::vector<std::string>{"a", "b"});
    }
    CHECK(refusal(kScore, R"({"text_1":["a","b"],"text_2":["c","d"]})") == "accepted");
    CHECK(refusal(kScore, R"({"text_1":["a","b"],"text_2":["c","d","e"]})") ==
          "text_1: expected one text, or as many as text_2: found 2 and 3");
    CHECK(refusal(kScore, R"({"text_1":"a"})") == "text_2: expected texts");
    CHECK(refusal(kScore, R"({"text_2":"a"})") == "text_1: expected text");
    CHECK(refusal(kScore, R"({"text_1":"a","queries":"b","text_2":"c"})") != "accepted");
}

TEST_CASE("vector request: rerankers'") {
    const VectorRequest request =
        parsed(kRerank, R"({"query":"q","documents":["a",{"text":"b"}],"top_n":1,)"
                        R"("max_tokens_per_doc":5,"return_documents":false})");
    CHECK(request.documents == std::vector<std::string>{"a", "b"});
    CHECK(request.top_n == 1);
    CHECK(request.max_tokens_per_document == 5);
    CHECK_FALSE(request.returns_documents);
    CHECK_FALSE(request.is_tei);
    const VectorRequest tei =
        parsed(kRerank, R"({"query":"q","texts":["a"],"raw_scores":true,"return_text":false,)"
                        R"("truncate":true})");
    CHECK(tei.is_tei);
    CHECK(tei.activates == false);
    CHECK(tei.common.generation.truncate_prompt_tokens == kToContext);
    CHECK(refusal(kRerank, R"({"query":["q","r"],"documents":["a","b"]})") ==
          "query: expected one text");
    CHECK(refusal(kRerank, R"({"query":"q","documents":[]})") == "documents: expected texts");
    CHECK(refusal(kRerank, R"({"query":"q","documents":[{"title":"b"}]})")
              .starts_with("documents[0]: expected a string"));
    CHECK(refusal(kRerank, R"({"query":"q","documents":["a"],"top_n":-1})") != "accepted");
}
