"""Small configurations of several architectures."""

COMMON = {"vocab_size": 259, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
ARCHITECTURES = {
    "llama": {**COMMON, "intermediate_size": 64, "num_key_value_heads": 2},
    "gpt2": {"vocab_size": 259, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64},
    "opt": {
        **COMMON,
        "ffn_dim": 64,
        "word_embed_proj_dim": 32,
        "max_position_embeddings": 64,
        "pad_token_id": 1,
    },
    "gemma3_text": {
        **COMMON,
        "intermediate_size": 64,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "bert": {**COMMON, "intermediate_size": 64, "max_position_embeddings": 64},
}
DECODERS = [name for name in ARCHITECTURES if name != "bert"]
