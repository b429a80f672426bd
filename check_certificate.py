#!/usr/bin/env python3
"""Check certificates with Python's standard library alone: `python check_certificate.py FILE...`; exit code 0 or 1.

A certificate says of stated sizes, and of weights given bit by bit, that a network answers every admissible input
rightly, exactly and in floats. None of its numbers is trusted: tensors are laid out and hashed, steps evaluated in
intervals, inequalities compared. Its argument has no numbers; ARGUMENTS lists the digests of those that were read.
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
ARGUMENTS = """0054dabe88ee642f8909c9 0559a6bd3b2b3854e45967 08777bde10ead6d427f2a2 0b1a18dbf056910ca54318
0c01dbfabd23ef5ee1b348 1499f5b3f9a169923a9a71 1ad5f315de9a0b8dbfee15 1bd9423cb9da7f014827e3 1beedf90ebc6466b07c47a
1cb698b048a723fffc20ac 1e6fa23b4cdb5989df3875 1ea105c5534971ec438bad 22c1a822799b0a27de8967 2501285e21e7b6f1f67a23
269cfc948fe6b5b0215bf5 2745565c26fa45f705365e 292a38ccfa15ea5d5d7863 2afed4faad3647553e4ef1 3c9c580b10127bc26fe273
41d642494f55cb8cc58c4e 4c5fe0da1f247c1bf3511f 5036431a1975bf1d22a86f 533405cf6d4cc40dfd82e1 558a87785ddd7db7d25d32
56f6e465777ee84e1c158e 58cbf3b1754439c5045fec 5d125bf5b61688db8760b4 6388b15de080c725efbc7d 650c838ca2db781c6ef629
6d714114638a71789f62bd 760cdfcc578c02569c2bb9 7bf2d6f606fd04eb0bc178 8b746347b0ed914512baa0 9995cd9e2af18455140d32
9b13491057bcd7ef0d019c 9fa35f9e366c5b118e2574 a78494154ee266ea1ec03a aee41267a48c276a8db1e7 b19ed9b3a2a20d12b6a590
b2411d79aadefd4e085014 b601dfc8b409989d0ae2fb ba044b6463cf54cff32b51 bbef8d0818e782971b1daa c0daab51b80ce9c0f46125
c1fded9905f8d8e0e58a10 c7af96fb41b81869f1a0ee e295631982de98181ca1f5 e83cf3c76778dc88a0c4ee f04092022725a44e3ed1b2
f151d273ea9625a364466c f413bc3c6bca01dbeb6dcb fd5ce1be06ccc38f51e2a8 fdfb671ac4f178fbcf6365"""


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
    pack, _, least, _ = FORMATS[dtype]
    return number in struct.unpack(pack, struct.pack(pack, float(number))) and not 0 < abs(number) < 2.0**least


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
