import unittest

from timespan import parse


class ParseTest(unittest.TestCase):
    def test_one_unit(self) -> None:
        self.assertEqual(parse("90s"), 90)
        self.assertEqual(parse("5m"), 300)
        self.assertEqual(parse("2h"), 7200)

    def test_nonsense_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            parse("soon")


if __name__ == "__main__":
    unittest.main()
