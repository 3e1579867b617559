"""What a traced program consists of, loops and their like included."""


def equations(jaxpr):
    """Yields the equations of a (closed) jaxpr, and of those inside of them."""
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                    yield from equations(inner)


def matrix_products(jaxpr):
    """Returns the operands' and the result's dtype of every product of a (closed) jaxpr."""
    found = (e for e in equations(jaxpr) if e.primitive.name == "dot_general")
    return [tuple(str(v.aval.dtype) for v in (*e.invars, *e.outvars)) for e in found]
