"""Arrays in, arrays out: the Transformer, the systems that it replaced, and the search over them.

Nothing here opens a file, reads a clock, asks for a device or knows a config file.

Shapes are written with one letter an axis, the same letter everywhere, also inside einsum:

    B  batch, in rows           H  heads
    T  target or query length   K  width of one head's keys and queries (d_k)
    S  source or key length     Z  width of one head's values (d_v)
    D  d_model                  F  d_ff
    V  vocabulary               M  hypotheses of a beam
    L  maximum output length    N  rows of anything, flattened
    C  cells of an LSTM         I  what its gates are computed from
    W  taps of a convolution

Heads are laid out `[B, T, H, K]`, attention weights `[B, H, T, S]`. In self-attention T and S are
equal but keep both letters.
"""
