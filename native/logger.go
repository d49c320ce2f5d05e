package native

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// logger is the api.Logger of a plugin: it writes to slog, with the plugin, the
// rule and the operator as attributes. Nothing is formatted that is not logged.
// Arguments are joined as fmt.Sprint does, which is what eKuiper's logger does.
type logger struct{ to *slog.Logger }

var _ api.Logger = (*logger)(nil)

func (l *logger) print(level slog.Level, args []any) {
	if ctx := context.Background(); l.to.Enabled(ctx, level) {
		l.to.Log(ctx, level, fmt.Sprint(args...))
	}
}

func (l *logger) printf(level slog.Level, format string, args []any) {
	if ctx := context.Background(); l.to.Enabled(ctx, level) {
		l.to.Log(ctx, level, fmt.Sprintf(format, args...))
	}
}

// Debug implements api.Logger, as do the methods below.
func (l *logger) Debug(args ...any) { l.print(slog.LevelDebug, args) }
func (l *logger) Info(args ...any)  { l.print(slog.LevelInfo, args) }
func (l *logger) Warn(args ...any)  { l.print(slog.LevelWarn, args) }
func (l *logger) Error(args ...any) { l.print(slog.LevelError, args) }

func (l *logger) Debugf(format string, args ...any) { l.printf(slog.LevelDebug, format, args) }
func (l *logger) Infof(format string, args ...any)  { l.printf(slog.LevelInfo, format, args) }
func (l *logger) Warnf(format string, args ...any)  { l.printf(slog.LevelWarn, format, args) }
func (l *logger) Errorf(format string, args ...any) { l.printf(slog.LevelError, format, args) }
