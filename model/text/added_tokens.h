#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend {

/// A token outside the BPE vocabulary, matched in text as it stands.
struct AddedToken {
    int32_t id = 0;
    std::string content;
    bool special = false;      // control, hidden from decoded text on request
    bool normalized = false;   // matched in normalised text, and normalised itself
    bool lstrip = false;       // takes the white space before it along
    bool rstrip = false;       // and after it
    bool single_word = false;  // only where no word goes on before or after it
    bool is_piece = false;     // of a vocabulary whose text is searched for it, as for a word
    bool stays_text = false;   // is not matched where a text spells it (split_special_tokens)
};

/// Whether a token is called like what controls a model: "<|im_end|>", "[SEP]".
inline bool is_name_of_mark(std::string_view name) {
    return (name.starts_with('<') && name.ends_with('>')) ||
           (name.starts_with('[') && name.ends_with(']'));
}

/// Where an added token stands in a text, with the white space that it takes along.
struct AddedTokenMatch {
    size_t begin = 0;
    size_t end = 0;
    int32_t id = 0;
};

/// A set of added tokens, found in a text from left to right, the longest of those that begin at
/// the same place, as Hugging Face's AddedVocabulary does. Immutable.
class AddedTokens {
  public:
    AddedTokens() : nodes_(1) {}
    explicit AddedTokens(std::vector<AddedToken> tokens);

    /// Every match in `text`, ascending. Linear in the text, whatever the tokens.
    std::vector<AddedTokenMatch> find(std::string_view text) const;

  private:
    // The automaton of Aho and Corasick (doi:10.1145/360825.360855) over the tokens spelled
    // backwards. It reads a text from its end, so that each state knows the longest token that
    // begins where it stands.
    struct Node {
        std::vector<std::pair<uint8_t, int32_t>> next;  // by byte, ascending
        int32_t fail = 0;
        int32_t token = -1;  // index of the longest token that begins here, -1 for none
    };
    int32_t child(int32_t node, uint8_t byte) const;
    int32_t step(int32_t node, uint8_t byte) const;

    std::vector<AddedToken> tokens_;
    std::vector<Node> nodes_;
    std::array<int32_t, 256> roots_{};  // child(0, byte), 0 for none
};

/// Adds a match of `token` at text[begin, end) to `matches`, widened and filtered as the token
/// says.
void add_match(std::string_view text, size_t begin, size_t end, const AddedToken& token,
               std::vector<AddedTokenMatch>& matches);

}  // namespace qwend
