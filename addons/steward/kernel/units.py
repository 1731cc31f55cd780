"""Numbers with their unit, short, as people say them."""

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def human_bytes(size: float) -> str:
    """A size in the units that disks are sold in.

    >>> human_bytes(0), human_bytes(999), human_bytes(1500), human_bytes(999_999)
    ('0 B', '999 B', '1.5 kB', '1 MB')
    >>> human_bytes(12_345_678), human_bytes(3e18)
    ('12.3 MB', '3000 PB')
    """
    size, unit = float(size), 0
    while round(size, 1 if unit else 0) >= 1000 and unit < len(_BYTES) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f}".removesuffix(".0") + f" {_BYTES[unit]}"
