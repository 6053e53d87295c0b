"""What models cost: the list prices that genai-prices carries, and rules of one's own over them.

`prices.json` in the data folder is read anew when it changes. Prices are dollars a million tokens:

    {"models": {"my-model-*": {"input_mtok": 1, "output_mtok": 4, "cache_read_mtok": 0.1,
                               "context_window": 128000, "max_output_tokens": 16000}},
     "unknown": {"input_mtok": 20, "output_mtok": 100}}

Names are patterns as in a shell; `vendor/pattern` is for one vendor. Without an `unknown` rule a
model that nobody has a price for is refused: a call without a price cannot be capped.
"""

from __future__ import annotations

import gc
import json
import logging
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from genai_prices import Usage as GenaiUsage
from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, PriceContext, TieredPrices

from paid.errors import ConfigurationError, PriceUnknownError

log = logging.getLogger(__name__)

PROVIDERS = {"anthropic": "anthropic", "openai": "openai", "gemini": "google"}
DEFAULT_CONTEXT_WINDOW = 1_050_000
MOST_OUTPUT = {
    "gpt-5-pro*": 272_000,
    "gpt-5*": 128_000,
    "gpt-4o*": 16_384,
    "gpt-4.1*": 32_768,
    "gpt-4.5*": 16_384,
    "gpt-4*": 8_192,
    "gpt-3.5*": 4_096,
    "o1*": 100_000,
    "o3*": 100_000,
    "o4*": 100_000,
    "gemini-2.0*": 8_192,
    "gemini-*": 65_536,
    "claude-3-7-*": 128_000,
    "claude-3-*": 8_192,
    "claude-*": 128_000,
}
"""The most that a model writes when a request does not say, from the vendors' model pages. The
first pattern that fits counts, so what writes more than its family stands in front of it."""
DEFAULT_MOST_OUTPUT = 128_000
SEARCHING = ("*-search-*", "*deep-research*")
HEARING = ("gpt-4o*-audio-*",)
"""The list has no price for the sound that they take, which is 16 times the text's."""
DOES_MORE = frozenset(
    {"output_image_mtok", "output_audio_mtok", "output_video_mtok", "cache_image_read_mtok"}
)
"""What only models that draw or speak have a price for."""
SHOWS_ALL = (
    "gpt-4o*",
    "gpt-4.1*",
    "gpt-4-*",
    "gpt-4",
    "gpt-3.5*",
    "claude-3-5-*",
    "claude-3-haiku*",
    "claude-3-opus*",
    "claude-3-sonnet*",
    "gemini-2.0-flash*",
)
"""Models that write nothing but what passes. All others may think, and show little or nothing of
it: what an answer of theirs costs can only be known from the vendor."""
DEARER_TIERS = frozenset({"fast", "priority"})
COUNTRIES = frozenset({"us"})
IN_ONE_COUNTRY = Decimal("1.1")
REGIONAL_HOST = re.compile(r"[a-z0-9-]+\.api\.openai\.com")
REGIONAL = Decimal("1.1")
"""What OpenAI adds at its regional addresses (eu.api.openai.com and others) for gpt-5.4 and later
models: its page of prices, 2026."""
BEFORE_REGIONAL = re.compile(
    r"(ft:)?(gpt-[1-4]($|[.o-])|gpt-5(\.[0-3])?($|-)|chatgpt-4o|o[134]($|-)|codex-mini|computer-use"
    r"|davinci|babbage|text-)"
)
"""The names of OpenAI's models that are older; what is not known is taken to be later."""
MOST_REMEMBERED = 512
_LIMITS = ("context_window", "max_output_tokens")
_TIERS = ("service_tier", "speed", "processing")


@dataclass(frozen=True)
class Rule:
    """A price of one's own."""

    pattern: str
    price: ModelPrice
    context_window: int | None
    max_output_tokens: int | None


