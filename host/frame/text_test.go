package frame

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestShortTexts has what is not ASCII at each place of texts of each length, as
// values and as keys.
func TestShortTexts(t *testing.T) {
	for n := range 3 * maxShort {
		for at := range n + 1 {
			for _, char := range []string{"", "\x7f", "é", "語", "\U0001f600", "\x80", "\xff", "\xc3", "\xed\xa0\x80"} {
				text := strings.Repeat("a", at) + char + strings.Repeat("b", n-at)
				whole := utf8.ValidString(text)
				in := map[string]any{text: text}
				b, err := Append(make([]byte, 0, 200), in)
				if (err == nil) != whole {
					t.Fatalf("Append of %q: %v", text, err)
				}
				if !whole {
					b = AppendString(AppendString(AppendMapHeader(nil, 1), text), text)
				}
				var m *Malformed
				switch got, err := Decode(b); {
				case whole && (err != nil || !same(got, in)):
					t.Fatalf("%q came back as %v, %v", text, got, err)
				case !whole && (!errors.As(err, &m) || m.Reason != UTF8):
					t.Fatalf("Decode of %q: %v", text, err)
				}
				b = AppendString(nil, text)
				if err := Valid(b); (err == nil) != whole {
					t.Fatalf("Valid of %q: %v", text, err)
				}
			}
		}
	}
}
