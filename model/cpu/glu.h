#pragma once

#include "model/activation.h"

namespace qwend {

/// out = activation(gate) * up. gate_up: (2 * n), gate first; out: (n). SiLU is the fast one.
/// Source: Shazeer 2020, arXiv:2002.05202.
void glu(Activation activation, const float* gate_up, int n, float* out);

/// One of the functions, of one number.
float activate(Activation activation, float x);

}  // namespace qwend
