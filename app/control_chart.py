"""Statistical process control of one number per part: has the reject rate left its limits, or a picture's health?

In: parts, one after the other. Out: where each chart stands, and its limit. Refuses nothing; pure, no clock.
EWMA (Roberts 1959; Montgomery, Introduction to Statistical Quality Control, 7th ed., 9.2) sees a shift that stays;
CUSUM (Page 1954) of log-likelihood ratios sees a small one soonest. Both are for single parts, not for samples of them.
"""

import math

REJECT_WEIGHT = 0.01
"""λ of the reject rate. Single rejects are rare and 0 or 1: with a usual λ of 0.1 one of them would end the run."""
REJECT_SIGMAS = 4.5
"""L. Simulated: on average 10 000 parts and more between false alarms at rates of 0.5 to 20 %; a test repeats one."""
ODDS_RATIO = 3.0
"""The CUSUM is tuned to rejects at three times the odds (Steiner et al. 2000, Biostatistics 1, use odds for rates)."""
CUSUM_LIMIT = math.log(10_000)
"""h. A CUSUM of log-likelihood ratios runs at least e^h parts between false alarms on average (Lorden 1971)."""
CUSUM_TOP = 1.25 * CUSUM_LIMIT
"""It climbs no further, so that a cause that was removed an hour ago is no alarm any more."""
LEARN = 300
"""Parts from which a rate is learned where nobody has stated it (phase I of a chart)."""
HIGHEST_RATE = 0.5  # a rate learned above this is no process in control


class Ewma:
    """z ← λx + (1 − λ)z, from a centre on."""

    def __init__(self, centre: float, weight: float) -> None:
        self.value = centre
        self._weight = weight

    def add(self, value: float) -> None:
        """The next part's number."""
        self.value += self._weight * (value - self.value)


class RejectChart:
    """EWMA and CUSUM of rejects (0 or 1 a part), against the rate that is normal here."""

    def __init__(self, promise: float, rate: float | None) -> None:
        """`promise`: the calibrated false-reject rate, which is normal at least; `rate`: the stated one, if any."""
        self._promise = promise
        self._seen = self._rejects = 0
        self._ewma = Ewma(0.0, REJECT_WEIGHT)
        self.cusum = 0.0
        self.rate: float | None = None
        """In control; None while it is being learned."""
        self.learned: float | None = None
        """The same where it was learned from parts of this chart; None where it was known before."""
        if rate is not None:
            self._begin(rate)

    @property
    def ewma(self) -> float:
        """Rejects a part, the last hundred or so counting most; the plain rate while it is being learned."""
        return self._rejects / max(1, self._seen) if self.rate is None else self._ewma.value

    @property
    def ewma_limit(self) -> float | None:
        """Upper control limit, steady state: rate + L √(rate (1 − rate) λ / (2 − λ))."""
        if self.rate is None:
            return None
        variance = self.rate * (1 - self.rate) * REJECT_WEIGHT / (2 - REJECT_WEIGHT)
        return min(1.0, self.rate + REJECT_SIGMAS * math.sqrt(variance))

    @property
    def is_out(self) -> bool:
        """Whether either chart is over its limit."""
        limit = self.ewma_limit
        return limit is not None and (self.ewma > limit or self.cusum > CUSUM_LIMIT)

    def add(self, is_rejected: bool) -> None:
        """The next part."""
        self._seen += 1
        self._rejects += is_rejected
        if self.rate is None:
            if self._seen == LEARN:
                learned = (self._rejects + 0.5) / (LEARN + 1)  # Jeffreys' mean: no rate of 0 from good luck
                self.learned = min(HIGHEST_RATE, max(self._promise, learned))
                self._begin(self.learned)
            return
        self._ewma.add(float(is_rejected))
        self.cusum = min(CUSUM_TOP, max(0.0, self.cusum + _log_likelihood_ratio(is_rejected, self.rate)))

    def _begin(self, rate: float) -> None:
        self.rate, self._ewma = rate, Ewma(rate, REJECT_WEIGHT)


def _log_likelihood_ratio(is_rejected: bool, rate: float) -> float:
    """Of one part under ODDS_RATIO times the odds, against `rate` (Reynolds & Stoumbos 1999, Bernoulli CUSUM)."""
    odds = ODDS_RATIO * rate / (1 - rate)
    shifted = odds / (1 + odds)
    return math.log(shifted / rate) if is_rejected else math.log((1 - shifted) / (1 - rate))
