#!/usr/bin/env python3
"""Check certificates with Python's standard library alone: `python check_certificate.py FILE...`; exit code 0 or 1.

A certificate says of stated sizes, and of weights given bit by bit, that a network answers every admissible input
rightly, in exact arithmetic and in floating point. None of its numbers is trusted: tensors are laid out and hashed,
steps evaluated in interval arithmetic over fractions, closing inequalities compared. Its argument is prose and steps
without numbers; ARGUMENTS lists the digests of those that were read and found right: no other can be slipped in.
"""

import hashlib
import json
import math
import struct
import sys
from fractions import Fraction
from pathlib import Path

FORMATS = {"float32": ("<f", 24, -126, 128), "float64": ("<d", 53, -1022, 1024)}  # pack, bits, least exponent, limit
NUMBERS = ("dtype", "sizes", "weights", "sha256", "enclosures", "hash")  # the other fields are the argument
ARGUMENTS = {
    "mqar.thm2-step1 paper": "49130a799082e54868782e362ad95c24b048682d7805dbf3fd10c87f3c022807",
    "mqar.thm2-step1 official": "300535d2e3d1da5de61cef39acb20e3607383d3f89ad28a294af3572f5da2733",
    "mqar.thm2-step1 language_model": "408c1946722f036c60ad45391cb1ea63fed4547757d99145aa4ae9acededc823",
    "haar.keep-nth-one-state official": "4b75a34fb067fea7b5d6a175c0fd9345fdde2a6fa630823b976cc5f0d40ac3ea",
    "induction.lem3-amended paper": "f40f025a0b77b0362e2cd708b230911bb77618afc4c15e030ac71a989ef91f2c",
}
GRID = 2**320  # ends of intervals are rounded outwards to multiples of 1/GRID


class Refused(Exception):
    """The certificate does not show what it says; the message tells why."""


def require(condition, reason):
    """Raise Refused with the reason unless the condition holds."""
    if not condition:
        raise Refused(reason)


