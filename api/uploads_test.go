package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
)

// fileForm makes a form of files: triples of field, file name and content.
func fileForm(t *testing.T, files ...string) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(files); i += 3 {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename=%q`, files[i], files[i+1]))
		if files[i+1] == "" {
			h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q`, files[i]))
		}
		part, err := w.CreatePart(h)
		if err == nil {
			_, err = io.WriteString(part, files[i+2])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// names lists what lies in a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestUploadThenInstall is the usual way to bring a package to eKuiper: upload
// it, then install what the answer names. Files elsewhere stay closed.
func TestUploadThenInstall(t *testing.T) {
	home := t.TempDir()
	k := newKitUnder(t, home, host.InstallPolicy{}, api.Options{Uploads: filepath.Join(home, "data", "uploads")})
	z := bundle(t, "echo", "v1", "echo")
	b, kind := fileForm(t, "uploadFile", "echo.zip", string(z))
	path := filepath.Join(home, "data", "uploads", "echo.zip")
	k.do("POST", "/config/uploads", b, "Content-Type", kind).want(t, 201, text, path)
	k.do("GET", "/config/uploads", nil).want(t, 200, js, `["`+path+`"]`)
	if found, err := os.ReadFile(path); err != nil || !bytes.Equal(found, z) {
		t.Errorf("found %d bytes, %v", len(found), err)
	}

	k.do("POST", "/plugins/wasm", `{"name":"echo","file":"file://`+path+`"}`).want(t, 201, text, "wasm plugin echo is created")
	k.do("POST", "/functions/echo/call", `{"args":[7]}`).want(t, 200, js, `{"result":7}`)
	k.do("DELETE", "/config/uploads/echo.zip", nil).want(t, 200, text, "ok")
	k.do("GET", "/config/uploads", nil).want(t, 200, js, `[]`)
	k.do("POST", "/functions/echo/call", `{"args":[8]}`).want(t, 200, js, `{"result":8}`)
	if r := k.do("PUT", "/plugins/wasm/echo", `{"file":"file://`+path+`"}`); r.status != 400 || !strings.Contains(r.body, "no such file") {
		t.Errorf("found %d %s", r.status, r.body)
	}

	outside := filepath.Join(home, "outside.zip")
	if err := errors.Join(os.WriteFile(outside, z, 0o600), os.Symlink(outside, path)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{outside, path} {
		if r := k.do("PUT", "/plugins/wasm/echo", `{"file":"file://`+file+`"}`); r.status != 400 || !strings.Contains(r.body, "file access denied") {
			t.Errorf("%s: found %d %s", file, r.status, r.body)
		}
	}
	// An upload takes the place of the link, not of the file behind it.
	k.do("POST", "/config/uploads", `{"name":"echo.zip","content":"new"}`, "Content-Type", js).want(t, 201, text, path)
	if found, err := os.ReadFile(outside); err != nil || !bytes.Equal(found, z) {
		t.Errorf("the file outside was written: %q, %v", found, err)
	}
}

func TestUploads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "up<&>")
	fetch := func(_ context.Context, url string, w io.Writer) error {
		switch url {
		case "http://x/closing":
			return host.Errorf(host.ErrClosed, "the host is closing")
		case "http://x/big":
			_, err := w.Write(make([]byte, 65<<10))
			return fmt.Errorf("write package: %w", err)
		case "http://x/y":
			_, err := io.WriteString(w, "fetched")
			return err
		}
		_, _ = io.WriteString(w, "half")
		return errors.New("ip 127.0.0.1 is in internal network")
	}
	k := newKit(t, api.Options{Uploads: dir, MaxPackage: 64 << 10, Fetch: fetch})
	escaped := strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;").Replace(dir)
	const lacking = `Invalid body: missing necessary field: `
	const shape = `: expected one without a path, control characters and a dot at its beginning`
	const big = `; the setting is under limits"}` + "\n"
	file := func(files ...string) [2]string {
		b, kind := fileForm(t, files...)
		return [2]string{string(b), kind}
	}
	object := func(text string) [2]string { return [2]string{text, js} }
	for _, c := range []struct {
		what   string
		body   [2]string // and its content type
		status int
		want   string
		files  []string // that are there then
	}{
		{"content", object(`{"NAME":"a.txt","content":"one","x":1}{`), 201, escaped + "/a.txt", []string{"a.txt"}},
		{"in its place", object(`{"name":"a.txt","content":"two"}`), 201, escaped + "/a.txt", []string{"a.txt"}},
		{"with a charset", [2]string{`{"name":"b","content":"x"}`, js + "; charset=utf-8"}, 201, escaped + "/b", []string{"a.txt", "b"}},
		{"a name with an apostrophe", object(`{"name":"it's","content":"x"}`), 201, escaped + "/it&#39;s", []string{"a.txt", "b", "it's"}},
		{"a URL outweighs", object(`{"name":"b","content":"x","file":"http://x/y"}`), 201, escaped + "/b", nil},
		{"a URL that fails", object(`{"name":"c","file":"http://127.0.0.1/"}`), 400, ekuiper(1000, `Upload error: getFile has error: ip 127.0.0.1 is in internal network`), nil},
		{"a URL of too much", object(`{"name":"c","file":"http://x/big"}`), 413, `{"error":6010,"message":"write package: file: found more than 65536 bytes, expected at most that` + big, nil},
		{"a URL while closing", object(`{"name":"c","file":"http://x/closing"}`), 503, ours(6009, `the host is closing; the host is stopping; retry when it is back`), nil},
		{"no JSON", object(`{`), 400, ekuiper(1000, `Invalid body: Error decoding file json: unexpected EOF`), nil},
		{"no name", object(`{"content":"x"}`), 400, ekuiper(1000, lacking+`invalid body: name is required`), nil},
		{"no content", object(`{"name":"c"}`), 400, ekuiper(1000, lacking+`invalid body: content or FilePath is required`), nil},
		{"content too long", object(`{"name":"c","content":"` + strings.Repeat("x", 65<<10) + `"}`), 413, `{"error":6010,"message":"file: found more than 65536 bytes, expected at most that` + big, nil},
		{"a path", object(`{"name":"../c","content":"x"}`), 400, ekuiper(1000, lacking+`file name \"../c\"`+shape), nil},
		{"a folder", object(`{"name":"..","content":"x"}`), 400, ekuiper(1000, lacking+`file name \"..\"`+shape), nil},
		{"the other slash", object(`{"name":"a\\c","content":"x"}`), 400, ekuiper(1000, lacking+`file name \"a\\\\c\"`+shape), nil},
		{"hidden", object(`{"name":".new-x","content":"x"}`), 400, ekuiper(1000, lacking+`file name \".new-x\"`+shape), nil},
		{"a control character", object(`{"name":"a\n","content":"x"}`), 400, ekuiper(1000, lacking+`file name \"a\\n\"`+shape), nil},
		{"a long name", object(`{"name":"` + strings.Repeat("n", 256) + `","content":"x"}`), 400, ekuiper(1000, lacking+`file name \"`+strings.Repeat("n", 32)+`\"...: found 256 bytes, expected at most 255`), nil},

		{"form", file("x", "", "y", "other", "o", "z", "uploadFile", "f.zip", "PK", "more", "", "z"), 201, escaped + "/f.zip", []string{"a.txt", "b", "f.zip", "it's"}},
		{"a form's path is cut", file("uploadFile", "../../f.zip", "PK2"), 201, escaped + "/f.zip", nil},
		{"a form without a file", file("file", "f.zip", "PK"), 400, ekuiper(1000, `Error Retrieving the File: http: no such file`), nil},
		{"a field that is no file", file("uploadFile", "", "PK"), 400, ekuiper(1000, `Error Retrieving the File: http: no such file`), nil},
		{"a hidden file", file("uploadFile", ".f", "PK"), 400, ekuiper(1000, `Error creating the file: file name \".f\"`+shape), nil},
		{"a big file", file("uploadFile", "g", strings.Repeat("x", 64<<10+1)), 413, `{"error":6010,"message":"file: found more than 65536 bytes, expected at most that` + big, nil},
		{"a huge file", file("uploadFile", "g", strings.Repeat("x", 200<<10)), 413, "", nil},
		{"no form", [2]string{"PK", zipT}, 400, ekuiper(1000, `Error parse the multi part form: request Content-Type isn't multipart/form-data`), nil},
		{"an empty form", [2]string{"", "multipart/form-data; boundary=b"}, 400, ekuiper(1000, `Error parse the multi part form: multipart: NextPart: EOF`), nil},
		{"a form that ends early", [2]string{"--b\r\nContent-Disposition: form-data; name=\"uploadFile\"; filename=\"g\"\r\n\r\nxyz", "multipart/form-data; boundary=b"}, 400, ekuiper(1000, `Error writing the file: unexpected EOF`), nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			k := *k
			k.t = t
			before := names(t, dir)
			got := k.do("POST", "/config/uploads", c.body[0], "Content-Type", c.body[1])
			if c.want == "" {
				c.want = got.body
			}
			got.want(t, c.status, text, c.want)
			if c.files == nil {
				c.files = before
			}
			if found := names(t, dir); !slices.Equal(found, c.files) {
				t.Errorf("found %q, expected %q", found, c.files)
			}
		})
	}
	for name, want := range map[string]string{"a.txt": "two", "b": "fetched", "f.zip": "PK2"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s: found %q, %v", name, b, err)
		}
	}
}

