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
    std::filesystem::path model;                           // checkpoint folder
    std::vector<std::string> listen = {"127.0.0.1:8000"};  // or "[::1]:8000", "unix:/path"
    std::vector<std::string> served_model_name;            // aliases; default: the folder's name
    std::filesystem::path api_key_file;                    // one key a line, mode 0600
    bool insecure_no_auth = false;                         // a non-loopback address without keys
    std::vector<std::string> cors_origins;                 // empty: CORS off
    std::string log_level = "info";

    std::string device = "auto";  // auto, cpu, cuda
    int threads = 0;              // CPU backend; 0: all cores
    int max_context = 0;          // tokens; 0: the model's own limit
    int max_sequences = 0;        // running at once; 0: 32 on a CPU, 256 on a GPU
    int max_queue = 256;          // waiting; more get 429
    int max_step_tokens = 0;      // decode rows + chunks of prefill; 0: 512 on a CPU, 4096 on a GPU
    uint64_t kv_cache_memory = 0;  // bytes; 0: choose
    bool prefix_cache = true;
    double step_timeout = 60;
    bool deterministic = false;  // the same bits in any company

    int max_connections = 1024;
    uint64_t max_body = 8u << 20;
    int max_choices = 32;         // n times the prompts of one request
    bool allow_priority = false;  // clients may say how urgent a request is
    double header_timeout = 10, body_timeout = 30, keepalive_timeout = 75;
    double write_timeout = 10;  // a stream reader that stays above the write-queue cap
    double ping_interval = 15;  // SSE comment while nothing else flows
    double drain_timeout = 30;
};

/// What `qwend generate` needs besides.
struct GenerateOptions {
    std::string prompt;
    std::string system;
    int max_tokens = 0;       // 0: to the end of the context
    double temperature = -1;  // < 0: the checkpoint's own default
    int64_t seed = -1;        // < 0: random
    bool raw = false;         // no chat template
};

enum class Command { serve, generate, check };

struct CommandLine {
    Command command = Command::serve;
    Options options;
    GenerateOptions generate;
};

inline constexpr int kExitUsage = 64, kExitNoDevice = 69, kExitFault = 70, kExitConfig = 78;

/// Parses flags and the configuration file they name. On a wish for help or the version, or on an
/// error, prints it and returns the process's exit code; -1 to go on.
int parse_command_line(int argc, const char* const* argv, CommandLine& out);

/// The option definitions alone: what --help, the configuration file and its test are made from.
void define_options(CLI::App& app, Options& options);

/// The command line to serve with; empty, or what is wrong with the combination.
std::string check_options(const Options& options, bool has_api_keys);

}  // namespace qwend
