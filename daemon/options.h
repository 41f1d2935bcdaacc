#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qwend {

/// Every option of the daemon, with its default. etc/qwend.conf documents each with its reason;
/// flags override the file, the file overrides these. Times in seconds, sizes in bytes.
struct Options {
    std::filesystem::path model;                   // checkpoint folder
    std::vector<std::string> listen;               // "127.0.0.1:8000", "[::1]:8000", "unix:/path"
    std::vector<std::string> served_model_name;    // aliases; default: the folder's name
    std::filesystem::path api_key_file;            // one key a line, mode 0600
    bool insecure_no_auth = false;                 // allow a non-loopback address without keys
    std::vector<std::string> cors_origins;         // empty: CORS off
    std::string log_level = "info";

    std::string device = "auto";        // auto, cpu, cuda
    int threads = 0;                    // CPU backend; 0: all cores
    int max_context = 0;                // tokens; 0: the model's own limit
    int max_sequences = 32;             // running at once
    int max_queue = 256;                // waiting; more get 429
    int max_step_tokens = 512;          // prefill chunk budget + decode rows
    size_t kv_cache_memory = 0;         // 0: choose
    bool prefix_cache = true;
    double step_timeout = 60;

    int max_connections = 1024;
    size_t max_body = 8u << 20;
    int max_choices = 32;               // n, and prompts in one completion request
    double header_timeout = 10, body_timeout = 30, keepalive_timeout = 75;
    double write_timeout = 10;          // a stream reader that stays above the write-queue cap
    double ping_interval = 15;          // SSE comment while nothing else flows
    double drain_timeout = 30;
};

}  // namespace qwend
