#pragma once

#include <initializer_list>
#include <string>

#include "model/weights.h"

namespace qwend {

/// A matrix (n, k) of one of GGUF's quantised types as a linear layer without a bias; `name`: for
/// errors.
StoredLinear linear_of_blocks(const StoredTensor& matrix, std::string name);

/// Layers of the same input that files of mixed types have in different ones, made alike: codes of
/// the wider kind, and groups of the shorter length, stand for the same weights. Others are left as
/// they are.
void make_blocks_alike(std::initializer_list<StoredLinear*> layers);

}  // namespace qwend
