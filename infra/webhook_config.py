"""``webhooks`` of a stage: the limits at the door, and who is let in (docs/edge.md)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from infra.config_section import Section

_FIVE_MINUTES = 300

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
_COUNTRIES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRIES.split())
"""Those that the firewall knows: ISO 3166-1, and XK for Kosovo. With any other the deployment would fail half-way."""


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(f"{code!r} is no country of ISO 3166-1: two capital letters, and the United Kingdom is GB")
    return code


Country = Annotated[str, AfterValidator(_country)]


def _network(text: object) -> IPv4Network | IPv6Network:
    found = ip_network(str(text))
    if found.prefixlen == 0:
        # The firewall takes no /0; and it would allow what it seems to forbid.
        raise ValueError("a list that holds every address is none: leave it out")
    return found


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""In CIDR form: ``203.0.113.0/24``, ``2001:db8::/32``."""


class VendorWebhooks(Section):
    """What differs for one vendor; a limit left out is that of ``Webhooks``."""

    requests_per_second: int | None = Field(None, ge=1)
    burst: int | None = Field(None, ge=1)
    required_headers: tuple[HeaderName, ...] = ()
    """Without one of them no delivery of this vendor can be genuine: answered 401, and no function is called.

    None by default. Whether API Gateway compares their names regardless of case is not documented, and where it does
    not, it refuses the genuine: to be tried with the vendor.
    """


class Domain(Section):
    """A name of your own for the webhook API. Vendors are then told this name, and the API's own is switched off."""

    name: str = Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$")
    certificate_arn: str = Field(pattern=r"^arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+$")
    """Of ACM, for ``name``, in the stage's own region."""
    hosted_zone_id: str | None = Field(None, pattern=r"^Z[A-Z0-9]+$")
    """Given: the alias record is made in this Route 53 zone. Left out: make it where your DNS is."""

    @property
    def certificate_region(self) -> str:
        return self.certificate_arn.split(":")[3]


class Webhooks(Section):
    """The limits at the door; a vendor that is throttled (429) delivers again."""

    requests_per_second: int = Field(100, ge=1)
    """Of each vendor for which ``vendors`` says nothing else."""
    burst: int = Field(200, ge=1)
    vendors: dict[str, VendorWebhooks] = Field(default_factory=dict)
    requests_per_address: int = Field(100_000, ge=100)
    """In five minutes, from one address: a vendor sends for all its hotels from a few. More than the throttle lets in
    of it (``let_in``): its 429 is tried again, the firewall's 403 may not be."""
    countries: tuple[Country, ...] = ()
    """ISO 3166-1 codes; from anywhere else nothing is let in. None: from everywhere."""
    allowed_addresses: dict[str, Annotated[tuple[Network, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Networks by vendor, IPv4 and IPv6; to the vendor's path nothing else is let in."""
    firewall_log: bool = False
    """What the firewall turned away, with the sender's address, which may be a personal datum: while one searches."""
    domain: Domain | None = None

    def of(self, vendor: str) -> VendorWebhooks:
        """The vendor's own limits, all of them said."""
        own = self.vendors.get(vendor, VendorWebhooks())
        return own.model_copy(
            update={
                "requests_per_second": own.requests_per_second or self.requests_per_second,
                "burst": own.burst or self.burst,
            }
        )

    def let_in(self, vendor: str) -> int:
        """Deliveries of this vendor in the firewall's five minutes, at the most."""
        own = self.of(vendor)
        return (own.requests_per_second or 0) * _FIVE_MINUTES + (own.burst or 0)