def canonical(value):
    """The one text of a JSON value, and its SHA-256."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    return text, hashlib.sha256(text.encode()).hexdigest()


def outwards(low, high):
    """The interval of two ends, moved outwards to the grid."""
    return Fraction(math.floor(low * GRID), GRID), Fraction(math.ceil(high * GRID), GRID)


def product(x, y):
    """All products of two numbers of the intervals."""
    ends = [a * b for a in x for b in y]
    return outwards(min(ends), max(ends))


def quotient(x, y):
    """All quotients of two numbers of the intervals."""
    require(y[0] * y[1] > 0, "a step divides by an interval that holds 0")
    return product(x, (1 / y[1], 1 / y[0]))


def exp_of(x):
    """e^x of a fraction: Horner's scheme at r = |x| / 2^k <= 1/2, the series' rest being in [1, 2]; k squarings."""
    require(x < 2**10, "a step takes the exponential of a number beyond 1024")
    if x < -(2**10):
        return Fraction(0), Fraction(1, GRID)
    k = math.ceil(abs(x)).bit_length() + 1
    low, high, r = 1, 2, abs(x) / 2**k
    for n in range(80, 0, -1):
        low, high = outwards(1 + low * r / n, 1 + high * r / n)
    for _ in range(k):
        low, high = outwards(low**2, high**2)
    return (low, high) if x >= 0 else outwards(1 / high, 1 / low)


def log_of(x):
    """log x = y + log(1 + e) of a fraction, e = x exp(-y) - 1, and e - e^2 <= log(1 + e) <= e for |e| <= 1/2."""
    require(x > 0, "a step takes the logarithm of what may be 0")
    y = Fraction(math.log(x))
    for _ in range(4):  # each turn squares the error
        e = [x * end - 1 for end in exp_of(-y)]
        low, high = outwards(y + e[0] - max(e[0] ** 2, e[1] ** 2), y + e[1])
        y = low
    require(max(map(abs, e)) <= 0.5, "a logarithm did not converge")
    return low, high


OPERATIONS = {
    "add": lambda x, y: outwards(x[0] + y[0], x[1] + y[1]),
    "sub": lambda x, y: outwards(x[0] - y[1], x[1] - y[0]),
    "mul": product,
    "div": quotient,
    "exp": lambda x: (exp_of(x[0])[0], exp_of(x[1])[1]),
    "log": lambda x: (log_of(x[0])[0], log_of(x[1])[1]),
    "pow": lambda x, y: OPERATIONS["exp"](product(OPERATIONS["log"](x), y)),
    "relu": lambda x: (max(x[0], 0), max(x[1], 0)),
    "hull": lambda x, y: (min(x[0], y[0]), max(x[1], y[1])),
}


def inexact(x, error, dtype):
    """All floats within a relative error of x, provided that none is 0, subnormal or too large."""
    _, _, least, limit = FORMATS[dtype]
    normal = x[0] * x[1] > 0 and min(map(abs, x)) >= Fraction(2) ** least and 2 * max(map(abs, x)) <= 2**limit
    require(normal, "a rounded step may be 0, subnormal or too large, where its relative error has no bound")
    return product(x, (1 - error, 1 + error))


def is_float(x, dtype):
    """Whether a fraction is a number of the dtype."""
    pack = FORMATS[dtype][0]
    return struct.unpack(pack, struct.pack(pack, float(x)))[0] == x


def value(expression, known, dtype):
    """The interval of an expression: an integer, a name, or [operation, argument...].

    ["round", x] is one IEEE operation with the exact result x; ["near", n, x] is x to n units in the last place.
    """
    if not isinstance(expression, list):
        return known[expression] if isinstance(expression, str) else (Fraction(expression), Fraction(expression))
    operation, *arguments = expression
    x = [value(argument, known, dtype) for argument in arguments]
    u = Fraction(1, 2 ** FORMATS[dtype][1])
    if operation == "round":
        return x[0] if x[0][0] == x[0][1] and is_float(x[0][0], dtype) else inexact(x[0], u, dtype)
    return inexact(x[1], 2 * u * x[0][1], dtype) if operation == "near" else OPERATIONS[operation](*x)


def check_tensor(name, layout, known, dtype, expected):
    """The bytes of a tensor: `fill`, and every run (flat start, step, count, value) written over it."""
    pack, size = FORMATS[dtype][0], math.prod(int(value(axis, known, dtype)[0]) for axis in layout["shape"])
    data = bytearray(struct.pack(pack, float(value(layout["fill"], known, dtype)[0])) * size)
    for run in layout["runs"]:
        start, step, count, number = (value(x, known, dtype)[0] for x in run)
        entry = struct.pack(pack, float(number))
        require(min(start, step - 1, count) >= 0 and start + step * (count - 1) < size, f"{name} is not laid out")
        at, stride, end = (int(n) * len(entry) for n in (start, step, start + step * count))
        for i, byte in enumerate(entry):
            data[at + i : end : stride] = bytes([byte]) * int(count)
    require(hashlib.sha256(data).hexdigest() == expected, f"the bytes of {name} do not have the digest stated")


def check_numbers(c):
    """Evaluate sizes, weights, tensors, steps and closing inequalities of a certificate whose argument is known."""
    dtype, known = c["dtype"], {name: (Fraction(size), Fraction(size)) for name, size in c["sizes"].items()}
    require(all(type(size) is int for size in c["sizes"].values()), "a size is not an integer")
    require(not {*known, "tiny"} & set(c["weights"]) and "tiny" not in known, "two numbers have one name")
    known["tiny"] = (Fraction(1, 2**126),) * 2  # at least the smallest normal number of either dtype
    for name, weight in c["weights"].items():
        number = Fraction(float.fromhex(weight))
        require(float(number).hex() == weight and is_float(number, dtype), f"weight '{name}' is no {dtype}")
        known[name] = number, number
    for because, expression in c["requires"]:
        require(value(expression, known, dtype)[0] >= 0, f"the sizes do not satisfy: {because}")
    require(set(c["tensors"]) == set(c["sha256"]), "the digests are not those of the tensors")
    for name, layout in c["tensors"].items():
        check_tensor(name, layout, known, dtype, c["sha256"][name])
    require({name for name, *_ in c["steps"]} == set(c["enclosures"]), "the enclosures are not those of the steps")
    for name, expression, _ in c["steps"]:
        low, high = map(Fraction, c["enclosures"][name])
        known[name] = value(expression, known, dtype)
        require(low <= known[name][0] and known[name][1] <= high, f"step '{name}' is not within what is stated")
    for name, relation in c["closing"]:
        low, high = map(Fraction, c["enclosures"][name])
        require(low > 0 if relation == "> 0" else high <= 0, f"'{name}' is not shown to be {relation}")


def check(text):
    """What a certificate says. Raises Refused, with the reason, unless it holds."""
    try:
        c = json.loads(text)
        require(text == canonical(c)[0], "it is not in its one form")
        require(c["hash"] == canonical({k: c[k] for k in c if k != "hash"})[1], "its hash is not that of its content")
        argument = ARGUMENTS.get(f"{c['claim']} {c['target']}")
        require(canonical({k: c[k] for k in c if k not in NUMBERS})[1] == argument, "its argument is not the one known")
        check_numbers(c)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
        raise Refused(f"it is malformed ({type(error).__name__}: {error})") from error
    return f"{c['claim']} ({c['target']}, {c['dtype']}, {c['sizes']}): {c['statement']}"


def main(paths):
    """Print yes or no, and the reason, for every file; 0 if all are certificates that hold."""
    refused = not paths
    for path in map(Path, paths):
        try:
            print(f"yes: {path}: {check(path.read_text(encoding='utf-8'))}")
        except (OSError, UnicodeDecodeError, Refused) as reason:
            refused = True
            print(f"no: {path}: {reason}")
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
