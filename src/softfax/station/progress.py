# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress of calls under way, from the engine's counters."""

from __future__ import annotations

from softfax.fax.active import ActiveFax
from softfax.fax.gateway import ActiveGateway
from softfax.model import Direction, ProgressEvent

__all__ = ["fax_progress", "gateway_progress"]


def fax_progress(active: ActiveFax, fax_id: str, *, ended: bool = False) -> ProgressEvent | None:
    """Progress of a fax, once pages go over; at its end, its counters."""
    stats = active.progress()
    if not stats.page and not (ended and stats.rtp_rx_packets + stats.udptl_rx_packets):
        return None
    sizes, before = active.page_bytes, active.session.pages_before
    page = stats.page - before
    return ProgressEvent(
        direction=active.session.settings.direction,
        page=max(0, (stats.page or stats.pages_done) - before),
        bytes=stats.image_bytes,
        page_bytes=sizes[page - 1] if 0 < page <= len(sizes) else None,
        rows=stats.rows or None,
        pages_total=active.session.pages_total,
        rate_bps=stats.rate_bps,
        packets=stats.udptl_rx_packets + stats.rtp_rx_packets,
        lost=stats.udptl_rx_lost + stats.rtp_rx_lost,
        recovered=stats.udptl_rx_recovered + stats.rtp_rx_restored,
        retries=stats.retries,
        fax_id=fax_id,
    )


def gateway_progress(gateway: ActiveGateway | None, fax_id: str, *, ended: bool = False) -> ProgressEvent | None:
    """Progress of a gateway's fax, once pages pass; at its end, the counters of both legs."""
    if gateway is None:
        return None
    legs = gateway.stats()
    a, packets = legs[0], sum(leg.udptl_rx_packets + leg.rtp_rx_packets for leg in legs)
    if not a.page and not (ended and packets):
        return None
    return ProgressEvent(
        direction=Direction.GATEWAY,
        page=a.page or a.pages_done,
        bytes=a.image_bytes,
        rows=a.rows or None,
        rate_bps=a.rate_bps,
        packets=packets,
        lost=sum(leg.udptl_rx_lost + leg.rtp_rx_lost for leg in legs),
        recovered=sum(leg.udptl_rx_recovered + leg.rtp_rx_restored for leg in legs),
        fax_id=fax_id,
    )
