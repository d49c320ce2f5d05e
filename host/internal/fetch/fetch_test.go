package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// wants checks an error's text, and whether it is a refusal.
func wants(t *testing.T, err error, refused bool, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted; want %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v\nwant %q", err, text)
		}
	}
	if errors.Is(err, ErrRefused) != refused {
		t.Errorf("%v: refused %t, want %t", err, !refused, refused)
	}
}

func TestCheck(t *testing.T) {
	for _, url := range []string{
		"http://host/a.zip",
		"HTTPS://host:8443/a/b.zip",
		"http://[2606:4700::1111]/a.zip",
		"http://user:word@host/a.zip",
		"http://host/download?file=a.zip",
		"file:///a.zip",
		"file:/a%20b.zip",
	} {
		if err := Check(url); err != nil {
			t.Error(err)
		}
	}
	for url, expected := range map[string]string{
		"":                            "expected http://",
		"a.zip":                       "expected http://",
		"/a.zip":                      "expected scheme",
		"ftp://host/a.zip":            "expected scheme",
		"unix:///a.zip":               "expected scheme",
		"http:///a.zip":               "expected a host",
		"http:a.zip":                  "expected a host",
		"http://:80/a.zip":            "expected a host",
		"http://host/a.zip?x=1":       "expected .zip at the end",
		"http://host/a.ZIP":           "expected .zip at the end",
		"http://host/a.tar.gz":        "expected .zip at the end",
		"http://host/\n.zip":          "expected http://",
		"http://ho st/a.zip":          "expected http://",
		"http://[::1/a.zip":           "expected http://",
		"http://host/%zz.zip":         "expected http://",
		"file://host/a.zip":           "expected no host",
		"file://a.zip":                "expected no host",
		"file:a.zip":                  "expected an absolute path",
		"file://":                     "expected an absolute path",
		"file:///etc/passwd?.zip":     "expected no query",
		"file:///etc/passwd?x=.zip":   "expected no query",
		"file:///etc/passwd%00.zip":   "expected a path without NUL",
		"file:///uploads/%2e%2e/x.so": "expected .zip at the end",
	} {
		wants(t, Check(url), true, "invalid uri "+url+": "+expected)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"http://h/a.zip", "file:///a.zip", "file:///a?.zip", "http://[::1%25x]/a.zip", "https://@/a.zip"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parse(s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "invalid uri "+s) {
				t.Error(err)
			}
			return
		}
		if (u.Scheme == "file") != (u.Host == "") || !strings.HasSuffix(s, ".zip") {
			t.Errorf("%+v", u)
		}
	})
}

func TestCopy(t *testing.T) {
	const content = "content"
	var dst bytes.Buffer
	got, err := Copy(t.Context(), 7, strings.NewReader(content), strings.ToUpper(digestOf(content)), &dst)
	if err != nil || dst.String() != content {
		t.Fatal(err, dst.String())
	}
	if d := cmp.Diff(Result{Size: 7, SHA256: digestOf(content)}, got); d != "" {
		t.Error(d)
	}

	dst.Reset()
	_, err = Copy(t.Context(), 6, strings.NewReader(content), "", &dst)
	wants(t, err, true, "found at least 7 bytes, limit 6 bytes", "limits.packageMiB")
	if dst.Len() > 6 {
		t.Errorf("%d bytes written", dst.Len())
	}

	_, err = Copy(t.Context(), 0, strings.NewReader(content), digestOf("other"), io.Discard)
	wants(t, err, true, "sha256 mismatch: expected "+digestOf("other")+", got "+digestOf(content))

	for _, bad := range []string{"abc", strings.Repeat("g", 64), strings.Repeat("0", 63), strings.Repeat("0", 66)} {
		_, err = Copy(t.Context(), 0, iotest.ErrReader(errors.New("was read")), bad, io.Discard)
		wants(t, err, true, "invalid sha256", "expected 64 hex digits")
	}
}

func TestCopyFaults(t *testing.T) {
	errPeer := errors.New("peer gone")
	_, err := Copy(t.Context(), 0, io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errPeer)), "", io.Discard)
	if wants(t, err, false, "read package: peer gone"); !errors.Is(err, errPeer) {
		t.Error(err)
	}
	_, err = Copy(t.Context(), 0, strings.NewReader("x"), "", failingWriter{})
	wants(t, err, false, "write package: disk full")
	_, err = Copy(t.Context(), 0, idleReader{}, "", io.Discard)
	if !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Copy(ctx, 0, readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), "", io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
