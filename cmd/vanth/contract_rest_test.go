//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// openPolicy is a configuration that lets everything in.
const openPolicy = "basic:\n  enablePrivateNet: true\n  allowExternalFileAccess: true\n  installScript: allow\n"

// TestContractREST is section 1.3, and of 2.2 what it points to, for each of the
// three collections.
func TestContractREST(t *testing.T) {
	so := string(contractSo(t, 0))
	const yaml = "default: {}\n"
	zips := map[string][]byte{
		"ok.zip":       zipOf(t, "Random@v1.2.0.so", so, "random.yaml", yaml),
		"new.zip":      zipOf(t, "random@2.0.0.so", so),
		"again.zip":    zipOf(t, "Random.so", so, "random.yaml", yaml),
		"text.zip":     zipOf(t, "Random.so", "no plugin", "random.yaml", yaml),
		"plain.zip":    zipOf(t, "plain.so", so, "plain.yaml", yaml),
		"prebuild.zip": zipOf(t, "Prebuild.so", so, "prebuild.yaml", yaml),
		"nozip.zip":    []byte("no zip"),
		"thief.zip":    zipOf(t, "thief.so", so),
		"many.zip":     zipOf(t, "Many@v1.so", so),
		"echo.zip":     zipOf(t, "echo.so", so),
		"box.zip":      zipOf(t, "Box.so", so),
	}
	zips["q"] = zips["plain.zip"]
	for _, class := range nativeClasses() {
		t.Run(class, func(t *testing.T) {
			home := t.TempDir()
			d := startDaemon(t, home, openPolicy, zips)
			if err := errors.Join(os.WriteFile(filepath.Join(home, "data", "uploads", "here.zip"), zips["ok.zip"], 0o600),
				os.Mkdir(filepath.Join(home, "data", "uploads", "folder.zip"), 0o700)); err != nil {
				t.Fatal(err)
			}
			d.rows(t, refusedRows(class))
			d.rows(t, lifeRows(class))
			d.rows(t, prebuildRows(t, d, class, "https://packages.emqx.io"))
			if class == "functions" {
				d.rows(t, functionRows())
			} else {
				d.rows(t, unreadRows(class))
			}
			d.uploads(t, class, zips)
		})
	}
	t.Run("functions in processes of their own", func(t *testing.T) {
		startDaemon(t, t.TempDir(), openPolicy+"native:\n  isolation: process\n", zips).rows(t, functionRows())
	})
}

