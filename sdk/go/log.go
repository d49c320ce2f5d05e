package vanth

import "strconv"

// Level is the weight of a log line.
type Level int32

// The levels of the ABI.
const (
	LevelDebug Level = 0
	LevelInfo  Level = 1
	LevelWarn  Level = 2
	LevelError Level = 3
)

// Log writes one line to the host's log. The host adds time, rule and plugin, and may cut it.
func Log(level Level, msg string) { hostLog(level, msg) }

// Enabled reports whether the host writes lines of this level: ask before costly work.
func Enabled(level Level) bool { return hostLogOn(level) }

// Debugf logs at LevelDebug. See Infof.
func Debugf(format string, args ...any) { logf(LevelDebug, format, args) }

// Infof logs at LevelInfo. It formats only if the host writes that level. It knows the verbs %s,
// %d, %v, %t, %g, %f (all of them: print the value plainly), %q (quoted) and %%, without flags or
// widths: the fmt package would add half a megabyte to a module.
func Infof(format string, args ...any) { logf(LevelInfo, format, args) }

// Warnf logs at LevelWarn. See Infof.
func Warnf(format string, args ...any) { logf(LevelWarn, format, args) }

// Errorf logs at LevelError, and nothing else: it makes no error. See Infof.
func Errorf(format string, args ...any) { logf(LevelError, format, args) }

func logf(level Level, format string, args []any) {
	if hostLogOn(level) {
		hostLog(level, string(appendFormat(nil, format, args)))
	}
}

func appendFormat(dst []byte, format string, args []any) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			dst = append(dst, format[i])
			continue
		}
		i++
		verb := format[i]
		if verb == '%' {
			dst = append(dst, '%')
			continue
		}
		if len(args) == 0 {
			dst = append(dst, "%!missing"...)
			continue
		}
		dst = appendPlain(dst, args[0], verb == 'q')
		args = args[1:]
	}
	if len(args) > 0 {
		dst = append(dst, "%!extra"...)
	}
	return dst
}

// appendPlain writes v as fmt's %v would for scalars; a list, map or unknown type by its nature.
func appendPlain(dst []byte, v any, quote bool) []byte {
	text := ""
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		text = v
	case []byte:
		text = string(v)
	case error:
		text = v.Error()
	case interface{ String() string }:
		text = v.String()
	case bool:
		return strconv.AppendBool(dst, v)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float32:
		return strconv.AppendFloat(dst, float64(v), 'g', -1, 32)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	default:
		return appendOther(dst, v)
	}
	if quote {
		return strconv.AppendQuote(dst, text)
	}
	return append(dst, text...)
}

// appendOther prints integers by way of their frame, which knows all widths.
func appendOther(dst []byte, v any) []byte {
	frame, ok := appendInteger(nil, v)
	if !ok {
		return append(dst, "(value)"...)
	}
	d := decoder{rest: frame}
	t, err := d.head()
	if err != nil || t.kind == kUint {
		return strconv.AppendUint(dst, uint64(t.n), 10)
	}
	return strconv.AppendInt(dst, t.n, 10)
}
