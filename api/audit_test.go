package api_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/vanth-io/vanth/api"
)

// Requests that change the host leave one line each, refused ones too; others
// leave none.
func TestAudit(t *testing.T) {
	var log lines
	k := newKit(t, api.Options{Audit: true, Log: log.log(), StopDelay: time.Hour})
	k.install("kit", "echo")
	for _, r := range [][]string{
		{"GET", "/plugins/wasm", ""},
		{"GET", "/", ""},
		{"POST", "/functions/echo/call", `{"args":["secret"]}`},
		{"POST", "/functions/echo/batch", `["secret"]`},
		{"POST", "/plugins/none", ""},
		{"POST", "/plugins/wasm?name=secret", "{"},
		{"PUT", "/plugins/wasm/a%20b", "{"},
		{"DELETE", "/plugins/wasm/kit", ""},
		{"POST", "/plugins/functions/f/register", `{"functions":["secret"]}`},
		{"GET", "/stop", ""},
	} {
		k.do(r[0], r[1], r[2])
	}
	k.do("DELETE", "/plugins/wasm/kit", "", "Origin", "https://evil.example")
	var found []string
	for line := range strings.Lines(log.String()) {
		if _, rest, ok := strings.Cut(line, "msg=audit "); ok {
			what, remote, _ := strings.Cut(strings.TrimSpace(rest), " remote=")
			found = append(found, what)
			if !strings.HasPrefix(remote, "127.0.0.1:") || strings.Contains(remote, " ") {
				t.Errorf("found %s", line)
			}
		}
	}
	want := []string{
		"method=POST path=/plugins/wasm status=400",
		"method=PUT path=/plugins/wasm/a%20b status=400",
		"method=DELETE path=/plugins/wasm/kit status=200",
		"method=POST path=/plugins/functions/f/register status=404",
		"method=GET path=/stop status=200",
		"method=DELETE path=/plugins/wasm/kit status=403",
	}
	if !slices.Equal(found, want) {
		t.Errorf("found    %q\nexpected %q", found, want)
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("a body or a query was logged")
	}
}

// The issuer is that of a token that was valid; nobody else is named.
func TestAuditIssuer(t *testing.T) {
	dir := t.TempDir()
	key := keyFile(t, filepath.Join(dir, "boss.pub"))
	var log lines
	k := newKit(t, api.Options{Audit: true, Log: log.log(), Auth: &api.Auth{Keys: dir}})
	token := sign(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"iss": "boss.pub", "aud": "eKuiper"})
	stale := sign(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"iss": "boss.pub", "aud": "else"})
	k.do("DELETE", "/plugins/wasm/kit", "", "Authorization", token)
	k.do("DELETE", "/plugins/wasm/kit", "", "Authorization", stale)
	k.do("DELETE", "/plugins/wasm/kit", "")
	found := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(found) != 3 || !strings.Contains(found[0], "status=400") || !strings.HasSuffix(found[0], " issuer=boss.pub") ||
		!strings.Contains(found[1], "status=401") || !strings.Contains(found[2], "status=401") || strings.Contains(found[1]+found[2], "issuer") {
		t.Errorf("found %q", found)
	}
}
