"""What hosts that run one program together differ in."""

from collections.abc import Mapping, Sequence

from launch.findings import NOTE, OK, Finding

FAR_APART_S = 2.0  # between clocks


def differences(hosts: Sequence[Mapping[str, str]]) -> list[str]:
    """Returns a sentence for each key that not all hosts agree on, naming all of them.

    The hosts stand in the order of their processes; `host` is the name of each, and not compared.

    Example:
      >>> a, b = {"host": "a", "jax": "0.10.2"}, {"host": "b", "jax": "0.10.3"}
      >>> differences([a, b, {**a, "host": "c"}])
      ['jax: 0.10.2 on 0 (a), 2 (c); 0.10.3 on 1 (b)']
    """
    keys = dict.fromkeys(key for host in hosts for key in host if key != "host")
    return [said for key in keys if (said := _difference(key, hosts))]


def _difference(key: str, hosts: Sequence[Mapping[str, str]]) -> str:
    """Returns who has which value, those that are most first; nothing where all have the same."""
    who: dict[str, list[str]] = {}
    for number, host in enumerate(hosts):
        who.setdefault(host.get(key, "none"), []).append(named(number, host["host"]))
    if len(who) == 1:
        return ""
    groups = sorted(who.items(), key=lambda group: -len(group[1]))
    return f"{key}: " + "; ".join(f"{value} on {', '.join(names)}" for value, names in groups)


def named(process: int, host: str) -> str:
    """Returns how a process is spoken of."""
    return f"{process} ({host})"


def check_clocks(hosts: Sequence[Mapping[str, str]], times: Sequence[float]) -> Finding:
    """Compares the time of day, in seconds, that all hosts read at about the same moment."""
    apart = max(times) - min(times)
    if apart < FAR_APART_S:
        return Finding(OK, "clocks", f"{apart:.1f} s apart at most.")
    late, early = times.index(max(times)), times.index(min(times))
    return Finding(
        NOTE,
        "clocks",
        f"that of {named(late, hosts[late]['host'])} is {apart:.1f} s ahead of that of "
        f"{named(early, hosts[early]['host'])}. No result depends on it; logs are harder to read, "
        "and credentials may be refused. Set them by NTP.",
    )
