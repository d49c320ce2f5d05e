package api_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
)

// form makes a form; a field called file or uploadFile is a file.
func form(t *testing.T, fields ...string) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		var part io.Writer
		var err error
		if strings.HasSuffix(strings.ToLower(fields[i]), "file") {
			part, err = w.CreateFormFile(fields[i], "x.zip")
		} else {
			part, err = w.CreateFormField(fields[i])
		}
		if err == nil {
			_, err = io.WriteString(part, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func TestUpload(t *testing.T) {
	k := newKit(t, api.Options{MaxPackage: 64 << 10})
	z := bundle(t, "echo", "v1", "echo")
	sum := fmt.Sprintf("%x", sha256.Sum256(z))
	wrong := strings.Repeat("0", 64)
	const cannot = `wasm plugin create command error: `

	k.do("POST", "/plugins/wasm?name=echo&sha256="+sum, z, "Content-Type", zipT).want(t, 201, text, "wasm plugin echo is created")
	if p := k.do("GET", "/plugins/wasm/echo", nil); !strings.Contains(p.body, `"sha256":"`+sum+`"}`) {
		t.Errorf("found %s", p.body)
	}
	k.do("POST", "/plugins/wasm?name=echo", z, "Content-Type", zipT).want(t, 400, text, ekuiper(1000, cannot+"invalid name echo: duplicate"))
	k.do("PUT", "/plugins/wasm/echo?sha256="+wrong, z, "Content-Type", zipT).want(t, 400, text,
		ekuiper(1000, `wasm plugin update command error: fail to receive the package: sha256 mismatch: expected `+wrong+`, got `+sum))
	k.do("PUT", "/plugins/wasm/echo", io.MultiReader(bytes.NewReader(z)), "Content-Type", zipT). // chunked
													want(t, 200, text, "wasm plugin echo is updated")
	k.do("PUT", "/plugins/wasm/echo?name=other", z, "Content-Type", zipT).want(t, 400, text,
		ekuiper(1000, "wasm plugin update command error: invalid name other: expected echo, the name in the path, or none"))
	k.do("DELETE", "/plugins/wasm/echo", nil)
	k.do("PUT", "/plugins/wasm/echo", z, "Content-Type", zipT).want(t, 200, text, "wasm plugin echo is updated")
	k.do("POST", "/plugins/wasm", z, "Content-Type", zipT).want(t, 400, text, ekuiper(1000, cannot+"invalid name : should not be empty"))

	big := bytes.Repeat([]byte("x"), 65<<10)
	const found = `; the setting is under limits"}` + "\n"
	k.do("POST", "/plugins/wasm?name=big", big, "Content-Type", zipT).want(t, 413, text,
		`{"error":6010,"message":"body: found at least 66560 bytes, expected at most 65536`+found)
	if r := k.do("POST", "/plugins/wasm?name=big", io.MultiReader(bytes.NewReader(big)), "Content-Type", zipT); r.status != 413 {
		t.Errorf("chunked: found %d %s", r.status, r.body)
	}
}

func TestForm(t *testing.T) {
	k := newKit(t, api.Options{MaxPackage: 64 << 10})
	z := string(bundle(t, "echo", "v1", "echo"))
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(z)))
	wrong := strings.Repeat("0", 64)
	for _, c := range []struct {
		what   string
		fields []string
		status int
		want   string
	}{
		{"no file", []string{"name", "echo"}, 400, "form: found no field file, expected the package in it"},
		{"unknown field", []string{"Name", "echo", "file", z}, 400, `form: found field \"Name\", expected name, sha256, shellParas and then file`},
		{"long field", []string{"name", strings.Repeat("x", 5000), "file", z}, 413, "form: field name: found more than 4096 bytes, expected at most that"},
		{"late digest", []string{"name", "echo", "file", z, "sha256", wrong}, 400, `form: found field \"sha256\" after the package, expected the package to be the last field`},
		{"wrong digest", []string{"name", "echo", "sha256", wrong, "file", z}, 400, "sha256 mismatch: expected " + wrong},
		{"too big", []string{"name", "big", "file", strings.Repeat("x", 200<<10)}, 413, "body: found at least"},
		{"good", []string{"sha256", sum, "name", " echo ", "uploadFile", z}, 201, "wasm plugin echo is created"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b, kind := form(t, c.fields...)
			r := k.do("POST", "/plugins/wasm", b, "Content-Type", kind)
			if r.status != c.status || !strings.Contains(r.body, c.want) || r.header.Get("Content-Type") != text {
				t.Errorf("found %d %s", r.status, r.body)
			}
		})
	}
	b, kind := form(t, "file", z)
	k.do("PUT", "/plugins/wasm/echo", b, "Content-Type", kind).want(t, 200, text, "wasm plugin echo is updated")
	for _, bad := range []string{"--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nxyz", "nothing"} {
		if r := k.do("PUT", "/plugins/wasm/x", bad, "Content-Type", "multipart/form-data; boundary=b"); r.status != 400 || !strings.Contains(r.body, "form: ") {
			t.Errorf("%q: found %d %s", bad, r.status, r.body)
		}
	}
	if r := k.do("POST", "/plugins/wasm", b, "Content-Type", "multipart/form-data"); r.status != 400 {
		t.Errorf("no boundary: found %d %s", r.status, r.body)
	}
}

// TestObjectOfAnyType: eKuiper takes any content type for JSON, that of a package
// included.
func TestObjectOfAnyType(t *testing.T) {
	k := newKit(t, api.Options{MaxBody: 1 << 10, MaxPackage: 64 << 10})
	long := strings.Repeat(" ", 2<<10)
	for _, kind := range []string{zipT, "application/x-zip-compressed", "multipart/form-data; boundary=b"} {
		for _, c := range []struct {
			what, body string
			status     int
			want       string
		}{
			{"object", `{"name":"echo","file":"nowhere"}`, 400, "invalid uri nowhere"},
			{"after white space", " \r\n\t" + `{"name":"echo","file":"nowhere"}`, 400, "invalid uri nowhere"},
			{"cut", `{`, 400, "Invalid body: Error decoding the wasm plugin json: unexpected EOF"},
			{"too long", `{"name":"` + long + `"}`, 413, "expected at most 1024"},
		} {
			for _, body := range []any{c.body, io.MultiReader(strings.NewReader(c.body))} { // and chunked
				if r := k.do("POST", "/plugins/wasm?name=other", body, "Content-Type", kind); r.status != c.status || !strings.Contains(r.body, c.want) {
					t.Errorf("%s as %s: found %d %s", c.what, kind, r.status, r.body)
				}
			}
		}
		for _, body := range []string{"", "[]", long + long + long + `{}`} {
			if r := k.do("POST", "/plugins/wasm?name=other", body, "Content-Type", kind); r.status != 400 || strings.Contains(r.body, "json") {
				t.Errorf("%.9q as %s: found %d %s", body, kind, r.status, r.body)
			}
		}
	}
}
