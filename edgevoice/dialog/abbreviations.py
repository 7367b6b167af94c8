"""What is written short and said long: tables, for English."""

from __future__ import annotations

TITLES = {
    "dr": "Doctor", "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "st": "Saint", "mt": "Mount", "gen": "General",
    "capt": "Captain", "lt": "Lieutenant", "sgt": "Sergeant", "rev": "Reverend", "hon": "Honorable", "gov": "Governor", "sen": "Senator",
}
"""Before a name; a sentence never ends with one."""

INSIDE = {
    "e.g": "for example", "i.e": "that is", "vs": "versus", "approx": "approximately", "no": "number", "nos": "numbers", "fig": "figure",
    "cf": "compare", "ca": "about", "vol": "volume", "pp": "pages", "incl": "including", "viz": "namely", "al": "al", "est": "established",
}
"""Inside a sentence.  ``no`` and ``est`` are abbreviations only before a number."""
BEFORE_NUMBERS = frozenset({"no", "nos", "fig", "ca", "vol", "pp", "est"})

ENDING = {
    "etc": "et cetera", "inc": "Incorporated", "ltd": "Limited", "co": "Company", "corp": "Corporation", "jr": "Junior", "sr": "Senior",
    "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "dept": "department", "govt": "government",
    "b.c": "BC", "a.d": "AD", "ph.d": "PhD",
}
"""These may end a sentence, and then their full stop is the sentence's too."""

MONTHS = {
    "jan": "January", "feb": "February", "mar": "March", "apr": "April", "may": "May", "jun": "June", "jul": "July", "aug": "August",
    "sep": "September", "sept": "September", "oct": "October", "nov": "November", "dec": "December",
}
MONTH_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
DAYS = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "thur": "Thursday", "thurs": "Thursday",
    "fri": "Friday",
}
"""Not ``sat`` and ``sun``, which are words."""

ACRONYMS = {
    "LED": "L-E-D", "LEDs": "L-E-Ds", "VIP": "V-I-P", "ETA": "E-T-A", "FAQ": "F-A-Q", "EV": "E-V", "IoT": "I-o-T", "CO2": "C-O two",
    "US": "U-S", "C#": "C sharp", "F#": "F sharp", "C++": "C plus plus",
    "w/": "with", "w/o": "without", "b/c": "because", "24/7": "twenty-four seven", "9/11": "nine eleven",
}
"""Only what espeak-ng would read as a word; others it spells by itself."""

UNITS = {
    "km/h": ("kilometer per hour", "kilometers per hour"), "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"), "m/s": ("meter per second", "meters per second"),
    "km²": ("square kilometer", "square kilometers"), "m²": ("square meter", "square meters"), "m³": ("cubic meter", "cubic meters"),
    "cm²": ("square centimeter", "square centimeters"), "cm³": ("cubic centimeter", "cubic centimeters"),
    "km": ("kilometer", "kilometers"), "m": ("meter", "meters"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "mi": ("mile", "miles"), "ft": ("foot", "feet"), "yd": ("yard", "yards"), "sq ft": ("square foot", "square feet"),
    "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"), "mg": ("milligram", "milligrams"), "µg": ("microgram", "micrograms"),
    "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "L": ("liter", "liters"), "l": ("liter", "liters"), "dl": ("deciliter", "deciliters"), "cl": ("centiliter", "centiliters"),
    "ml": ("milliliter", "milliliters"), "mL": ("milliliter", "milliliters"), "tsp": ("teaspoon", "teaspoons"),
    "tbsp": ("tablespoon", "tablespoons"),
    "h": ("hour", "hours"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"),
    "s": ("second", "seconds"), "sec": ("second", "seconds"), "secs": ("second", "seconds"), "ms": ("millisecond", "milliseconds"),
    "µs": ("microsecond", "microseconds"),
    "°C": ("degree Celsius", "degrees Celsius"), "℃": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "℉": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"),
    "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"), "MW": ("megawatt", "megawatts"), "Wh": ("watt-hour", "watt-hours"),
    "kWh": ("kilowatt-hour", "kilowatt-hours"), "MWh": ("megawatt-hour", "megawatt-hours"), "V": ("volt", "volts"),
    "mV": ("millivolt", "millivolts"),
    "kV": ("kilovolt", "kilovolts"), "A": ("amp", "amps"), "mA": ("milliamp", "milliamps"), "mAh": ("milliamp-hour", "milliamp-hours"),
    "Hz": ("hertz", "hertz"), "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
    "KB": ("kilobyte", "kilobytes"), "kB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "kbps": ("kilobit per second", "kilobits per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"), "MB/s": ("megabyte per second", "megabytes per second"),
    "dB": ("decibel", "decibels"), "Pa": ("pascal", "pascals"), "hPa": ("hectopascal", "hectopascals"),
    "kPa": ("kilopascal", "kilopascals"),
    "psi": ("pound per square inch", "pounds per square inch"), "ppm": ("part per million", "parts per million"), "lx": ("lux", "lux"),
    "lm": ("lumen", "lumens"), "kcal": ("kilocalorie", "kilocalories"), "cal": ("calorie", "calories"), "J": ("joule", "joules"),
    "kJ": ("kilojoule", "kilojoules"), "rpm": ("revolution per minute", "revolutions per minute"),
    "%": ("percent", "percent"),
}
"""(after one, after any other number)"""

CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""), "₹": ("rupee", "rupees", "paisa", "paise"), "₩": ("won", "won", "", ""),
}
CURRENCY_CODES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}

SYMBOLS = {
    "&": " and ", "@": " at ", "+": " plus ", "=": " equals ", "×": " times ", "÷": " divided by ", "±": " plus or minus ",
    "≈": " about ", "≥": " at least ", "≤": " at most ", "≠": " is not ", "→": " to ", "§": " section ", "°": " degrees ", "%": " percent ",
    "№": " number ", "π": " pi ", "∞": " infinity ", "√": " root ", "Ω": " ohms ", "$": " dollars ", "€": " euros ", "£": " pounds ",
    "½": " one half", "¼": " one quarter", "¾": " three quarters", "⅓": " one third", "⅔": " two thirds", "⅛": " one eighth",
}
"""Whatever no rule about numbers has taken."""
