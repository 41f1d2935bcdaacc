#pragma once

namespace qwend {

/// How many tokens a step may have while streams wait for their next one: as many as take no longer
/// than they should wait, by how long the last steps with prompts took. One thread uses it.
class StepPace {
  public:
    /// `seconds` that such a step should take, but it may have `least` tokens at least, `most` at
    /// most.
    StepPace(double seconds, int least, int most);

    /// A step of so many tokens has taken so long, the wait for the one before it left out.
    void observe(int n_tokens, double seconds);
    int tokens() const;

  private:
    double seconds_, seconds_of_token_ = 0;  // 0: not known yet
    int least_, most_;
};

}  // namespace qwend
