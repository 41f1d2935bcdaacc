#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// SentencePiece's normalisation rules as it compiles them (precompiled_charsmap): texts to put for
/// others, found by a double array (Aoe 1989, doi:10.1109/32.31365), as Hugging Face's tokenizers
/// reads them. Immutable once made.
class CharsMap {
  public:
    /// From base64. Throws LoadError, which names `source`, if it is no such map.
    CharsMap(std::string_view base64, const std::string& source);
    /// From the bytes themselves.
    static CharsMap of_bytes(std::string_view bytes, const std::string& source);

    /// In time linear in the text. What is not UTF-8 is copied.
    void normalize(std::string_view text, std::string& out) const;

  private:
    CharsMap() = default;
    void read(std::string_view bytes, const std::string& source);
    /// The text of the shortest rule that `part` begins with, in full or not; null: there is none.
    const char* find(std::string_view part) const;

    std::vector<uint32_t> units_;  // of the double array
    std::string texts_;            // each ends with a zero
};

}  // namespace qwend
