"""All protocols by name."""

from __future__ import annotations

from cdpnet.data.config import DataConfig, ProtocolName
from cdpnet.data.protocols.cdpnet import CdpnetProtocol
from cdpnet.data.protocols.hsnet import HsnetProtocol
from cdpnet.data.protocols.pfenet import PfenetProtocol
from cdpnet.data.protocols.protocol import Protocol
from cdpnet.data.protocols.ssp import SspProtocol
from cdpnet.errors import ConfigError

_ALL: tuple[type[Protocol], ...] = (CdpnetProtocol, SspProtocol, HsnetProtocol, PfenetProtocol)
PROTOCOLS: dict[ProtocolName, type[Protocol]] = {protocol.name: protocol for protocol in _ALL}


def open_protocol(config: DataConfig) -> Protocol:
    """The rules of the protocol for the data set. ConfigError where a setting does not fit the protocol."""
    kind = PROTOCOLS[config.protocol]
    if config.min_area and not kind.any_area:
        raise ConfigError(f"The protocol {kind.name} has a minimum area of its own; leave --min-area out.")
    if config.longest_side and not kind.any_size:
        raise ConfigError(f"The protocol {kind.name} has image sizes of its own; leave --longest-side out.")
    protocol = kind(config.data, config.min_area, config.longest_side)
    if config.ways > 1 and not protocol.several_ways:
        raise ConfigError(f"The protocol {protocol.name} asks for one class at a time; leave --ways out.")
    if config.splits and config.data != "fss":
        _check_lists(config, protocol)
    if config.evaluation_space == "resized" and protocol.scoring_side is None:
        raise ConfigError(f"The protocol {protocol.name} scores at native size; leave --evaluation-space out.")
    return protocol


def _check_lists(config: DataConfig, protocol: Protocol) -> None:
    """ConfigError where the protocol reads no list files, or where another setting also selects images."""
    if not protocol.reads_lists:
        readers = " or ".join(name for name, other in PROTOCOLS.items() if other.reads_lists)
        raise ConfigError(f"--splits are lists of the protocol {readers}, or of fss; leave it out.")
    if config.novel_in_train == "drop" or config.skip_broken:
        raise ConfigError(
            "The lists in --splits say which images are used; leave --novel-in-train drop and --skip-broken out."
        )