// Without a way to fetch, an upload that names a URL is refused.
func TestUploadFetchesNothing(t *testing.T) {
	dir := t.TempDir()
	k := newKit(t, api.Options{Uploads: dir})
	k.do("POST", "/config/uploads", `{"name":"c","file":"http://x/y.zip"}`, "Content-Type", js).want(t, 400, text,
		ekuiper(1000, "Upload error: getFile has error: file: this server fetches no URLs: send the file in a form, or its content"))
	if found := names(t, dir); found != nil {
		t.Errorf("found %q", found)
	}
}

func TestUploadsList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a", ".new-kept", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "folder"), 0o700), os.Symlink("a", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	k := newKit(t, api.Options{Uploads: dir})
	// What a kill left is gone; what is not ours is there, and not shown.
	if found, want := names(t, dir), []string{".hidden", "a", "b", "folder", "link"}; !slices.Equal(found, want) {
		t.Errorf("found %q, expected %q", found, want)
	}
	k.do("GET", "/config/uploads", nil).want(t, 200, js, `["`+dir+`/a","`+dir+`/b"]`)
	const what = "Error deleting the file: "
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"none", 400, ekuiper(1000, what+"remove "+dir+"/none: no such file or directory")},
		{"folder", 400, ekuiper(1000, what+"remove "+dir+"/folder: is a folder")},
		{".hidden", 400, ekuiper(1000, what+`file name \".hidden\": expected one without a path, control characters and a dot at its beginning`)},
		{"..", 404, "404 page not found\n"},
		{"a%2fb", 404, "404 page not found\n"},
		{"link", 200, "ok"},
		{"a", 200, "ok"},
	} {
		k.do("DELETE", "/config/uploads/"+c.path, nil).want(t, c.status, text, c.want)
	}
	if found, want := names(t, dir), []string{".hidden", "b", "folder"}; !slices.Equal(found, want) {
		t.Errorf("found %q, expected %q", found, want)
	}
	// A folder is not replaced by a file.
	k.do("POST", "/config/uploads", `{"name":"folder","content":"x"}`, "Content-Type", js).want(t, 400, text,
		ekuiper(1000, "Upload error: getFile has error: "+dir+"/folder: file exists"))
	if found := names(t, dir); len(found) != 3 {
		t.Errorf("found %q", found)
	}
}

