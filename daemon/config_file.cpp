#include "daemon/config_file.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "daemon/did_you_mean.h"
#include "daemon/file_access.h"
#include "daemon/option_values.h"
#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

class ConfigReader {
  public:
    ConfigReader(std::string_view text, const std::string& name) : text_(text), name_(name) {
        if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    }

    std::vector<ConfigEntry> read() {
        std::vector<ConfigEntry> entries;
        for (skip_lines(); at_ < text_.size(); skip_lines()) entries.push_back(read_entry());
        return entries;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        throw LoadError(fmt::format("{}:{}: {}", name_, line_, what));
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }

    /// Blanks, and a comment up to the end of its line.
    void skip_blanks() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\r') at_++;
        if (peek() == '#') at_ = std::min(text_.find('\n', at_), text_.size());
    }
    void skip_lines() {
        for (skip_blanks(); at_ < text_.size() && peek() == '\n'; skip_blanks()) at_++, line_++;
    }
    std::string_view take_until(std::string_view ends) {
        const size_t begin = at_;
        at_ = std::min(text_.find_first_of(ends, at_), text_.size());
        return text_.substr(begin, at_ - begin);
    }

    ConfigEntry read_entry();
    std::string read_value(std::string_view ends);
    std::string read_quoted();
    char read_escape();
    void read_list(ConfigEntry& entry);

    std::string_view text_;
    const std::string& name_;
    size_t at_ = 0;
    int line_ = 1;
};

ConfigEntry ConfigReader::read_entry() {
    ConfigEntry entry;
    entry.line = line_;
    entry.key = take_until("= \t\r\n#\"'[]{},:");
    skip_blanks();
    if (entry.key.empty() && peek() == '[')
        fail("expected KEY = VALUE, found a section: there are none here");
    if (entry.key.empty() || peek() != '=')
        fail(fmt::format("expected KEY = VALUE, found \"{}\"",
                         excerpt(entry.key + std::string(take_until("\r\n")))));
    at_++;
    skip_blanks();
    if (peek() == '[')
        read_list(entry);
    else
        entry.values.push_back(read_value(" \t\r\n#\"'[],"));
    skip_blanks();
    if (peek() != '\n')
        fail(
            fmt::format("{}: expected the end of the line, found \"{}\"; a value with spaces "
                        "wants quotes, several values a list: [\"a\", \"b\"]",
                        excerpt(entry.key), excerpt(take_until("\r\n"))));
    return entry;
}

/// A string in quotes, or a bare word.
std::string ConfigReader::read_value(std::string_view ends) {
    if (peek() == '"' || peek() == '\'') return read_quoted();
    const std::string_view word = take_until(ends);
    if (word.empty()) fail("expected a value: a number, true, false or \"text\"");
    return std::string(word);
}

std::string ConfigReader::read_quoted() {
    const char quote = text_[at_++];
    std::string value;
    for (; peek() != quote; at_++) {
        if (peek() == '\n') fail(fmt::format("expected the string's end, {}", quote));
        value += peek() == '\\' && quote == '"' ? read_escape() : peek();
    }
    at_++;
    return value;
}

char ConfigReader::read_escape() {
    constexpr std::string_view kNames = "\"\\ntr", kMeanings = "\"\\\n\t\r";
    at_++;
    const size_t i = kNames.find(peek());
    if (i == kNames.npos)
        fail(
            fmt::format("expected \\\" \\\\ \\n \\t or \\r, found \\{}; between '…' a backslash is "
                        "itself",
                        peek()));
    return kMeanings[i];
}

void ConfigReader::read_list(ConfigEntry& entry) {
    entry.is_list = true;
    at_++;
    for (skip_lines(); peek() != ']'; skip_lines()) {
        if (at_ == text_.size())
            fail(fmt::format("{}: expected the list's end, ]", excerpt(entry.key)));
        entry.values.push_back(read_value(" \t\r\n#\"'[],"));
        skip_lines();
        if (peek() == ',')
            at_++;
        else if (peek() != ']')
            fail(fmt::format("{}: expected , or ] after a list's value", excerpt(entry.key)));
    }
    at_++;
}

/// Gives one option what the file says of it. Throws CLI::ParseError.
void set_option(CLI::Option& option, const ConfigEntry& entry) {
    const bool is_flag = option.get_expected_min() == 0;
    const bool takes_list = option.get_items_expected_max() > 1;
    const bool may_be_nothing = default_of(option).empty();
    if (entry.is_list && !takes_list)
        throw CLI::ValidationError("expected one value, found a list");
    if (entry.values.empty() && !may_be_nothing)
        throw CLI::ValidationError("expected at least one value, found none");
    const bool is_nothing = entry.values.empty() || (!takes_list && entry.values[0].empty());
    if (is_nothing && may_be_nothing && !is_flag) return;
    if (is_flag && entry.values[0] != "true" && entry.values[0] != "false")
        throw CLI::ValidationError(
            fmt::format("expected true or false, found \"{}\"", excerpt(entry.values[0])));
    for (const std::string& value : entry.values)
        option.add_result(is_flag ? option.get_flag_value(entry.key, value) : value);
    option.run_callback();
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
        if (!option->get_lnames().empty()) names.push_back(option->get_lnames()[0]);
    return names;
}

}  // namespace

std::vector<ConfigEntry> parse_config(std::string_view text, const std::string& name) {
    return ConfigReader(text, name).read();
}

void load_config_file(const std::filesystem::path& file, Options& options) {
    CLI::App app;
    app.set_help_flag();
    app.option_defaults()->always_capture_default();
    define_options(app, options);
    const std::vector<std::string> names = option_names(app);
    std::map<std::string, int> set_on_line;
    for (const ConfigEntry& entry : parse_config(read_text_file(file), file.string())) {
        const auto fail = [&](const std::string& what) {
            throw LoadError(fmt::format("{}:{}: {}", file.string(), entry.line, what));
        };
        if (std::find(names.begin(), names.end(), entry.key) == names.end()) {
            const std::string meant = did_you_mean(entry.key, names);
            fail(fmt::format("unknown option {}{}", excerpt(entry.key),
                             meant.empty() ? "; qwend --help lists them all"
                                           : fmt::format("; did you mean {}?", meant)));
        }
        if (const auto [at, is_new] = set_on_line.emplace(entry.key, entry.line); !is_new)
            fail(fmt::format("{}: expected it once, found it on line {} too", entry.key,
                             at->second));
        try {
            set_option(*app.get_option("--" + entry.key), entry);
        } catch (const CLI::ParseError& error) {
            fail(fmt::format("{}: {}", entry.key, message_of(error)));
        }
    }
}

}  // namespace qwend
