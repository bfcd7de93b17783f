"""The README's tables, made of benchmarks/results/*.json and of nothing else.

    python -m benchmarks readme

rewrites what stands between the two markers; tests/test_readme.py compares. A result that is
not there is left out.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks._measure import RESULTS

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN = "<!-- benchmarks: `python -m benchmarks readme` writes what follows -->"
END = "<!-- benchmarks: end -->"


def read(name):
    """A benchmark's result, or None."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def block():
    """The lines between the markers."""
    parts = [part() for part in (plan, curve, batch, deep)]
    return "\n\n".join(part for part in parts if part)


def machine(found):
    """On what, with what, and of which commit."""
    on = found["machine"]
    versions = [f"{k} {on[k]}" for k in ("quantecon", "mdpsolver", "stormpy") if on.get(k)]
    where = f"{on['processor']}, one core"
    return "; ".join([where, ", ".join(versions), f"commit {found['commit']}"])


def plan():
    """How many times slower each peer's best method is."""
    found = read("plan")
    if found is None:
        return ""
    lines = [
        "Times to ‖v − v*‖∞ ≤ 1e-6 as multiples of those of `mdpkit.solve(mdp)`. Ours hold\n"
        "making the model and the certificate, a peer's are its best method's solve alone\n"
        f"({machine(found)}):",
        "",
        "| model | non-zeros | method chosen | quantecon | mdpsolver | Storm |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        ours = row["tools"][0]
        cells = [_best(row, x, found["limit"]) for x in ("quantecon", "mdpsolver", "storm")]
        start = f"| {row['name']} | {row['non_zeros']:.1e} | {ours['words'].split(',')[0]} | "
        lines.append(start + " | ".join(cells) + " |")
    return "\n".join(lines)


def _best(row, package, limit):
    """The best of a peer's methods over ours, "> …" if none ended within the limit."""
    ours = row["tools"][0]["seconds"]
    tools = [tool for tool in row["tools"] if tool["tool"].startswith(package)]
    ended = [t["seconds"] for t in tools if t["seconds"] and t["seconds"] <= limit]
    if ended:
        return f"{_ratio(min(ended) / ours)}×"
    return f"> {_ratio(limit / ours)}×" if any(">" in t["words"] for t in tools) else "–"


def _ratio(x):
    """Two digits."""
    return f"{x:.1f}" if x < 10 else f"{x:.0f}"


def curve():
    """Cost in proportion to the non-zeros."""
    found = read("curve")
    if found is None:
        return ""
    rows = [row for row in found["rows"] if row["non_zeros"] >= 1e4]
    each = [1e9 * row["seconds"] / row["non_zeros"] for row in rows]
    memory = rows[-1]["peak_bytes"] / rows[-1]["model_bytes"]
    return (
        f"From {rows[0]['non_zeros']:.0e} to {rows[-1]['non_zeros']:.0e} non-zeros a certified "
        f"solve takes {min(each):.0f} to {max(each):.0f} ns each, and the\nlargest model "
        f"{memory:.2f} times its own memory "
        "([picture](benchmarks/results/curve.svg))."
    )


def batch():
    """Many small models in one call."""
    found = read("batch")
    if found is None:
        return ""
    first = found["rows"][0]["models_per_second"]
    return (
        f"`solve_batch` certifies {first:,.0f} models of 5 states and 3 actions a second, "
        f"{found['ratio']:.0f}\ntimes as many as a loop over `solve`."
    )


def deep():
    """How many times slower the peers train."""
    found = read("deep")
    if found is None:
        return ""
    tools = ("Stable-Baselines3", "PyTorch", "PureJaxRL")
    lines = [
        "Seconds of a training as multiples of those of `mdpkit.deep.train`, one seed, same\n"
        f"settings; in brackets with compiling ({found['machine']['processor']}, one core; "
        f"commit {found['commit']}):",
        "",
        f"| training | ours, mean return | {' | '.join(tools)} |",
        "|---|---|---|---|---|",
    ]
    for name, task in found["tasks"].items():
        rows = {x["tool"]: x for x in found["rows"] if x["task"] == name and x["seeds"] == 1}
        own = rows["mdpkit"]["returns"]
        cells = [_times(rows[tool]) if tool in rows else "–" for tool in tools]
        start = f"| `{name}`: {task['algorithm']} {task['env']} | {sum(own) / len(own):.0f} | "
        lines.append(start + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(row):
    return f"{_ratio(row['ratio'])}× ({_ratio(row['ratio_with_compiling'])}×)"


def main():
    """Write the block into the README."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{block()}\n\n{END}{after}", encoding="utf-8")
    return 0
