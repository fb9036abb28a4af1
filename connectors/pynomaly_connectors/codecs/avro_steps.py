"""What one step of an `AvroPlan` is: a row of four numbers."""

from __future__ import annotations

from typing import Final

#: Columns. An argument is a size, a number of symbols, or the branch of null; the position says as which series field
#: or value a step is wanted, and of an `OPTION` how many steps belong to its value.
KIND, ARGUMENT, ROLE, POSITION = 0, 1, 2, 3

#: Kinds: what is read.
BOOLEAN, VARINT, FLOAT, DOUBLE, BYTES, STRING, FIXED, ENUM, OPTION = 1, 2, 3, 4, 5, 6, 7, 8, 9

#: Roles: whether it is wanted.
SKIP: Final = 0
TIME, SERIES, VALUE = 1, 2, 3
