"""Check certificates with Python's standard library alone: `python check_certificate.py FILE...`; exit code 0 or 1.

A certificate says of stated sizes, and of weights given bit by bit, that a network answers every admissible input
rightly, exactly and in floats. None of its numbers is trusted: tensors are laid out and hashed, steps evaluated in
intervals, inequalities compared. Its argument has no numbers: it was read (READ), or a part is a theorem (FORMAL).
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
READ = """01c8a615bbd55c6c81dee3 0829e2f7605bee41b6f954 0c6352299e4c1a4d02a325 1e5f0f4d3fb4098a5d604e
216e53fcbebbff55cbd803 248dcc16ffa9c6253c449d 2fc5daf57af42b2bb8c877 337b2d2a4ceab5a0ef4add 389b6c9e5cfe135d1550cf
3e72bafc5e90d2314924b3 40eb2a5c589b5eb725ef3f 45ee70777eb9d0a53a95b4 47a794463de5f698cc7fcb 47c5f73b93f49e253399ce
58aa922c535a6fcafbd057 5f1f1399f749ad5e07e29a 612118f419227b3c683725 63108f54e321a27249fd13 666c5fecc4efb237a706e6
66f7c7dc3a8bf06c52a69f 6936debdcc29a3be6487eb 7a9b07e3c2b0dc5034dad3 7e560e127210b64cfe9ccb 8397f07b52311367c2e272
88749b7ee19998140dd3b5 89544bce1bd7426fb23c03 970b560a7d65c7927aa2db 99e01a56d39325a50b8841 a5313a1ebff526fd102749
ae79ff052e185cf70ded9e b40e5d061c3457c806a7e7 b90ff2154c7a823cd2d157 ba33a2ec7d5468b96729d5 c2d07b03233d91bae53ab9
ced576216a732a45a061e3 db3e1c9cb080700ce088b1 dc91d18398d299035bb46b e26d5018fb70edac19d33a e9a8888c117591f34fb695
ef93e423ff00bf2dfa2dbc f272bf655c55b842293a74 f8eb0276e1e878731c1bf7 f997932648fbe54647c6fd fab73a395159e8e6ac85c8
fca7b59dd6b0b29cdd53a3"""
FORMAL = """0434f642300da3b848a04f 3cb402a20865464ba55274 88cffe1dc889de63f509d8 a1644df61da375bb713287
ade979d5f47bab50c3fc49 b74e531dd703275424e236 c462296e73bb7ea89b2243 ea9e017888b16442fbb371"""


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
    x, k, low, high = max(x, -ONE << 10), (abs(x) // ONE).bit_length() + 1, ONE, 2 * ONE
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
    normal = x[0] * x[1] > 0 and min(map(abs, x)) >= ONE >> -least and 2 * max(map(abs, x)) <= ONE << limit
    require(normal, "a rounded step may be 0, subnormal or too large, where its relative error has no bound")
    return product(x, (ONE - (units >> bits), ONE - (-units >> bits)))


def value(expression, known, dtype):
    """The interval of an expression: "round" is one IEEE operation with the exact result x, ["near", n, x] x to n ulps,
    "snap" too, but 1 if x is within 2^-bits / 4 of 1; ["over", i, n, x] joins x for i < n, and "sum" adds it."""
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
    known = canonical({k: c[k] for k in c if k not in NUMBERS})[1][:22]
    require(known in READ or known in FORMAL, "its argument is unknown")
    check_numbers(c)
    said = "FORMAL ({theorem}) but for {leaves}, which was read".format(**c["formal"]) if known in FORMAL else "read"
    return f"{c['claim']} ({c['target']}, {c['dtype']}, {c['sizes']}): {c['statement']} Argument: {said}."


def main(words):
    """Print yes or no, and the reason, for every file, then how many hold: 0 if all do; for no file, what this is."""
    asked, held = {"-h", "--help"} & {*words}, 0
    for path in () if asked else words:
        try:
            print(f"yes: {path}: {check(Path(path).read_text(encoding='utf-8'))}")
            held += 1
        except Exception as reason:
            print(f"no: {path}: {reason} ({type(reason).__name__})")
    print(__doc__ if asked or not words else f"{held} of {len(words)} certificates hold")
    return int(not asked and (held < len(words) or not words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
