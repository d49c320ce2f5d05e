package api_test

import (
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
)

// laneRows are rows for each function: those that a lane takes, and those that it
// has to leave.
var laneRows = map[string][]string{
	"wadd":   {`[1.5,2.5]`, `[1,2]`, ` [ 1e2 , -0.0 ] `, `[1]`, `[1,2,3]`, `[null,1]`, `["1",2]`, `[1,2`, `[18446744073709551615,1]`, `[1e308,1e308]`, `[0.1,0.2]`},
	"wfib":   {`[20]`, `[2147483648]`, `[3.0]`, `[3.5]`, `[-1]`, `[true]`, `[]`},
	"wmix":   {`[1,4294967295,0.5,true]`, `[1,2,65535.9,false]`, `[1,2,3.5e38,true]`, `[1,-1,0,true]`, `[1,2,3,1]`},
	"wnone":  {`[]`, `[ ]`, `[1]`},
	"fhash":  {`[52.52,13,9]`, `[52.52,13.405,9.0]`, `[1,2,null]`, `[1,2,"3"]`},
	"ftext":  {`["a b c"," "]`, `["\u00e9","\n"]`, `["a"]`, `[1,"a"]`},
	"fany":   {`[]`, `[1,1.0,"x",null]`, `[1,1.0,"x",true,{"b":[1],"a":{}}]`, `[{"a":1,"a":2}]`, `[9223372036854775808]`},
	"ftyped": {`["AAE=",[1],{"k":2.5}]`, `["*",[],{}]`, `["AAE",[[]],{}]`, `[1,[],{}]`},
	"fnull":  {`[null]`, `[{"z":1,"m":[null],"a":"é"}]`},
	"fodd":   {`[1.5]`, `[4]`, `["x"]`, `[[1]]`},
	"ffail":  {`["said"]`},
	"wold":   {`[1.5]`},
}

// The lanes say what values say, to the byte: with ?fuel=1 a call goes by values.
func TestLanesAndValuesAgree(t *testing.T) {
	k := newKit(t, api.Options{})
	k.installLaned()
	for name, rows := range laneRows {
		var wantLines []string
		for _, row := range rows {
			lane := k.do("POST", "/functions/"+name+"/call", `{"args":`+row+`}`)
			values := k.do("POST", "/functions/"+name+"/call?fuel=1", ` { "args" : `+row+` } `)
			if lane.status != values.status {
				t.Errorf("%s %s: found %d %s, values say %d %s", name, row, lane.status, lane.body, values.status, values.body)
			}
			if lane.status != 400 && lane.body != values.body {
				t.Errorf("%s %s: found %s, values say %s", name, row, lane.body, values.body)
			}
			if values.status == 400 { // a row and a call name other places
				values = k.do("POST", "/functions/"+name+"/batch", row, "Content-Type", nd)
			}
			wantLines = append(wantLines, strings.TrimSuffix(values.body, "\n"))
		}
		lines := k.do("POST", "/functions/"+name+"/batch", strings.Join(rows, "\n"), "Content-Type", nd)
		lines.want(t, 200, nd, strings.Join(append(wantLines, ""), "\n"))
		many := strings.Repeat(strings.Join(rows, "\n")+"\n\n", 40) // on a pin
		k.do("POST", "/functions/"+name+"/batch", many, "Content-Type", nd).want(t, 200, nd, strings.Repeat(lines.body, 40))
	}
	if w, f := k.rt.taken.words.Load(), k.rt.taken.frames.Load(); w < 400 || f < 400 {
		t.Errorf("%d calls came by words, %d by frames", w, f)
	}
}

// A panic on a lane is the answer of its row.
func TestLanePanics(t *testing.T) {
	k := newKit(t, api.Options{})
	k.installLaned()
	const row = `{"error":6000,"message":"internal error: it was logged"}`
	k.do("POST", "/functions/fpanic/call", `{"args":[1]}`).want(t, 500, js, ours(6000, "internal error: it was logged"))
	k.do("POST", "/functions/fpanic/batch", `[[1],[2]]`, "Accept", js).want(t, 200, js, "["+row+","+row+"]")
}

// A call follows an update to other types, and one to none.
func TestLaneFollowsUpdates(t *testing.T) {
	k := newKit(t, api.Options{})
	k.installPack("laned", `{"version":"1","functions":["wfib"],"symbols":{"wfib":{"args":["i32"],"returns":"i64"}}}`)
	k.do("POST", "/functions/wfib/call", `{"args":[3]}`).want(t, 200, js, `{"result":9}`)
	for _, c := range []struct{ returns, want string }{{"f64", `{"result":9.0}`}, {"i32", `{"result":9}`}} {
		z := pack(t, map[string]string{
			"laned.json": `{"version":"2","functions":["wfib"],"symbols":{"wfib":{"args":["i64"],"returns":"` + c.returns + `"}}}`, "laned.wasm": "ok",
		})
		if r := k.do("PUT", "/plugins/wasm/laned", z, "Content-Type", zipT); r.status != 200 {
			t.Fatal(r.body)
		}
		k.do("POST", "/functions/wfib/call", `{"args":[3]}`).want(t, 200, js, c.want)
	}
}