// refusedRows are what is wrong with a request, and that nothing comes of it.
func refusedRows(class string) []row {
	all, one := "/plugins/"+class, "/plugins/"+class+"/random"
	cannot := class + " plugins create command error: "
	decoding := "Invalid body: Error decoding the " + class + " plugin json: "
	field := "IOPlugin." // as encoding/json names what is embedded
	if class == "functions" {
		field = "FuncPlugin.IOPlugin."
	}
	rows := []row{
		is("1.3 GET list none", "GET "+all, "", 200, jsonKind, `[]`),
		is("1.3 GET one unknown", "GET "+one, "", 404, textKind, bad(1002, "describe "+class+" plugin random error: not found")),
		is("1.3 DELETE unknown", "DELETE "+one, "", 404, textKind, bad(1002, "delete "+class+" plugin random error: invalid name random: not exist")),
		is("1.3 DELETE unknown stop=1", "DELETE "+one+"?stop=1", "", 404, textKind, bad(1002, "delete "+class+" plugin random error: invalid name random: not exist")),
		is("1.3 PUT unknown", "PUT "+one, at("random", "ok.zip"), 404, textKind, bad(1002, "update "+class+" plugin random error, cannot delete old version: invalid name random: not exist")),

		is("1.3 POST not JSON", "POST "+all, `{`, 400, textKind, bad(1000, decoding+"unexpected EOF")),
		is("1.3 POST not JSON empty", "POST "+all, ``, 400, textKind, bad(1000, decoding+"EOF")),
		is("1.3 POST not JSON text", "POST "+all, `name=x`, 400, textKind, bad(1000, decoding+"invalid character 'a' in literal null (expecting 'u')")),
		is("1.3 POST not JSON array", "POST "+all, `[]`, 400, textKind, bad(1000, decoding+"json: cannot unmarshal array into Go value of type ", "api."+strings.Split(field, ".")[0])),
		is("1.3 POST field name of another type", "POST "+all, `{"name":1}`, 400, textKind, bad(1000, decoding+"json: cannot unmarshal number into Go struct field "+field+"name of type string")),
		is("1.3 POST field file of another type", "POST "+all, `{"name":"random","file":[]}`, 400, textKind, bad(1000, decoding+"json: cannot unmarshal array into Go struct field "+field+"file of type string")),
		is("1.3 POST field shellParas of another type", "POST "+all, `{"shellParas":"a"}`, 400, textKind, bad(1000, decoding+"json: cannot unmarshal string into Go struct field "+field+"shellParas of type []string")),
		is("1.3 PUT not JSON", "PUT "+one, `x`, 400, textKind, bad(1000, decoding+"invalid character 'x' looking for beginning of value")),
	}
	for _, uri := range []string{
		"", "nowhere", "ok.zip", "/ok.zip", "ftp://x/y.zip", "http://", "http:///y.zip", "{site}/ok.tar", "{site}/ok.zip?a=b", "{site}/ok.ZIP",
		"file://x/y.zip", "file:y.zip", "file://y.zip", "file:///y.tar", "HTTP//x.zip",
	} {
		rows = append(rows, is("1.3 POST bad file "+uri, "POST "+all, `{"name":"random","file":"`+uri+`"}`, 400, textKind, bad(1000, cannot+"invalid uri "+uri)))
	}
	fail := cannot + "fail to download file "
	none := "{home}/data/uploads/none.zip"
	return append(
		rows,
		is("1.3 POST cannot fetch 404", "POST "+all, at("random", "gone.zip"), 400, textKind,
			bad(1000, fail+"{site}/gone.zip: cannot download the file with status: 404 Not Found")),
		is("2.2 only status 200 is accepted 204", "POST "+all, at("random", "status/204.zip"), 400, textKind,
			bad(1000, fail+"{site}/status/204.zip: cannot download the file with status: 204 No Content")),
		is("2.2 only status 200 is accepted 500", "POST "+all, at("random", "status/500.zip"), 400, textKind,
			bad(1000, fail+"{site}/status/500.zip: cannot download the file with status: 500 Internal Server Error")),
		is("1.3 POST cannot fetch no regular file", "POST "+all, `{"name":"random","file":"file://{home}/data/uploads/folder.zip"}`, 400, textKind,
			bad(1000, fail+"file://{home}/data/uploads/folder.zip: {home}/data/uploads/folder.zip is not a regular file")),
		is("1.3 POST cannot fetch OS error", "POST "+all, `{"name":"random","file":"file://`+none+`"}`, 400, textKind,
			bad(1000, fail+"file://"+none+": stat "+none+": no such file or directory")),
		is("1.3 POST install problem no zip", "POST "+all, at("random", "nozip.zip"), 400, textKind,
			bad(1000, cannot+"fail to install plugin: zip: not a valid zip file", ": no end of directory record")),
		is("1.3 nothing was made", "GET "+all, "", 200, jsonKind, `[]`),
		files("1.3 nothing was left", "data/bundles/"+class),
		files("1.3 nothing was left behind", "data/tmp"),
		is("1.1 unknown path", "GET "+one+"/nothing", "", 404, textKind, "404 page not found\n"),
		is("1.1 trailing slash", "GET "+all+"/", "", 404, textKind, "404 page not found\n"),
		is("1.1 wrong method of one", "POST "+one, "{}", 405, "", ""),
		is("1.1 wrong method of all", "DELETE "+all, "", 405, "", ""),
		is("1.1 wrong method HEAD", "HEAD "+all, "", 405, "", ""),
		is("1.1 wrong method PATCH", "PATCH "+one, "", 405, "", ""),
		is("1.1 wrong method of prebuild", "POST "+all+"/prebuild", "{}", 405, "", ""),
	)
}

