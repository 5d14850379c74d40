"""The differential test in its short form (tests/reference/differential.py --full is the long one)."""

import os
import subprocess
import sys
import unittest

from harness import BUILD, TOP, environment, main

SUITES = ("asan",)


class Reference(unittest.TestCase):
    def test_second_implementation_agrees(self):
        sizes = ("20000", "200") if "asan" in BUILD.name else ("100000", "1000")
        run = subprocess.run(
            [sys.executable, TOP / "tests/reference/differential.py", "--build", BUILD, "--variants", sizes[0],
             "--worlds", sizes[1]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**environment(), **{name: os.environ[name] for name in ("SEKISHO_DATA",) if name in os.environ}})
        self.assertNotEqual(run.returncode, 77, run.stdout)
        self.assertEqual(run.returncode, 0, run.stdout[-4000:])


if __name__ == "__main__":
    main()
