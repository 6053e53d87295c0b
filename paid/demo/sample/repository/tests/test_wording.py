import unittest

from timespan import humanize


class HumanizeTest(unittest.TestCase):
    def test_singular_and_plural(self) -> None:
        self.assertEqual(humanize(1), "1 second")
        self.assertEqual(humanize(7320), "2 hours 2 minutes")

    def test_nothing(self) -> None:
        self.assertEqual(humanize(0), "0 seconds")


if __name__ == "__main__":
    unittest.main()
