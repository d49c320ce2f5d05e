package etc

import (
	"strings"
	"testing"
)

// The contents are held by cmd/vanth/internal/config, which reads them.
func TestKuiperIsACopy(t *testing.T) {
	b := Kuiper()
	if !strings.Contains(string(b), "restPort: 9081") {
		t.Fatalf("not the shipped file: %.40q", b)
	}
	clear(b)
	if Kuiper()[0] == 0 {
		t.Error("a caller can change the shipped file")
	}
}
