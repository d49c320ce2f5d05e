//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestContractNames is section 1.2: what a name may be, wherever one is given.
func TestContractNames(t *testing.T) {
	so := string(contractSo(t, 0))
	d := startDaemon(t, t.TempDir(), "basic:\n  enablePrivateNet: true\n", map[string][]byte{
		"legal.zip": zipOf(t, "My-plugin_1@v1.so", so), "long.zip": zipOf(t, strings.Repeat("n", 129)+".so", so),
	})
	var rows []row
	for _, class := range nativeClasses() {
		all := "/plugins/" + class
		rows = append(
			rows,
			is("1.2 POST "+class+" empty", "POST "+all, `{"name":"","file":"{site}/x.zip"}`, 400, textKind, bad(1000, "id cannot be empty")),
			is("1.2 POST "+class+" missing", "POST "+all, `{}`, 400, textKind, bad(1000, "id cannot be empty")),
			is("1.2 POST "+class+" null", "POST "+all, `null`, 400, textKind, bad(1000, "id cannot be empty")),
		)
		for _, w := range [][2]string{
			{"leading", " random"}, {"trailing", "random "}, {"only", "  "}, {"tab", "random\t"}, {"newline", "random\n"}, {"no-break space", "\u00a0random"},
		} {
			what, name := w[0], w[1]
			quoted := strings.NewReplacer("\t", `\t`, "\n", `\n`).Replace(name)
			rows = append(rows, is("1.2 POST "+class+" white space "+what, "POST "+all, `{"name":"`+quoted+`"}`, 400, textKind,
				bad(1000, "id '"+name+"' contains leading or trailing whitespace")))
		}
		for _, name := range []string{"a b", "a.b", "../x", "a/b", `a\b`, "a#b", "a%b", "@a", "ä", "名", "<b>&", `a"b`, "a\ab"} {
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\a", `\u0007`).Replace(name)
			rows = append(rows, is("1.2 POST "+class+" characters "+name, "POST "+all, `{"name":"`+quoted+`","file":"{site}/x.zip"}`, 400, textKind,
				bad(1000, "id '"+name+"'"+badChars)))
		}
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			for _, p := range [][2]string{{"a%20b", "a b"}, {"a.b", "a.b"}, {"a%25b", "a%b"}, {"%C3%A4", "ä"}} {
				rows = append(rows, is("1.2 "+method+" "+class+" characters "+p[1], method+" "+all+"/"+p[0], `{"file":"{site}/x.zip"}`, 400, textKind,
					bad(1000, "id '"+p[1]+"'"+badChars)))
			}
			for _, p := range [][2]string{{"%20a", " a"}, {"a%20", "a "}, {"a%09", "a\t"}} {
				rows = append(rows, is("1.2 "+method+" "+class+" white space "+p[1], method+" "+all+"/"+p[0], `{"file":"{site}/x.zip"}`, 400, textKind,
					bad(1000, "id '"+p[1]+"' contains leading or trailing whitespace")))
			}
		}
		rows = append(rows, is("1.2 GET "+class+" empty is another path", "GET "+all+"/", "", 404, textKind, "404 page not found\n"))
	}
	long := strings.Repeat("n", 129)
	rows = append(
		rows,
		is("1.2 register characters", "POST /plugins/functions/a%20b/register", `{"functions":["x"]}`, 400, textKind, bad(1000, "id 'a b'"+badChars)),
		is("1.2 register white space", "POST /plugins/functions/a%20/register", `{"functions":["x"]}`, 400, textKind, bad(1000, "id 'a ' contains leading or trailing whitespace")),
		is("1.2 udfs characters", "GET /plugins/udfs/a%20b", "", 400, textKind, bad(1000, "id 'a b'"+badChars)),
		is("1.2 udfs white space", "GET /plugins/udfs/%20a", "", 400, textKind, bad(1000, "id ' a' contains leading or trailing whitespace")),
		is("1.2 nothing was made", "GET /plugins/functions", "", 200, jsonKind, `[]`),
		is("1.2 every legal character", "POST /plugins/functions", at("My-plugin_1", "legal.zip"), 201, textKind, "functions plugin My-plugin_1 is created"),
		is("1.2 every legal character GET", "GET /plugins/functions/My-plugin_1", "", 200, jsonKind, `{"name":"My-plugin_1","version":"1"}`),
		// A file system would refuse it with less to say, and after the download.
		is("ours a name has at most 128 characters", "POST /plugins/functions", at(long, "long.zip"), 400, textKind,
			bad(1000, "id 'nnnnnnnnnnnnnnnn...' is 129 characters long: at most 128 are allowed")),
	)
	d.rows(t, rows)
}
