#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "daemon/options.h"

namespace qwend {

/// What `qwend generate` needs besides.
struct GenerateOptions {
    std::string prompt;  // "-", or none: standard input
    bool has_prompt = false;
    std::string system;
    int max_tokens = 0;       // 0: to the end of the context
    double temperature = -1;  // < 0: the checkpoint's own default
    int64_t seed = -1;        // < 0: random
    bool raw = false;         // no chat template
};

/// What `qwend check` does besides.
struct CheckOptions {
    bool quality = false;           // measure it
    std::filesystem::path against;  // a folder of the same model, not quantised; may be empty
};

enum class Command { serve, generate, check };

struct CommandLine {
    Command command = Command::serve;
    std::filesystem::path config;  // the file that `options` come from besides; may be empty
    Options options;
    GenerateOptions generate;
    CheckOptions check;
};

/// Parses flags and the configuration file they name. On a wish for help or the version, or on an
/// error, prints it and returns the process's exit code; -1 to go on.
int parse_command_line(int argc, const char* const* argv, CommandLine& out);

}  // namespace qwend