// lifeRows follow one plugin from its installation to its deletion.
func lifeRows(class string) []row {
	all, one := "/plugins/"+class, "/plugins/"+class+"/random"
	cannot := class + " plugins create command error: "
	created, deleted, updated := class+" plugin random is created", class+" plugin random is deleted"+plainRow, "plugin random is updated"+plainRow
	text := bad(1000, cannot+"fail to install plugin: cannot open ", "{home}/data/native/open/{sum}-Random.so/Random.so: not an ELF file: it begins with \"no p\", expected \"\\x7fELF\"")
	return []row{
		is("1.3 POST from http", "POST "+all, at("random", "ok.zip"), 201, textKind, created),
		is("1.3 POST duplicate", "POST "+all, at("random", "ok.zip"), 400, textKind, bad(1000, cannot+"invalid name random: duplicate")),
		is("1.3 POST duplicate is seen before the download", "POST "+all, at("random", "gone.zip"), 400, textKind, bad(1000, cannot+"invalid name random: duplicate")),
		is("1.3 GET one, one v cut off", "GET "+one, "", 200, jsonKind, `{"name":"random","version":"1.2.0"}`),
		is("1.3 GET list of one", "GET "+all, "", 200, jsonKind, `["random"]`),
		is("1.1 keys in any case, unknown ignored, first value only", "POST "+all, `{"NAME":"plain","File":"{site}/plain.zip","extra":[1]} {"name":3}`, 201, textKind, class+" plugin plain is created"),
		is("1.3 GET one without a version", "GET "+all+"/plain", "", 200, jsonKind, `{"name":"plain","version":""}`),
		is("1.3 GET list of two", "GET "+all, "", 200, jsonKind, `["plain","random"]`),
		is("1.3 the query of GET says nothing", "GET "+all+"?stop=1&page=2", "", 200, jsonKind, `["plain","random"]`),
		is("1.3 DELETE frees the name", "DELETE "+all+"/plain", "", 200, textKind, class+" plugin plain is deleted"+plainRow),
		is("2.2 a query that ends in .zip", "POST "+all, `{"name":"plain","file":"{site}/q?f=x.zip"}`, 201, textKind, class+" plugin plain is created"),

		is("1.3 PUT", "PUT "+one, at("random", "new.zip"), 200, textKind, updated),
		is("1.3 PUT is seen at once", "GET "+one, "", 200, jsonKind, `{"name":"random","version":"2.0.0"}`),
		is("1.3 PUT without a name in the body", "PUT "+one, `{"file":"{site}/ok.zip"}`, 200, textKind, updated),
		is("1.3 PUT [bug] another name is refused", "PUT "+one, at("plain", "plain.zip"), 400, textKind, bad(1000, cannot+"invalid name plain: expected random, the name in the path, or none")),
		is("1.3 PUT bad file", "PUT "+one, `{"name":"random","file":"nowhere"}`, 400, textKind, bad(1000, cannot+"invalid uri nowhere")),
		is("1.3 PUT cannot fetch", "PUT "+one, at("random", "gone.zip"), 400, textKind, bad(1000, cannot+"fail to download file {site}/gone.zip: cannot download the file with status: 404 Not Found")),
		is("1.3 PUT new version fails", "PUT "+one, at("random", "text.zip"), 400, textKind, text),
		is("1.3 PUT that failed leaves the old plugin (law: never delete then register)", "GET "+one, "", 200, jsonKind, `{"name":"random","version":"1.2.0"}`),
		is("1.3 PUT again after a failure", "PUT "+one, at("random", "new.zip"), 200, textKind, updated),

		is("1.3 DELETE", "DELETE "+one, "", 200, textKind, deleted),
		is("1.3 DELETE already deleted", "DELETE "+one, "", 200, textKind, deleted),
		is("1.3 DELETE stop is 1 and nothing else", "DELETE "+one+"?stop=true&restart=01", "", 200, textKind, deleted),
		is("1.3 DELETE stop is empty", "DELETE "+one+"?stop=&restart", "", 200, textKind, deleted),
		is("F4 deleted is not listed", "GET "+all, "", 200, jsonKind, `["plain"]`),
		is("F4 deleted is not described", "GET "+one, "", 404, textKind, bad(1002, "describe "+class+" plugin random error: not found")),
		is("1.3 PUT of what was deleted", "PUT "+one, at("random", "again.zip"), 200, textKind, updated),
		is("2.6 DELETE again", "DELETE "+one, "", 200, textKind, deleted),
		is("2.6 POST of what was deleted", "POST "+all, `{"name":"random","file":"file://{home}/data/uploads/here.zip"}`, 201, textKind, created),
		is("1.3 POST from file, described", "GET "+one, "", 200, jsonKind, `{"name":"random","version":"1.2.0"}`),
		is("2.6 DELETE a third time", "DELETE "+one, "", 200, textKind, deleted),
		is("2.2 a redirect is followed", "POST "+all, at("random", "moved.zip"), 201, textKind, created),
		is("2.6 DELETE to the last", "DELETE "+one, "", 200, textKind, deleted),
		is("2.6 DELETE the other", "DELETE "+all+"/plain", "", 200, textKind, class+" plugin plain is deleted"+plainRow),
		files("2.6 DELETE leaves no code", "data/bundles/"+class),
		files("2.6 DELETE leaves no configuration", "etc/"+class),

		is("1.3 a plugin called prebuild POST", "POST "+all, at("prebuild", "prebuild.zip"), 201, textKind, class+" plugin prebuild is created"),
		is("1.3 a plugin called prebuild PUT", "PUT "+all+"/prebuild", at("prebuild", "prebuild.zip"), 200, textKind, "plugin prebuild is updated"+plainRow),
		is("1.3 a plugin called prebuild DELETE", "DELETE "+all+"/prebuild", "", 200, textKind, class+" plugin prebuild is deleted"+plainRow),
	}
}

