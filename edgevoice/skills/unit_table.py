"""Units and their exact sizes.

Source: NIST Special Publication 811 (2008), appendix B, and NIST Handbook 44, appendix C: the inch is 25.4 mm and the pound 0.45359237 kg
by the agreement of 1959, the US gallon 231 cubic inches, the imperial gallon 4.54609 l, the nautical mile 1852 m; prefixes of bytes are
those of IEC 80000-13 (a kilobyte is 1000 bytes, a kibibyte 1024).

Why not a library: pint 0.25 (BSD, alive) takes 180 ms to import and 260 ms more to read its units on a desktop machine, reckons in floats
unless told otherwise, and knows nothing of spoken names; this table is what people ask for in a kitchen and on the road.

A name that means two different sizes to two people ("ton") is not in it; cups, pints and gallons are the US ones and are called so.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """``size`` in the base unit of ``kind``; ``zero``: what is added after that, for temperatures."""

    one: str
    many: str
    kind: str
    size: Fraction
    zero: Fraction = Fraction(0)


def _unit(kind: str, size: str, one: str, many: str = "", *others: str) -> tuple[Unit, tuple[str, ...]]:
    many = many or f"{one}s"
    return Unit(one, many, kind, Fraction(size)), (one, many, *others)


def _metric(kind: str, base: str, size: str, prefixes: dict[str, tuple[str, str]], *endings: str) -> list[tuple[Unit, tuple[str, ...]]]:
    """Units with prefixes: prefix → (its factor, its sign); "meter" is heard as "metre" too."""
    made = []
    for prefix, (factor, sign) in prefixes.items():
        name = prefix + base
        names = [name.replace("ter", "tre"), name.replace("ter", "tre") + "s"] if base.endswith("ter") else []
        unit = Unit(name, f"{name}s", kind, Fraction(size) * Fraction(factor))
        made.append((unit, (name, f"{name}s", *names, *(sign + ending for ending in endings))))
    return made


_INCH, _FOOT, _YARD, _MILE = "0.0254", "0.3048", "0.9144", "1609.344"
_GALLON = Fraction("3.785411784")


def _us(part: int, one: str, many: str, *others: str) -> tuple[Unit, tuple[str, ...]]:
    """A part of the US gallon, in liters."""
    return Unit(f"US {one}", f"US {many}", "volume", _GALLON / part), (one, many, f"us {one}", f"us {many}", *others)


def _squares() -> list[tuple[Unit, tuple[str, ...]]]:
    sizes = {"inch": ("inches", _INCH), "foot": ("feet", _FOOT), "yard": ("yards", _YARD), "mile": ("miles", _MILE),
             "meter": ("meters", "1"), "centimeter": ("centimeters", "0.01"), "kilometer": ("kilometers", "1000")}
    made: list[tuple[Unit, tuple[str, ...]]] = []
    for one, (many, size) in sizes.items():
        british = one.replace("meter", "metre")
        unit = Unit(f"square {one}", f"square {many}", "area", Fraction(size) ** 2)
        made.append((unit, (f"square {one}", f"square {many}", f"square {british}", f"square {british}s")))
    return made


_ALL: list[tuple[Unit, tuple[str, ...]]] = [
    *_metric("length", "meter", "1", {"": ("1", ""), "kilo": ("1000", "k"), "centi": ("0.01", "c"), "milli": ("0.001", "m"),
                                      "micro": ("0.000001", "µ"), "deci": ("0.1", "d")}, "m"),
    _unit("length", _INCH, "inch", "inches"), _unit("length", _FOOT, "foot", "feet", "ft"),
    _unit("length", _YARD, "yard", "yards", "yd", "yds"), _unit("length", _MILE, "mile", "miles", "mi"),
    _unit("length", "1852", "nautical mile"),
    *_metric("mass", "gram", "0.001", {"": ("1", ""), "kilo": ("1000", "k"), "milli": ("0.001", "m"), "micro": ("0.000001", "µ")}, "g"),
    _unit("mass", "1", "kilogram", "kilograms", "kilo", "kilos", "kgs"),
    _unit("mass", "0.45359237", "pound", "pounds", "lb", "lbs"), _unit("mass", "6.35029318", "stone", "stone", "stones"),
    _unit("mass", "0.028349523125", "ounce", "ounces", "oz"), _unit("mass", "1000", "tonne", "tonnes", "metric ton", "metric tons"),
    *_metric("volume", "liter", "1", {"": ("1", ""), "milli": ("0.001", "m"), "centi": ("0.01", "c"), "deci": ("0.1", "d")}, "l"),
    _us(1, "gallon", "gallons"), _us(4, "quart", "quarts"), _us(8, "pint", "pints"), _us(16, "cup", "cups"),
    _us(128, "fluid ounce", "fluid ounces", "fl oz", "floz"), _us(256, "tablespoon", "tablespoons", "tbsp", "table spoon", "table spoons"),
    _us(768, "teaspoon", "teaspoons", "tsp", "tea spoon", "tea spoons"),
    _unit("volume", "4.54609", "imperial gallon", "", "uk gallon", "uk gallons"),
    _unit("volume", "0.56826125", "imperial pint", "", "uk pint", "uk pints"),
    _unit("volume", "0.0284130625", "imperial fluid ounce"), _unit("volume", "1000", "cubic meter", "", "cubic metre", "cubic metres"),
    _unit("volume", "0.001", "cubic centimeter", "", "cubic centimetre", "cubic centimetres"),
    _unit("time", "1", "second", "seconds", "sec", "secs"), _unit("time", "60", "minute", "minutes", "min", "mins"),
    _unit("time", "3600", "hour", "hours", "hr", "hrs"), _unit("time", "86400", "day"), _unit("time", "604800", "week"),
    _unit("time", "1209600", "fortnight"), _unit("time", "0.001", "millisecond"),
    _unit("calendar", "1", "month"), _unit("calendar", "12", "year"), _unit("calendar", "120", "decade"),
    _unit("calendar", "1200", "century", "centuries"), _unit("calendar", "12000", "millennium", "millennia", "millenniums"),
    (Unit("mile per hour", "miles per hour", "speed", Fraction(_MILE) / 3600), ("mile per hour", "miles per hour", "mph", "miles an hour")),
    (Unit("kilometer per hour", "kilometers per hour", "speed", Fraction(1000, 3600)),
     ("kilometer per hour", "kilometers per hour", "kilometers an hour", "kilometre per hour", "kilometres per hour", "kilometres an hour",
      "kph", "kmh")),
    (Unit("meter per second", "meters per second", "speed", Fraction(1)),
     ("meter per second", "meters per second", "meters a second", "metres per second", "metres a second")),
    (Unit("foot per second", "feet per second", "speed", Fraction(_FOOT)), ("foot per second", "feet per second", "feet a second")),
    (Unit("knot", "knots", "speed", Fraction(1852, 3600)), ("knot", "knots")),
    *_squares(), _unit("area", "4046.8564224", "acre"), _unit("area", "10000", "hectare"),
    _unit("data", "0.125", "bit"),
    *_metric("data", "byte", "1", {"": ("1", ""), "kilo": ("1000", "k"), "mega": ("1000000", "m"), "giga": ("1000000000", "g"),
                                   "tera": ("1000000000000", "t"), "kibi": ("1024", "ki"), "mebi": ("1048576", "mi"),
                                   "gibi": ("1073741824", "gi")}, "b"),
    (Unit("degree Celsius", "degrees Celsius", "temperature", Fraction(1), Fraction("273.15")),
     ("degree celsius", "degrees celsius", "celsius", "degree c", "degrees c", "° c", "c", "centigrade", "degrees centigrade")),
    (Unit("degree Fahrenheit", "degrees Fahrenheit", "temperature", Fraction(5, 9), Fraction("273.15") - Fraction(160, 9)),
     ("degree fahrenheit", "degrees fahrenheit", "fahrenheit", "degree f", "degrees f", "° f", "f")),
    (Unit("kelvin", "kelvins", "temperature", Fraction(1)), ("kelvin", "kelvins", "degrees kelvin"))]

UNITS = {tuple(name.split()): unit for unit, names in _ALL for name in names if name not in ("b", "in")}
"""by the words of each of their names"""
LONGEST_NAME = max(map(len, UNITS))
AS_VOLUME = {UNITS["ounce",]: UNITS["fluid", "ounce"]}
"""what an ounce is where cups are spoken of"""
