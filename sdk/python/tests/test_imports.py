import ast
import pathlib
import unittest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "vanth"


def imports(source, names):
    """The modules of the package that a source imports, for types too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found.update([node.module] if node.module else [a.name for a in node.names])
    return found & names


def circle(graph):
    """A way from a module back to it; none if there is no such."""

    def walk(way):
        for to in sorted(graph[way[-1]]):
            if to in way:
                return way[way.index(to) :] + [to]
            if to not in done:
                found = walk(way + [to])
                if found:
                    return found
        done.add(way[-1])
        return None

    done = set()
    return next(filter(None, (walk([m]) for m in sorted(graph) if m not in done)), None)


class Imports(unittest.TestCase):
    def test_have_a_direction(self):
        sources = {p.stem: p.read_text() for p in PACKAGE.glob("*.py")}
        self.assertGreater(len(sources), 10)
        self.assertIsNone(circle({m: imports(s, set(sources)) for m, s in sources.items()}))

    def test_a_circle_is_found(self):
        sources = {"a": "from .b import x", "b": "from . import c, d", "c": "if T:\n    from .a import y", "d": "import a"}
        self.assertEqual(circle({m: imports(s, set(sources)) for m, s in sources.items()}), ["a", "b", "c", "a"])


if __name__ == "__main__":
    unittest.main()
