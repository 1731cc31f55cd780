"""Skills that build on skills: what comes first, and what goes round in a circle.

>>> needs = {"close-year": ["close-period", "check-tax"], "close-period": ["check-tax"]}
>>> order("close-year", needs)
['check-tax', 'close-period', 'close-year']
"""

from collections.abc import Collection, Mapping


def order(name: str, needs: Mapping[str, Collection[str]]) -> list[str]:
    """A skill and all it needs, each after what it needs itself.

    >>> order("a", {"a": ["b"], "b": ["a"]})  # a circle is gone through once
    ['b', 'a']

    :param needs: name -> names that it needs; a name that is not there needs nothing
    """
    found: list[str] = []
    begun = {name}
    stack = [(name, iter(needs.get(name, ())))]
    while stack:
        current, rest = stack[-1]
        for needed in rest:
            if needed not in begun:
                begun.add(needed)
                stack.append((needed, iter(needs.get(needed, ()))))
                break
        else:
            found.append(current)
            stack.pop()
    return found


def missing(name: str, needs: Mapping[str, Collection[str]]) -> list[str]:
    """The names it needs, itself or by another, that are not there.

    >>> missing("a", {"a": ["b"], "b": ["c"]})
    ['c']
    """
    return [needed for needed in order(name, needs) if needed not in needs]
