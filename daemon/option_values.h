#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace qwend {

/// What the values of options may be. Each says, for what is not one, "expected …, found …"; the
/// same words for a flag and for a line of the configuration file.

CLI::Validator whole_number(int64_t least, int64_t most);
CLI::Validator number(double least, double most, std::string_view unit = "");
CLI::Validator seconds();
/// Bytes, or with K, M, G or T (of 1024); becomes a number of bytes.
CLI::Validator size_in_bytes(uint64_t least, uint64_t most, bool or_zero);
CLI::Validator one_of(std::initializer_list<const char*> choices);
CLI::Validator not_empty(std::string_view what);
CLI::Validator listen_address();

/// An option's default as text; empty for none and for an empty list, which CLI11 writes as "[]"
/// or, from 2.4 on, as "{}".
std::string default_of(const CLI::Option& option);

/// What an error of CLI11 says after the option's name.
std::string message_of(const CLI::Error& error);

}  // namespace qwend
