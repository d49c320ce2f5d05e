"""The plugin that answers with its argument."""

from vanth import Function, PluginConfig, plugin


class Echo(Function):
    def validate(self, args):
        return "" if len(args) == 1 else "found %d arguments, expected 1" % len(args)

    def exec(self, args, ctx):
        return args[0]

    def is_aggregate(self):
        return False


if __name__ == "__main__":
    plugin.start(PluginConfig("bench", {}, {}, {"echo": Echo}))
