"""Laying sentence pairs into rows so that little of a row stays empty."""

import numpy as np


def pack(lengths: np.ndarray, order: np.ndarray, row_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Places pairs, in the given order, each into the fullest row that surely has room for it.

    The room of a row is what its fuller side leaves. Rows wait in one stack for each amount of
    room, so that placing a pair takes the same time whether ten rows are open or a million.

    Args:
      lengths: int [pairs, 2], tokens of source and target.
      order: int [kept pairs], indices of the pairs to place; neither side exceeds `row_length`.
      row_length: tokens of a row on either side.

    Returns:
      examples: int64 [kept pairs], the pairs row by row, in `order` within a row.
      offsets: int64 [rows + 1]; row r holds examples[offsets[r] : offsets[r + 1]].
    """
    filled: list[list[int]] = []  # source and target tokens of each row
    stacks: list[list[int]] = [[] for _ in range(row_length + 1)]
    waiting = 0  # bit n is set when a row with room for n tokens waits
    row_of = np.empty(len(order), np.int64)
    for place, (source, target) in enumerate(lengths[order].tolist()):
        need = max(source, target)
        if fitting := waiting >> need:
            room = need + (fitting & -fitting).bit_length() - 1
            row = stacks[room].pop()
            if not stacks[room]:
                waiting ^= 1 << room
        else:
            row = len(filled)
            filled.append([0, 0])
        row_of[place] = row
        tokens = filled[row]
        tokens[0] += source
        tokens[1] += target
        room = row_length - max(tokens)
        stacks[room].append(row)
        waiting |= 1 << room
    by_row = np.argsort(row_of, kind="stable")
    sizes = np.bincount(row_of, minlength=len(filled))
    return order[by_row], np.concatenate([[0], np.cumsum(sizes)])
