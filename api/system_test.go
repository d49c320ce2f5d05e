package api_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
)

// The processor's share is a figure, in eKuiper's form, that work makes grow.
func TestCPUUsage(t *testing.T) {
	k := newKit(t, api.Options{})
	usage := func() float64 {
		t.Helper()
		var a map[string]any
		if err := json.Unmarshal([]byte(k.do("GET", "/", nil).body), &a); err != nil {
			t.Fatal(err)
		}
		s, _ := a["cpuUsage"].(string)
		number, ok := strings.CutSuffix(s, "%")
		v, err := strconv.ParseFloat(number, 64)
		if _, digits, _ := strings.Cut(number, "."); !ok || err != nil || len(digits) != 2 {
			t.Fatalf("cpuUsage: found %q, expected a percentage with two digits", a["cpuUsage"])
		}
		return v
	}
	time.Sleep(200 * time.Millisecond)
	idle := usage()
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		_ = strings.Repeat("x", 1000)
	}
	if busy := usage(); busy <= idle || busy > 100*64 {
		t.Errorf("idle %.2f%%, busy %.2f%%", idle, busy)
	}
}
