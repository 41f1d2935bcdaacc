#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// What Hugging Face's checkpoints call a tensor of a Qwen2 that GGUF calls so; empty if it is none
/// of them. "blk.3.attn_q.weight" is "model.layers.3.self_attn.q_proj.weight".
std::string checkpoint_name(std::string_view gguf);

/// The opposite, of tensors and of the modules that they belong to; the same name if it has none.
std::string gguf_name(std::string_view checkpoint);

}  // namespace qwend
