package api

import (
	"net/url"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/vanth-io/vanth/host"
)

// FuzzIndex holds that no index and no signature makes reading it panic, and that
// what is accepted can be shown and fetched.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`[{"name":"echo","class":"functions","version":"v1","os":"linux","arch":"amd64","url":"echo.zip","sha256":"`+strings.Repeat("ab", 32)+`"}]`), []byte("untrusted comment: x\nRWQ=\ntrusted comment: y\nRWQ="), true)
	f.Add([]byte(`[{"name":"../x","url":"file:///x.zip"},{"name":"y","url":"//evil/../y.zip"}]`), []byte("\n\n\n"), false)
	f.Add([]byte(`[{"name":"y","url":"http://[::1%25]/y.zip"},null,{}] []`), []byte{}, false)
	base, err := url.Parse("https://site.example/plugins/index.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, signature []byte, signed bool) {
		if verify([]minisign.PublicKey{{}}, text, signature) == nil {
			t.Errorf("a signature of nobody stands: %q", signature)
		}
		x, _, err := parseIndex(base, text, signed)
		if err != nil {
			return
		}
		for _, e := range x.list {
			u, err := url.Parse(e.URL)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.HasSuffix(e.URL, ".zip") || host.CheckName(e.Name) != nil {
				t.Errorf("accepted %+v", e)
			}
			if d := x.digests[e.URL]; signed && d == "" || e.SHA256 != "" && d != e.SHA256 {
				t.Errorf("accepted %+v with digest %q", e, d)
			}
		}
		x.newest(host.ClassFunctions, "amd64", "linux")
	})
}
