#pragma once

#include <set>
#include <string>
#include <vector>

namespace qwend {

/// Counts a field of a body that its dialect does not know, and keeps its name as an excerpt, where
/// it is among the first few.
void note_unknown_field(std::string_view name, int& n_fields, std::vector<std::string>& names);

/// Names of request fields that nobody here knows, so that each is logged once: a spelling mistake
/// shows in the journal, and a client that makes up names does not fill it.
class UnknownFields {
  public:
    /// Those of `names` that were not seen before, fit for a log line: at most 64 characters,
    /// letters, digits and "_.-", '?' for all else. Stops to remember, and to report, after 100
    /// names.
    std::vector<std::string> note(const std::vector<std::string>& names);

  private:
    std::set<std::string> seen_;
};

}  // namespace qwend