// The folder must be one; that it is not there yet is no fault.
func TestUploadsFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.New(nil, api.Options{Uploads: file}); err == nil || !strings.Contains(err.Error(), "api: uploads: ") {
		t.Errorf("found %v", err)
	}
	k := newKit(t, api.Options{Uploads: filepath.Join(file+"s", "deep")})
	k.do("GET", "/config/uploads", nil).want(t, 200, js, `[]`)
	k.do("DELETE", "/config/uploads/x", nil).want(t, 400, text, ekuiper(1000, "Error deleting the file: remove "+file+"s/deep/x: no such file or directory"))
	k.do("POST", "/config/uploads", `{"name":"x","content":"y"}`, "Content-Type", js).want(t, 201, text, file+"s/deep/x")
}

// A client that leaves in the midst of its file leaves nothing, and the file that
// was there stays whole.
func TestUploadBreaksOff(t *testing.T) {
	dir := t.TempDir()
	k := newKit(t, api.Options{Uploads: dir})
	k.do("POST", "/config/uploads", `{"name":"f","content":"whole"}`, "Content-Type", js)
	w := k.dial()
	w.send("POST /config/uploads HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"uploadFile\"; filename=\"f\"\r\n\r\n%s", strings.Repeat("half", 5<<10))
	for end := time.Now().Add(5 * time.Second); len(names(t, dir)) < 2; {
		if time.Now().After(end) {
			t.Fatal("nothing was begun")
		}
		time.Sleep(time.Millisecond)
	}
	k.do("GET", "/config/uploads", nil).want(t, 200, js, `["`+dir+`/f"]`)
	w.Close()
	for end := time.Now().Add(5 * time.Second); len(names(t, dir)) > 1; {
		if time.Now().After(end) {
			t.Fatalf("found %q", names(t, dir))
		}
		time.Sleep(time.Millisecond)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(b) != "whole" {
		t.Errorf("found %q, %v", b, err)
	}
}

// The list is JSON whatever the folder is called.
func TestUploadsQuotes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a"b`)
	k := newKit(t, api.Options{Uploads: dir})
	k.do("POST", "/config/uploads", `{"name":"c\"d","content":"y"}`, "Content-Type", js).want(t, 201, text, strings.ReplaceAll(dir, `"`, "&#34;")+"/c&#34;d")
	var list []string
	if r := k.do("GET", "/config/uploads", nil); json.Unmarshal([]byte(r.body), &list) != nil || !slices.Equal(list, []string{dir + `/c"d`}) {
		t.Errorf("found %s", r.body)
	}
}
