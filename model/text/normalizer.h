#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/charsmap.h"
#include "model/text/normal_forms.h"

namespace qwend {

/// What text goes through before it is taken apart, step by step: the normalizer of a
/// tokenizer.json. Linear in the text. Immutable once made; safe to use from any thread.
class Normalizer {
  public:
    void add_form(NormalForm form);
    void add_lowercase();                   // character by character
    void add_strip_accents();               // takes all marks out (category M)
    void add_strip(bool left, bool right);  // of white space
    void add_prepend(std::string prefix);   // to text that is not empty
    void add_byte_alphabet();               // GPT-2's characters for bytes
    void add_nmt();                         // SentencePiece's: no controls, many kinds of space
    void add_charsmap(CharsMap charsmap);
    void add_single_spaces();  // SentencePiece's: none at either end, elsewhere one for a row
    // BERT's: no controls and one kind of space; spaces around ideographs; no marks of category Mn.
    void add_clean_text();
    void add_spaced_ideographs();
    void add_strip_nonspacing();
    /// Puts `content` for every match of a regex. Throws LoadError, which names `source`.
    void add_replace(const std::string& regex, std::string content, const std::string& source);

    /// `text` itself where nothing changes, else in `storage`.
    std::string_view normalize(std::string_view text, std::string& storage) const;

  private:
    /// False: the text stays; true: `out` is what becomes of it.
    using Step = std::function<bool(std::string_view text, std::string& out)>;
    std::vector<Step> steps_;
};

}  // namespace qwend