// prebuildRows are the computed list of a collection.
func prebuildRows(t *testing.T, d *daemon, class, site string) []row {
	t.Helper()
	_, version, _ := strings.Cut(d.ask(t, "GET /", "", "").body, `{"version":"`)
	version, _, _ = strings.Cut(version, `"`)
	system := "debian"
	if release, _ := os.ReadFile("/etc/os-release"); strings.Contains(strings.ToUpper(string(release)), "ALPINE") {
		system = "alpine"
	}
	names := map[string]string{
		"sources":   "kafka random sql video zmq",
		"sinks":     "image influx influx2 kafka sql zmq",
		"functions": "accumulateWordCount countPlusOne echo geohash image labelImage tfLite",
	}
	var list []string
	for n := range strings.FieldsSeq(names[class]) {
		list = append(list, fmt.Sprintf(`"%s":"%s/kuiper-plugins/%s/%s/%s/%s_%s.zip"`, n, site, version, system, class, n, runtime.GOARCH))
	}
	return []row{is("1.3 GET prebuild of "+class, "GET /plugins/"+class+"/prebuild", "", 200, jsonKind, "{"+strings.Join(list, ",")+"}")}
}

// uploads installs from the body of the request, which users asked for (pains C,
// #1765): the zip itself, or a form. JSON is JSON whatever its type says.
func (d *daemon) uploads(t *testing.T, class string, zips map[string][]byte) {
	t.Helper()
	all := "/plugins/" + class
	body, kind := formOf(t, "name", "random", "file", string(zips["ok.zip"]))
	gone := func() { d.ask(t, "DELETE "+all+"/random", "", "") }
	gone()
	created := answer{201, textKind, class + " plugin random is created"}
	for _, u := range []struct {
		row
		kind string
	}{
		{row{name: "pains C a form", request: "POST " + all, send: body, answer: created}, kind},
		{row{name: "pains C the zip", request: "POST " + all + "?name=random", send: string(zips["ok.zip"]), answer: created}, "application/zip"},
		{row{name: "1.1 no content type", request: "POST " + all, send: at("random", "ok.zip"), answer: created}, ""},
		{row{name: "1.1 any content type", request: "POST " + all, send: at("random", "ok.zip"), answer: created}, "image/png"},
		{row{name: "1.1 any content type, a zip's", request: "POST " + all, send: at("random", "ok.zip"), answer: created}, "application/zip"},
		{row{name: "1.1 any content type, a form's", request: "POST " + all, send: " \n" + at("random", "ok.zip"), answer: created}, "multipart/form-data; boundary=x"},
	} {
		t.Run(u.name, func(t *testing.T) {
			got := d.ask(t, u.request, u.send, u.kind)
			u.send = fmt.Sprintf("(%d bytes)", len(u.send))
			u.hold(t, got)
			gone()
		})
	}
}
