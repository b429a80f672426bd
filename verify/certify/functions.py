"""What a network computes, as terms: elementary functions, exactly and as floats give them."""

from mamba_theorems.verify.certify.term import Expression, Term, operation, term, the, within


def rounded(x: Expression) -> Term:
    """What one IEEE operation gives whose exact result is x."""
    return operation("round", x)


def near(x: Expression, ulps: Expression = the.ulps) -> Term:
    """x to some units in the last place; without a number, as an elementary function computes it."""
    return operation("near", ulps, x)


def snap(x: Expression, ulps: Expression = the.ulps) -> Term:
    """x as exp or sigmoid computes it: to some units in the last place, and 1 where x is within u/4 of 1."""
    return operation("snap", ulps, x)


def slack(ulps: Expression) -> Term:
    """The largest relative error of a number that is good to some units in the last place."""
    return abs(near(1, ulps) - 1)


def total(*terms: Expression) -> Term:
    """A sum in any order: every partial sum is off by a rounding of what the terms' sizes add up to."""
    sizes = sum((abs(term(x)) for x in terms), Term(0))
    return sum(terms, Term(0)) + within(sizes * slack(len(terms)))


def exp(x: Expression) -> Term:
    """e^x."""
    return operation("exp", x)


def log(x: Expression) -> Term:
    """The natural logarithm of x > 0."""
    return operation("log", x)


def sqrt(x: Expression) -> Term:
    """The root of x > 0."""
    return term(x) ** (Term(1) / 2)


def sigmoid(x: Expression) -> Term:
    """1 / (1 + e^-x)."""
    return 1 / (1 + exp(0 - term(x)))


def softplus(x: Expression) -> Term:
    """log(1 + e^x)."""
    return log(1 + exp(x))


def silu(x: Expression) -> Term:
    """x sigmoid(x) as it is computed."""
    return rounded(x * snap(sigmoid(x)))


def relu(x: Term) -> Term:
    """max(x, 0)."""
    return (x + abs(x)) / 2
