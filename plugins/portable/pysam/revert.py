"""The function revert: a string from its end to its beginning."""

from vanth import Error, Function


class Revert(Function):
    def validate(self, args):
        return "" if len(args) == 1 else "revert: found %d arguments, expected 1" % len(args)

    def exec(self, args, ctx):
        if len(args) != 1:
            raise Error(self.validate(args))
        text = args[0]
        if text is None:
            return None
        if not isinstance(text, str):
            raise Error("revert: argument 1: found %s, expected str" % type(text).__name__)
        return text[::-1]

    def is_aggregate(self):
        return False
