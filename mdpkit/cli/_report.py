"""The page of `mdpkit verify --report`: one file of HTML, its plots drawn in it."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdpkit.hunt import Verdict

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{padding:.2rem .6rem;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}tr{border-bottom:1px solid #eee}
.holds{color:#17703a}.refuted{color:#b3261e;font-weight:bold}.vacuous{color:#8a6100}
pre{background:#f6f6f6;padding:.6rem;overflow-x:auto}section{margin-top:2rem}small{color:#666}
"""
WIDTH, HEIGHT, MARGIN = 420, 200, 40


def page(verdicts: list[Verdict], profile: str) -> str:
    """Return the page: a table, then each claim with its tightest instance and its curves."""
    rows = "\n".join(_row(v) for v in verdicts)
    heads = "".join(f"<th class=n>{h}</th>" for h in ("random", "hunted", "named", "caught"))
    passed = sum(v.passed for v in verdicts)
    seconds = sum(v.seconds for v in verdicts)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>mdpkit: theorems that ran</title>
<style>{STYLE}</style>
<h1>Theorems that ran</h1>
<p>{passed} of {len(verdicts)} pass; profile {_safe(profile)}, {seconds:.0f} s of work.
A ratio is the left side over the right: at most 1 if the claim holds, 1 where it is tight.</p>
<table><tr><th>id</th><th>claim</th><th>verdict</th>{heads}</tr>
{rows}</table>
{"".join(_section(v) for v in verdicts)}
</html>
"""


def _row(v: Verdict) -> str:
    ratios = "".join(
        f"<td class=n>{_ratio(v.tightness[name])}</td>"
        for name in ("random", "hunted", "named")
    )
    return (
        f'<tr><td><a href="#{_safe(v.claim)}">{_safe(v.id)}</a></td>'
        f"<td>{_safe(v.statement)}</td>"
        f"<td class={v.verdict}>{v.verdict}</td>{ratios}"
        f"<td class=n>{v.impostors_caught}/{v.impostors}</td></tr>"
    )


def _section(v: Verdict) -> str:
    title = v.claim.replace("_", " ")
    parts = [
        f'<section id="{_safe(v.claim)}"><h2>{_safe(v.id)} {_safe(title)}</h2>',
        f"<p>{_safe(v.statement)}<br><small>{_safe(v.source)}; {v.instances} instances, "
        f"{v.seconds:.1f} s</small></p>",
    ]
    if v.complaint:
        parts.append(f"<p class={v.verdict}>{_safe(v.complaint)}</p>")
    if v.experimental:
        parts.append(f"<p>Experimental, does not gate: {_safe(v.experimental)}</p>")
    if v.said:
        parts.append(f"<pre>{_safe(chr(10).join(v.said))}</pre>")
    elif v.tightest:
        parts.append(
            f"<details><summary>tightest instance</summary><pre>"
            f"{_safe(chr(10).join(v.tightest))}</pre></details>"
        )
    for words, lines in v.ablation.items():
        verdict = "not broken by search" if lines is None else "necessary:"
        shown = "" if lines is None else f"<pre>{_safe(chr(10).join(lines))}</pre>"
        parts.append(f"<p>Without “{_safe(words)}”: {verdict}</p>{shown}")
    if v.curves is not None:
        parts.append(_plot(*v.curves))
    return "\n".join([*parts, "</section>"])


def _plot(measured: list[float], bound: list[float]) -> str:
    """Both curves over k on a logarithmic axis, as SVG."""
    shown = [x for x in (*measured, *bound) if x > 0 and math.isfinite(x)]
    if len(bound) < 2 or not shown:
        return ""
    low, high = math.log10(min(shown)), math.log10(max(shown))
    low, high = math.floor(max(low, high - 16)), math.ceil(high + 1e-9)
    high = max(high, low + 1)
    lines = [
        _line(bound, low, high, "#b3261e", "6 3"),
        _line(measured, low, high, "#1a5fb4", ""),
    ]
    ticks = "".join(
        f'<text x="{MARGIN - 4}" y="{_y(e, low, high) + 4:.1f}" text-anchor="end">1e{e}</text>'
        for e in range(low, high + 1, max(1, (high - low) // 4))
    )
    box = f'x="{MARGIN}" y="10" width="{WIDTH}" height="{HEIGHT}"'
    frame = f'<rect {box} fill="none" stroke="#ccc"/>'
    end = f'x="{MARGIN + WIDTH}" y="{HEIGHT + 26}" text-anchor="end"'
    foot = (
        f'<text x="{MARGIN}" y="{HEIGHT + 26}">k = 0</text><text {end}>{len(bound) - 1}</text>'
        f'<text x="{MARGIN + WIDTH - 6}" y="26" text-anchor="end">'
        '<tspan fill="#b3261e">bound</tspan> <tspan fill="#1a5fb4">measured</tspan></text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + MARGIN + 10}" '
        f'height="{HEIGHT + 34}" font-size="11" font-family="system-ui,sans-serif">'
        f"{frame}{ticks}{foot}{''.join(lines)}</svg>"
    )


def _line(curve: list[float], low: int, high: int, color: str, dash: str) -> str:
    step = WIDTH / (len(curve) - 1)
    points = " ".join(
        f"{MARGIN + k * step:.1f},{_y(math.log10(x), low, high):.1f}"
        for k, x in enumerate(curve)
        if x > 0 and math.isfinite(x) and math.log10(x) >= low
    )
    style = f'fill="none" stroke="{color}" stroke-width="1.5" stroke-dasharray="{dash}"'
    return f'<polyline points="{points}" {style}/>'


def _y(exponent: float, low: int, high: int) -> float:
    return 10 + HEIGHT * (high - exponent) / (high - low)


def _ratio(x: float | None) -> str:
    return "–" if x is None else f"{x:.4g}"


def _safe(text: str) -> str:
    return html.escape(str(text))
