#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace qwend {

/// Every option of the daemon, with its default. etc/qwend.conf documents each with its reason;
/// flags override the file, the file overrides these. Times in seconds, sizes in bytes.
struct Options {
    std::filesystem::path model;                           // checkpoint folder or GGUF file
    std::vector<std::string> listen = {"127.0.0.1:8000"};  // or "[::1]:8000", "unix:/path"
    std::vector<std::string> served_model_name;            // aliases; default: the folder's name
    std::filesystem::path chat_template;                   // a file; default: the checkpoint's own
    std::string reasoning_format = "auto";                 // auto, none, think
    std::string tool_format = "auto";                      // auto, none, hermes, qwen3-coder
    std::filesystem::path api_key_file;                    // one key a line, mode 0600
    bool insecure_no_auth = false;                         // a non-loopback address without keys
    std::vector<std::string> cors_origins;                 // empty: CORS off
    std::string log_level = "info";

    std::string device = "auto";         // auto, cpu, cuda
    int threads = 0;                     // CPU backend; 0: all cores
    int max_context = 0;                 // tokens; 0: the model's own limit
    std::string quantization = "none";   // of numbers, at load: none, fp8, int8, int4
    std::string quantize_head = "auto";  // auto: where `quantization` is set; true, false
    int max_sequences = 0;               // running at once; 0: 32 on a CPU, 256 on a GPU
    int max_queue = 256;                 // waiting; more get 429
    double inter_token_latency = 0;      // ms; 0: choose
    int max_step_tokens = 0;  // decode rows + chunks of prefill; 0: 512 on a CPU, 4096 on a GPU
    uint64_t kv_cache_memory = 0;         // bytes; 0: choose
    double gpu_memory_utilization = 0.9;  // of all its memory, for weights, KV cache and the rest
    bool prefix_cache = true;
    bool speculation = true;  // guess text that repeats itself; what is generated is the same
    double step_timeout = 60;
    bool deterministic = false;  // the same bits in any company

    int max_connections = 1024;
    uint64_t max_body = 8u << 20;
    int max_choices = 32;                        // n times the prompts of one request
    bool allow_priority = false;                 // clients may say how urgent a request is
    uint64_t responses_store_bytes = 64u << 20;  // of /v1/responses, to go on from; 0: none
    std::filesystem::path state_directory;       // of files and batches; empty: there are none
    uint64_t max_state = 10ull << 30;            // bytes of all files
    uint64_t max_file = 100u << 20;              // bytes of one that is uploaded
    double header_timeout = 10, body_timeout = 30, keepalive_timeout = 75;
    double write_timeout = 10;  // a stream reader that stays above the write-queue cap
    double ping_interval = 15;  // SSE comment while nothing else flows
    double drain_timeout = 30;
};

/// Bytes of a request that uploads a file: the file, and the form around it.
inline uint64_t max_upload(const Options& options) {
    constexpr uint64_t kForm = 64 << 10;
    return options.max_file + kForm;
}

inline constexpr int kExitUsage = 64, kExitNoDevice = 69, kExitFault = 70, kExitConfig = 78;

/// The option definitions alone: what --help, the configuration file and its test are made from.
void define_options(CLI::App& app, Options& options);

/// What is wrong with the combination, whatever the machine; empty if nothing.
std::string check_options(const Options& options);

}  // namespace qwend
