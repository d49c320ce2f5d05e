package wat

import (
	"math"
	"strconv"
	"strings"
)

// parseUint reads an unsigned integer of at most bits bits: decimal or 0x hex, single underscores between digits.
func parseUint(s string, bits int) (uint64, bool) {
	base, isDigit := 10, isDecimal
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		s, base, isDigit = hex, 16, isHex
	}
	if digits, rest := cutDigits(s, isDigit); digits == "" || rest != "" {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), base, bits)
	return v, err == nil
}

// parseInt reads an integer of bits bits, signed or unsigned, into its two's complement, sign extended to 64 bits.
func parseInt(s string, bits int) (int64, bool) {
	digits, negative := cutSign(s)
	v, ok := parseUint(digits, bits)
	if !ok {
		return 0, false
	}
	if negative {
		return -int64(v), v <= 1<<(bits-1)
	}
	return int64(v<<(64-bits)) >> (64 - bits), true
}

// parseFloat reads a float of bits bits into its bit pattern, in the low bits. NaN payloads are kept as written, which is
// why no float64 passes through here on their way.
func parseFloat(s string, bits int) (uint64, bool) {
	mantissa := 52
	if bits == 32 {
		mantissa = 23
	}
	special := uint64(1)<<(bits-1) - 1<<mantissa // the exponent of inf and nan: all ones
	digits, negative := cutSign(s)
	sign := uint64(0)
	if negative {
		sign = 1 << (bits - 1)
	}
	switch payload, isNaN := strings.CutPrefix(digits, "nan:"); {
	case digits == "inf":
		return sign | special, true
	case digits == "nan":
		return sign | special | 1<<(mantissa-1), true
	case isNaN:
		v, ok := parseUint(payload, 64)
		return sign | special | v, ok && strings.HasPrefix(payload, "0x") && v > 0 && v < 1<<mantissa
	}
	if digits, ok := floatForGo(digits); ok {
		f, err := strconv.ParseFloat(digits, bits)
		if bits == 32 {
			return sign | uint64(math.Float32bits(float32(f))), err == nil
		}
		return sign | math.Float64bits(f), err == nil
	}
	return 0, false
}

// floatForGo checks an unsigned float against the grammar and rewrites it for strconv, which wants no underscores and, in
// hex, an exponent.
func floatForGo(s string) (string, bool) {
	isDigit, exponent, suffix := isDecimal, "eE", ""
	rest, hex := strings.CutPrefix(s, "0x")
	if hex {
		isDigit, exponent, suffix = isHex, "pP", "p0"
	}
	whole, rest := cutDigits(rest, isDigit)
	if whole == "" {
		return "", false
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		_, rest = cutDigits(after, isDigit) // no digits after the point is allowed
	}
	if rest != "" && strings.IndexByte(exponent, rest[0]) >= 0 {
		digits, _ := cutSign(rest[1:])
		power, after := cutDigits(digits, isDecimal)
		if power == "" {
			return "", false
		}
		rest, suffix = after, ""
	}
	return strings.ReplaceAll(s, "_", "") + suffix, rest == ""
}

func cutSign(s string) (digits string, negative bool) {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

// cutDigits splits off the leading digits of s, with single underscores between them.
func cutDigits(s string, isDigit func(byte) bool) (digits, rest string) {
	i := 0
	for i < len(s) && (isDigit(s[i]) || s[i] == '_' && i > 0 && s[i-1] != '_') {
		i++
	}
	if i > 0 && s[i-1] == '_' {
		i--
	}
	return s[:i], s[i:]
}

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDecimal(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
