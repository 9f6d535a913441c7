"""Units of measure as English and Chinese texts write them, with exact factors.

A unit has a dimension, in which values compare (1 km and 1000 m), and a family, within which one unit may
stand for another in a false answer (yuan and dollars, which do not compare). To add a unit, add a row to
`_TABLE`: dimension, family, factor to the base unit of the dimension, symbols, English names, Chinese names.

pint was weighed and not taken: it knows no Chinese names, no money and no plurals apart from singulars, and
it reads "a" and "in" as units, which in a text are words. Tests compare factors with scipy.constants.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache


@dataclass(frozen=True, slots=True)
class MeasureUnit:
    """A unit in all its spellings."""

    dimension: str
    family: str
    factor: Fraction  # of the base unit of the dimension
    symbols: tuple[str, ...]
    singular: tuple[str, ...]
    plural: tuple[str, ...]
    han: tuple[str, ...]
    offset: Fraction = Fraction(0)  # in base units, of the unit's zero

    def styles(self) -> tuple[tuple[str, ...], ...]:
        """List the spellings by style: symbols, singular, plural, Chinese."""
        return (self.symbols, self.singular, self.plural, self.han)


def _unit(dimension: str, family: str, factor: str, symbols: str, names: str, han: str) -> MeasureUnit:
    """Make a unit; `names` are singular and plural apart by a slash, other spellings apart by a bar."""
    singular, _, plural = names.partition("/")
    symbol, one, many, chinese = (
        tuple(part.split("|")) if part else () for part in (symbols, singular, plural, han)
    )
    return MeasureUnit(dimension, family, Fraction(factor), symbol, one, many, chinese)


_TABLE = (
    _unit("metres", "length", "1/1000", "mm", "millimetre|millimeter/millimetres|millimeters", "毫米"),
    _unit("metres", "length", "1/100", "cm", "centimetre|centimeter/centimetres|centimeters", "厘米|公分"),
    _unit("metres", "length", "1", "m", "metre|meter/metres|meters", "米"),
    _unit("metres", "length", "1000", "km", "kilometre|kilometer/kilometres|kilometers", "公里|千米"),
    _unit("metres", "length", "0.0254", "", "inch/inches", "英寸"),
    _unit("metres", "length", "0.3048", "ft", "foot/feet", "英尺"),
    _unit("metres", "length", "0.9144", "yd", "yard/yards", "码"),
    _unit("metres", "length", "1609.344", "mi", "mile/miles", "英里"),
    _unit("grams", "mass", "1/1000", "mg", "milligram/milligrams", "毫克"),
    _unit("grams", "mass", "1", "g", "gram/grams", "克"),
    _unit("grams", "mass", "500", "", "", "斤"),
    _unit("grams", "mass", "1000", "kg", "kilogram/kilograms", "公斤|千克"),
    _unit("grams", "mass", "1000000", "", "tonne|ton/tonnes|tons", "吨"),
    _unit("grams", "mass", "28.349523125", "oz", "ounce/ounces", "盎司"),
    _unit("grams", "mass", "453.59237", "lb|lbs", "pound/pounds", "磅"),
    _unit("seconds", "time", "1", "", "second/seconds", "秒"),
    _unit("seconds", "time", "60", "min", "minute/minutes", "分钟"),
    _unit("seconds", "time", "3600", "", "hour/hours", "小时"),
    _unit("seconds", "time", "86400", "", "day/days", "天"),
    _unit("seconds", "time", "604800", "", "week/weeks", "周|星期"),
    _unit("months", "time", "1", "", "month/months", "个月"),
    _unit("months", "time", "12", "", "year/years", "年"),
    _unit("months", "time", "120", "", "decade/decades", ""),
    _unit("months", "time", "1200", "", "century/centuries", "世纪"),
    _unit(
        "square metres", "area", "1", "m²", "square metre|square meter/square metres|square meters", "平方米"
    ),
    _unit("square metres", "area", "10000", "ha", "hectare/hectares", "公顷"),
    _unit(
        "square metres",
        "area",
        "1000000",
        "km²",
        "square kilometre|square kilometer/square kilometres|square kilometers",
        "平方公里|平方千米",
    ),
    _unit("square metres", "area", "2000/3", "", "", "亩"),
    _unit("square metres", "area", "4046.8564224", "", "acre/acres", "英亩"),
    _unit("litres", "volume", "1/1000", "ml|mL", "millilitre|milliliter/millilitres|milliliters", "毫升"),
    _unit("litres", "volume", "1", "L", "litre|liter/litres|liters", "升"),
    _unit("litres", "volume", "1000", "m³", "cubic metre|cubic meter/cubic metres|cubic meters", "立方米"),
    _unit("bytes", "storage", "1000", "KB|kB", "kilobyte/kilobytes", ""),
    _unit("bytes", "storage", "1000000", "MB", "megabyte/megabytes", ""),
    _unit("bytes", "storage", "1000000000", "GB", "gigabyte/gigabytes", ""),
    _unit("bytes", "storage", "1000000000000", "TB", "terabyte/terabytes", ""),
    _unit("watts", "power", "1", "W", "watt/watts", "瓦"),
    _unit("watts", "power", "1000", "kW", "kilowatt/kilowatts", "千瓦"),
    _unit("watts", "power", "1000000", "MW", "megawatt/megawatts", "兆瓦"),
    _unit("watts", "power", "1000000000", "GW", "gigawatt/gigawatts", "吉瓦"),
    _unit("watt hours", "energy", "1000", "kWh", "kilowatt-hour/kilowatt-hours", "千瓦时"),
    _unit("watt hours", "energy", "1000000", "MWh", "megawatt-hour/megawatt-hours", "兆瓦时"),
    _unit("kelvin", "temperature", "1", "°C|℃", "degree Celsius/degrees Celsius", "摄氏度"),
    _unit("kelvin", "temperature", "5/9", "°F|℉", "degree Fahrenheit/degrees Fahrenheit", "华氏度"),
    _unit("yuan", "money", "1", "¥|￥|RMB|CNY", "/yuan", "元人民币|人民币|元"),
    _unit("US dollars", "money", "1", "$|US$|USD", "dollar/dollars", "美元"),
    _unit("euros", "money", "1", "€|EUR", "euro/euros", "欧元"),
    _unit("pounds sterling", "money", "1", "£|GBP", "", "英镑"),
    _unit("Hong Kong dollars", "money", "1", "HK$|HKD", "", "港元|港币"),
    _unit("yen", "money", "1", "JPY", "/yen", "日元"),
    _unit("times", "multiple", "1", "", "/times", "倍"),
    _unit("points", "share", "1", "", "percentage point/percentage points", "个百分点|百分点"),
)
_OFFSETS = {"°C": Fraction("273.15"), "°F": Fraction("459.67") * Fraction(5, 9)}
UNITS = tuple(replace(unit, offset=_OFFSETS.get("".join(unit.symbols[:1]), Fraction(0))) for unit in _TABLE)
PREFIXES = ("US$", "HK$", "$", "¥", "￥", "€", "£", "RMB", "USD", "EUR", "GBP", "CNY", "HKD", "JPY")


@cache
def spellings() -> dict[str, tuple[MeasureUnit, int]]:
    """Map each spelling to its unit and the number of its style."""
    return {
        form: (unit, style) for unit in UNITS for style, forms in enumerate(unit.styles()) for form in forms
    }


def nearest(spelling: str) -> list[str]:
    """List spellings of other units of a unit's family, in the same style, the nearest in size first."""
    unit, style = spellings()[spelling]
    place = unit.styles()[style].index(spelling)
    found: list[tuple[float, str]] = []
    for other in UNITS:
        forms = other.styles()[style]
        if other is not unit and other.family == unit.family and forms:
            new = forms[min(place, len(forms) - 1)]
            if new.isalpha() == spelling.isalpha():  # a sign such as $ for a sign
                found.append((abs(math.log(_size(other) / _size(unit))), new))
    return [new for _, new in sorted(found, key=lambda each: each[0])]


def _size(unit: MeasureUnit) -> Fraction:
    """Return a size to order units by; a month is about 30 days."""
    return unit.factor * (30 * 86400 if unit.dimension == "months" else 1)
