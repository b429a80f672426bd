#!/usr/bin/env python3
"""Check certificates with Python's standard library alone: `python check_certificate.py FILE...`; exit code 0 or 1.

A certificate says of stated sizes, and of weights given bit by bit, that a network answers every admissible input
rightly, exactly and in floating point. None of its numbers is trusted: tensors are laid out and hashed, steps evaluated
in interval arithmetic, inequalities compared. Its argument is prose and steps without numbers; ARGUMENTS lists the
digests of those that were read and found right: no other can be slipped in.
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
ONE = 2**1152  # an interval is a pair of integers, its ends in units of 1/ONE, rounded outwards
ARGUMENTS = """00a199b4cd2140d2c7dd54 03517e17b3cfb979b05f9f 03e497212d351e57fb36a3 05688d8b379b59953ce1c9
0659ab0a6033ee13ed5aa2 06b0a44cc83aa894dc8c06 0f0c1072d7ed4bbb12c635 112672a98c7410c621e330 153cd6764b427054938787
1646643fe02e4eaebc7b6e 1898466bc82aa0d407c138 1beedf90ebc6466b07c47a 24b81c1f7264bef28f80d0 267d2471965e8e842c8e4a
2c4c9275460f4add5584b7 39e5ad408d54ce83f8bd30 3bd6339167beb160d7fc6b 3cb90c1136f2e6ad367a2c 4ddfdf104c533c6e35180b
51fb0e98cdf4c5e6e39c44 5ffcd061b9b96e80edd8c5 6060f46b773616f0cd9b2d 680325650e96d545ce1638 6a2766cbf78e9d05b6aba1
6ede94287ebbe8bacc3013 793083104120bf6d4feeb3 7a0e5795956f57f47416a0 7a5553b16899cf3e5d4d19 7c85d0299811ace06f6adf
7ca5fe1ca58630db8b0f3f 8292109e4556b930efef5b 92dd790ce2dae5d14827ef 92ef7a5533f558340b72db a6ffcb056a2411c649c007
a8e3adca5708500608cc3d aa6454aa714de7dea81fed abc360799d8d7b7e2dbde4 ade02412a59265d05aee12 af0037e1ae2031b5edb47c
ba5c60bad9f6c0e569a69a da8411cbb409fda010fb13 dd6dc81038325e8d5de405 e456df52127630cb6e4178 e79618e36dd81f31ea8959
e7fedf548abc075b980d88 eb055341d41ff2dad406ab eb0e892b7e61bf4023113c ed104fad398933b3c2b771 f16d54ac024253e6ecb1d7
f4f9b91912831dae35f4d5 f6076575f2502223c5a11d f951c39a4977be5686ea10 fa97ef97c4a08da0dc1add"""


def require(condition, reason):
    """Refuse the certificate, with the reason, unless the condition holds."""
    if not condition:
        raise ValueError(reason)


def canonical(value):
    """The one text of a JSON value, and its SHA-256."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    return text, hashlib.sha256(text.encode()).hexdigest()


def product(x, y):
    """All products of two numbers of the intervals."""
    ends = [a * b for a in x for b in y]
    return min(ends) // ONE, -(-max(ends) // ONE)


