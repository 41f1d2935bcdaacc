#pragma once

#include "model/grammar/schema/branch.h"

namespace qwend::grammar {

class Expansion;

/// Whether it shows that no value generated from `a` is one of `b`. False: that is not known.
bool excludes(Expansion& expansion, const Branch& a, const Branch& b);

}  // namespace qwend::grammar
