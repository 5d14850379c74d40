"""The loops over one function, with instruction counts where they can be had."""

import json
import pathlib
import re
import shutil
import tempfile

from . import data as data_module
from .processes import Measured


def url_file(folder, programs, shared):
    """URLs one per line: the real lists when they are there, else made ones."""
    path = pathlib.Path(folder) / "micro-urls.txt"
    urls = data_module.real_urls(shared) if shared else None
    if urls is None:
        Measured([programs / "tests/bench/make_data", "--out", folder, "--urls", 1000000,
                  "--url-questions", 200000, "--only-questions"]).check()
        lines = (pathlib.Path(folder) / "url-questions.txt").read_text().splitlines()
        urls = [line[2:] for line in lines]
    path.write_text("\n".join(urls[:200000]) + "\n", encoding="utf-8", errors="replace")
    return path


def instructions(words, *functions):
    """Instructions inside of functions and what they call, by callgrind; None without it."""
    if shutil.which("valgrind") is None:
        return None
    done = Measured(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                     *(f"--toggle-collect={function}" for function in functions), *words])
    match = re.search(r"Collected : (\d+)", done.check().output)
    return int(match[1]) if match else None


def micro_url(program, urls, folder):
    text = Measured([program, urls]).check().output
    few = pathlib.Path(folder) / "few-urls.txt"
    lines = urls.read_text(encoding="utf-8").splitlines()[:20000]
    few.write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = instructions([program, few, 1], "url_canonicalize", "url_expressions")
    return text + (f"callgrind: {count / len(lines):.0f} instructions per URL\n" if count else "")


def micro_lookup(program, _urls, _folder):
    return "".join(Measured([program, count]).check().output for count in (1000000, 10000000))


def micro_verdict(program, urls, folder):
    text = Measured([program, urls]).check().output
    few = pathlib.Path(folder) / "few-urls.txt"
    lines = urls.read_text(encoding="utf-8").splitlines()[:20000]
    few.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for case, name in ((2, "pattern"), (3, "pattern, 10,000 rules"), (6, "1,000 keywords")):
        count = instructions([program, few, 1, case], "run_single")
        if count:
            text += f"callgrind, {name}: {count / len(lines):.0f} instructions per URL\n"
    return text


def micro_questions(program, _urls, folder):
    """A pattern of a million made URLs and questions about it."""
    programs = program.parents[3]
    Measured([programs / "tests/bench/make_data", "--out", folder, "--urls", 1000000,
              "--url-questions", 200000]).check()
    description = pathlib.Path(folder) / "urls.json"
    description.write_text(json.dumps({"name": "bench", "inputs": [
        {"path": "urls.txt", "format": "urls", "source": "bench", "kind": "bad"}]}))
    Measured([programs / "sekisho-pattern", "build", description, "--out", folder]).check()
    return Measured([program, f"{folder}/web.pattern", f"{folder}/url-questions.txt"]
                    ).check().output


MICRO = {"micro_url": micro_url, "micro_lookup": micro_lookup, "micro_verdict": micro_verdict,
         "micro_questions": micro_questions}


def run_micro(programs, folder, names, shared):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        urls = url_file(work, programs, shared)
        for name in names:
            print(f"--- {name}")
            print(MICRO[name](programs / "tests/bench/micro" / name, urls, work), end="",
                  flush=True)
    return 0
