"""The results as a table (Markdown) and as JSON."""

import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import time


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", text)

    def first_line(*words):
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return (done.stdout + done.stderr).strip().split("\n")[0]
    release = pathlib.Path("/etc/os-release").read_text()
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "kernel": platform.release(),
            "system": re.search(r'PRETTY_NAME="(.*)"', release)[1],
            "nginx": first_line("nginx", "-v"), "openssl": first_line("openssl", "version"),
            "compiler": first_line("gcc", "--version"), "load_average": os.getloadavg()[0],
            "commit": first_line("git", "rev-parse", "--short", "HEAD"),
            "date": time.strftime("%Y-%m-%d", time.gmtime())}


def number(value):
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def markdown(rows):
    lines = ["| what | ours | beside it | value | must | aim | reached |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        sign = "≥" if row.at_least else "≤"
        value = f"{number(row.value)} {row.unit}" if row.value is not None else ""
        must = f"{sign} {number(row.must)}" if row.must is not None else ""
        lines.append(f"| {row.what} | {row.ours} | {row.peer} | {value} | {must} "
                     f"| {number(row.aim)} | {row.verdict} |")
    return "\n".join(lines)


def as_json(rows, facts, settings):
    return json.dumps({"machine": facts, "settings": settings, "rows": [
        {**dataclasses.asdict(row), "verdict": row.verdict} for row in rows]}, indent=1)