@dataclass
class Tariff:
    """How one model is priced. What is worked out once is remembered, so keep it."""

    model: str
    context_window: int
    max_output_tokens: int
    rule: Rule | None = None
    info: ModelInfo | None = None
    uplift: Decimal = Decimal(1)
    """What the vendor adds on every kind of token for where it serves."""
    _rates: dict[tuple[object, ...], tuple[Decimal, Decimal]] = field(default_factory=dict)
    _long: list[int] | None = None

    def cost(self, counts: Mapping[str, int], tier: Mapping[str, str] | None = None) -> int:
        """Micro-dollars for counts of tokens under genai-prices' names, rounded half up.

        A dollar a million tokens is a micro-dollar a token. `tier` has what the vendor said of
        how it served the request: service_tier, speed, processing.
        """
        return int((self._exact(counts, tier) * 10**6).quantize(Decimal(1), ROUND_HALF_UP))

    def worst(
        self,
        input_tokens: int,
        output_tokens: int,
        tier: Mapping[str, str],
        *,
        hour_cache: bool,
        sound: bool = False,
    ) -> int:
        """The most that a request of this size can cost, rounded up. `sound`: it may hold some.

        Writing to a cache costs more than reading fresh, and nobody knows before which it will be.
        """
        place = bisect_left(self._steps(), input_tokens)
        key = (place, tuple(sorted(tier.items())), hour_cache, sound)
        rates = self._rates.get(key)
        if rates is None:
            rates = self._dearest(place, tier, hour_cache=hour_cache, sound=sound)
            self._rates[key] = rates
        dearest = rates[0] * input_tokens + rates[1] * output_tokens
        return int(dearest.quantize(Decimal(1), ROUND_CEILING))

    def _dearest(
        self, place: int, tier: Mapping[str, str], *, hour_cache: bool, sound: bool
    ) -> tuple[Decimal, Decimal]:
        """The highest micro-dollars a token, of input and of output, beyond so many steps.

        Within a step the price is linear: a step's rate holds for all tokens of a request.
        """
        size = self._steps()[place - 1] + 1 if place else 1
        kinds: list[dict[str, int]] = [{}, {"cache_write_tokens": size}]
        if hour_cache:
            kinds.append({"cache_write_tokens": size, "cache_write_1h_tokens": size})
        if sound:
            kinds.append({"input_audio_tokens": size})
        tiers = [{}, tier] if tier else [{}]
        base = {"input_tokens": size, "output_tokens": 0}
        read = max(self._exact(base | kind, one) for kind in kinds for one in tiers)
        more = base | {"output_tokens": size}
        written = max(self._exact(more, one) - self._exact(base, one) for one in tiers)
        return read * 10**6 / size, written * 10**6 / size

    def has_price_for(self, tier: Mapping[str, str]) -> bool:
        """Whether a tier that costs more is on the list; a rule of one's own stands for all."""
        dearer = {(name, tier[name]) for name in _TIERS if tier.get(name) in DEARER_TIERS}
        if self.info is None or not dearer:
            return True
        listed = {pair for one in self.info.price_variants or () for pair in one.when.items()}
        return dearer <= listed

    def _steps(self) -> list[int]:
        """The input sizes beyond which a price for long contexts holds."""
        if self._long is None:
            prices = [self.rule.price] if self.rule else _all_prices(self.info)
            found = {
                step.start
                for price in prices
                for value in vars(price).values()
                if isinstance(value, TieredPrices)
                for step in value.tiers
            }
            self._long = sorted(found)
        return self._long

    def _exact(self, counts: Mapping[str, int], tier: Mapping[str, str] | None) -> Decimal:
        usage = GenaiUsage(**counts)
        if self.rule is not None:
            return Decimal(self.rule.price.calc_price(usage)["total_price"])
        assert self.info is not None  # noqa: S101 - a tariff has a rule or a model
        context: PriceContext | None = _context(tier)
        price = self.info.get_prices(datetime.now(UTC), context)
        return Decimal(price.calc_price(usage)["total_price"]) * _place(tier) * self.uplift


class Prices:
    """All tariffs of an installation."""

    def __init__(self, file: Path, *, openai_url: str = "") -> None:
        self._file = file
        self._is_regional = bool(REGIONAL_HOST.fullmatch(urlsplit(openai_url).hostname or ""))
        self._read_at: tuple[int, int] | None = None
        self._rules: list[Rule] = []
        self._unknown: Rule | None = None
        self._tariffs: dict[tuple[str, str, date], Tariff] = {}

    def tariff(self, vendor: str, model: str) -> Tariff:
        """The price of a model. Raises PriceUnknownError when nobody has one."""
        self._refresh()
        key = (vendor, model, datetime.now(UTC).date())
        if key not in self._tariffs:
            if len(self._tariffs) > MOST_REMEMBERED:
                self._tariffs.clear()
            self._tariffs[key] = self._make(vendor, model)
        return self._tariffs[key]

    def _make(self, vendor: str, model: str) -> Tariff:
        rule = self._rule(vendor, model)
        info = _listed(vendor, model)
        if rule is None and info is None:
            rule = self._unknown
        if rule is None and info is None:
            raise PriceUnknownError(
                f"The model {model!r} of {vendor} has no price, so its cost cannot be capped.",
                hint=f"Choose another, or give it a price in {self._file.name}.",
            )
        own_window = rule.context_window if rule else None
        window = own_window or _listed_window(vendor, info) or DEFAULT_CONTEXT_WINDOW
        own_most = rule.max_output_tokens if rule else None
        most = own_most or next(
            (most for pattern, most in MOST_OUTPUT.items() if fnmatchcase(model, pattern)),
            DEFAULT_MOST_OUTPUT,
        )
        uplift = Decimal(1) if rule else self._uplift(vendor, model)
        return Tariff(model, window, min(most, window), rule, None if rule else info, uplift)

    def _uplift(self, vendor: str, model: str) -> Decimal:
        is_dearer = vendor == "openai" and self._is_regional and not BEFORE_REGIONAL.match(model)
        return REGIONAL if is_dearer else Decimal(1)

    def _rule(self, vendor: str, model: str) -> Rule | None:
        names = (model, f"{vendor}/{model}")
        return next(
            (rule for rule in self._rules if any(fnmatchcase(n, rule.pattern) for n in names)), None
        )

    def _refresh(self) -> None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            if self._read_at is not None:
                self._read_at, self._rules, self._unknown = None, [], None
                self._tariffs.clear()
            return
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp == self._read_at:
            return
        try:
            self._rules, self._unknown = _parse(self._file)
        except ConfigurationError as error:
            # The old rules stay: a slip of the pen must not open the caps, nor stop all runs.
            log.error("prices are not read: %s", error)
        self._read_at = stamp
        self._tariffs.clear()


