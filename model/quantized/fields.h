#pragma once

#include <simdjson.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "model/quantized/module_names.h"

namespace qwend {

/// The fields of a quantisation's JSON object. What is absent or null is what the tools take it
/// for; what is of another type is refused with the scheme, for nobody knows what it meant.
class SchemeFields {
  public:
    SchemeFields(simdjson::dom::object object, std::string source, std::string scheme)
        : object_(object), source_(std::move(source)), scheme_(std::move(scheme)) {}
    /// An object within the other's.
    SchemeFields(simdjson::dom::object object, const SchemeFields& outer)
        : SchemeFields(object, outer.source_, outer.scheme_) {}

    /// The first of the names that is there.
    int64_t integer(std::initializer_list<const char*> names, int64_t otherwise) const;
    bool boolean(const char* name, bool otherwise) const;
    std::string lower(const char* name, std::string_view otherwise) const;
    std::optional<simdjson::dom::object> find_object(const char* name) const;
    /// Two sizes: rows and columns of a block.
    std::optional<std::pair<int, int>> block(const char* name) const;
    /// The only object of an object, or one that all the others repeat.
    simdjson::dom::object only_of(const char* name) const;
    /// The strings of a list, or of a list of lists.
    void add_names(const char* name, ModuleNames& names) const;
    /// The same, where a class may be named: that of linear layers takes all.
    void add_targets(const char* name, ModuleNames& names) const;

    [[noreturn]] void refuse(std::string_view why) const;

  private:
    [[noreturn]] void refuse_type(const char* name, std::string_view expected,
                                  simdjson::dom::element found) const;

    simdjson::dom::object object_;
    std::string source_, scheme_;
};

}  // namespace qwend
