"""Loops over the positions of a plane with everything else inside them written out, as text for the compiler.

A compiler makes vectors of the innermost loop alone, and that must be the one over positions: nine weights fill no
vector. So the loops over channels, kernel and window are written out here, once for every size that a network has.
Every value that is read then serves all outputs that see it, which stay in registers.
"""

from __future__ import annotations

from collections.abc import Iterator

# Values from a plane's row to the next: no multiple of 4096 bytes, since the nearest memory keeps those in the same few
# places.
ROW = 1136


def _seen(side: int, kernel: int, channel: int) -> Iterator[tuple[str, list[tuple[int, int, int, int]]]]:
    """Yield what the outputs of a window see, as text, each with who sees it: row and column of output, then weight."""
    for u in range(side + kernel - 1):
        for v in range(side + kernel - 1):
            (line, row), (step, column) = divmod(u, side), divmod(v, side)
            plane = (channel * side + row) * side + column
            pairs = [(p, q, u - p, v - q) for p in range(side) for q in range(side)]
            seen = [each for each in pairs if 0 <= each[2] < kernel and 0 <= each[3] < kernel]
            yield f"line{line}[{plane * ROW} + i + {step}]", seen


def _lines(side: int, kernel: int) -> list[str]:
    return [f"    line{k} = x[{k} * stride :]" for k in range((side + kernel - 2) // side + 1)]


def correlation(side: int, kernel: int, channels: int = 1, *, added: bool = False) -> str:
    """Return the text of `loop(out, x, stride, w, bias, n)`, which correlates all windows at n positions.

    It writes out[p, q, i] = bias + Σ w[c, y, y'] · x[c, …], or adds the sum where `added`. Arrays are float32: out
    and x rows of `ROW` values end to end, w (channels, kernel, kernel).

    Args:
        side: of a window.
        kernel: side of the kernel.
        channels: that are seen.
        added: add to `out` and leave `bias` alone.
    """
    taps = [(c, y, x) for c in range(channels) for y in range(kernel) for x in range(kernel)]
    outs = [(p, q, f"out[{(p * side + q) * ROW} + i]") for p in range(side) for q in range(side)]
    text = ["def loop(out, x, stride, w, bias, n):"]
    text += [f"    w{c}_{y}_{x} = w[{c}, {y}, {x}]" for c, y, x in taps]
    text += [*_lines(side, kernel), "    for i in range(n):"]
    text += [f"        o{p}{q} = {place if added else 'bias'}" for p, q, place in outs]
    for c in range(channels):
        for value, seen in _seen(side, kernel, c):
            text += [f"        value = {value}"]
            text += [f"        o{p}{q} += w{c}_{y}_{x} * value" for p, q, y, x in seen]
    text += [f"        {place} = o{p}{q}" for p, q, place in outs]
    return "\n".join(text)


def products(side: int, kernel: int) -> str:
    """Return the text of `loop(d, x, stride, out, n)`, which hands gradients back to the weights of one channel.

    It adds Σ d[p, q, i] · x[…] over windows and n positions to out (kernel, kernel); d and x are as `correlation` has
    `out` and `x`.
    """
    taps = [(y, x) for y in range(kernel) for x in range(kernel)]
    text = ["def loop(d, x, stride, out, n):"]
    text += [f"    s{y}_{x} = zero" for y, x in taps]
    text += [*_lines(side, kernel), "    for i in range(n):"]
    text += [f"        d{p}{q} = d[{(p * side + q) * ROW} + i]" for p in range(side) for q in range(side)]
    for value, seen in _seen(side, kernel, 0):
        text += [f"        value = {value}"]
        text += [f"        s{y}_{x} += d{p}{q} * value" for p, q, y, x in seen]
    text += [f"    out[{y}, {x}] += s{y}_{x}" for y, x in taps]
    return "\n".join(text)


def peaks(side: int) -> str:
    """Return the text of `loop(out, inside, sign, highest, which, n)`: rectify the values of windows, and find peaks.

    It sets negative values, and what is not `inside` (1, elsewhere 0), to zero. The largest of sign · value in a window
    goes to highest (n,), its number to which (n,) uint8; of equal ones the first counts. It returns the sum of the
    values and of their squares.
    """
    text = ["def loop(out, inside, sign, highest, which, n):", "    total = square = zero", "    for i in range(n):"]
    for k in range(side * side):
        text += [f"        value, seen = out[{k * ROW} + i], inside[{k * ROW} + i]"]
        # A NaN stays one: it must reach the loss.
        text += ["        value = seen * (zero if value <= 0 else value)", f"        out[{k * ROW} + i] = value"]
        text += ["        total += value", "        square += value * value"]
        text += ["        key = sign * value if seen > 0 else lowest"]
        if k:
            text += ["        above = key > most", "        most = key if above else most"]
            text += [f"        number = number{k} if above else number"]
        else:
            text += ["        most, number = key, number0"]
    text += ["        highest[i] = most", "        which[i] = number", "    return total, square"]
    return "\n".join(text)