def warm_up() -> None:
    """Read the list prices now: a fifth of a second that no request should wait.

    They stay until the end, so the garbage collector need not look through them again and again.
    """
    data_snapshot.get_snapshot()
    gc.freeze()


def check_prices(file: Path) -> None:
    """Raises ConfigurationError when a prices file is there and cannot be used."""
    if file.exists():
        _parse(file)


@lru_cache(maxsize=512)
def _listed(vendor: str, model: str) -> ModelInfo | None:
    try:
        _, info = data_snapshot.get_snapshot().find_provider_model(
            model, None, PROVIDERS[vendor], None
        )
    except LookupError:
        return None
    if not isinstance(info, ModelInfo) or not _prices_text(info) or _does_more(model, info):
        return None
    return info


def _listed_window(vendor: str, info: ModelInfo | None) -> int | None:
    """The list says a million for OpenAI's 1,047,576 or 1,050,000 and Google's 1,048,576; only
    Anthropic's is one to the token."""
    window = info.context_window if info else None
    is_rounded = window and vendor != "anthropic" and window % 1_000_000 == 0
    return window * 105 // 100 if window and is_rounded else window


def _prices_text(info: ModelInfo) -> bool:
    """Whether it says what tokens cost; a price that misses one side would count it as free."""
    price = info.get_prices(datetime.now(UTC))
    named = price.__dict__
    return named.get("input_mtok") is not None and named.get("output_mtok") is not None


def _does_more(model: str, info: ModelInfo) -> bool:
    """Whether it searches the web by itself, draws, speaks or hears: that has other prices."""
    named = {kind for price in _all_prices(info) for kind, value in vars(price).items() if value}
    return bool(named & DOES_MORE) or any(
        fnmatchcase(model, pattern) for pattern in SEARCHING + HEARING
    )


def _all_prices(info: ModelInfo | None) -> list[ModelPrice]:
    """Every price that a model has or will have, its variants included."""
    if info is None:
        return []
    dated = info.prices if isinstance(info.prices, list) else []
    plain = [] if isinstance(info.prices, list) else [info.prices]
    variants = [variant.prices for variant in info.price_variants or ()]
    return plain + [entry.prices for entry in dated] + variants


def _context(tier: Mapping[str, str] | None) -> PriceContext | None:
    if not tier:
        return None
    return {name: tier[name] for name in _TIERS if name in tier}


def shows_all(model: str) -> bool:
    """Whether all that this model writes can be seen in its answer."""
    return any(fnmatchcase(model, pattern) for pattern in SHOWS_ALL)


def dearer(tier: Mapping[str, str]) -> dict[str, str]:
    """What of a tier costs more than usual."""
    dear = DEARER_TIERS | COUNTRIES
    return {name: value for name, value in tier.items() if value in dear}


def _place(tier: Mapping[str, str] | None) -> Decimal:
    """What Anthropic adds for inference that has to stay in one country, on every kind of token."""
    return IN_ONE_COUNTRY if (tier or {}).get("inference_geo") in COUNTRIES else Decimal(1)


def _parse(file: Path) -> tuple[list[Rule], Rule | None]:
    try:
        document = json.loads(file.read_text())
        rules = [_as_rule(name, entry) for name, entry in document.get("models", {}).items()]
        unknown = document.get("unknown")
        return rules, None if unknown is None else _as_rule("*", unknown)
    except (OSError, ValueError, TypeError, ArithmeticError, AttributeError, KeyError) as error:
        raise ConfigurationError(
            f"{file.name} cannot be used: {error}",
            hint="See docs/budgets.md for its form.",
        ) from error


def _as_rule(pattern: str, entry: dict[str, Any]) -> Rule:
    prices = {name: Decimal(str(value)) for name, value in entry.items() if name.endswith("_mtok")}
    foreign = entry.keys() - prices.keys() - set(_LIMITS)
    if foreign:
        raise ValueError(f"{pattern} has {', '.join(sorted(foreign))}")
    if not {"input_mtok", "output_mtok"} <= prices.keys():
        raise ValueError(f"{pattern} needs input_mtok and output_mtok")
    if any(value < 0 or not value.is_finite() for value in prices.values()):
        raise ValueError(f"{pattern} has a price below zero")
    price = ModelPrice(**prices)
    price.calc_price(GenaiUsage(input_tokens=1, output_tokens=1))
    limits = [int(entry[name]) if name in entry else None for name in _LIMITS]
    return Rule(pattern, price, *limits)