def quotient(x, y):
    """All quotients of two numbers of the intervals."""
    require(y[0] > 0 or y[1] < 0, "a step divides by an interval that holds 0")
    return min(a * ONE // b for a in x for b in y), max(-(-a * ONE // b) for a in x for b in y)


def exp_of(x):
    """e^x in units of 1/ONE, |x| <= 1024: Horner's scheme at r = |x| / 2^k <= 1/2, the rest in [1, 2]; k squarings."""
    require(x < ONE << 10, "a step takes the exponential of a number beyond 1024")
    x, k = max(x, -ONE << 10), (abs(x) // ONE).bit_length() + 1
    low, high = ONE, 2 * ONE
    for n in range(40, 0, -1):
        low, high = ONE + low * (abs(x) >> k) // ONE // n, ONE - (-high * -(-abs(x) >> k) // ONE // n)
    for _ in range(k):
        low, high = low**2 // ONE, -(-(high**2) // ONE)
    return (low, high) if x >= 0 else quotient((ONE, ONE), (low, high))


def log_of(x):
    """log x = y + log(1 + e) in units of 1/ONE, e = x exp(-y) - 1, and e - e^2 <= log(1 + e) <= e for |e| <= 1/2."""
    require(x > 0, "a step takes the logarithm of no positive number")
    y = math.floor(Fraction(math.log(x) - math.log(ONE)) * ONE)
    for _ in range(3):  # each turn squares the error
        low, high = (end - ONE for end in product((x, x), exp_of(-y)))
        before, y = y, y + low + -max(low**2, high**2) // ONE
    require(max(-low, high) <= ONE // 2, "a logarithm did not converge")
    return y, before + high


OPERATIONS = {
    "add": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "sub": lambda x, y: (x[0] - y[1], x[1] - y[0]),
    "mul": product,
    "div": quotient,
    "exp": lambda x: (exp_of(x[0])[0], exp_of(x[1])[1]),
    "log": lambda x: (log_of(x[0])[0], log_of(x[1])[1]),
    "pow": lambda x, y: OPERATIONS["exp"](product(OPERATIONS["log"](x), y)),
    "abs": lambda x: (max(x[0], -x[1], 0), max(-x[0], x[1])),
    "bit": lambda x, i: ((x[0] // ONE >> i[0] // ONE & 1) * ONE,) * 2,
    "hull": lambda x, y: (min(x[0], y[0]), max(x[1], y[1])),
    "at": lambda entries, i: entries[i[0] // ONE],
}


def is_float(number, dtype):
    """Whether an exact number is one of the dtype, and not subnormal: that may be flushed to 0."""
    same = struct.unpack(FORMATS[dtype][0], struct.pack(FORMATS[dtype][0], float(number)))[0] == number
    return same and (number == 0 or abs(number) >= 2.0 ** FORMATS[dtype][2])


def inexact(x, units, dtype):
    """All floats within a relative error of x, in units of 2^-bits, provided that none is 0, subnormal or too large."""
    _, bits, least, limit = FORMATS[dtype]
    low, high = sorted(map(abs, x))
    normal = x[0] * x[1] > 0 and low >= ONE >> -least and 2 * high <= ONE << limit
    require(normal, "a rounded step may be 0, subnormal or too large, where its relative error has no bound")
    return product(x, (ONE - (units >> bits), ONE - (-units >> bits)))


def value(expression, known, dtype):
    """The interval of an expression: "round" is one IEEE operation with the exact result x, ["near", n, x] x to n ulps,
    "snap" too, but the float is 1 if x is within 2^-bits / 4 of 1; ["over", i, n, x] joins x for i < n, "sum" adds it.
    """
    if not isinstance(expression, list):
        return known[expression] if isinstance(expression, str) else (expression * ONE, expression * ONE)
    operation, *first, last = expression
    if operation in ("over", "sum"):
        points = [(i * ONE, i * ONE) for i in range(value(first[1], known, dtype)[0] // ONE)]
        lows, highs = zip(*(value(last, known | {first[0]: point}, dtype) for point in points), strict=True)
        return (min(lows), max(highs)) if operation == "over" else (sum(lows), sum(highs))
    x, y, bits = [value(e, known, dtype) for e in first], value(last, known, dtype), FORMATS[dtype][1]
    if operation == "round":
        return y if y[0] == y[1] and is_float(Fraction(y[0], ONE), dtype) else inexact(y, ONE, dtype)
    if operation == "snap" and ONE - (ONE >> bits + 2) <= y[0] and y[1] <= ONE + (ONE >> bits + 2):
        return min(y[0], ONE), max(y[1], ONE)
    return inexact(y, 2 * x[0][1], dtype) if operation in ("near", "snap") else OPERATIONS[operation](*x, y)


def code(expression):
    """Python's code for an expression in numbers, names and entries of lists, in an argument that is known."""
    forms = {"add": "({} + {})", "sub": "({} - {})", "mul": "({} * {})", "bit": "({} >> {} & 1)", "at": "{}[{}]"}
    return forms[expression[0]].format(*map(code, expression[1:])) if isinstance(expression, list) else str(expression)


def tensor_digest(layout, names, dtype):
    """Of each part of a tensor, row-major: size, fill, sums of entries over i and j (n alike, `far` apart, once)."""
    text = []
    for part, fill, scattered in layout["parts"]:
        size, usual, entries = eval(code(part), {}, names), float(eval(code(fill), {}, names)), {}
        for rows, columns, *rest in scattered:
            place, number, n, far = map(code, [*rest, 1, 0][:4])
            table = f"[(({n}, {far}, {place}), {number}) for i in range({code(rows)}) for j in range({code(columns)})]"
            for at, x in eval(table, {**names}):
                entries[at] = entries.get(at, 0.0) + x
        require(size > 0 and is_float(usual, dtype), "a tensor has no entries, or no floats")
        text.append(f"{size} {usual.hex()}")
        for (n, far, at), x in sorted(entries.items()):
            require(0 <= at <= at + (n - 1) * far < size and is_float(x, dtype), "a tensor is not laid out")
            text += [f"{at} {x.hex()}" + f" {n} {far}" * (n > 1)] * (x != usual)
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def check_numbers(c):
    """Evaluate sizes, weights, tensors, steps and closing inequalities of a certificate whose argument is known."""
    dtype, (_, bits, least, _) = c["dtype"], FORMATS[c["dtype"]]
    names = {"tiny": 2.0**-126, "least": 2.0 ** (least - bits + 1), "integers": 2**bits}  # tiny: normal in both
    require(len(names | c["sizes"] | c["weights"]) == len([*names, *c["sizes"], *c["weights"]]), "a name stands twice")
    require(all(type(n) is int for s in c["sizes"].values() for n in ([s], s)[type(s) is list]), "a size is no integer")
    require(all(len(x.partition("e")[2]) <= 5 for ends in c["enclosures"].values() for x in ends), "a bound too long")
    names |= c["sizes"]
    names |= {k: [*map(float.fromhex, w)] if isinstance(w, list) else float.fromhex(w) for k, w in c["weights"].items()}
    known = {k: [(int(Fraction(x) * ONE),) * 2 for x in (n if isinstance(n, list) else [n])] for k, n in names.items()}
    known = {name: ends if isinstance(names[name], list) else ends[0] for name, ends in known.items()}
    for because, expression in c["requires"]:
        require(value(expression, known, dtype)[0] >= 0, f"the sizes do not satisfy: {because}")
    digests = {name: tensor_digest(layout, names, dtype) for name, layout in c["tensors"].items()}
    require(digests == c["sha256"], f"digests differ: {dict(digests.items() - c['sha256'].items())}")
    for name, expression, _ in c["steps"]:
        low, high = (Fraction(end) * ONE for end in c["enclosures"][name])
        known[name] = value(expression, known, dtype)
        require(low <= known[name][0] and known[name][1] <= high, f"step '{name}' is not within what is stated")
    for name, relation in c["closing"]:
        low, high = map(Fraction, c["enclosures"][name])
        require(low > 0 if relation == "> 0" else high <= 0, f"'{name}' is not shown to be {relation}")


def check(text):
    """What a certificate says. Raises an exception, which gives the reason, unless it holds."""
    c = json.loads(text)
    require(text == canonical(c)[0], "it is not in its one form")
    require(c["hash"] == canonical({k: c[k] for k in c if k != "hash"})[1], "its hash is not that of its content")
    require(canonical({k: c[k] for k in c if k not in NUMBERS})[1][:22] in ARGUMENTS.split(), "its argument is unknown")
    check_numbers(c)
    return f"{c['claim']} ({c['target']}, {c['dtype']}, {c['sizes']}): {c['statement']}"


def main(paths):
    """Print yes or no, and the reason, for every file; 0 if all are certificates that hold."""
    refused = not paths
    for path in paths:
        try:
            print(f"yes: {path}: {check(Path(path).read_text(encoding='utf-8'))}")
        except Exception as reason:
            refused = True
            print(f"no: {path}: {reason} ({type(reason).__name__})")
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
