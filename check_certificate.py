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
ARGUMENTS = """011b859c5c5a84da45759f 0a742944fc91bf60f8a71f 0bfb9e2942fdc19f777691 0ca858b96e0bf91d3063fa
0d1d9bc1a9ecea493c83f7 107e496a92347066b6264b 114ff9b5627c5db3c63a78 14ee3c9111c401adcaef89 1beedf90ebc6466b07c47a
2a6bfdce5159f2d4066620 314914fce81e5361c61644 324a457e85fb03305b6e4e 3c6672c8424e64f1cd7939 3eb772b68e41a34970ff3a
42f956ee8725a05985d92c 4303205a87d07ba1e21169 4fb46f50172a28b2307095 5edcd7b3fb64ee4eec0c6e 60d22d3c41152769c973ea
804505a4b966c0f1479ee8 894d7c0e2c4ac6dff6771c 8d4c5aa513dfb10ce503e1 8d66aae26edb1c941b590a 8e7cd27daf636dc23964f1
93911cb05563bc9afe606a 944c873871f07709fb2ad1 95c1f42403b54b4a90307a 990b0415a2cda9b4d47130 993242752a067f28960fce
9f1a7d30334fb847eb48e0 a4ba3b396ec6333e7be8f3 a574e0eebcbd76864bb2b7 a6f5e5572ee1a6f5585353 abc3c08cdf20c6b12ca14f
aee6984bfa6ff0e3580a4b aff964028f2f5e03e414a5 b1550857a630c7edb5716e b2c60c2f3d92725609671f b342e7d52a8d86ca3016d3
b772a223c8e533611ada25 bc63d9b5cbdd531d29bd54 bd8dd3824ab0d7ab336986 c0af56f40e43e2882439ff c9ed370927570bd483325e
d4726406f22d0a43c538a4 da6ea5bbce0a76e27b0d75 e02652655ee9dd056261da e286f8b254d01000a5f8b5 f1f0f47d037980255e5e5c
f2576117bee85a987d7bfb f72df1728eb598da2ec75f fcf106f37c4ff63345f02e fd8bb268ebfb83e3a665d6"""


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
