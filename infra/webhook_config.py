"""``webhooks`` of a stage: the limits at the door, and who is let in (docs/edge.md)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field

from infra.config_section import Section

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]


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
    of it: its 429 is tried again, the firewall's 403 may not be."""
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()
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
